#![allow(clippy::unwrap_used, reason = "a test may fail")]

use proptest::prelude::*;
use solvemesh::v1::ObjectiveSense;

use super::*;

const INF: f64 = f64::INFINITY;

/// A model with two variables in [0, inf) and dense rows.
fn model(objective: [f64; 2], rows: &[(f64, [f64; 2], f64)]) -> LinearModel {
    let mut model = LinearModel {
        objective: objective.to_vec(),
        variable_lower: vec![0.0; 2],
        variable_upper: vec![INF; 2],
        variable_kinds: vec![VariableKind::Continuous.into(); 2],
        constraint_lower: rows.iter().map(|row| row.0).collect(),
        constraint_upper: rows.iter().map(|row| row.2).collect(),
        row_starts: (0..=rows.len()).map(|row| (row * 2) as i32).collect(),
        column_indices: rows.iter().flat_map(|_| 0..2).collect(),
        coefficients: rows.iter().flat_map(|row| row.1).collect(),
        ..LinearModel::default()
    };
    model.set_sense(ObjectiveSense::Maximize);
    model
}

fn constraint(row: usize, upper: bool) -> Side {
    Side { of: BoundOwner::Constraint(row), upper }
}

fn variable(column: usize, upper: bool) -> Side {
    Side { of: BoundOwner::Variable(column), upper }
}

/// x + y >= 3 and x + 2 y <= 2.
fn contradictory() -> LinearModel {
    model([1.0; 2], &[(3.0, [1.0, 1.0], INF), (-INF, [1.0, 2.0], 2.0)])
}

#[test]
fn a_contradiction_lists_its_bounds_and_how_far_they_can_be_widened() {
    // (x + y) - (x + 2 y) = -y >= 1, and y >= 0.
    let found = contradiction(&contradictory(), &[(1, -2.0), (0, 2.0)], None).unwrap();
    assert_eq!(found.multipliers, [(0, 1.0), (1, -1.0)]);
    assert_eq!(found.sides, [constraint(0, false), constraint(1, true), variable(1, false)]);
    assert_eq!(found.distance, 1.0 / 3.0);
}

#[test]
fn multipliers_of_the_opposite_sign_are_negated() {
    let found = contradiction(&contradictory(), &[(0, -1.0), (1, 1.0)], None).unwrap();
    assert_eq!(found.multipliers, [(0, 1.0), (1, -1.0)]);
}

#[test]
fn a_contradiction_can_be_limited_to_some_bounds() {
    let (model, multipliers) = (contradictory(), [(0, 1.0), (1, -1.0)]);
    let mut among = BTreeSet::from([constraint(0, false), constraint(1, true), variable(1, false)]);
    assert!(contradiction(&model, &multipliers, Some(&among)).is_some());
    among.pop_last();
    assert_eq!(contradiction(&model, &multipliers, Some(&among)), None);
}

#[test]
fn invalid_multipliers_prove_nothing() {
    for multipliers in [
        &[][..],
        &[(0, 0.0)],
        &[(0, f64::NAN)],
        &[(0, 1.0)],
        &[(0, 1.0), (1, -0.4)],
        &[(0, 1.0), (0, 1.0)],
        &[(7, 1.0)],
    ] {
        assert_eq!(contradiction(&contradictory(), multipliers, None), None, "{multipliers:?}");
    }
    let feasible = model([1.0; 2], &[(1.0, [1.0, 1.0], INF), (-INF, [1.0, 2.0], 2.0)]);
    assert_eq!(contradiction(&feasible, &[(0, 1.0), (1, -1.0)], None), None);
}

#[test]
fn a_semi_continuous_variable_may_be_0_in_a_proof() {
    let mut model = model([0.0; 2], &[(-INF, [1.0, 1.0], 1.0)]);
    model.variable_lower = vec![2.0, 0.0];
    model.variable_upper = vec![5.0, 5.0];
    assert!(contradiction(&model, &[(0, 1.0)], None).is_some());
    model.variable_kinds[0] = VariableKind::SemiContinuous.into();
    assert_eq!(contradiction(&model, &[(0, 1.0)], None), None);
}

#[test]
fn a_ray_improves_and_leaves_no_bound() {
    let model = model([1.0, 1.0], &[(-INF, [1.0, -1.0], 2.0)]);
    let ray = improving_ray(&model, &[(0, 4.0), (1, 4.0)]);
    assert_eq!(ray, Some((vec![(0, 1.0), (1, 1.0)], 2.0)));
    assert_eq!(improving_ray(&model, &[(0, 1.0)]), None, "leaves the row");
    assert_eq!(improving_ray(&model, &[(0, -1.0)]), None, "leaves the variable's bound");
    let mut other = model.clone();
    other.set_sense(ObjectiveSense::Minimize);
    assert_eq!(improving_ray(&other, &[(1, 1.0)]), None, "makes it worse");
    assert_eq!(improving_ray(&model, &[(9, 1.0)]), None, "is not one of its variables");
}

proptest! {
    #[test]
    fn a_model_with_a_solution_is_never_proven_infeasible(
        rows in prop::collection::vec(([-5..6i32, -5..6], 0..9i32, 0..9i32), 1..5),
        multipliers in prop::collection::vec(-9..10i32, 5),
        at in [0..9i32, 0..9],
    ) {
        let at = at.map(f64::from);
        let rows: Vec<_> = rows
            .into_iter()
            .map(|(row, below, above)| {
                let row = row.map(f64::from);
                let activity = row[0] * at[0] + row[1] * at[1];
                (activity - f64::from(below), row, activity + f64::from(above))
            })
            .collect();
        let model = model([1.0; 2], &rows);
        let multipliers: Vec<_> =
            multipliers.into_iter().map(f64::from).enumerate().take(rows.len()).collect();
        prop_assert_eq!(contradiction(&model, &multipliers, None), None);
    }
}

#[test]
fn trivial_contradictions_are_detected() {
    let crossed_row = model([1.0, 1.0], &[(3.0, [1.0, 1.0], 2.0)]);
    let empty_row = model([1.0, 1.0], &[(-3.0, [0.0, 0.0], -1.0)]);
    let mut empty_row = LinearModel { row_starts: vec![0, 0], ..empty_row };
    (empty_row.column_indices, empty_row.coefficients) = (Vec::new(), Vec::new());
    let mut crossed = model([1.0, 1.0], &[]);
    (crossed.variable_lower[1], crossed.variable_upper[1]) = (4.0, 1.0);
    let mut no_integer = model([1.0, 1.0], &[]);
    no_integer.variable_kinds[0] = VariableKind::Integer.into();
    (no_integer.variable_lower[0], no_integer.variable_upper[0]) = (1.25, 1.5);
    let mut off = crossed.clone();
    off.variable_kinds[1] = VariableKind::SemiContinuous.into();
    for (model, distance) in [
        (crossed_row, Some(0.5)),
        (empty_row, Some(1.0)),
        (crossed, Some(1.5)),
        (no_integer, Some(0.25)),
        (off, None),
    ] {
        assert_eq!(trivial_contradiction(&model), distance);
    }
}
