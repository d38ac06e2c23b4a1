#![allow(clippy::unwrap_used, reason = "a test may fail")]

use super::*;

const INF: f64 = f64::INFINITY;

/// A model with variables x0, x1, … and rows r0, r1, …, from dense rows.
fn model<const N: usize>(
    sense: ObjectiveSense,
    objective: [f64; N],
    bounds: [(f64, f64); N],
    rows: &[([f64; N], f64, f64)],
) -> LinearModel {
    let mut model = LinearModel {
        objective: objective.to_vec(),
        variable_lower: bounds.map(|b| b.0).to_vec(),
        variable_upper: bounds.map(|b| b.1).to_vec(),
        variable_kinds: vec![VariableKind::Continuous.into(); N],
        variable_names: (0..N).map(|j| format!("x{j}")).collect(),
        constraint_names: (0..rows.len()).map(|i| format!("r{i}")).collect(),
        constraint_lower: rows.iter().map(|row| row.1).collect(),
        constraint_upper: rows.iter().map(|row| row.2).collect(),
        row_starts: (0..=rows.len()).map(|row| (row * N) as i32).collect(),
        column_indices: rows.iter().flat_map(|_| 0..N as i32).collect(),
        coefficients: rows.iter().flat_map(|row| row.0).collect(),
        ..LinearModel::default()
    };
    model.set_sense(sense);
    model
}

/// Maximise 3x + 5y with x <= 4, 2y <= 12, 3x + 2y <= 18.
fn product_mix() -> LinearModel {
    model(
        ObjectiveSense::Maximize,
        [3.0, 5.0],
        [(0.0, INF); 2],
        &[([1.0, 0.0], -INF, 4.0), ([0.0, 2.0], -INF, 12.0), ([3.0, 2.0], -INF, 18.0)],
    )
}

/// The same model, with the negative objective minimised.
fn product_mix_minimised() -> LinearModel {
    let mut model = product_mix();
    model.set_sense(ObjectiveSense::Minimize);
    model.objective = vec![-3.0, -5.0];
    model
}

fn checked(model: &LinearModel, values: &[f64]) -> Check {
    verify(model, Candidate { values, duals: &[], reduced_costs: &[] }).unwrap()
}

fn with_duals(
    model: &LinearModel,
    values: &[f64],
    duals: &[f64],
    reduced_costs: &[f64],
) -> (f64, f64, bool) {
    let check = verify(model, Candidate { values, duals, reduced_costs }).unwrap();
    let Verification { dual_violation, complementarity_violation, .. } = check.verification;
    (dual_violation.unwrap(), complementarity_violation.unwrap(), check.acceptable)
}

/// Of a solution without duals that violates nothing.
fn no_violation() -> Verification {
    Verification {
        bound_violation: Some(0.0),
        row_violation: Some(0.0),
        integrality_violation: Some(0.0),
        max_violation: Some(0.0),
        ..Verification::default()
    }
}

#[test]
fn the_optimum_of_the_product_mix_violates_nothing() {
    let duals = [0.0, 1.5, 1.0];
    let candidate = Candidate { values: &[2.0, 6.0], duals: &duals, reduced_costs: &[0.0, 0.0] };
    let check = verify(&product_mix(), candidate).unwrap();
    assert_eq!(check.objective, 36.0);
    assert_eq!(check.activities, [2.0, 12.0, 18.0]);
    assert!(check.acceptable);
    let nothing = Verification {
        dual_violation: Some(0.0),
        complementarity_violation: Some(0.0),
        ..no_violation()
    };
    assert_eq!(check.verification, nothing);
}

#[test]
fn without_duals_duality_is_not_checked() {
    let check = checked(&product_mix(), &[2.0, 6.0]);
    assert_eq!(check.verification, no_violation());
    assert!(check.acceptable);
}

#[test]
fn the_signs_of_duals_follow_the_sense() {
    let minimised = product_mix_minimised();
    let duals = [0.0, -1.5, -1.0];
    assert_eq!(with_duals(&minimised, &[2.0, 6.0], &duals, &[0.0; 2]), (0.0, 0.0, true));
    // A dual of the wrong sign needs a bound that does not exist, and the reduced cost is
    // no longer 0: 5 - 2 (-1.5) - 2 is 6.
    let wrong = [0.0, -1.5, 1.0];
    let (dual, _, acceptable) = with_duals(&product_mix(), &[2.0, 6.0], &wrong, &[0.0, 6.0]);
    assert_eq!((dual, acceptable), (6.0, false));
}

#[test]
fn wrong_reduced_costs_are_a_dual_violation() {
    let (dual, _, acceptable) =
        with_duals(&product_mix(), &[2.0, 6.0], &[0.0, 1.5, 1.0], &[0.0, -0.25]);
    assert_eq!((dual, acceptable), (0.25, false));
}

#[test]
fn a_positive_reduced_cost_needs_a_lower_bound_when_minimising() {
    let lower = model(ObjectiveSense::Minimize, [2.0], [(1.0, INF)], &[]);
    assert_eq!(with_duals(&lower, &[1.0], &[], &[2.0]), (0.0, 0.0, true));
    let free = model(ObjectiveSense::Minimize, [2.0], [(-INF, 1.0)], &[]);
    assert_eq!(with_duals(&free, &[1.0], &[], &[2.0]), (2.0, 0.0, false));
    let upper = model(ObjectiveSense::Maximize, [2.0], [(-INF, 1.0)], &[]);
    assert_eq!(with_duals(&upper, &[1.0], &[], &[2.0]), (0.0, 0.0, true));
}

#[test]
fn a_free_row_has_no_dual() {
    let free = model(ObjectiveSense::Minimize, [1.0], [(0.0, INF)], &[([1.0], -INF, INF)]);
    assert_eq!(with_duals(&free, &[0.0], &[0.0], &[1.0]), (0.0, 0.0, true));
    let (dual, _, acceptable) = with_duals(&free, &[0.0], &[1.0], &[0.0]);
    assert_eq!((dual, acceptable), (1.0, false));
}

#[test]
fn an_equation_has_a_dual_of_either_sign() {
    for cost in [2.0, -2.0] {
        let equation = model(ObjectiveSense::Minimize, [cost], [(-INF, INF)], &[([1.0], 3.0, 3.0)]);
        assert_eq!(with_duals(&equation, &[3.0], &[cost], &[0.0]), (0.0, 0.0, true));
    }
}

#[test]
fn the_dual_of_a_ranged_row_names_its_active_bound() {
    let ranged = model(ObjectiveSense::Minimize, [1.0], [(-INF, INF)], &[([1.0], -5.0, 8.0)]);
    assert_eq!(with_duals(&ranged, &[-5.0], &[1.0], &[0.0]), (0.0, 0.0, true));
    // At the other bound the sign is still valid, but it refers to the bound that is not active.
    assert_eq!(with_duals(&ranged, &[8.0], &[1.0], &[0.0]), (0.0, 13.0, false));
    let (dual, ..) = with_duals(&ranged, &[8.0], &[-1.0], &[0.0]);
    assert_eq!(dual, 2.0);
}

#[test]
fn a_feasible_point_that_is_not_optimal_is_not_complementary() {
    let (dual, complementarity, acceptable) =
        with_duals(&product_mix(), &[0.0, 0.0], &[0.0, 1.5, 1.0], &[0.0, 0.0]);
    assert_eq!((dual, complementarity, acceptable), (0.0, 18.0, false));
}

#[test]
fn violated_bounds_and_rows_are_measured_and_named() {
    let check = checked(&product_mix(), &[-0.5, 7.0]);
    let Verification { bound_violation, row_violation, max_violation, worst, .. } =
        check.verification;
    assert_eq!((bound_violation, row_violation, max_violation), (Some(0.5), Some(2.0), Some(2.0)));
    assert_eq!(worst, ["r1", "x0"]);
    assert!(!check.acceptable);
}

#[test]
fn the_three_worst_are_named() {
    let five = model(ObjectiveSense::Minimize, [0.0; 5], [(0.0, 1.0); 5], &[]);
    let check = checked(&five, &[2.0, 4.0, 1.0, 5.0, 3.0]);
    assert_eq!(check.verification.worst, ["x3", "x1", "x4"]);
}

#[test]
fn lower_and_upper_ends_of_rows_and_equations_are_measured() {
    let rows = [([1.0], 2.0, 4.0), ([1.0], 3.0, 3.0), ([1.0], -INF, INF)];
    let rows = model(ObjectiveSense::Minimize, [0.0], [(-INF, INF)], &rows);
    assert_eq!(checked(&rows, &[3.0]).verification, no_violation());
    assert_eq!(checked(&rows, &[1.0]).verification.row_violation, Some(2.0));
    assert_eq!(checked(&rows, &[5.5]).verification.row_violation, Some(2.5));
}

#[test]
fn crossed_bounds_are_violated_by_every_value() {
    let crossed = model(ObjectiveSense::Minimize, [0.0], [(2.0, 1.0)], &[]);
    assert_eq!(checked(&crossed, &[1.5]).verification.bound_violation, Some(0.5));
    assert_eq!(checked(&crossed, &[2.0]).verification.bound_violation, Some(1.0));
}

#[test]
fn integers_are_measured_from_the_nearest() {
    let mut integers = model(ObjectiveSense::Minimize, [0.0; 2], [(-9.0, 9.0); 2], &[]);
    integers.variable_kinds[0] = VariableKind::Integer.into();
    let check = checked(&integers, &[-2.75, 0.5]);
    assert_eq!(check.verification.integrality_violation, Some(0.25));
    assert_eq!(check.verification.max_violation, Some(0.25));
    assert_eq!(check.verification.worst, ["x0"]);
    assert!(!check.acceptable);
    assert!(checked(&integers, &[-3.0 + 1e-6, 0.5]).acceptable);
}

#[test]
fn a_semi_continuous_variable_may_be_zero() {
    let mut semi = model(ObjectiveSense::Minimize, [0.0], [(2.0, 8.0)], &[]);
    semi.variable_kinds[0] = VariableKind::SemiContinuous.into();
    for (value, violation) in [(0.0, 0.0), (2.5, 0.0), (0.5, 0.5), (1.75, 0.25), (9.0, 1.0)] {
        let check = checked(&semi, &[value]);
        assert_eq!(check.verification.bound_violation, Some(violation), "{value}");
        assert_eq!(check.acceptable, violation == 0.0);
    }
}

#[test]
fn a_semi_integer_variable_is_zero_or_an_integer_between_its_bounds() {
    let mut semi = model(ObjectiveSense::Minimize, [0.0], [(2.0, 8.0)], &[]);
    semi.variable_kinds[0] = VariableKind::SemiInteger.into();
    assert!(checked(&semi, &[0.0]).acceptable);
    assert!(checked(&semi, &[3.0]).acceptable);
    assert_eq!(checked(&semi, &[3.5]).verification.integrality_violation, Some(0.5));
    assert_eq!(checked(&semi, &[1.0]).verification.bound_violation, Some(1.0));
}

#[test]
fn tolerances_are_relative_and_reported_violations_absolute() {
    let large = model(ObjectiveSense::Minimize, [0.0], [(0.0, 1e6)], &[([1.0], -INF, 1e6)]);
    let check = checked(&large, &[1e6 + 0.5]);
    assert_eq!((check.verification.max_violation, check.acceptable), (Some(0.5), true));
    let small = model(ObjectiveSense::Minimize, [0.0], [(0.0, 1.0)], &[]);
    assert!(checked(&small, &[-1e-6]).acceptable);
    assert!(!checked(&small, &[-2e-6]).acceptable);
}

#[test]
fn custom_tolerances_are_used() {
    let small = model(ObjectiveSense::Minimize, [0.0], [(0.0, 1.0)], &[]);
    let candidate = Candidate { values: &[-1e-3], duals: &[], reduced_costs: &[] };
    let wide = Tolerances { primal: 1e-2, ..Tolerances::default() };
    assert!(verify_within(&small, candidate, wide).unwrap().acceptable);
    assert!(!verify(&small, candidate).unwrap().acceptable);
}

#[test]
fn sums_that_cancel_are_exact() {
    let row = [1e16, 1.0, -1e16];
    let cancel = model(ObjectiveSense::Minimize, row, [(0.0, INF); 3], &[(row, 1.0, 1.0)]);
    let check = checked(&cancel, &[1.0; 3]);
    assert_eq!((check.objective, check.activities[0]), (1.0, 1.0));
    assert_eq!(check.verification.row_violation, Some(0.0));
}

#[test]
fn the_offset_is_part_of_the_objective() {
    let mut model = product_mix();
    model.objective_offset = -6.0;
    assert_eq!(checked(&model, &[2.0, 6.0]).objective, 30.0);
    assert_eq!(
        checked(&LinearModel { objective_offset: 7.0, ..Default::default() }, &[]).objective,
        7.0
    );
}

#[test]
fn malformed_solutions_are_an_error() {
    let model = product_mix();
    let check = |values: &[f64], duals: &[f64], reduced_costs: &[f64]| {
        verify(&model, Candidate { values, duals, reduced_costs }).unwrap_err()
    };
    let length = |what, got, want| VerifyError::Length { what, got, want };
    assert_eq!(check(&[1.0], &[], &[]), length("values", 1, 2));
    assert_eq!(check(&[1.0; 2], &[1.0; 2], &[1.0; 2]), length("duals", 2, 3));
    assert_eq!(check(&[1.0; 2], &[1.0; 3], &[]), length("reduced_costs", 0, 2));
    assert_eq!(
        check(&[1.0, f64::NAN], &[], &[]),
        VerifyError::NotFinite { what: "values", index: 1 }
    );
    assert_eq!(
        check(&[1e308, 1e308], &[], &[]),
        VerifyError::NotFinite { what: "objective", index: 0 }
    );
}
