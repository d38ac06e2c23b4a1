//! Turns a solver's outcomes of scenarios into results: every solution is checked here, outside
//! the solver process, against the model with the scenario's numbers.

use std::collections::HashMap;

use solvemesh::{
    solver::v1::ScenarioOutcome,
    v1::{
        LinearModel, ScenarioResult, SolveOptions, TerminationLimit, TerminationReason as Reason,
    },
};
use solvemesh_model::{
    finite,
    sweep::{Patched, Scenarios},
    verify::{Candidate, Check, VerifyError, reduced_costs, verify},
};

use crate::{
    process::Death,
    result::{
        judgement::{Evidence, Tolerances, Verdict, judge},
        proofs, truncate_text,
    },
};

/// Maximum length, in bytes, of the detail text of a scenario.
const MAX_DETAIL_BYTES: usize = 256;

/// Checks the outcomes of one sweep.
#[derive(Debug)]
pub(crate) struct Checker {
    scenarios: Scenarios,
    patched: Patched,
    variables: Selection,
    constraints: Selection,
    tolerances: Tolerances,
}

/// Selects the numbers of a solution that are reported.
#[derive(Debug)]
enum Selection {
    All,
    Indices(Vec<usize>),
}

impl Selection {
    /// Resolves the requested names to indices; unknown names are ignored.
    fn of(all: bool, requested: &[String], names: &[String]) -> Self {
        if all {
            return Self::All;
        }
        if requested.is_empty() {
            return Self::Indices(Vec::new());
        }
        let indices: HashMap<_, _> = names.iter().zip(0..).collect();
        Self::Indices(requested.iter().filter_map(|name| indices.get(name).copied()).collect())
    }

    fn pick(&self, numbers: Vec<f64>) -> Vec<f64> {
        match self {
            Self::All => numbers,
            Self::Indices(indices) => {
                indices.iter().filter_map(|&index| numbers.get(index).copied()).collect()
            }
        }
    }
}

impl Checker {
    /// For the scenarios of this base, solved with these options.
    pub(crate) fn new(base: LinearModel, scenarios: Scenarios, options: &SolveOptions) -> Self {
        let report = scenarios.sweep().report.clone().unwrap_or_default();
        let variables =
            Selection::of(report.all_variables, &report.variables, &base.variable_names);
        let constraints =
            Selection::of(report.all_constraints, &report.constraints, &base.constraint_names);
        let patched = Patched::new(base, &scenarios);
        Self { patched, scenarios, variables, constraints, tolerances: Tolerances::of(options) }
    }

    /// Checks an outcome and turns it into the result of its scenario.
    pub(crate) fn result(&mut self, mut outcome: ScenarioOutcome) -> ScenarioResult {
        let claimed = outcome.reason();
        let detail = std::mem::take(&mut outcome.detail);
        let mut result = self.unchecked_result(outcome.index, claimed, detail);
        result.limit = outcome.limit;
        result.objective_bound = outcome.bound.and_then(finite);
        result.iteration_count = outcome.iterations;
        // Any other reason claims nothing that could be checked.
        let checkable = [Reason::Optimal, Reason::Feasible, Reason::Infeasible, Reason::Unbounded];
        if !checkable.contains(&claimed) {
            return result;
        }
        self.patched.apply_scenario(&self.scenarios, scenario(outcome.index));
        match judge_outcome(self.patched.model(), &outcome, self.tolerances) {
            Ok(judged) => self.fill_in(&mut result, judged, outcome),
            Err(error) => {
                result.set_reason(Reason::OtherError);
                result.detail = format!("cannot check the solution: {error}");
            }
        }
        result
    }

    /// A result with this reason, before any check.
    fn unchecked_result(&self, index: i32, reason: Reason, mut detail: String) -> ScenarioResult {
        truncate_text(&mut detail, MAX_DETAIL_BYTES);
        ScenarioResult {
            index,
            label: self.scenarios.label(scenario(index)).to_owned(),
            reason: reason.into(),
            detail,
            ..ScenarioResult::default()
        }
    }

    /// Replaces the claims of a result by what the check has found.
    fn fill_in(&self, result: &mut ScenarioResult, judged: Judged, outcome: ScenarioOutcome) {
        let Judged { verdict, solution, infeasible } = judged;
        result.set_reason(verdict.reason);
        result.objective_bound = verdict.bound.and_then(finite);
        result.verified = match verdict.reason {
            Reason::Infeasible => Some(infeasible),
            // The verdict is UNBOUNDED only with a verified ray.
            Reason::Unbounded => Some(true),
            _ => None,
        };
        if let Some(mut objection) = verdict.objection {
            truncate_text(&mut objection, MAX_DETAIL_BYTES);
            result.detail = objection;
        }
        if let Some(check) = solution {
            result.objective = finite(check.objective);
            result.max_violation = check.verification.max_violation;
            result.dual_violation = check.verification.dual_violation;
            result.values = self.variables.pick(outcome.values);
            result.duals = self.constraints.pick(outcome.duals);
        }
    }

    /// The result of a scenario at which the solver process died, and which is not retried.
    pub(crate) fn failed(&self, index: i32, death: &Death) -> ScenarioResult {
        let (reason, limit) = match death {
            Death::MemoryLimit(_) => (Reason::NoSolutionFound, TerminationLimit::Memory),
            _ => (Reason::OtherError, TerminationLimit::Unspecified),
        };
        let detail = format!("the solver process died: {death}");
        ScenarioResult { limit: limit.into(), ..self.unchecked_result(index, reason, detail) }
    }
}

/// The position of a scenario; that of none if the index is negative.
fn scenario(index: i32) -> usize {
    usize::try_from(index).unwrap_or(usize::MAX)
}

/// A claim that was judged by evidence.
struct Judged {
    verdict: Verdict,
    /// The check of the solution; `None` if the solver claims that there is none.
    solution: Option<Check>,
    /// Whether a proof of infeasibility is verified.
    infeasible: bool,
}

/// Judges the claim of an outcome about a model.
///
/// # Errors
///
/// If the solver claims a solution that cannot be checked, such as with the wrong number of values.
fn judge_outcome(
    model: &LinearModel,
    outcome: &ScenarioOutcome,
    tolerances: Tolerances,
) -> Result<Judged, VerifyError> {
    let (claimed, values, duals) = (outcome.reason(), &outcome.values, &outcome.duals);
    // With the wrong number of duals, reduced costs cannot be computed; the check then fails.
    let reduced_costs = if duals.len() == model.constraint_lower.len() && !values.is_empty() {
        reduced_costs(model, duals)
    } else {
        Vec::new()
    };
    let checked = verify(model, Candidate { values, duals, reduced_costs: &reduced_costs });
    let solves = matches!(claimed, Reason::Optimal | Reason::Feasible);
    // With any other claim, the values are only evidence: if they do not fit the model, go without.
    let check = if solves { Some(checked?) } else { checked.ok() };
    let infeasible = claimed == Reason::Infeasible
        && proofs::is_infeasible(model, outcome.infeasibility_proof.as_ref());
    let ray = outcome.unbounded_ray.as_ref();
    let evidence = Evidence {
        check: check.as_ref(),
        bound: outcome.bound.and_then(finite),
        infeasible,
        ray: ray.is_some_and(|ray| proofs::is_improving(model, ray)),
    };
    let verdict = judge(model, claimed, evidence, tolerances);
    Ok(Judged { verdict, solution: check.filter(|_| solves), infeasible })
}
