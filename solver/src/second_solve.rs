//! Checks the claims of a solver, and solves a second time if one fails.
//!
//! Solvers err: HiGHS has returned the values of a start as the optimum although its own bound
//! was better by half, and has called models infeasible that have solutions. So every claim is
//! checked here in the same way as by the worker later, outside of this process. If a claim
//! fails, the model is solved once more: from scratch, and by another method. If that fails too,
//! the result is passed on as it is, and the worker reports what is wrong with it.

use std::time::Duration;

use solvemesh::v1::{
    Presolve, SolveOptions, SolveStatistics, Termination, TerminationReason as Reason,
};
use solvemesh_model::verify::{
    Candidate, Check,
    claim::{self, Gaps},
    is_solution, verify,
};

use super::{
    arrays::Arrays,
    proof,
    report::{Monitor, add_counts, duration},
    settings::{self, PRIMAL_SIMPLEX},
    task::Finding,
    unbounded,
};

/// Time limit of the second solve of a MIP that is called infeasible: a multiple of the time of
/// the first solve, and its minimum.
///
/// Such a claim can't be proven, and most are right. Without this limit, every infeasible model
/// might take its whole time limit.
const SECOND_SOLVE: (u32, Duration) = (10, Duration::from_secs(10));

/// Raw options that select a method and don't affect which answer is right. The second solve
/// drops them, as it should take another path than the first.
const METHOD_OPTIONS: [&str; 12] = [
    "solver",
    "run_crossover",
    "parallel",
    "simplex_strategy",
    "simplex_scale_strategy",
    "simplex_dual_edge_weight_strategy",
    "simplex_primal_edge_weight_strategy",
    "simplex_unscaled_solution_strategy",
    "user_objective_scale",
    "user_bound_scale",
    "cost_scale_factor",
    "allowed_matrix_scale_factor",
];

/// Why a finding is not accepted.
#[derive(Debug)]
enum Rejection {
    /// Its solution is not proven to be the optimum.
    Optimum(claim::Rejection),
    /// Its values can't be checked: their number is wrong, or one is not finite.
    Unverifiable,
    /// The objective improves without limit, so there is no optimum.
    Unbounded,
    /// There is no valid proof that the model is infeasible, or unbounded.
    Unproven,
    /// The model is a MIP, called infeasible at the root node, and there is no proof.
    InfeasibleAtRoot,
    /// The solver failed.
    Failed,
}

/// Checks a finding of HiGHS. Returns it if it is accepted, or else the better one of it and the
/// result of `solve_again`, which gets the options of a second solve.
pub(super) fn check_highs(
    first: Finding,
    arrays: &Arrays<'_>,
    options: &SolveOptions,
    monitor: &Monitor<'_>,
    solve_again: impl FnOnce(&SolveOptions) -> Finding,
) -> Finding {
    let Some(rejection) = why_rejected(arrays, options, &first) else { return first };
    let lp = !arrays.is_mip();
    let Some(options_again) = second_options(options, &rejection, monitor.elapsed(), lp) else {
        // No time is left.
        return first;
    };
    if monitor.interrupted() {
        return first;
    }
    let second = solve_again(&options_again);
    let (mut chosen, is_second) = choose(first, &rejection, second, arrays, options);
    if is_second {
        chosen.termination.warnings.push(format!("solved twice: {}", rejection.warning()));
    }
    chosen
}

/// Checks a finding of another solver than HiGHS, with the help of a solve `by_highs` if it is
/// not accepted. Returns a finding, and whether it is the other solver's.
///
/// The result is the first finding as it is, the first finding with the bound and duals of HiGHS
/// if these prove it, or the better one of the two.
pub(super) fn check_with_highs(
    first: Finding,
    arrays: &Arrays<'_>,
    options: &SolveOptions,
    monitor: &Monitor<'_>,
    by_highs: impl FnOnce() -> Finding,
) -> (Finding, bool) {
    let is_unbounded = first.termination.reason() == Reason::Optimal
        && unbounded::improving_ray(arrays, options, monitor).is_some();
    let rejection = match why_rejected(arrays, options, &first) {
        None if is_unbounded => Rejection::Unbounded,
        // The job is for this solver: what it can't do, HiGHS doesn't do in its place.
        None | Some(Rejection::Failed) => return (first, true),
        Some(_) if monitor.interrupted() => return (first, true),
        Some(rejection) => rejection,
    };
    let second = by_highs();
    // The bound and the duals of HiGHS prove any solution that is optimal, not only its own.
    let proven = Finding {
        termination: Termination {
            objective_bound: second.termination.objective_bound,
            ..first.termination.clone()
        },
        statistics: add_statistics(&first.statistics, &second.statistics),
        values: first.values.clone(),
        duals: second.duals.clone(),
        reduced_costs: second.reduced_costs.clone(),
        ..Finding::default()
    };
    if first.termination.reason() == Reason::Optimal
        && !is_unbounded
        && why_rejected(arrays, options, &proven).is_none()
    {
        return (proven, true);
    }
    let (mut chosen, is_second) = choose(first, &rejection, second, arrays, options);
    if is_second {
        chosen.termination.warnings.push(format!("solved by HiGHS too: {}", rejection.warning()));
    }
    (chosen, !is_second)
}

/// The options of a second solve; `None` if no time is left for it.
fn second_options(
    options: &SolveOptions,
    rejection: &Rejection,
    elapsed: Duration,
    lp: bool,
) -> Option<SolveOptions> {
    let limit = settings::time_limit(options).ok()?;
    let end = match rejection {
        Rejection::InfeasibleAtRoot => {
            let (times, least) = SECOND_SOLVE;
            // A time limit counts from the start of the task, so it includes the first solve.
            let end = elapsed + (elapsed * times).max(least);
            Some(limit.map_or(end, |limit| limit.min(end)))
        }
        _ => limit,
    };
    if end.is_some_and(|end| end <= elapsed) {
        return None;
    }
    let mut solver_options = options.solver_options.clone();
    solver_options.retain(|name, _| !METHOD_OPTIONS.contains(&name.as_str()));
    if lp {
        // HiGHS uses the dual simplex method by default, which fails on klein1 of netlib; the
        // primal one proves that this model is infeasible.
        solver_options.insert("simplex_strategy".to_owned(), PRIMAL_SIMPLEX.to_string());
    }
    Some(SolveOptions {
        time_limit: end.and_then(duration),
        // Another seed, which is not negative if the first one is not.
        seed: Some(options.seed.unwrap_or(0) ^ 1),
        // Another path than the first: a wrong claim may come from presolve.
        presolve: Presolve::Off.into(),
        solver_options,
        ..options.clone()
    })
}

/// Why a finding is not accepted; `None` if it is.
fn why_rejected(
    arrays: &Arrays<'_>,
    options: &SolveOptions,
    finding: &Finding,
) -> Option<Rejection> {
    match finding.termination.reason() {
        Reason::Optimal => check_optimum(arrays, options, finding),
        Reason::Infeasible => {
            let proof = finding.infeasibility_proof.as_ref();
            let proven =
                proof.and_then(|proof| proof::verified_contradiction(arrays, proof)).is_some();
            // One node is the root.
            let branched = finding.statistics.node_count > Some(1);
            match (proven, arrays.is_mip()) {
                (true, _) => None,
                (false, false) => Some(Rejection::Unproven),
                // Once HiGHS has branched, its word is all there is.
                (false, true) => (!branched).then_some(Rejection::InfeasibleAtRoot),
            }
        }
        Reason::Unbounded => {
            let ray = finding.unbounded_ray.as_ref();
            let proven = ray.is_some_and(|ray| proof::is_improving(arrays, ray))
                && is_solution(arrays.model(), &finding.values);
            (!proven).then_some(Rejection::Unproven)
        }
        Reason::InfeasibleOrUnbounded => Some(Rejection::Unproven),
        Reason::NumericalError | Reason::OtherError => Some(Rejection::Failed),
        Reason::Unspecified | Reason::Feasible | Reason::Imprecise | Reason::NoSolutionFound => {
            None
        }
    }
}

fn check_optimum(
    arrays: &Arrays<'_>,
    options: &SolveOptions,
    finding: &Finding,
) -> Option<Rejection> {
    let Some(check) = check(arrays, finding) else { return Some(Rejection::Unverifiable) };
    let (bound, gaps) = (finding.termination.objective_bound, Gaps::of(options));
    claim::why_rejected(arrays.model(), &check, bound, gaps).map(Rejection::Optimum)
}

fn check(arrays: &Arrays<'_>, finding: &Finding) -> Option<Check> {
    let Finding { values, duals, reduced_costs, .. } = finding;
    verify(arrays.model(), Candidate { values, duals, reduced_costs }).ok()
}

/// The rank of a finding; lower is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// The claim is accepted.
    Accepted,
    /// A limit stopped the solve, which had a solution.
    Solution,
    /// A solution that is not proven to be the best.
    UnprovenOptimum,
    /// A MIP that is called infeasible, which can't be proven in general.
    Infeasible,
    /// Infeasible or unbounded, without a valid proof.
    Unproven,
    /// A limit stopped the solve before it had a solution.
    Nothing,
    /// Values that are not a solution.
    NoSolution,
    /// The solver failed.
    Failure,
}

fn rank(arrays: &Arrays<'_>, finding: &Finding, rejection: Option<&Rejection>) -> Rank {
    let is_solution = || check(arrays, finding).is_some_and(|check| check.acceptable);
    match (finding.termination.reason(), rejection) {
        (Reason::Feasible | Reason::Imprecise, _) if is_solution() => Rank::Solution,
        (Reason::Feasible | Reason::Imprecise, _) => Rank::NoSolution,
        (Reason::NoSolutionFound | Reason::Unspecified, _) => Rank::Nothing,
        (Reason::Infeasible, None) if arrays.is_mip() => Rank::Infeasible,
        (_, None) => Rank::Accepted,
        (_, Some(Rejection::Optimum(claim::Rejection::Violation(_)) | Rejection::Unverifiable)) => {
            Rank::NoSolution
        }
        (_, Some(Rejection::Optimum(_) | Rejection::Unbounded)) => Rank::UnprovenOptimum,
        (_, Some(Rejection::InfeasibleAtRoot)) => Rank::Infeasible,
        (_, Some(Rejection::Unproven)) => Rank::Unproven,
        (_, Some(Rejection::Failed)) => Rank::Failure,
    }
}

/// Chooses between two findings; true means the second one. The statistics are the sum of both.
/// `rejection` is why the first one is not accepted.
fn choose(
    mut first: Finding,
    rejection: &Rejection,
    mut second: Finding,
    arrays: &Arrays<'_>,
    options: &SolveOptions,
) -> (Finding, bool) {
    let statistics = add_statistics(&first.statistics, &second.statistics);
    // Only the first solve had a start.
    let start = first.start.take();
    let first_rank = rank(arrays, &first, Some(rejection));
    let second_rank = rank(arrays, &second, why_rejected(arrays, options, &second).as_ref());
    let improved = is_better(arrays, &second, &first);
    let (chosen, is_second) = match (first_rank, second_rank) {
        (Rank::UnprovenOptimum, Rank::UnprovenOptimum) => {
            // One of the bounds is wrong, and which one is unknown: keep the one that claims less.
            let bounds = [first.termination.objective_bound, second.termination.objective_bound];
            let bound = weaker_bound(bounds, arrays.maximizes());
            (first.termination.objective_bound, second.termination.objective_bound) =
                (bound, bound);
            if improved { (second, true) } else { (first, false) }
        }
        (Rank::UnprovenOptimum, Rank::Solution | Rank::Nothing) => {
            // A limit stopped the second solve, so nothing is proven: keep the better solution,
            // and call it feasible.
            if !improved {
                (second.values, second.duals, second.reduced_costs) =
                    (first.values, Vec::new(), Vec::new());
                second.termination.objective = first.termination.objective;
            }
            second.termination.set_reason(Reason::Feasible);
            (second, true)
        }
        _ if second_rank < first_rank => (second, true),
        _ => (first, false),
    };
    (Finding { statistics, start, ..chosen }, is_second)
}

/// Whether the objective of `finding` is better than that of `than`, or the only one.
fn is_better(arrays: &Arrays<'_>, finding: &Finding, than: &Finding) -> bool {
    match (finding.termination.objective, than.termination.objective) {
        (Some(one), Some(other)) if arrays.maximizes() => one > other,
        (Some(one), Some(other)) => one < other,
        (one, _) => one.is_some(),
    }
}

/// The bound that claims less: when maximising, the higher one. `None` unless both are known.
fn weaker_bound(bounds: [Option<f64>; 2], maximizes: bool) -> Option<f64> {
    let [Some(one), Some(other)] = bounds else { return None };
    Some(if maximizes { one.max(other) } else { one.min(other) })
}

/// The first statistics, with the counts of both.
fn add_statistics(one: &SolveStatistics, other: &SolveStatistics) -> SolveStatistics {
    SolveStatistics {
        simplex_iteration_count: add_counts(
            one.simplex_iteration_count,
            other.simplex_iteration_count,
        ),
        barrier_iteration_count: add_counts(
            one.barrier_iteration_count,
            other.barrier_iteration_count,
        ),
        node_count: add_counts(one.node_count, other.node_count),
        ..*one
    }
}

impl Rejection {
    /// The reason in the warning that a result carries.
    fn warning(&self) -> String {
        match self {
            Self::Optimum(rejection) => format!("the first answer was not accepted: {rejection}"),
            Self::Unverifiable => "the values of the first answer can't be checked".to_owned(),
            Self::Unbounded => "the first answer was not accepted: the objective improves \
                                without limit"
                .to_owned(),
            Self::Unproven => "the first answer could not be proven".to_owned(),
            Self::InfeasibleAtRoot => "the first solve found no solution".to_owned(),
            Self::Failed => "the first solve failed".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::sync::atomic::AtomicBool;

    use solvemesh::v1::{LinearModel, Termination, TerminationLimit, VariableKind};

    use super::*;
    use crate::{
        report::Reports,
        samples::{Pipe, wyndor},
        termination::failed,
    };

    /// The Wyndor Glass model with integer variables.
    fn model() -> LinearModel {
        LinearModel { variable_kinds: vec![VariableKind::Integer as i32; 2], ..wyndor() }
    }

    fn found(reason: Reason, values: &[f64], bound: f64) -> Finding {
        let objective =
            300.0 * values.first().unwrap_or(&0.0) + 500.0 * values.last().unwrap_or(&0.0);
        let termination = Termination {
            reason: reason.into(),
            objective: (!values.is_empty()).then_some(objective),
            objective_bound: Some(bound),
            ..Termination::default()
        };
        let statistics = SolveStatistics { node_count: Some(1), ..SolveStatistics::default() };
        Finding { termination, statistics, values: values.to_vec(), ..Finding::default() }
    }

    fn check_twice(first: Finding, second: Finding) -> Finding {
        let (model, options) = (model(), SolveOptions::default());
        let arrays = Arrays::of(&model).unwrap();
        let (reports, never) = (Reports::new(Pipe::default()), AtomicBool::new(false));
        let monitor = Monitor::new(&reports, 1, 2, &never);
        check_highs(first, &arrays, &options, &monitor, |_| second)
    }

    const BEST: [f64; 2] = [2.0, 6.0];

    #[test]
    fn accepted_finding_is_not_solved_again() {
        let best = found(Reason::Optimal, &BEST, 3600.0);
        let chosen = check_twice(best, failed("solved again").into());
        assert_eq!(chosen.termination.reason(), Reason::Optimal);
        assert_eq!(chosen.statistics.node_count, Some(1));
    }

    #[test]
    fn optimum_with_a_better_bound_is_replaced_by_an_accepted_one() {
        let poor = found(Reason::Optimal, &[0.0, 6.0], 3600.0);
        let chosen = check_twice(poor, found(Reason::Optimal, &BEST, 3600.0));
        assert_eq!((chosen.values.as_slice(), chosen.statistics.node_count), (&BEST[..], Some(2)));
        let warning = &chosen.termination.warnings[0];
        assert!(warning.contains("3000") && warning.contains("3600"), "{warning}");
    }

    #[test]
    fn of_two_unproven_optima_the_better_is_kept_with_the_weaker_bound() {
        let poor = || found(Reason::Optimal, &[0.0, 6.0], 3500.0);
        let poorer = || found(Reason::Optimal, &[0.0, 5.0], 3900.0);
        for (first, second) in [(poor(), poorer()), (poorer(), poor())] {
            let chosen = check_twice(first, second);
            assert_eq!(chosen.values, [0.0, 6.0]);
            assert_eq!(chosen.termination.objective_bound, Some(3900.0));
        }
    }

    #[test]
    fn unproven_optimum_is_feasible_if_a_limit_stops_the_second_solve() {
        let mut nothing = found(Reason::NoSolutionFound, &[], 3700.0);
        nothing.termination.set_limit(TerminationLimit::Time);
        let chosen = check_twice(found(Reason::Optimal, &[0.0, 6.0], 3600.0), nothing);
        assert_eq!(chosen.termination.reason(), Reason::Feasible);
        assert_eq!(chosen.termination.limit(), TerminationLimit::Time);
        assert_eq!(chosen.termination.objective_bound, Some(3700.0));
        assert_eq!(chosen.values, [0.0, 6.0]);
    }

    #[test]
    fn infeasible_claim_is_replaced_only_by_a_solution() {
        let none = || found(Reason::Infeasible, &[], 0.0);
        let chosen = check_twice(none(), found(Reason::Optimal, &BEST, 3600.0));
        assert_eq!(chosen.termination.reason(), Reason::Optimal);
        let limited = found(Reason::Feasible, &[0.0, 6.0], 3700.0);
        assert_eq!(check_twice(none(), limited).termination.reason(), Reason::Feasible);
        for second in [none(), found(Reason::NoSolutionFound, &[], 0.0), failed("no").into()] {
            let chosen = check_twice(none(), second);
            assert_eq!(chosen.termination.reason(), Reason::Infeasible);
            assert_eq!(chosen.termination.warnings, [""; 0]);
        }
    }

    #[test]
    fn error_is_replaced_by_any_answer() {
        let failure = || Finding::from(failed("HiGHS: solve error"));
        for reason in [Reason::Infeasible, Reason::NoSolutionFound] {
            let chosen = check_twice(failure(), found(reason, &[], 0.0));
            assert_eq!(chosen.termination.reason(), reason);
        }
        assert_eq!(check_twice(failure(), failure()).termination.reason(), Reason::OtherError);
    }

    #[test]
    fn second_solve_starts_from_scratch_within_the_remaining_time() {
        let raw = [("solver", "ipm"), ("mip_heuristic_effort", "0.5")];
        let options = SolveOptions {
            time_limit: duration(Duration::from_secs(100)),
            seed: Some(7),
            solver_options: raw.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            ..SolveOptions::default()
        };
        let after = Duration::from_secs(2);
        let again = second_options(&options, &Rejection::Unproven, after, false).unwrap();
        assert_eq!(again.time_limit, options.time_limit);
        assert_eq!((again.seed, again.presolve()), (Some(6), Presolve::Off));
        assert_eq!(again.solver_options.keys().collect::<Vec<_>>(), ["mip_heuristic_effort"]);
        let again = second_options(&options, &Rejection::InfeasibleAtRoot, after, false).unwrap();
        assert_eq!(again.time_limit, duration(Duration::from_secs(22)));
        let late = Duration::from_secs(100);
        assert!(second_options(&options, &Rejection::Unproven, late, false).is_none());
        let again = second_options(&options, &Rejection::Unproven, after, true).unwrap();
        assert_eq!(again.solver_options["simplex_strategy"], "4");
    }
}
