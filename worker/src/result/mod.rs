//! From what a solver claims to what a job's submitter is told: every solution is
//! checked here against the model as submitted, and what can be computed from it is.

pub(crate) mod judgement;
pub(crate) mod parts;
pub(crate) mod proofs;
pub(crate) mod ranges;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use solvemesh::{
    solver::v1::{Incumbent, Outcome, RangeEnds},
    v1::{
        LinearModel, Solution, SolveOptions, SolveResult, SolveStatistics, Termination,
        TerminationLimit, TerminationReason,
    },
};
use solvemesh_model::{
    is_submitted_as_lp,
    verify::{Candidate, Check, VerifyError, verify},
};

use self::judgement::{Evidence, Standard, judge};
use crate::log::progress::{gap, known};

/// The largest encoded solution that travels in the log itself.
pub(crate) const INLINE_BYTES: usize = 256 << 10;
/// The largest encoded part of a larger one.
const PART_BYTES: usize = 512 << 10;
/// The most texts of one list that a result carries, and the most bytes of each.
const MAX_TEXTS: usize = 32;
const MAX_TEXT_BYTES: usize = 1 << 10;

/// What a solve brought, before anything of it is checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Answer {
    result: SolveResult,
    values: Vec<f64>,
    duals: Vec<f64>,
    reduced_costs: Vec<f64>,
    ranges: Option<RangeEnds>,
    standard: Standard,
}

impl Answer {
    /// What the solver told at the end; where it has no solution then, the last
    /// one it told before.
    pub(crate) fn told(outcome: Outcome, incumbent: Option<Incumbent>) -> Self {
        let Outcome { result, mut values, mut duals, mut reduced_costs, ranges } = outcome;
        let mut result = result.unwrap_or_default();
        let termination = result.termination.get_or_insert_default();
        let reason = termination.reason();
        if no_solution_can_be(reason) {
            // A solution that was found on the way refutes the claim.
            let found = incumbent.map(|incumbent| incumbent.values).unwrap_or_default();
            (values, duals, reduced_costs) = (found, Vec::new(), Vec::new());
        } else if values.is_empty()
            && let Some(incumbent) = incumbent
        {
            values = incumbent.values;
            if reason == TerminationReason::NoSolutionFound {
                termination.set_reason(TerminationReason::Feasible);
            }
        }
        Self { result, values, duals, reduced_costs, ranges, standard: Standard::default() }
    }

    /// What there was when the solver was stopped by force.
    pub(crate) fn best_so_far(
        incumbent: Option<Incumbent>,
        bound: Option<f64>,
        limit: TerminationLimit,
        why: &str,
        elapsed: Duration,
    ) -> Self {
        let mut termination = Termination {
            bound,
            detail: "stopped by the worker".to_owned(),
            warnings: vec![why.to_owned()],
            ..Termination::default()
        };
        termination.set_limit(limit);
        termination.set_reason(match incumbent {
            Some(_) => TerminationReason::Feasible,
            None => TerminationReason::NoSolutionFound,
        });
        let statistics = SolveStatistics {
            solve_time: prost_types::Duration::try_from(elapsed).ok(),
            ..SolveStatistics::default()
        };
        Self {
            result: SolveResult {
                termination: Some(termination),
                statistics: Some(statistics),
                ..SolveResult::default()
            },
            values: incumbent.map(|incumbent| incumbent.values).unwrap_or_default(),
            ..Self::default()
        }
    }

    /// How many threads the solver was given, where it did not tell.
    pub(crate) fn with_threads(mut self, threads: Option<i32>) -> Self {
        let statistics = self.result.statistics.get_or_insert_default();
        if statistics.threads == 0 {
            statistics.threads = threads.unwrap_or_default();
        }
        self
    }

    /// What was asked of the solve, against which its claims are held.
    pub(crate) fn with_options(mut self, options: &SolveOptions) -> Self {
        self.standard = Standard::of(options);
        self
    }

    /// Adds to what the submitter should know.
    pub(crate) fn with_warnings(mut self, warnings: impl IntoIterator<Item = String>) -> Self {
        self.result.termination.get_or_insert_default().warnings.extend(warnings);
        self
    }

    /// Whether there is a solution of this model in it.
    fn solves(&self, model: &LinearModel) -> bool {
        let reason = self.result.termination.as_ref().map(Termination::reason);
        // Beside a claim that there is no best solution, one is evidence, not the answer.
        let claims_none = reason.is_some_and(|reason| {
            reason == TerminationReason::Unbounded || no_solution_can_be(reason)
        });
        !self.values.is_empty() && !claims_none
            // The solution of a model without variables.
            || model.variable_lower.is_empty()
                && matches!(
                    reason,
                    Some(TerminationReason::Optimal | TerminationReason::Feasible)
                )
    }
}

/// Whether values beside this reason are not a solution, whatever the solver says.
fn no_solution_can_be(reason: TerminationReason) -> bool {
    matches!(reason, TerminationReason::Infeasible | TerminationReason::InfeasibleOrUnbounded)
}

/// What a job's submitter is told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Conclusion {
    /// With the solution where it is small.
    pub(crate) result: SolveResult,
    /// The encoded parts of the solution where it is not; else none.
    pub(crate) parts: Vec<Bytes>,
}

/// Checks an answer against the model, which gives its names to the solution.
///
/// # Errors
///
/// When the solution is not one of this model at all.
pub(crate) fn conclude(model: LinearModel, answer: Answer) -> Result<Conclusion, VerifyError> {
    let solved = answer.solves(&model);
    let Answer { mut result, values, duals, reduced_costs, ranges: ends, standard } = answer;
    (result.solution, result.solution_parts, result.verification) = (None, 0, None);
    let candidate = Candidate { values: &values, duals: &duals, reduced_costs: &reduced_costs };
    let check = if solved {
        Some(verify(&model, candidate)?)
    } else {
        // What is no solution of this model is no part of a proof.
        (!values.is_empty()).then(|| verify(&model, candidate).ok()).flatten()
    };
    judge_claim(&model, check.as_ref(), standard, &mut result);
    let termination = result.termination.get_or_insert_default();
    // What refutes that there is no solution is one.
    let refuted = termination.reason() == TerminationReason::Imprecise
        && check.as_ref().is_some_and(|check| check.acceptable);
    let solved = solved || refuted;
    let mut parts = Vec::new();

    if let Some(check) = check.filter(|_| solved) {
        termination.objective = known(check.objective);
        let mut verification = check.verification;
        clip(&mut verification.worst);
        result.verification = Some(verification);
        // Duals are for models that were submitted as LPs.
        let is_lp = is_submitted_as_lp(&model);
        let of_lps = |numbers| if is_lp { unsigned_zeros(numbers) } else { Vec::new() };
        let mut solution = Solution {
            variable_names: model.variable_names,
            values: unsigned_zeros(values),
            reduced_costs: of_lps(reduced_costs),
            constraint_names: model.constraint_names,
            activities: unsigned_zeros(check.activities),
            duals: of_lps(duals),
            ..Solution::default()
        };
        if let Some(ends) = ends
            && let Err(why) = ranges::tell(&mut solution, ends, &model.objective, check.objective)
        {
            termination.warnings.push(format!("there are no ranges: {why}"));
        }
        if solution.encoded_len() <= INLINE_BYTES {
            result.solution = Some(solution);
        } else {
            parts = parts::split(solution, PART_BYTES)
                .iter()
                .map(|part| part.encode_to_vec().into())
                .collect();
            result.solution_parts = i32::try_from(parts.len()).unwrap_or(i32::MAX);
        }
    }

    termination.gap = gap(termination.objective, termination.bound);
    clip(&mut termination.warnings);
    shorten(&mut termination.detail, MAX_TEXT_BYTES);
    Ok(Conclusion { result, parts })
}

/// Holds a claim against what was found outside of the solver, and puts what it is worth in
/// its place.
fn judge_claim(
    model: &LinearModel,
    check: Option<&Check>,
    standard: Standard,
    result: &mut SolveResult,
) {
    proofs::settle(model, result);
    let evidence = Evidence {
        check,
        bound: result.termination.as_ref().and_then(|it| it.bound).and_then(known),
        infeasible: result.infeasibility_proof.as_ref().is_some_and(|proof| proof.verified),
        ray: result.unbounded_ray.as_ref().is_some_and(|ray| ray.verified),
    };
    let termination = result.termination.get_or_insert_default();
    let verdict = judge(model, termination.reason(), evidence, standard);
    if verdict.reason != TerminationReason::Infeasible {
        (result.infeasibility_proof, result.infeasible_subset) = (None, None);
    }
    termination.set_reason(verdict.reason);
    (termination.objective, termination.bound) = (None, verdict.bound);
    termination.warnings.extend(verdict.objection);
}

/// Solvers leave zeros with a sign, which means nothing and reads badly.
fn unsigned_zeros(mut numbers: Vec<f64>) -> Vec<f64> {
    for number in &mut numbers {
        // -0.0 + 0.0 is 0.0; every other number stays as it is.
        *number += 0.0;
    }
    numbers
}

/// Keeps a list of texts for people within bounds.
fn clip(texts: &mut Vec<String>) {
    texts.truncate(MAX_TEXTS);
    texts.iter_mut().for_each(|text| shorten(text, MAX_TEXT_BYTES));
}

/// Cuts a text to so many bytes, and says so.
pub(crate) fn shorten(text: &mut String, most: usize) {
    if text.len() > most {
        let end = (0..=most).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or_default());
        text.push('…');
    }
}
