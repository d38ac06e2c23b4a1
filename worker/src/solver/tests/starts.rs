//! Solves that begin where others ended.

use std::sync::atomic::AtomicBool;

use solvemesh::{
    solver::v1::{SolverReport, solver_report::Kind},
    v1::{
        LinearModel, Presolve, SolveOptions, Start, TerminationLimit, TerminationReason as Reason,
    },
};

use super::{instances, reason, solve_by, solve_with, termination};
use crate::solver::{direct::Direct, samples::wyndor};

fn basis_wanted() -> SolveOptions {
    SolveOptions { return_basis: true, ..SolveOptions::default() }
}

fn from(start: Start, model: &LinearModel) -> LinearModel {
    LinearModel { start: Some(start), ..model.clone() }
}

fn first_incumbent(reports: &[SolverReport]) -> Option<f64> {
    reports.iter().find_map(|report| match &report.kind {
        Some(Kind::Incumbent(incumbent)) => Some(incumbent.objective),
        _ => None,
    })
}

#[test]
fn every_public_lp_fed_its_own_basis_takes_at_most_one_iteration() {
    for instance in instances::index().iter().filter(|of| of.is_lp && !of.infeasible) {
        let first = solve_with(instance.model.clone(), basis_wanted()).result.unwrap();
        let start = Start { basis: first.basis, ..Start::default() };
        assert!(start.basis.is_some(), "{}", instance.file);
        let again = solve_with(from(start, &instance.model), basis_wanted()).result.unwrap();
        let (was, is) = (first.statistics.unwrap(), again.statistics.unwrap());
        eprintln!("{}: {} then {}", instance.file, was.simplex_iterations, is.simplex_iterations);
        assert!(is.simplex_iterations <= 1, "{}: {is:?}", instance.file);
        let objective = |termination: Option<solvemesh::v1::Termination>| {
            let termination = termination.unwrap();
            assert_eq!(termination.reason(), Reason::Optimal);
            termination.objective.unwrap()
        };
        let (was, is) = (objective(first.termination), objective(again.termination));
        assert!((was - is).abs() <= 1e-9 * was.abs().max(1.0), "{}: {was} {is}", instance.file);
    }
}

#[test]
fn a_basis_comes_on_request_alone_and_at_a_limit_too() {
    assert_eq!(solve_with(wyndor(), SolveOptions::default()).result.unwrap().basis, None);
    let limited =
        SolveOptions { iteration_limit: Some(0), presolve: Presolve::Off as i32, ..basis_wanted() };
    let result = solve_with(wyndor(), limited).result.unwrap();
    assert_eq!(result.termination.unwrap().limit(), TerminationLimit::Iteration);
    let basis = result.basis.unwrap();
    assert_eq!((basis.variables.len(), basis.constraints.len()), (2, 3));
}

#[test]
fn a_start_solution_of_p0201_is_the_first_incumbent() {
    let Some(model) = instances::instance("mip/p0201.mps") else { return };
    let exact = SolveOptions { relative_gap: Some(0.0), ..SolveOptions::default() };
    let never = AtomicBool::new(false);
    let (cold, reports) = solve_by(&mut Direct::default(), model.clone(), exact.clone(), &never);
    let optimum = termination(&cold).objective.unwrap();
    assert!((optimum - 7615.0).abs() < 1e-6);
    assert!(first_incumbent(&reports).unwrap() > optimum + 1.0, "found at once without a start");
    let all: Vec<_> = (0_i32..).zip(cold.values.iter().copied()).collect();
    // The half of them are missing, which is not the same as 0.
    let half: Vec<_> = all.iter().copied().step_by(2).collect();
    for known in [all, half] {
        let (variable_indices, values) = known.into_iter().unzip();
        let start = Start { variable_indices, values, ..Start::default() };
        let model = from(start, &model);
        let (warm, reports) = solve_by(&mut Direct::default(), model, exact.clone(), &never);
        assert_eq!(reason(&warm), Reason::Optimal);
        let first = first_incumbent(&reports).unwrap();
        assert!((first - optimum).abs() < 1e-6, "the first incumbent is {first}");
    }
}

#[test]
fn a_start_that_is_no_solution_does_no_harm() {
    let Some(model) = instances::instance("mip/p0201.mps") else { return };
    let n = i32::try_from(model.objective.len()).unwrap();
    let start = Start {
        variable_indices: (0..n).collect(),
        values: vec![1.0; model.objective.len()],
        ..Start::default()
    };
    let exact = SolveOptions { relative_gap: Some(0.0), ..SolveOptions::default() };
    let outcome = solve_with(from(start, &model), exact);
    assert_eq!(reason(&outcome), Reason::Optimal);
    assert!((termination(&outcome).objective.unwrap() - 7615.0).abs() < 1e-6);
}

#[test]
fn a_start_leaves_no_trace_in_the_next_task() {
    let never = AtomicBool::new(false);
    let mut direct = Direct::default();
    let options = SolveOptions { presolve: Presolve::Off as i32, ..basis_wanted() };
    let (cold, _) = solve_by(&mut direct, wyndor(), options.clone(), &never);
    let basis = cold.result.clone().unwrap().basis;
    let start = Start { basis, ..Start::default() };
    let (warm, _) = solve_by(&mut direct, from(start, &wyndor()), options.clone(), &never);
    let (again, _) = solve_by(&mut direct, wyndor(), options, &never);
    let iterations = |outcome: &solvemesh::solver::v1::Outcome| {
        outcome.result.as_ref().unwrap().statistics.as_ref().unwrap().simplex_iterations
    };
    assert_eq!(iterations(&warm), 0);
    assert_eq!(iterations(&again), iterations(&cold));
}

#[test]
fn a_start_that_does_not_fit_is_an_error_that_says_so() {
    let start = Start { variable_indices: vec![7], values: vec![1.0], ..Start::default() };
    let outcome = solve_with(from(start, &wyndor()), SolveOptions::default());
    assert_eq!(reason(&outcome), Reason::OtherError);
    assert!(termination(&outcome).detail.contains("start"), "{:?}", termination(&outcome));
}
