//! Turns a solver's outcome into the result of a job: every solution is checked against the model
//! as submitted, and objective, gap and activities are computed from it.

pub(crate) mod judgement;
mod names;
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

use self::judgement::{Evidence, Tolerances, judge};
use solvemesh_model::{finite, relative_gap};

/// Maximum encoded size, in bytes, of a solution inside a log entry. Larger ones are stored in
/// parts.
pub(crate) const INLINE_BYTES: usize = 256 << 10;
/// Maximum encoded size, in bytes, of one part.
const PART_BYTES: usize = 512 << 10;
/// Maximum number of texts in one list of a result, and maximum bytes of each.
const MAX_TEXTS: usize = 32;
const MAX_TEXT_BYTES: usize = 1 << 10;

/// The unchecked answer of a solve.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct SolverResult {
    result: SolveResult,
    values: Vec<f64>,
    duals: Vec<f64>,
    reduced_costs: Vec<f64>,
    ranges: Option<RangeEnds>,
    tolerances: Tolerances,
    /// Whether the names of variables and constraints are left out.
    omit_names: bool,
}

impl SolverResult {
    /// From the solver's outcome. If that has no solution, the last incumbent takes its place.
    pub(crate) fn from_outcome(outcome: Outcome, incumbent: Option<Incumbent>) -> Self {
        let Outcome { result, mut values, mut duals, mut reduced_costs, ranges } = outcome;
        let mut result = result.unwrap_or_default();
        let termination = result.termination.get_or_insert_default();
        let reason = termination.reason();
        if excludes_solution(reason) {
            // Any values in the outcome are no solution, by the solver's own claim. But an
            // earlier incumbent refutes the claim: keep it as evidence for the check.
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
        Self { result, values, duals, reduced_costs, ranges, ..Self::default() }
    }

    /// From the last reports of a solver that was killed or died.
    pub(crate) fn best_so_far(
        incumbent: Option<Incumbent>,
        bound: Option<f64>,
        limit: TerminationLimit,
        why: &str,
        elapsed: Duration,
    ) -> Self {
        let mut termination = Termination {
            objective_bound: bound,
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

    /// Adds the number of threads that the solver was allowed, unless it reported a number.
    pub(crate) fn with_threads(mut self, threads: Option<i32>) -> Self {
        let statistics = self.result.statistics.get_or_insert_default();
        if statistics.thread_count == Some(0) {
            statistics.thread_count = Some(threads.unwrap_or_default());
        }
        self
    }

    /// Sets the options of the solve, by which its claims are judged and the result is shaped.
    pub(crate) fn with_options(mut self, options: &SolveOptions) -> Self {
        self.tolerances = Tolerances::of(options);
        self.omit_names = options.omit_names;
        self
    }

    /// Adds warnings for the submitter.
    pub(crate) fn with_warnings(mut self, warnings: impl IntoIterator<Item = String>) -> Self {
        self.result.termination.get_or_insert_default().warnings.extend(warnings);
        self
    }

    /// Whether the answer contains a solution of this model.
    fn solves(&self, model: &LinearModel) -> bool {
        let reason = self.result.termination.as_ref().map(Termination::reason);
        // With a claim that there is no best solution, values are evidence and not the answer.
        let claims_none = reason.is_some_and(|reason| {
            reason == TerminationReason::Unbounded || excludes_solution(reason)
        });
        !self.values.is_empty() && !claims_none
            // A model without variables has a solution without values.
            || model.variable_lower.is_empty()
                && matches!(
                    reason,
                    Some(TerminationReason::Optimal | TerminationReason::Feasible)
                )
    }
}

/// Whether values that come with this reason are not a solution.
fn excludes_solution(reason: TerminationReason) -> bool {
    matches!(reason, TerminationReason::Infeasible | TerminationReason::InfeasibleOrUnbounded)
}

/// The checked result of a job.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Conclusion {
    /// The result, with the solution if that is at most [`INLINE_BYTES`].
    pub(crate) result: SolveResult,
    /// The encoded parts of a larger solution, for the bulk store; otherwise empty.
    pub(crate) parts: Vec<Bytes>,
}

/// Checks an answer against the model, and adds the model's names to the solution, unless the
/// options omit them.
///
/// # Errors
///
/// If the solution does not fit the model, such as with the wrong number of values.
pub(crate) fn conclude(
    model: LinearModel,
    answer: SolverResult,
) -> Result<Conclusion, VerifyError> {
    let solved = answer.solves(&model);
    let SolverResult {
        mut result,
        values,
        duals,
        reduced_costs,
        ranges: ends,
        tolerances,
        omit_names,
    } = answer;
    (result.solution, result.solution_part_count, result.verification) = (None, 0, None);
    let candidate = Candidate { values: &values, duals: &duals, reduced_costs: &reduced_costs };
    let check = if solved {
        Some(verify(&model, candidate)?)
    } else {
        // The values are only evidence: if they do not fit the model, go without.
        (!values.is_empty()).then(|| verify(&model, candidate).ok()).flatten()
    };
    judge_claim(&model, check.as_ref(), tolerances, &mut result);
    if omit_names {
        names::omit(&mut result);
    }
    let termination = result.termination.get_or_insert_default();
    // An acceptable incumbent refutes a claim of infeasibility, and then is the solution.
    let refuted = termination.reason() == TerminationReason::Imprecise
        && check.as_ref().is_some_and(|check| check.acceptable);
    let solved = solved || refuted;
    let mut parts = Vec::new();

    if let Some(check) = check.filter(|_| solved) {
        termination.objective = finite(check.objective);
        let mut verification = check.verification;
        truncate_texts(&mut verification.worst);
        result.verification = Some(verification);
        // Duals and reduced costs are defined only for models that were submitted as LPs.
        let is_lp = is_submitted_as_lp(&model);
        let of_lps = |numbers| if is_lp { unsigned_zeros(numbers) } else { Vec::new() };
        let mut solution = Solution {
            variable_names: if omit_names { Vec::new() } else { model.variable_names },
            values: unsigned_zeros(values),
            reduced_costs: of_lps(reduced_costs),
            constraint_names: if omit_names { Vec::new() } else { model.constraint_names },
            activities: unsigned_zeros(check.activities),
            duals: of_lps(duals),
            ..Solution::default()
        };
        if let Some(ends) = ends
            && let Err(why) =
                ranges::add_ranges(&mut solution, ends, &model.objective, check.objective)
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
            result.solution_part_count = i32::try_from(parts.len()).unwrap_or(i32::MAX);
        }
    }

    termination.relative_gap = relative_gap(termination.objective, termination.objective_bound);
    truncate_texts(&mut termination.warnings);
    truncate_text(&mut termination.detail, MAX_TEXT_BYTES);
    Ok(Conclusion { result, parts })
}

/// Judges the solver's claim by the evidence of the checks, and replaces it by the verdict.
fn judge_claim(
    model: &LinearModel,
    check: Option<&Check>,
    tolerances: Tolerances,
    result: &mut SolveResult,
) {
    proofs::check_proofs(model, result);
    let evidence = Evidence {
        check,
        bound: result.termination.as_ref().and_then(|it| it.objective_bound).and_then(finite),
        infeasible: result.infeasibility_proof.as_ref().is_some_and(|proof| proof.verified),
        ray: result.unbounded_ray.as_ref().is_some_and(|ray| ray.verified),
    };
    let termination = result.termination.get_or_insert_default();
    let verdict = judge(model, termination.reason(), evidence, tolerances);
    if verdict.reason != TerminationReason::Infeasible {
        (result.infeasibility_proof, result.infeasible_subset) = (None, None);
    }
    termination.set_reason(verdict.reason);
    (termination.objective, termination.objective_bound) = (None, verdict.bound);
    termination.warnings.extend(verdict.objection);
}

/// Turns -0.0 into 0.0. Solvers report both, and the sign has no meaning.
fn unsigned_zeros(mut numbers: Vec<f64>) -> Vec<f64> {
    for number in &mut numbers {
        // -0.0 + 0.0 is 0.0; all other numbers are unchanged.
        *number += 0.0;
    }
    numbers
}

/// Truncates a list of warnings and each of them.
fn truncate_texts(texts: &mut Vec<String>) {
    texts.truncate(MAX_TEXTS);
    texts.iter_mut().for_each(|text| truncate_text(text, MAX_TEXT_BYTES));
}

/// Truncates a text to `max_bytes` bytes, at a character boundary, and marks that with "…" (3
/// more bytes).
pub(crate) fn truncate_text(text: &mut String, max_bytes: usize) {
    if text.len() > max_bytes {
        let end = (0..=max_bytes).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or_default());
        text.push('…');
    }
}
