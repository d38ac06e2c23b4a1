//! Limits, interrupts, and the options that are passed to HiGHS.

use std::{
    io::{self, Write},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use solvemesh::{
    solver::v1::{Incumbent, SolverReport, solver_report::Kind},
    v1::{
        LinearModel, ObjectiveSense, Presolve, SolveOptions, TerminationLimit as Limit,
        TerminationReason as Reason, VariableKind,
    },
};

use super::{
    assert_close, reason, solve_by, solve_into, solve_with, termination, time_limit, with_kinds,
};
use crate::{
    highs_solver::HighsSolver,
    report::Reports,
    samples::{Pipe, market_split, wyndor},
};

fn hard() -> LinearModel {
    market_split(40, 5)
}

fn raw(name: &str, value: &str) -> SolveOptions {
    let solver_options = [(name.to_owned(), value.to_owned())].into();
    SolveOptions { solver_options, ..SolveOptions::default() }
}

fn last_incumbent(reports: &[SolverReport]) -> Option<&Incumbent> {
    reports.iter().rev().find_map(|report| match &report.kind {
        Some(Kind::Incumbent(incumbent)) => Some(incumbent),
        _ => None,
    })
}

#[test]
fn time_limit_returns_the_best_solution_and_a_valid_bound() {
    let never = AtomicBool::new(false);
    let limit = Duration::from_millis(700);
    let (outcome, reports) =
        solve_by(&mut HighsSolver::default(), hard(), time_limit(limit), &never);
    let ended = termination(&outcome);
    assert_eq!((ended.reason(), ended.limit()), (Reason::Feasible, Limit::Time));
    assert!(ended.objective_bound.unwrap() < ended.objective.unwrap());
    assert_eq!(outcome.values.len(), hard().objective.len());
    // Close, but not equal: the integers of the outcome are rounded.
    assert_close(&last_incumbent(&reports).unwrap().values, &outcome.values);
    let progress = reports.iter().rev().find_map(|report| match &report.kind {
        Some(Kind::Progress(progress)) => Some(progress),
        _ => None,
    });
    assert_eq!(progress.unwrap().objective, ended.objective);
    assert!(reports.iter().all(|report| report.task == 7));
}

#[test]
fn the_bounds_of_a_maximum_are_above_its_solutions() {
    let never = AtomicBool::new(false);
    let model = hard();
    let objective = model.objective.iter().map(|cost| -cost).collect();
    let sense = ObjectiveSense::Maximize as i32;
    let model = LinearModel { sense, objective, objective_offset: 10.0, ..model };
    let limit = time_limit(Duration::from_millis(600));
    let (outcome, reports) = solve_by(&mut HighsSolver::default(), model, limit, &never);
    let ended = termination(&outcome);
    assert!(ended.objective_bound.unwrap() > ended.objective.unwrap(), "{ended:?}");
    let mut better = f64::NEG_INFINITY;
    for report in &reports {
        match &report.kind {
            Some(Kind::Incumbent(incumbent)) => {
                assert!(incumbent.objective > better);
                assert!(incumbent.bound.is_none_or(|bound| bound >= incumbent.objective));
                better = incumbent.objective;
            }
            Some(Kind::Progress(progress)) => {
                assert!(progress.objective_bound.unwrap() >= progress.objective.unwrap());
            }
            _ => unreachable!("only these are sent before the outcome"),
        }
    }
    // Close, but not equal: the integers of the outcome are rounded.
    assert_close(&[better], &[ended.objective.unwrap()]);
}

#[test]
fn progress_is_sent_at_most_four_times_a_second() {
    let never = AtomicBool::new(false);
    let limit = Duration::from_millis(1100);
    let (_, reports) = solve_by(&mut HighsSolver::default(), hard(), time_limit(limit), &never);
    let progress = reports.iter().filter(|report| matches!(report.kind, Some(Kind::Progress(_))));
    assert!((2..=6).contains(&progress.count()));
}

#[test]
fn limit_before_any_solution_returns_no_values() {
    let outcome = solve_with(hard(), time_limit(Duration::ZERO));
    assert_eq!(reason(&outcome), Reason::NoSolutionFound);
    assert_eq!(termination(&outcome).limit(), Limit::Time);
    assert_eq!(termination(&outcome).objective, None);
    assert!(outcome.values.is_empty());
}

#[test]
fn iteration_limit_of_an_lp_is_never_reported_as_optimal() {
    let options =
        SolveOptions { presolve: Presolve::Off as i32, ..raw("simplex_iteration_limit", "0") };
    let outcome = solve_with(wyndor(), options);
    assert_eq!(termination(&outcome).limit(), Limit::Iteration);
    let values = if reason(&outcome) == Reason::Feasible { 2 } else { 0 };
    assert_eq!(outcome.values.len(), values);
    assert!(outcome.duals.is_empty());
}

#[test]
fn node_and_solution_limits_are_distinguished() {
    let options = |name| SolveOptions { seed: Some(3), ..raw(name, "1") };
    let nodes = solve_with(hard(), options("mip_max_nodes"));
    assert_eq!(termination(&nodes).limit(), Limit::Node);
    let solutions = solve_with(hard(), options("mip_max_improving_sols"));
    assert_eq!(termination(&solutions).limit(), Limit::Solution);
    assert_eq!(reason(&solutions), Reason::Feasible);
}

#[test]
fn each_limit_is_reported_with_the_best_solution_and_bound() {
    let any = SolveOptions { seed: Some(3), ..SolveOptions::default() };
    for (options, limit) in [
        (SolveOptions { node_limit: Some(20), ..any.clone() }, Limit::Node),
        (SolveOptions { solution_limit: Some(2), ..any.clone() }, Limit::Solution),
        (SolveOptions { objective_target: Some(300.0), ..any.clone() }, Limit::Objective),
    ] {
        let never = AtomicBool::new(false);
        let (outcome, reports) = solve_by(&mut HighsSolver::default(), hard(), options, &never);
        let ended = termination(&outcome);
        assert_eq!((ended.reason(), ended.limit()), (Reason::Feasible, limit), "{ended:?}");
        assert!(ended.objective_bound.unwrap() < ended.objective.unwrap(), "{ended:?}");
        assert_close(&last_incumbent(&reports).unwrap().values, &outcome.values);
        match limit {
            Limit::Objective => assert!(ended.objective.unwrap() <= 300.0 + 1e-6),
            Limit::Node => {
                assert!(outcome.result.unwrap().statistics.unwrap().node_count >= Some(20))
            }
            _ => {}
        }
    }
}

#[test]
fn objective_target_is_a_lower_limit_when_maximising() {
    let model = hard();
    let objective = model.objective.iter().map(|cost| -cost).collect();
    let sense = ObjectiveSense::Maximize as i32;
    let model = LinearModel { sense, objective, ..model };
    let options = SolveOptions { objective_target: Some(-300.0), ..SolveOptions::default() };
    let outcome = solve_with(model, options);
    assert_eq!(termination(&outcome).limit(), Limit::Objective);
    assert!(termination(&outcome).objective.unwrap() >= -300.0 - 1e-6);
}

#[test]
fn iteration_limit_stops_every_method_of_an_lp() {
    for method in ["simplex", "ipm"] {
        let options = SolveOptions {
            presolve: Presolve::Off as i32,
            iteration_limit: Some(0),
            ..raw("solver", method)
        };
        let outcome = solve_with(wyndor(), options);
        assert_eq!(termination(&outcome).limit(), Limit::Iteration, "{method}");
    }
}

/// Interrupts the solve at its first report, and records the time.
struct Tripwire {
    reports: Pipe,
    interrupt: Arc<AtomicBool>,
    tripped: Arc<OnceLock<Instant>>,
}

impl Write for Tripwire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.interrupt.store(true, Ordering::Relaxed);
        self.tripped.get_or_init(Instant::now);
        self.reports.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn interrupt_ends_a_solve_within_a_second_with_the_best_solution() {
    let (reports, interrupt) = (Pipe::default(), Arc::new(AtomicBool::new(false)));
    let tripped = Arc::new(OnceLock::new());
    let tripwire = Reports::new(Tripwire {
        reports: reports.clone(),
        interrupt: Arc::clone(&interrupt),
        tripped: Arc::clone(&tripped),
    });
    let options = SolveOptions::default();
    let outcome = solve_into(&tripwire, &mut HighsSolver::default(), hard(), options, &interrupt);
    assert!(tripped.get().unwrap().elapsed() < Duration::from_secs(1));
    let ended = termination(&outcome);
    assert_eq!((ended.reason(), ended.limit()), (Reason::Feasible, Limit::Interrupted));
    let reports = reports.reports();
    let last = last_incumbent(&reports).unwrap();
    assert_close(&last.values, &outcome.values);
    assert_close(&[last.objective], &[ended.objective.unwrap()]);
}

#[test]
fn interrupt_before_the_solve_stops_it() {
    let interrupt = AtomicBool::new(true);
    for model in [wyndor(), hard()] {
        let options = SolveOptions::default();
        let (outcome, _) = solve_by(&mut HighsSolver::default(), model, options, &interrupt);
        assert_eq!(termination(&outcome).limit(), Limit::Interrupted);
        assert_eq!(reason(&outcome), Reason::NoSolutionFound);
    }
}

#[test]
fn solution_within_a_wide_gap_is_optimal_and_its_gap_is_reported() {
    let hard_for_proof = market_split(30, 4);
    for options in [
        SolveOptions { relative_gap: Some(1e3), ..SolveOptions::default() },
        SolveOptions { absolute_gap: Some(1e6), ..SolveOptions::default() },
    ] {
        let outcome = solve_with(hard_for_proof.clone(), options);
        let ended = termination(&outcome);
        assert_eq!(ended.reason(), Reason::Optimal);
        let (objective, bound) = (ended.objective.unwrap(), ended.objective_bound.unwrap());
        assert!(bound < objective);
        assert_eq!(ended.relative_gap, Some((bound - objective).abs() / objective));
    }
}

#[test]
fn the_same_seed_gives_the_same_solve() {
    let model = market_split(16, 2);
    let solve = |seed| {
        let options = SolveOptions { seed: Some(seed), ..SolveOptions::default() };
        let outcome = solve_with(model.clone(), options);
        let statistics = outcome.result.unwrap().statistics.unwrap();
        (outcome.values, statistics.node_count, statistics.simplex_iteration_count)
    };
    assert_eq!(solve(5), solve(5));
}

#[test]
fn threads_may_change_from_task_to_task() {
    let never = AtomicBool::new(false);
    let mut highs_solver = HighsSolver::default();
    let model = with_kinds(wyndor(), &[VariableKind::Integer; 2]);
    for threads in [2, 1, 3, 3] {
        let options = SolveOptions { threads: Some(threads), ..SolveOptions::default() };
        let (outcome, _) = solve_by(&mut highs_solver, model.clone(), options, &never);
        assert_eq!(reason(&outcome), Reason::Optimal, "{:?}", termination(&outcome));
        let cores = i32::try_from(thread::available_parallelism().unwrap().get()).unwrap();
        assert_eq!(
            outcome.result.unwrap().statistics.unwrap().thread_count,
            Some(threads.min(cores))
        );
    }
}

#[test]
fn several_threads_stop_at_a_limit_with_the_best_solution() {
    let limit = time_limit(Duration::from_millis(600));
    let options = SolveOptions { threads: Some(2), ..limit };
    let never = AtomicBool::new(false);
    let (outcome, reports) = solve_by(&mut HighsSolver::default(), hard(), options, &never);
    assert_eq!(reason(&outcome), Reason::Feasible);
    // Close, but not equal: the integers of the outcome are rounded.
    assert_close(&last_incumbent(&reports).unwrap().values, &outcome.values);
}

#[test]
fn raw_options_reach_highs() {
    let outcome = solve_with(wyndor(), raw("solver", "ipm"));
    let statistics = outcome.result.as_ref().unwrap().statistics.as_ref().unwrap();
    assert_eq!(reason(&outcome), Reason::Optimal);
    let presolved = SolveOptions { presolve: Presolve::Off as i32, ..raw("solver", "ipm") };
    let unpresolved = solve_with(wyndor(), presolved).result.unwrap().statistics.unwrap();
    assert!(statistics.barrier_iteration_count.max(unpresolved.barrier_iteration_count) > Some(0));
}

#[test]
fn rejected_options_are_named_and_do_not_affect_the_next_task() {
    let never = AtomicBool::new(false);
    let mut highs_solver = HighsSolver::default();
    let bad = [
        (raw("no_such_option", "1"), "no_such_option"),
        (raw("simplex_strategy", "dual"), "simplex_strategy"),
        (raw("simplex_strategy", "99"), "simplex_strategy"),
        (raw("solver", "gurobi"), "solver"),
        (raw("output_flag", "true"), "output_flag"),
        (SolveOptions { threads: Some(0), ..Default::default() }, "threads"),
        (SolveOptions { seed: Some(-1), ..Default::default() }, "random_seed"),
        (SolveOptions { relative_gap: Some(-1.0), ..Default::default() }, "mip_rel_gap"),
    ];
    for (options, name) in bad {
        let (outcome, _) = solve_by(&mut highs_solver, wyndor(), options, &never);
        assert_eq!(reason(&outcome), Reason::OtherError, "{name}");
        assert!(termination(&outcome).detail.contains(name), "{:?}", termination(&outcome));
        let (outcome, _) = solve_by(&mut highs_solver, wyndor(), SolveOptions::default(), &never);
        assert_eq!(reason(&outcome), Reason::Optimal);
    }
}
