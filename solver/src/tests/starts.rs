//! Solves that start from a solution or a basis.

use std::sync::atomic::AtomicBool;

use proptest::prelude::*;
use solvemesh::{
    broker::v1::JobPayload,
    solver::v1::{Outcome, SolverReport, solver_report::Kind},
    v1::{
        LinearModel, ObjectiveSense, Presolve, SolveOptions, StartStatus, StartingPoint,
        TerminationLimit, TerminationReason as Reason, VariableKind,
    },
};

use solvemesh_testkit::models::{index, instance};

use super::{reason, solve_by, solve_with, termination, with_kinds};
use crate::{
    highs_solver::HighsSolver,
    samples::{dense, wyndor},
};

fn with_basis() -> SolveOptions {
    SolveOptions { return_basis: true, ..SolveOptions::default() }
}

fn from(start: StartingPoint, model: &LinearModel) -> JobPayload {
    JobPayload { start: Some(start), ..model.clone().into() }
}

fn first_incumbent(reports: &[SolverReport]) -> Option<f64> {
    reports.iter().find_map(|report| match &report.kind {
        Some(Kind::Incumbent(incumbent)) => Some(incumbent.objective),
        _ => None,
    })
}

#[test]
fn public_lps_started_from_their_own_basis_take_at_most_one_iteration() {
    for instance in index().iter().filter(|of| of.is_lp && !of.infeasible) {
        let first = solve_with(instance.model.clone(), with_basis()).result.unwrap();
        let start = StartingPoint { basis: first.basis, ..StartingPoint::default() };
        assert!(start.basis.is_some(), "{}", instance.file);
        let again = solve_with(from(start, &instance.model), with_basis()).result.unwrap();
        let (was, is) = (first.statistics.unwrap(), again.statistics.unwrap());
        eprintln!(
            "{}: {:?} then {:?}",
            instance.file, was.simplex_iteration_count, is.simplex_iteration_count
        );
        assert!(is.simplex_iteration_count <= Some(1), "{}: {is:?}", instance.file);
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
fn basis_is_returned_only_on_request_and_also_at_a_limit() {
    assert_eq!(solve_with(wyndor(), SolveOptions::default()).result.unwrap().basis, None);
    let limited =
        SolveOptions { iteration_limit: Some(0), presolve: Presolve::Off as i32, ..with_basis() };
    let result = solve_with(wyndor(), limited).result.unwrap();
    assert_eq!(result.termination.unwrap().limit(), TerminationLimit::Iteration);
    let basis = result.basis.unwrap();
    assert_eq!((basis.variables.len(), basis.constraints.len()), (2, 3));
}

#[test]
fn a_start_solution_of_p0201_is_the_first_incumbent() {
    let Some(model) = instance("mip/p0201.mps") else { return };
    let exact = SolveOptions { relative_gap: Some(0.0), ..SolveOptions::default() };
    let never = AtomicBool::new(false);
    let (cold, reports) =
        solve_by(&mut HighsSolver::default(), model.clone(), exact.clone(), &never);
    let optimum = termination(&cold).objective.unwrap();
    assert!((optimum - 7615.0).abs() < 1e-6);
    assert!(first_incumbent(&reports).unwrap() > optimum + 1.0, "found at once without a start");
    let all: Vec<_> = (0_i32..).zip(cold.values.iter().copied()).collect();
    // Half of the values are missing, which is not the same as 0.
    let half: Vec<_> = all.iter().copied().step_by(2).collect();
    for known in [all, half] {
        let (variable_indices, values) = known.into_iter().unzip();
        let start = StartingPoint { variable_indices, values, ..StartingPoint::default() };
        let model = from(start, &model);
        let (warm, reports) = solve_by(&mut HighsSolver::default(), model, exact.clone(), &never);
        assert_eq!(reason(&warm), Reason::Optimal);
        let first = first_incumbent(&reports).unwrap();
        assert!((first - optimum).abs() < 1e-6, "the first incumbent is {first}");
    }
}

#[test]
fn start_that_is_not_a_solution_does_not_change_the_answer() {
    let Some(model) = instance("mip/p0201.mps") else { return };
    let n = i32::try_from(model.objective.len()).unwrap();
    let start = StartingPoint {
        variable_indices: (0..n).collect(),
        values: vec![1.0; model.objective.len()],
        ..StartingPoint::default()
    };
    let exact = SolveOptions { relative_gap: Some(0.0), ..SolveOptions::default() };
    let outcome = solve_with(from(start, &model), exact);
    assert_eq!(reason(&outcome), Reason::Optimal);
    assert!((termination(&outcome).objective.unwrap() - 7615.0).abs() < 1e-6);
}

fn report(outcome: &Outcome) -> (StartStatus, Option<f64>) {
    let report = outcome.result.as_ref().unwrap().start_report.clone().unwrap();
    assert_eq!(report.detail.is_empty(), report.status() == StartStatus::Used, "{report:?}");
    (report.status(), report.objective)
}

#[test]
fn result_reports_how_the_start_was_used() {
    // Doors are integer, windows are not: 4 doors leave room for 3 windows.
    let kinds = [VariableKind::Integer, VariableKind::Continuous];
    let model = with_kinds(wyndor(), &kinds);
    let report_of = |entries: &[(i32, f64)]| {
        let (variable_indices, values) = entries.iter().copied().unzip();
        let start = StartingPoint { variable_indices, values, ..StartingPoint::default() };
        let outcome = solve_with(from(start, &model), SolveOptions::default());
        assert_eq!(termination(&outcome).objective, Some(3600.0));
        report(&outcome)
    };
    assert_eq!(report_of(&[(0, 1.0), (1, 2.0)]), (StartStatus::Used, Some(1300.0)));
    assert_eq!(report_of(&[(0, 4.0)]), (StartStatus::Completed, Some(2700.0)));
    assert_eq!(report_of(&[(0, 4.0), (1, 6.0)]), (StartStatus::Completed, Some(2700.0)));
    assert_eq!(report_of(&[(0, 5.0), (1, 0.0)]), (StartStatus::Rejected, None));
    assert_eq!(report_of(&[(0, 7.0)]), (StartStatus::Rejected, None));
    assert_eq!(report_of(&[(1, 1.0)]), (StartStatus::Rejected, None));
    let cold = solve_with(model, SolveOptions::default());
    assert_eq!(cold.result.unwrap().start_report, None);
}

#[test]
fn a_basis_is_used_as_a_start() {
    let first = solve_with(wyndor(), with_basis()).result.unwrap();
    let start = StartingPoint { basis: first.basis, ..StartingPoint::default() };
    let outcome = solve_with(from(start, &wyndor()), with_basis());
    assert_eq!(report(&outcome), (StartStatus::Used, None));
}

/// Small MIPs, some with semi-continuous variables, and a partial start that may not be feasible.
fn mips_with_starts() -> impl Strategy<Value = (LinearModel, StartingPoint)> {
    (2..5usize, 1..5usize).prop_flat_map(|(n, m)| {
        let coefficient = prop_oneof![
            2 => Just(0.0),
            3 => (-5..6).prop_map(f64::from),
            1 => (-500..501).prop_map(|tenths| f64::from(tenths) / 10.0),
        ];
        let rows = prop::collection::vec(
            (prop::collection::vec(coefficient.clone(), n), -20..21, any::<bool>()),
            m,
        );
        let columns = prop::collection::vec((coefficient, 0..3u8, -4..1, 1..7), n);
        let start = prop::collection::vec(prop::option::weighted(0.8, -3..6), n);
        (rows, columns, start, any::<bool>()).prop_map(move |(rows, columns, start, maximize)| {
            let rows: Vec<_> = rows
                .iter()
                .map(|(row, side, upper)| {
                    let side = f64::from(*side) / 2.0;
                    let inf = f64::INFINITY;
                    if *upper { (-inf, row.as_slice(), side) } else { (side, row.as_slice(), inf) }
                })
                .collect();
            let costs: Vec<f64> = columns.iter().map(|column| column.0).collect();
            let sense = if maximize { ObjectiveSense::Maximize } else { ObjectiveSense::Minimize };
            let mut model = dense(sense, &costs, &rows);
            for (index, (_, kind, lower, upper)) in columns.into_iter().enumerate() {
                let (kind, lower, upper) = match kind {
                    0 => (VariableKind::Continuous, f64::from(lower), f64::from(upper)),
                    1 => (VariableKind::Integer, f64::from(lower), f64::from(upper)),
                    _ => (VariableKind::SemiContinuous, 0.5, f64::from(upper)),
                };
                model.variable_kinds[index] = kind as i32;
                (model.variable_lower[index], model.variable_upper[index]) = (lower, upper);
            }
            let given = (0_i32..).zip(start).filter_map(|(index, value)| Some(index).zip(value));
            let (variable_indices, values) =
                given.map(|(index, value)| (index, f64::from(value))).unzip();
            (model, StartingPoint { variable_indices, values, ..StartingPoint::default() })
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// There must be no second solve either: HiGHS 1.16.0 returns the values of a start as the
    /// optimum, which the check detects, but only a second solve corrects.
    #[test]
    fn start_never_changes_the_optimum((model, start) in mips_with_starts()) {
        let exact = SolveOptions {
            relative_gap: Some(0.0),
            absolute_gap: Some(0.0),
            ..SolveOptions::default()
        };
        let cold = solve_with(model.clone(), exact.clone());
        let warm = solve_with(from(start, &model), exact);
        prop_assert_eq!(reason(&cold), reason(&warm));
        let warnings = |outcome| termination(outcome).warnings.clone();
        prop_assert_eq!(warnings(&cold), warnings(&warm));
        let (cold, warm) = (termination(&cold).objective, termination(&warm).objective);
        let near = |cold: f64, warm: f64| (cold - warm).abs() <= 1e-6 * cold.abs().max(1.0);
        prop_assert!(
            match (cold, warm) {
                (Some(cold), Some(warm)) => near(cold, warm),
                (cold, warm) => cold.is_none() && warm.is_none(),
            },
            "{:?} without a start, {:?} with one", cold, warm
        );
    }
}

#[test]
fn start_does_not_affect_the_next_task() {
    let never = AtomicBool::new(false);
    let mut highs_solver = HighsSolver::default();
    let options = SolveOptions { presolve: Presolve::Off as i32, ..with_basis() };
    let (cold, _) = solve_by(&mut highs_solver, wyndor(), options.clone(), &never);
    let basis = cold.result.clone().unwrap().basis;
    let start = StartingPoint { basis, ..StartingPoint::default() };
    let (warm, _) = solve_by(&mut highs_solver, from(start, &wyndor()), options.clone(), &never);
    let (again, _) = solve_by(&mut highs_solver, wyndor(), options, &never);
    let iterations = |outcome: &solvemesh::solver::v1::Outcome| {
        outcome.result.as_ref().unwrap().statistics.as_ref().unwrap().simplex_iteration_count
    };
    assert_eq!(iterations(&warm), Some(0));
    assert_eq!(iterations(&again), iterations(&cold));
}

#[test]
fn malformed_start_is_an_error() {
    let start =
        StartingPoint { variable_indices: vec![7], values: vec![1.0], ..StartingPoint::default() };
    let outcome = solve_with(from(start, &wyndor()), SolveOptions::default());
    assert_eq!(reason(&outcome), Reason::OtherError);
    assert!(termination(&outcome).detail.contains("start"), "{:?}", termination(&outcome));
}
