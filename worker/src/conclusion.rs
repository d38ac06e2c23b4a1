//! From what a solver claims to what a job's submitter is told: every solution is
//! checked here against the model as submitted, and what can be computed from it is.

use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use solvemesh::{
    solver::v1::{Incumbent, Outcome, RangeEnds},
    v1::{
        LinearModel, Solution, SolveResult, SolveStatistics, Termination, TerminationLimit,
        TerminationReason,
    },
};
use solvemesh_model::verify::{Candidate, VerifyError, verify};

use crate::{
    parts,
    progress::{gap, known},
    proofs, ranges,
};

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
            (values, duals, reduced_costs) = Default::default();
        } else if values.is_empty()
            && let Some(incumbent) = incumbent
        {
            values = incumbent.values;
            if reason == TerminationReason::NoSolutionFound {
                termination.set_reason(TerminationReason::Feasible);
            }
        }
        Self { result, values, duals, reduced_costs, ranges }
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

    /// Adds to what the submitter should know.
    pub(crate) fn with_warnings(mut self, warnings: impl IntoIterator<Item = String>) -> Self {
        self.result.termination.get_or_insert_default().warnings.extend(warnings);
        self
    }

    /// Whether there is a solution of this model in it.
    fn solves(&self, model: &LinearModel) -> bool {
        let reason = self.result.termination.as_ref().map(Termination::reason);
        !self.values.is_empty()
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
    matches!(
        reason,
        TerminationReason::Infeasible
            | TerminationReason::Unbounded
            | TerminationReason::InfeasibleOrUnbounded
    )
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
    let Answer { mut result, values, duals, reduced_costs, ranges: ends } = answer;
    let termination = result.termination.get_or_insert_default();
    termination.bound = termination.bound.and_then(known);
    termination.objective = None;
    (result.solution, result.solution_parts, result.verification) = (None, 0, None);
    proofs::settle(&model, &mut result);
    let termination = result.termination.get_or_insert_default();
    let mut parts = Vec::new();

    if solved {
        let candidate = Candidate { values: &values, duals: &duals, reduced_costs: &reduced_costs };
        let check = verify(&model, candidate)?;
        let claimed = matches!(
            termination.reason(),
            TerminationReason::Optimal | TerminationReason::Feasible
        );
        if claimed && !check.acceptable {
            termination.set_reason(TerminationReason::Imprecise);
            termination.warnings.push(format!(
                "the solver accepts its solution, the independent check does not: the worst \
                 violation is {:e}",
                check.verification.max_violation
            ));
        }
        termination.objective = known(check.objective);
        let mut verification = check.verification;
        clip(&mut verification.worst);
        result.verification = Some(verification);
        let mut solution = Solution {
            variable_names: model.variable_names,
            values: unsigned_zeros(values),
            reduced_costs: unsigned_zeros(reduced_costs),
            constraint_names: model.constraint_names,
            activities: unsigned_zeros(check.activities),
            duals: unsigned_zeros(duals),
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    /// Minimise x + y, both in [0, 4].
    fn model() -> LinearModel {
        LinearModel {
            variable_count: Some(2),
            variable_lower: vec![0.0; 2],
            variable_upper: vec![4.0; 2],
            objective: vec![1.0; 2],
            variable_kinds: vec![1, 1],
            variable_names: vec!["x".to_owned(), "y".to_owned()],
            constraint_count: Some(0),
            row_starts: vec![0],
            ..LinearModel::default()
        }
    }

    fn outcome(reason: TerminationReason, values: Vec<f64>) -> Outcome {
        let termination = Termination { reason: reason.into(), ..Termination::default() };
        let result = SolveResult { termination: Some(termination), ..SolveResult::default() };
        Outcome { result: Some(result), values, ..Outcome::default() }
    }

    fn incumbent() -> Incumbent {
        Incumbent { objective: 99.0, bound: None, values: vec![1.0, 2.0] }
    }

    fn told(answer: Answer) -> (SolveResult, Termination) {
        let result = conclude(model(), answer).unwrap().result;
        let termination = result.termination.clone().unwrap();
        (result, termination)
    }

    #[test]
    fn objective_and_gap_are_computed_from_the_model_and_not_believed() {
        let mut claimed = outcome(TerminationReason::Feasible, vec![1.0, 3.0]);
        let termination = claimed.result.as_mut().unwrap().termination.as_mut().unwrap();
        (termination.objective, termination.bound, termination.gap) =
            (Some(-7.0), Some(3.0), Some(f64::INFINITY));
        let (_, termination) = told(Answer::told(claimed, None));
        assert_eq!((termination.objective, termination.gap), (Some(4.0), Some(0.25)));
    }

    #[test]
    fn the_last_incumbent_stands_in_where_the_solver_ends_without_a_solution() {
        let ended = outcome(TerminationReason::NoSolutionFound, Vec::new());
        let (result, termination) = told(Answer::told(ended, Some(incumbent())));
        assert_eq!(termination.reason(), TerminationReason::Feasible);
        assert_eq!(termination.objective, Some(3.0));
        assert_eq!(result.solution.unwrap().values, [1.0, 2.0]);
    }

    #[test]
    fn an_infeasible_model_has_no_solution_whatever_values_came_with_it() {
        let ended = outcome(TerminationReason::Infeasible, vec![1.0, 1.0]);
        let (result, termination) = told(Answer::told(ended, Some(incumbent())));
        assert_eq!(termination.reason(), TerminationReason::Infeasible);
        assert_eq!(
            (result.solution, result.verification, termination.objective),
            (None, None, None)
        );
    }

    #[test]
    fn a_number_that_is_none_is_absent() {
        let mut ended = outcome(TerminationReason::NoSolutionFound, Vec::new());
        let termination = ended.result.as_mut().unwrap().termination.as_mut().unwrap();
        (termination.objective, termination.bound) = (Some(f64::NAN), Some(f64::NEG_INFINITY));
        let (_, termination) = told(Answer::told(ended, None));
        assert_eq!((termination.objective, termination.bound, termination.gap), (None, None, None));
    }

    #[test]
    fn values_that_are_no_numbers_are_no_solution() {
        let ended = outcome(TerminationReason::Optimal, vec![f64::NAN, 0.0]);
        assert!(conclude(model(), Answer::told(ended, None)).is_err());
    }

    #[test]
    fn a_model_without_variables_has_a_solution_without_values() {
        let empty =
            LinearModel { objective_offset: 5.0, row_starts: vec![0], ..Default::default() };
        let ended = outcome(TerminationReason::Optimal, Vec::new());
        let result = conclude(empty, Answer::told(ended, None)).unwrap().result;
        assert_eq!(result.termination.unwrap().objective, Some(5.0));
        assert!(result.solution.is_some());
    }

    #[test]
    fn texts_for_people_have_bounds() {
        let endless = std::iter::repeat_n("ä".repeat(5000), 500);
        let ended = outcome(TerminationReason::NoSolutionFound, Vec::new());
        let (_, termination) = told(Answer::told(ended, None).with_warnings(endless));
        assert_eq!(termination.warnings.len(), MAX_TEXTS);
        assert!(termination.warnings.iter().all(|text| text.len() <= MAX_TEXT_BYTES + 3));
    }
}
