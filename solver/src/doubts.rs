//! Whether what a solver found out may be passed on, and the second solve where it may not.
//!
//! Solvers err: HiGHS has returned a start's own values as the optimum beside a bound that
//! was better by half, and called models infeasible that have solutions. So every claim is
//! checked here as the worker will check it once more outside of this process, and one that
//! does not hold is given a second solve: from nothing, by another path. What does not hold
//! then is passed on as it is, for the worker to say so.

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
    report::{Monitor, duration},
    settings::{self, PRIMAL_SIMPLEX},
    task::Finding,
};

/// How long the second solve may take of a model with integers that is called infeasible,
/// as a multiple of the first, and at least. Such a claim can't be proven, and most are
/// right: more would make every infeasible model wait for its time limit.
const SECOND_LOOK: (u32, Duration) = (10, Duration::from_secs(10));

/// Raw options that choose a path to the answer rather than the answer. The second solve
/// takes its own.
const PATHS: [&str; 12] = [
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

/// Why a finding may not be passed on.
#[derive(Debug)]
enum Doubt {
    /// It is not the optimum.
    Optimum(claim::Doubt),
    /// Its values are none of this model.
    Unverifiable,
    /// No proof that it is infeasible, or unbounded, holds.
    Unproven,
    /// It is called infeasible before anything was branched on, and that can't be proven.
    AtTheRoot,
    /// The solver failed.
    Failed,
}

/// A finding of HiGHS that holds, if there is one: the first, or what `again` finds with
/// the options of a second solve.
pub(super) fn settled(
    first: Finding,
    arrays: &Arrays<'_>,
    options: &SolveOptions,
    monitor: &Monitor<'_>,
    again: impl FnOnce(&SolveOptions) -> Finding,
) -> Finding {
    let Some(doubt) = doubt(arrays, options, &first) else { return first };
    let lp = !arrays.is_mip();
    let Some(options_again) = from_nothing(options, &doubt, monitor.elapsed(), lp) else {
        return first;
    };
    if monitor.interrupted() {
        return first;
    }
    let (mut chosen, is_second) = choose(first, &doubt, again(&options_again), arrays, options);
    if is_second {
        chosen.termination.warnings.push(format!("solved twice: {}", doubt.why()));
    }
    chosen
}

/// A finding of another solver that holds, if there is one, and whether it is that
/// solver's: as it is, with the proof that `by_highs` finds, or that of HiGHS in its place.
pub(super) fn seconded(
    first: Finding,
    arrays: &Arrays<'_>,
    options: &SolveOptions,
    monitor: &Monitor<'_>,
    by_highs: impl FnOnce() -> Finding,
) -> (Finding, bool) {
    let doubt = match doubt(arrays, options, &first) {
        // What the solver can't do was asked of it alone.
        None | Some(Doubt::Failed) => return (first, true),
        Some(_) if monitor.interrupted() => return (first, true),
        Some(doubt) => doubt,
    };
    let second = by_highs();
    let proven = Finding {
        termination: Termination { bound: second.termination.bound, ..first.termination.clone() },
        statistics: sum(&first.statistics, &second.statistics),
        values: first.values.clone(),
        duals: second.duals.clone(),
        reduced_costs: second.reduced_costs.clone(),
        ..Finding::default()
    };
    if first.termination.reason() == Reason::Optimal
        && self::doubt(arrays, options, &proven).is_none()
    {
        return (proven, true);
    }
    let (mut chosen, is_second) = choose(first, &doubt, second, arrays, options);
    if is_second {
        chosen.termination.warnings.push(format!("solved by HiGHS too: {}", doubt.why()));
    }
    (chosen, !is_second)
}

/// The options of a second solve; `None` where no time is left for it.
fn from_nothing(
    options: &SolveOptions,
    doubt: &Doubt,
    elapsed: Duration,
    lp: bool,
) -> Option<SolveOptions> {
    let limit = settings::time_limit(options).ok()?;
    let end = match doubt {
        Doubt::AtTheRoot => {
            let (times, least) = SECOND_LOOK;
            let end = elapsed + (elapsed * times).max(least);
            Some(limit.map_or(end, |limit| limit.min(end)))
        }
        _ => limit,
    };
    if end.is_some_and(|end| end <= elapsed) {
        return None;
    }
    let mut solver_options = options.solver_options.clone();
    solver_options.retain(|name, _| !PATHS.contains(&name.as_str()));
    if lp {
        // HiGHS begins with the dual simplex method; the primal one proves that klein1 of
        // netlib is infeasible, where the other gives up.
        solver_options.insert("simplex_strategy".to_owned(), PRIMAL_SIMPLEX.to_string());
    }
    Some(SolveOptions {
        time_limit: end.and_then(duration),
        seed: Some(options.seed.unwrap_or(0) ^ 1),
        presolve: Presolve::Off.into(),
        solver_options,
        ..options.clone()
    })
}

fn doubt(arrays: &Arrays<'_>, options: &SolveOptions, finding: &Finding) -> Option<Doubt> {
    match finding.termination.reason() {
        Reason::Optimal => optimum(arrays, options, finding),
        Reason::Infeasible => {
            let proof = finding.infeasibility_proof.as_ref();
            let proven = proof.and_then(|proof| proof::proven(arrays, proof)).is_some();
            let branched = finding.statistics.nodes > 1;
            match (proven, arrays.is_mip()) {
                (true, _) => None,
                (false, false) => Some(Doubt::Unproven),
                (false, true) => (!branched).then_some(Doubt::AtTheRoot),
            }
        }
        Reason::Unbounded => {
            let ray = finding.unbounded_ray.as_ref();
            let proven = ray.is_some_and(|ray| proof::improves(arrays, ray))
                && is_solution(arrays.model(), &finding.values);
            (!proven).then_some(Doubt::Unproven)
        }
        Reason::InfeasibleOrUnbounded => Some(Doubt::Unproven),
        Reason::NumericalError | Reason::OtherError => Some(Doubt::Failed),
        Reason::Unspecified | Reason::Feasible | Reason::Imprecise | Reason::NoSolutionFound => {
            None
        }
    }
}

fn optimum(arrays: &Arrays<'_>, options: &SolveOptions, finding: &Finding) -> Option<Doubt> {
    let Some(check) = check(arrays, finding) else { return Some(Doubt::Unverifiable) };
    let (bound, gaps) = (finding.termination.bound, Gaps::of(options));
    claim::doubt(arrays.model(), &check, bound, gaps).map(Doubt::Optimum)
}

fn check(arrays: &Arrays<'_>, finding: &Finding) -> Option<Check> {
    let Finding { values, duals, reduced_costs, .. } = finding;
    verify(arrays.model(), Candidate { values, duals, reduced_costs }).ok()
}

/// How much a finding is worth; less is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    /// It holds.
    Holds,
    /// A limit stopped it with a solution.
    Solution,
    /// A solution that is not proven to be the best.
    UnprovenOptimum,
    /// No solution, as far as that can be known of a model with integers.
    Infeasible,
    /// A claim without a proof.
    Unproven,
    /// A limit stopped it without a solution.
    Nothing,
    /// An optimum whose values are no solution.
    NoSolution,
    /// No answer.
    Failure,
}

fn worth(arrays: &Arrays<'_>, finding: &Finding, doubt: Option<&Doubt>) -> Worth {
    let solves = || check(arrays, finding).is_some_and(|check| check.acceptable);
    match (finding.termination.reason(), doubt) {
        (Reason::Feasible | Reason::Imprecise, _) if solves() => Worth::Solution,
        (Reason::Feasible | Reason::Imprecise, _) => Worth::NoSolution,
        (Reason::NoSolutionFound | Reason::Unspecified, _) => Worth::Nothing,
        (Reason::Infeasible, None) if arrays.is_mip() => Worth::Infeasible,
        (_, None) => Worth::Holds,
        (_, Some(Doubt::Optimum(claim::Doubt::Violation(_)) | Doubt::Unverifiable)) => {
            Worth::NoSolution
        }
        (_, Some(Doubt::Optimum(_))) => Worth::UnprovenOptimum,
        (_, Some(Doubt::AtTheRoot)) => Worth::Infeasible,
        (_, Some(Doubt::Unproven)) => Worth::Unproven,
        (_, Some(Doubt::Failed)) => Worth::Failure,
    }
}

/// The finding that is passed on, and whether it is the second one. Its statistics are what
/// both of them cost. `doubted` is why the first may not be passed on.
fn choose(
    mut first: Finding,
    doubted: &Doubt,
    mut second: Finding,
    arrays: &Arrays<'_>,
    options: &SolveOptions,
) -> (Finding, bool) {
    let statistics = sum(&first.statistics, &second.statistics);
    let start = first.start.take();
    let was = worth(arrays, &first, Some(doubted));
    let is = worth(arrays, &second, doubt(arrays, options, &second).as_ref());
    let improved = better(arrays, &second, &first);
    let (chosen, is_second) = match (was, is) {
        (Worth::UnprovenOptimum, Worth::UnprovenOptimum) => {
            // Neither bound is trusted more than the other.
            let bounds = [first.termination.bound, second.termination.bound];
            let bound = weaker(bounds, arrays.maximizes());
            (first.termination.bound, second.termination.bound) = (bound, bound);
            if improved { (second, true) } else { (first, false) }
        }
        (Worth::UnprovenOptimum, Worth::Solution | Worth::Nothing) => {
            // A limit ended the second solve: so far the first solution is the best one.
            if !improved {
                (second.values, second.duals, second.reduced_costs) =
                    (first.values, Vec::new(), Vec::new());
                second.termination.objective = first.termination.objective;
            }
            second.termination.set_reason(Reason::Feasible);
            (second, true)
        }
        _ if is < was => (second, true),
        _ => (first, false),
    };
    (Finding { statistics, start, ..chosen }, is_second)
}

/// Whether the solution of a finding is better than that of another.
fn better(arrays: &Arrays<'_>, finding: &Finding, than: &Finding) -> bool {
    match (finding.termination.objective, than.termination.objective) {
        (Some(one), Some(other)) if arrays.maximizes() => one > other,
        (Some(one), Some(other)) => one < other,
        (one, _) => one.is_some(),
    }
}

/// Of two bounds the one that claims less.
fn weaker(bounds: [Option<f64>; 2], maximizes: bool) -> Option<f64> {
    let [Some(one), Some(other)] = bounds else { return None };
    Some(if maximizes { one.max(other) } else { one.min(other) })
}

fn sum(one: &SolveStatistics, other: &SolveStatistics) -> SolveStatistics {
    SolveStatistics {
        simplex_iterations: one.simplex_iterations + other.simplex_iterations,
        barrier_iterations: one.barrier_iterations + other.barrier_iterations,
        nodes: one.nodes + other.nodes,
        ..*one
    }
}

impl Doubt {
    /// For people.
    fn why(&self) -> String {
        match self {
            Self::Optimum(doubt) => format!("the first answer was not accepted: {doubt}"),
            Self::Unverifiable => "the first answer was no solution of this model".to_owned(),
            Self::Unproven => "no proof of the first answer held".to_owned(),
            Self::AtTheRoot => "the first solve found no solution".to_owned(),
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

    /// Wyndor Glass in whole numbers.
    fn model() -> LinearModel {
        LinearModel { variable_kinds: vec![VariableKind::Integer as i32; 2], ..wyndor() }
    }

    fn found(reason: Reason, values: &[f64], bound: f64) -> Finding {
        let objective =
            300.0 * values.first().unwrap_or(&0.0) + 500.0 * values.last().unwrap_or(&0.0);
        let termination = Termination {
            reason: reason.into(),
            objective: (!values.is_empty()).then_some(objective),
            bound: Some(bound),
            ..Termination::default()
        };
        let statistics = SolveStatistics { nodes: 1, ..SolveStatistics::default() };
        Finding { termination, statistics, values: values.to_vec(), ..Finding::default() }
    }

    fn settle(first: Finding, second: Finding) -> Finding {
        let (model, options) = (model(), SolveOptions::default());
        let arrays = Arrays::of(&model).unwrap();
        let (reports, never) = (Reports::new(Pipe::default()), AtomicBool::new(false));
        let monitor = Monitor::new(&reports, 1, 2, &never);
        settled(first, &arrays, &options, &monitor, |_| second)
    }

    const BEST: [f64; 2] = [2.0, 6.0];

    #[test]
    fn what_holds_is_not_solved_again() {
        let best = found(Reason::Optimal, &BEST, 3600.0);
        let settled = settle(best, failed("asked again").into());
        assert_eq!(settled.termination.reason(), Reason::Optimal);
        assert_eq!(settled.statistics.nodes, 1);
    }

    #[test]
    fn an_optimum_beside_a_better_bound_gives_way_to_one_that_holds() {
        let poor = found(Reason::Optimal, &[0.0, 6.0], 3600.0);
        let settled = settle(poor, found(Reason::Optimal, &BEST, 3600.0));
        assert_eq!((settled.values.as_slice(), settled.statistics.nodes), (&BEST[..], 2));
        let warning = &settled.termination.warnings[0];
        assert!(warning.contains("3000") && warning.contains("3600"), "{warning}");
    }

    #[test]
    fn of_two_optima_that_do_not_hold_the_better_goes_on_with_the_weaker_bound() {
        let poor = || found(Reason::Optimal, &[0.0, 6.0], 3500.0);
        let poorer = || found(Reason::Optimal, &[0.0, 5.0], 3900.0);
        for (first, second) in [(poor(), poorer()), (poorer(), poor())] {
            let settled = settle(first, second);
            assert_eq!(settled.values, [0.0, 6.0]);
            assert_eq!(settled.termination.bound, Some(3900.0));
        }
    }

    #[test]
    fn a_limit_of_the_second_solve_makes_a_solution_of_an_optimum_that_does_not_hold() {
        let mut nothing = found(Reason::NoSolutionFound, &[], 3700.0);
        nothing.termination.set_limit(TerminationLimit::Time);
        let settled = settle(found(Reason::Optimal, &[0.0, 6.0], 3600.0), nothing);
        assert_eq!(settled.termination.reason(), Reason::Feasible);
        assert_eq!(settled.termination.limit(), TerminationLimit::Time);
        assert_eq!(settled.termination.bound, Some(3700.0));
        assert_eq!(settled.values, [0.0, 6.0]);
    }

    #[test]
    fn a_solution_refutes_that_there_is_none() {
        let none = || found(Reason::Infeasible, &[], 0.0);
        let settled = settle(none(), found(Reason::Optimal, &BEST, 3600.0));
        assert_eq!(settled.termination.reason(), Reason::Optimal);
        let limited = found(Reason::Feasible, &[0.0, 6.0], 3700.0);
        assert_eq!(settle(none(), limited).termination.reason(), Reason::Feasible);
        for second in [none(), found(Reason::NoSolutionFound, &[], 0.0), failed("no").into()] {
            let settled = settle(none(), second);
            assert_eq!(settled.termination.reason(), Reason::Infeasible);
            assert_eq!(settled.termination.warnings, [""; 0]);
        }
    }

    #[test]
    fn an_error_gives_way_to_any_answer() {
        let failure = || Finding::from(failed("HiGHS: solve error"));
        for reason in [Reason::Infeasible, Reason::NoSolutionFound] {
            let settled = settle(failure(), found(reason, &[], 0.0));
            assert_eq!(settled.termination.reason(), reason);
        }
        assert_eq!(settle(failure(), failure()).termination.reason(), Reason::OtherError);
    }

    #[test]
    fn a_second_solve_begins_from_nothing_in_the_time_that_is_left() {
        let raw = [("solver", "ipm"), ("mip_heuristic_effort", "0.5")];
        let options = SolveOptions {
            time_limit: duration(Duration::from_secs(100)),
            seed: Some(7),
            solver_options: raw.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            ..SolveOptions::default()
        };
        let after = Duration::from_secs(2);
        let again = from_nothing(&options, &Doubt::Unproven, after, false).unwrap();
        assert_eq!(again.time_limit, options.time_limit);
        assert_eq!((again.seed, again.presolve()), (Some(6), Presolve::Off));
        assert_eq!(again.solver_options.keys().collect::<Vec<_>>(), ["mip_heuristic_effort"]);
        let again = from_nothing(&options, &Doubt::AtTheRoot, after, false).unwrap();
        assert_eq!(again.time_limit, duration(Duration::from_secs(22)));
        let late = Duration::from_secs(100);
        assert!(from_nothing(&options, &Doubt::Unproven, late, false).is_none());
        let again = from_nothing(&options, &Doubt::Unproven, after, true).unwrap();
        assert_eq!(again.solver_options["simplex_strategy"], "4");
    }
}
