//! From what a solver claims of scenarios to what their submitter is told: every solution
//! is checked here, outside the solver, against the model with the scenario's numbers.

use std::collections::HashMap;

use solvemesh::{
    solver::v1::ScenarioOutcome,
    v1::{
        LinearModel, ScenarioResult, SolveOptions, TerminationLimit, TerminationReason as Reason,
    },
};
use solvemesh_model::{
    sweep::{Patched, Scenarios},
    verify::{Candidate, reduced_costs, verify},
};

use crate::{
    log::progress::known,
    process::Death,
    result::{
        judgement::{Evidence, Standard, judge},
        proofs, shorten,
    },
};

/// The most bytes of a text about a failure.
const MAX_DETAIL_BYTES: usize = 256;

/// Checks the outcomes of one sweep.
#[derive(Debug)]
pub(crate) struct Checker {
    scenarios: Scenarios,
    patched: Patched,
    variables: Told,
    constraints: Told,
    standard: Standard,
}

/// Which numbers of a solution are told.
#[derive(Debug)]
enum Told {
    All,
    These(Vec<usize>),
}

impl Told {
    fn of(all: bool, asked: &[String], names: &[String]) -> Self {
        if all {
            return Self::All;
        }
        if asked.is_empty() {
            return Self::These(Vec::new());
        }
        let indices: HashMap<_, _> = names.iter().zip(0..).collect();
        Self::These(asked.iter().filter_map(|name| indices.get(name).copied()).collect())
    }

    fn pick(&self, numbers: Vec<f64>) -> Vec<f64> {
        match self {
            Self::All => numbers,
            Self::These(indices) => {
                indices.iter().filter_map(|&index| numbers.get(index).copied()).collect()
            }
        }
    }
}

impl Checker {
    /// Of the scenarios of this base, solved with these options.
    pub(crate) fn new(base: LinearModel, scenarios: Scenarios, options: &SolveOptions) -> Self {
        let report = scenarios.sweep().report.clone().unwrap_or_default();
        let variables = Told::of(report.all_variables, &report.variables, &base.variable_names);
        let constraints =
            Told::of(report.all_constraints, &report.constraints, &base.constraint_names);
        let patched = Patched::new(base, &scenarios);
        Self { patched, scenarios, variables, constraints, standard: Standard::of(options) }
    }

    /// What the submitter is told of the outcome of a scenario.
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
            bound: bound.and_then(known),
            iterations,
            detail,
            ..ScenarioResult::default()
        };
        let judged = [Reason::Optimal, Reason::Feasible, Reason::Infeasible, Reason::Unbounded];
        if !judged.contains(&claimed) {
            return result;
        }
        self.patched.turn_to(&self.scenarios, scenario);
        let model = self.patched.model();
        // Duals that are not those of this model have no reduced costs, and fail the check.
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
                result.detail = format!("the solution can't be checked: {error}");
                return result;
            }
            Err(_) => None,
        };
        let evidence = Evidence {
            check: check.as_ref(),
            bound: result.bound,
            infeasible: claimed == Reason::Infeasible
                && proofs::is_infeasible(model, outcome.infeasibility_proof.as_ref()),
            ray: outcome.unbounded_ray.is_some_and(|ray| proofs::is_improving(model, &ray)),
        };
        let verdict = judge(model, claimed, evidence, self.standard);
        result.set_reason(verdict.reason);
        result.bound = verdict.bound.and_then(known);
        result.verified = match verdict.reason {
            Reason::Infeasible => Some(evidence.infeasible),
            // The verdict takes it over where it is proven alone.
            Reason::Unbounded => Some(true),
            _ => None,
        };
        if let Some(mut objection) = verdict.objection {
            shorten(&mut objection, MAX_DETAIL_BYTES);
            result.detail = objection;
        }
        if let Some(check) = check.filter(|_| solves) {
            result.objective = known(check.objective);
            result.max_violation = Some(check.verification.max_violation);
            result.dual_violation = check.verification.dual_violation;
            result.values = self.variables.pick(values);
            result.duals = self.constraints.pick(duals);
        }
        result
    }

    /// What the submitter is told of a scenario that no solver survives.
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
