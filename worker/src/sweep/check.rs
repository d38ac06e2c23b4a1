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
    verify::{Candidate, reduced_costs, verify},
};

use crate::{
    process::Death,
    result::{
        judgement::{Evidence, Standard, judge},
        proofs, shorten,
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
    standard: Standard,
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
        Self { patched, scenarios, variables, constraints, standard: Standard::of(options) }
    }

    /// Checks an outcome and turns it into the result of its scenario.
    pub(crate) fn result(&mut self, outcome: ScenarioOutcome) -> ScenarioResult {
        let claimed = outcome.reason();
        let ScenarioOutcome { index, limit, bound, values, duals, iterations, mut detail, .. } =
            outcome;
        let scenario = usize::try_from(index).unwrap_or(usize::MAX);
        shorten(&mut detail, MAX_DETAIL_BYTES);
        let mut result = ScenarioResult {
            index,
            label: self.scenarios.label(scenario).to_owned(),
            reason: claimed.into(),
            limit,
            objective_bound: bound.and_then(finite),
            iteration_count: iterations,
            detail,
            ..ScenarioResult::default()
        };
        // Any other reason claims nothing that could be checked.
        let judged = [Reason::Optimal, Reason::Feasible, Reason::Infeasible, Reason::Unbounded];
        if !judged.contains(&claimed) {
            return result;
        }
        self.patched.apply_scenario(&self.scenarios, scenario);
        let model = self.patched.model();
        // With the wrong number of duals, reduced costs cannot be computed; the check then fails.
        let reduced_costs = if duals.len() == model.constraint_lower.len() && !values.is_empty() {
            reduced_costs(model, &duals)
        } else {
            Vec::new()
        };
        let candidate = Candidate { values: &values, duals: &duals, reduced_costs: &reduced_costs };
        let solves = matches!(claimed, Reason::Optimal | Reason::Feasible);
        let check = match verify(model, candidate) {
            Ok(check) => Some(check),
            Err(error) if solves => {
                result.set_reason(Reason::OtherError);
                result.detail = format!("cannot check the solution: {error}");
                return result;
            }
            Err(_) => None,
        };
        let evidence = Evidence {
            check: check.as_ref(),
            bound: result.objective_bound,
            infeasible: claimed == Reason::Infeasible
                && proofs::is_infeasible(model, outcome.infeasibility_proof.as_ref()),
            ray: outcome.unbounded_ray.is_some_and(|ray| proofs::is_improving(model, &ray)),
        };
        let verdict = judge(model, claimed, evidence, self.standard);
        result.set_reason(verdict.reason);
        result.objective_bound = verdict.bound.and_then(finite);
        result.verified = match verdict.reason {
            Reason::Infeasible => Some(evidence.infeasible),
            // The verdict is UNBOUNDED only with a verified ray.
            Reason::Unbounded => Some(true),
            _ => None,
        };
        if let Some(mut objection) = verdict.objection {
            shorten(&mut objection, MAX_DETAIL_BYTES);
            result.detail = objection;
        }
        if let Some(check) = check.filter(|_| solves) {
            result.objective = finite(check.objective);
            result.max_violation = check.verification.max_violation;
            result.dual_violation = check.verification.dual_violation;
            result.values = self.variables.pick(values);
            result.duals = self.constraints.pick(duals);
        }
        result
    }

    /// The result of a scenario at which the solver process died, and which is not retried.
    pub(crate) fn failed(&self, index: i32, death: &Death) -> ScenarioResult {
        let scenario = usize::try_from(index).unwrap_or(usize::MAX);
        let (reason, limit) = match death {
            Death::MemoryLimit(_) => (Reason::NoSolutionFound, TerminationLimit::Memory),
            _ => (Reason::OtherError, TerminationLimit::Unspecified),
        };
        let mut detail = format!("the solver process died: {death}");
        shorten(&mut detail, MAX_DETAIL_BYTES);
        ScenarioResult {
            index,
            label: self.scenarios.label(scenario).to_owned(),
            reason: reason.into(),
            limit: limit.into(),
            detail,
            ..ScenarioResult::default()
        }
    }
}
