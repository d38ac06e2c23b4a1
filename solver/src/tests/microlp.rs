//! Solves through good_lp, by microlp.

use std::time::Duration;

use solvemesh::{
    solver::v1::Outcome,
    v1::{
        LinearModel, ObjectiveSense, SolveOptions, Solver, TerminationLimit,
        TerminationReason as Reason, VariableKind,
    },
};

use super::{
    assert_close, assert_optimal, reason, solve_with, termination, time_limit, with_kinds,
};
use crate::samples::{dense, market_split, wyndor};

const INF: f64 = f64::INFINITY;

fn by_microlp(options: SolveOptions) -> SolveOptions {
    SolveOptions { solver: Solver::Microlp as i32, ..options }
}

fn solve(model: LinearModel) -> Outcome {
    solve_with(model, by_microlp(SolveOptions::default()))
}

#[test]
fn wyndor_is_solved_with_its_offset_and_proven_by_the_duals_of_highs() {
    let outcome = solve(LinearModel { objective_offset: 1.5, ..wyndor() });
    assert_optimal(&outcome, 3601.5, &[2.0, 6.0]);
    assert_eq!(termination(&outcome).relative_gap, Some(0.0));
    assert_close(&outcome.duals, &[0.0, 150.0, 100.0]);
    assert_eq!(outcome.result.unwrap().solver(), Solver::Microlp);
}

#[test]
fn ranged_rows_and_integers_are_kept() {
    let rows: [(f64, &[f64], f64); 2] = [(2.5, &[1.0, 1.0], 5.5), (1.0, &[1.0, -1.0], 1.0)];
    for (sense, objective, values) in
        [(ObjectiveSense::Maximize, 5.0, [3.0, 2.0]), (ObjectiveSense::Minimize, 3.0, [2.0, 1.0])]
    {
        let model = with_kinds(dense(sense, &[1.0, 1.0], &rows), &[VariableKind::Integer; 2]);
        assert_optimal(&solve(model), objective, &values);
    }
}

#[test]
fn infeasible_and_unbounded_are_reported() {
    let rows: [(f64, &[f64], f64); 2] = [(-INF, &[1.0], 1.0), (2.0, &[1.0], INF)];
    let infeasible = dense(ObjectiveSense::Minimize, &[1.0], &rows);
    assert_eq!(reason(&solve(infeasible)), Reason::Infeasible);
    let unbounded = dense(ObjectiveSense::Maximize, &[1.0], &[(1.0, &[1.0], INF)]);
    assert_eq!(reason(&solve(unbounded.clone())), Reason::Unbounded);
    let integers = with_kinds(unbounded, &[VariableKind::Integer]);
    assert_ne!(reason(&solve(integers)), Reason::Optimal);
}

#[test]
fn unsupported_variables_and_options_are_rejected_by_name() {
    let semi = LinearModel {
        variable_lower: vec![1.0, 1.0],
        variable_upper: vec![4.0, 4.0],
        variable_names: vec!["doors".into(), "windows".into()],
        ..wyndor()
    };
    let semi = with_kinds(semi, &[VariableKind::Continuous, VariableKind::SemiContinuous]);
    let outcome = solve(semi);
    assert_eq!(reason(&outcome), Reason::OtherError);
    assert!(termination(&outcome).detail.contains("windows"));
    let solver_options = [("solver".to_owned(), "ipm".to_owned())].into();
    let options = SolveOptions { solver_options, ..SolveOptions::default() };
    let outcome = solve_with(wyndor(), by_microlp(options));
    assert_eq!(reason(&outcome), Reason::OtherError);
    assert!(termination(&outcome).detail.contains("\"solver\""));
}

#[test]
fn time_limit_is_reported() {
    let options = by_microlp(time_limit(Duration::from_millis(200)));
    let outcome = solve_with(market_split(40, 5), options);
    assert_eq!(termination(&outcome).limit(), TerminationLimit::Time);
    let found = reason(&outcome) == Reason::Feasible;
    assert!(found || reason(&outcome) == Reason::NoSolutionFound);
    assert_eq!(found, !outcome.values.is_empty());
}
