//! Duals are derivatives of the optimum in the sense as submitted: compared with finite
//! differences.

use proptest::prelude::*;
use solvemesh::v1::{LinearModel, ObjectiveSense, Presolve, SolveOptions, TerminationReason};
use solvemesh_model::verify::{Candidate, verify};

use solvemesh_testkit::models::index;

use super::{assert_close, reason, solve, solve_with, termination};
use crate::samples::{dense, wyndor};

const INF: f64 = f64::INFINITY;
const STEP: f64 = 1e-3;

fn optimum(model: LinearModel) -> f64 {
    termination(&solve(model)).objective.unwrap()
}

/// Moves both bounds of a row; an infinite one stays.
fn moved_row(model: &LinearModel, row: usize, step: f64) -> LinearModel {
    let mut model = model.clone();
    model.constraint_lower[row] += step;
    model.constraint_upper[row] += step;
    model
}

/// The derivative of the optimum by the bounds of each row, as a finite difference.
fn slopes(model: &LinearModel) -> Vec<f64> {
    let slope = |row| {
        let up = optimum(moved_row(model, row, STEP));
        let down = optimum(moved_row(model, row, -STEP));
        (up - down) / (2.0 * STEP)
    };
    (0..model.constraint_lower.len()).map(slope).collect()
}

/// c - Aᵀy.
fn reduced_costs(model: &LinearModel, duals: &[f64]) -> Vec<f64> {
    let mut costs = model.objective.clone();
    for (row, dual) in duals.iter().enumerate() {
        let entries = model.row_starts[row] as usize..model.row_starts[row + 1] as usize;
        for entry in entries {
            costs[model.column_indices[entry] as usize] -= dual * model.coefficients[entry];
        }
    }
    costs
}

#[track_caller]
fn assert_duals_are_slopes(model: &LinearModel) {
    for presolve in [Presolve::Auto, Presolve::Off] {
        let options = SolveOptions { presolve: presolve as i32, ..SolveOptions::default() };
        let outcome = solve_with(model.clone(), options);
        assert_close(&outcome.duals, &slopes(model));
        assert_close(&outcome.reduced_costs, &reduced_costs(model, &outcome.duals));
    }
}

#[test]
fn duals_of_wyndor_are_slopes_in_either_sense() {
    assert_close(&solve(wyndor()).duals, &[0.0, 150.0, 100.0]);
    assert_duals_are_slopes(&wyndor());
    let sense = ObjectiveSense::Minimize as i32;
    let minimum = LinearModel { sense, objective: vec![-300.0, -500.0], ..wyndor() };
    assert_close(&solve(minimum.clone()).duals, &[0.0, -150.0, -100.0]);
    assert_duals_are_slopes(&minimum);
}

#[test]
fn duals_of_ranged_rows_and_bounded_variables_are_slopes() {
    let rows: [(f64, &[f64], f64); 3] = [
        (2.0, &[1.0, 1.0, 0.0], 5.0),
        (-1.0, &[1.0, -2.0, 1.0], 4.0),
        (1.0, &[0.0, 1.0, 3.0], 8.0),
    ];
    for sense in [ObjectiveSense::Minimize, ObjectiveSense::Maximize] {
        let model = dense(sense, &[2.0, 3.5, 1.0], &rows);
        assert_duals_are_slopes(&LinearModel { variable_upper: vec![3.0, INF, 2.0], ..model });
    }
}

#[test]
fn duals_of_public_lps_satisfy_complementary_slackness() {
    for instance in index().iter().filter(|of| of.is_lp && !of.infeasible) {
        let outcome = solve(instance.model.clone());
        let (file, values) = (&instance.file, &outcome.values);
        let (duals, reduced_costs) = (&outcome.duals, &outcome.reduced_costs);
        assert!(!duals.is_empty(), "{file}");
        let check = verify(&instance.model, Candidate { values, duals, reduced_costs }).unwrap();
        assert!(check.acceptable, "{file}: {:?}", check.verification);
        let violation = check.verification.complementarity_violation.unwrap();
        let scale = check.objective.abs().max(1.0);
        eprintln!("{file}: {violation:e}, {:e} of the objective", violation / scale);
        assert!(violation <= 1e-6 * scale, "{file}: {violation:e}");
    }
}

proptest! {
    #[test]
    fn the_dual_objective_is_the_optimum(
        sense in prop::sample::select(vec![ObjectiveSense::Minimize, ObjectiveSense::Maximize]),
        costs in prop::collection::vec(-9..10i32, 3),
        rows in prop::collection::vec((prop::collection::vec(-4..5i32, 3), -6..1i32, 1..9i32), 1..4),
    ) {
        let real = |numbers: &[i32]| numbers.iter().copied().map(f64::from).collect::<Vec<_>>();
        let rows: Vec<_> =
            rows.iter().map(|(row, lower, upper)| (real(row), *lower, *upper)).collect();
        let rows: Vec<_> = rows
            .iter()
            .map(|(row, lower, upper)| (f64::from(*lower), row.as_slice(), f64::from(*upper)))
            .collect();
        let model = dense(sense, &real(&costs), &rows);
        let model = LinearModel { variable_upper: vec![4.0; 3], ..model };
        let outcome = solve(model.clone());
        prop_assert_eq!(reason(&outcome), TerminationReason::Optimal);
        // At a minimum, a positive dual belongs to a lower bound and a negative one to an
        // upper bound; at a maximum it is the other way round.
        let minimum = sense == ObjectiveSense::Minimize;
        let term = |dual: f64, lower: f64, upper: f64| {
            dual * if (dual > 0.0) == minimum { lower } else { upper }
        };
        let rows = outcome.duals.iter().enumerate().map(|(row, &dual)| {
            term(dual, model.constraint_lower[row], model.constraint_upper[row])
        });
        let columns = outcome.reduced_costs.iter().map(|&cost| term(cost, 0.0, 4.0));
        let dual_objective = rows.chain(columns).sum::<f64>();
        let objective = termination(&outcome).objective.unwrap();
        prop_assert!((dual_objective - objective).abs() < 1e-6, "{dual_objective} {objective}");
    }
}
