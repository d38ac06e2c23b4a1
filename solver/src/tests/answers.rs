//! Answers of HiGHS to models whose answers are known.

use std::sync::atomic::AtomicBool;

use proptest::prelude::*;
use solvemesh::v1::{
    LinearModel, ObjectiveSense, Presolve, SolveOptions, Solver, TerminationReason as Reason,
    VariableKind,
};

use super::{
    assert_close, assert_optimal, reason, solve, solve_by, solve_with, termination, with_kinds,
};
use crate::{
    highs_solver::HighsSolver,
    samples::{dense, wyndor},
};

const INF: f64 = f64::INFINITY;
const MIN: ObjectiveSense = ObjectiveSense::Minimize;
const MAX: ObjectiveSense = ObjectiveSense::Maximize;

#[test]
fn wyndor_is_solved_as_a_maximum_and_as_a_minimum() {
    assert_optimal(&solve(wyndor()), 3600.0, &[2.0, 6.0]);
    let mirrored = LinearModel { sense: MIN as i32, objective: vec![-300.0, -500.0], ..wyndor() };
    let outcome = solve(mirrored);
    assert_optimal(&outcome, -3600.0, &[2.0, 6.0]);
    assert_eq!(termination(&outcome).objective_bound, termination(&outcome).objective);
    assert_eq!(termination(&outcome).relative_gap, Some(0.0));
}

#[test]
fn result_has_the_solver_its_version_and_statistics() {
    for (requested, solver, version) in [
        (Solver::Highs, Solver::Highs, "HiGHS 1."),
        (Solver::Auto, Solver::DenseSimplex, "dense simplex of solvemesh "),
    ] {
        let options = SolveOptions { solver: requested.into(), ..SolveOptions::default() };
        let result = solve_with(wyndor(), options).result.unwrap();
        assert_eq!(result.solver(), solver);
        assert!(result.solver_version.starts_with(version), "{}", result.solver_version);
        let statistics = result.statistics.unwrap();
        assert_eq!(statistics.thread_count, Some(1));
        assert!(statistics.solve_time.is_some());
    }
}

#[test]
fn the_offset_is_part_of_the_objective() {
    let outcome = solve(LinearModel { objective_offset: -600.5, ..wyndor() });
    assert_optimal(&outcome, 2999.5, &[2.0, 6.0]);
}

#[test]
fn an_integer_model_has_an_integer_optimum_with_a_bound_and_without_duals() {
    let model = dense(MAX, &[5.0, 4.0], &[(-INF, &[6.0, 4.0], 24.0), (-INF, &[1.0, 2.0], 6.0)]);
    let model = with_kinds(model, &[VariableKind::Integer; 2]);
    let outcome = solve(model);
    assert_optimal(&outcome, 20.0, &[4.0, 0.0]);
    assert_close(&[termination(&outcome).objective_bound.unwrap()], &[20.0]);
    assert!(outcome.duals.is_empty() && outcome.reduced_costs.is_empty());
}

#[test]
fn a_semi_continuous_variable_is_0_or_between_its_bounds() {
    let bounds = |model| LinearModel {
        variable_lower: vec![2.0, 0.0],
        variable_upper: vec![10.0, INF],
        ..model
    };
    for (demand, semi, other) in [(1.0, 0.0, 1.0), (3.0, 3.0, 0.0)] {
        let model = bounds(dense(MIN, &[1.0, 1.5], &[(demand, &[1.0, 1.0], INF)]));
        let model = with_kinds(model, &[VariableKind::SemiContinuous, VariableKind::Continuous]);
        let outcome = solve(model);
        assert_optimal(&outcome, semi + 1.5 * other, &[semi, other]);
        assert!(outcome.duals.is_empty());
    }
}

#[test]
fn a_semi_integer_variable_is_0_or_an_integer_between_its_bounds() {
    let model = dense(MIN, &[1.0], &[(2.5, &[1.0], INF)]);
    let model = LinearModel { variable_lower: vec![2.0], variable_upper: vec![9.0], ..model };
    assert_optimal(&solve(with_kinds(model, &[VariableKind::SemiInteger])), 3.0, &[3.0]);
}

#[test]
fn semi_continuous_bound_that_highs_would_tighten_is_rejected_by_name() {
    let model = LinearModel {
        variable_lower: vec![1.0, 0.0],
        variable_upper: vec![2e5, 2e5],
        variable_names: vec!["wide".into(), "free".into()],
        ..wyndor()
    };
    let outcome = solve(with_kinds(model, &[VariableKind::SemiContinuous; 2]));
    assert_eq!(reason(&outcome), Reason::OtherError);
    assert!(termination(&outcome).detail.contains("wide"));
}

#[test]
fn ranged_equal_free_and_empty_rows_are_kept() {
    let rows: [(f64, &[f64], f64); 4] = [
        (2.0, &[1.0, 1.0], 5.0),
        (1.0, &[1.0, -1.0], 1.0),
        (-INF, &[7.0, 7.0], INF),
        (0.0, &[0.0, 0.0], 1.0),
    ];
    assert_optimal(&solve(dense(MAX, &[1.0, 1.0], &rows)), 5.0, &[3.0, 2.0]);
    assert_optimal(&solve(dense(MIN, &[1.0, 1.0], &rows)), 2.0, &[1.5, 0.5]);
}

#[test]
fn infeasible_and_unbounded_are_distinguished() {
    let infeasible: [(f64, &[f64], f64); 2] = [(-INF, &[1.0], 1.0), (2.0, &[1.0], INF)];
    let kinds = [VariableKind::Continuous, VariableKind::Integer];
    for kind in kinds {
        let outcome = solve(with_kinds(dense(MIN, &[1.0], &infeasible), &[kind]));
        assert_eq!(reason(&outcome), Reason::Infeasible);
        assert_eq!(termination(&outcome).objective, None);
        assert!(outcome.values.is_empty());
        let unbounded = dense(MAX, &[1.0, 1.0], &[(-INF, &[1.0, -1.0], 2.0)]);
        let outcome = solve(with_kinds(unbounded, &[kind; 2]));
        assert_eq!(reason(&outcome), Reason::Unbounded, "{kind:?}");
        // A solution, from which the ray starts.
        assert!(outcome.values.len() == 2 && outcome.values[0] - outcome.values[1] <= 2.0);
    }
}

#[test]
fn an_unbounded_relaxation_without_integer_solution_is_infeasible() {
    // 2y + 2z = 1 has no integer solution, while x grows without limit.
    let rows: [(f64, &[f64], f64); 2] =
        [(1.0, &[0.0, 2.0, 2.0], 1.0), (0.0, &[1.0, -1.0, 0.0], INF)];
    let model = dense(MAX, &[1.0, 0.0, 0.0], &rows);
    for presolve in [Presolve::Auto, Presolve::Off] {
        let options = SolveOptions { presolve: presolve as i32, ..SolveOptions::default() };
        let kinds = [VariableKind::Integer; 3];
        let outcome = solve_with(with_kinds(model.clone(), &kinds), options);
        assert_eq!(reason(&outcome), Reason::Infeasible, "{presolve:?}");
    }
}

#[test]
fn crossed_bounds_are_infeasible() {
    let column = LinearModel { variable_lower: vec![0.0, 3.0], ..wyndor() };
    let column = LinearModel { variable_upper: vec![INF, 2.0], ..column };
    let row = LinearModel { constraint_lower: vec![5.0, 0.0, 0.0], ..wyndor() };
    for model in [column, row] {
        assert_eq!(reason(&solve(model)), Reason::Infeasible);
    }
}

#[test]
fn optimum_of_an_empty_model_is_its_offset() {
    let offset = 4.25;
    let model = LinearModel { objective_offset: offset, row_starts: vec![0], ..Default::default() };
    assert_optimal(&solve(model), offset, &[]);
}

#[test]
fn rows_without_variables_have_activity_0() {
    for (lower, upper, expected) in [(-1.0, 1.0, Reason::Optimal), (1.0, 2.0, Reason::Infeasible)] {
        let model = dense(MIN, &[], &[(lower, &[], upper)]);
        let outcome = solve(model);
        assert_eq!(reason(&outcome), expected);
        assert_eq!(outcome.duals.len(), usize::from(expected == Reason::Optimal));
    }
}

#[test]
fn variables_without_rows_go_to_their_better_bounds() {
    let bounds = |model| LinearModel {
        variable_lower: vec![-1.5, 0.0],
        variable_upper: vec![4.0, 2.5],
        ..model
    };
    let outcome = solve(bounds(dense(MIN, &[1.0, -2.0], &[])));
    assert_optimal(&outcome, -6.5, &[-1.5, 2.5]);
    assert_close(&outcome.reduced_costs, &[1.0, -2.0]);
    let integers = with_kinds(bounds(dense(MIN, &[1.0, -2.0], &[])), &[VariableKind::Integer; 2]);
    assert_optimal(&solve(integers), -5.0, &[-1.0, 2.0]);
    assert_eq!(reason(&solve(dense(MAX, &[1.0], &[]))), Reason::Unbounded);
}

#[test]
fn model_rejected_by_highs_is_an_error() {
    let model = dense(MIN, &[1.0], &[(1.0, &[1e16], INF)]);
    let outcome = solve(model);
    assert_eq!(reason(&outcome), Reason::OtherError);
    assert!(termination(&outcome).detail.contains("rejects"));
}

#[test]
fn model_with_a_wrong_shape_is_an_error_that_names_the_array() {
    let outcome = solve(LinearModel { variable_upper: vec![], ..wyndor() });
    assert_eq!(reason(&outcome), Reason::OtherError);
    assert!(termination(&outcome).detail.contains("variable_upper"));
}

fn small_models() -> impl Strategy<Value = LinearModel> {
    (1..4usize, 0..4usize).prop_flat_map(|(n, m)| {
        let coefficient = (-5..6).prop_map(f64::from);
        let cost = prop::collection::vec(coefficient.clone(), n);
        let row = prop::collection::vec(coefficient, n);
        let bound = prop_oneof![(-9..10).prop_map(f64::from), Just(INF)];
        let rows = prop::collection::vec((row, bound), m);
        let kind = prop::sample::select(vec![
            VariableKind::Continuous,
            VariableKind::Integer,
            VariableKind::SemiContinuous,
        ]);
        let kinds = prop::collection::vec(kind, n);
        (cost, rows, kinds, any::<bool>()).prop_map(move |(cost, rows, kinds, maximize)| {
            let rows: Vec<_> =
                rows.iter().map(|(row, upper)| (-INF, row.as_slice(), *upper)).collect();
            let model = dense(if maximize { MAX } else { MIN }, &cost, &rows);
            let model = LinearModel { variable_upper: vec![8.0; n], ..model };
            with_kinds(LinearModel { variable_lower: vec![1.0; n], ..model }, &kinds)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn warm_instance_gives_the_same_answers_as_a_new_one(
        models in prop::collection::vec(small_models(), 1..12),
    ) {
        let never = AtomicBool::new(false);
        let mut warm = HighsSolver::default();
        for (index, model) in models.into_iter().enumerate() {
            let options = SolveOptions {
                presolve: if index % 3 == 0 { Presolve::Off } else { Presolve::Auto } as i32,
                relative_gap: (index % 2 == 0).then_some(0.0),
                ..SolveOptions::default()
            };
            let (warm, _) = solve_by(&mut warm, model.clone(), options.clone(), &never);
            let fresh = solve_with(model, options);
            prop_assert_eq!(reason(&warm), reason(&fresh));
            prop_assert_eq!(termination(&warm).objective, termination(&fresh).objective);
            prop_assert_eq!(warm.values, fresh.values);
            prop_assert_eq!(warm.duals, fresh.duals);
        }
    }
}

#[test]
fn a_small_coefficient_beside_a_large_one_decides_a_mip() {
    // With HiGHS's default of `small_matrix_value`, which it applies again after scaling rows,
    // these were infeasible. The best solution has a = 0.78 / v and b = 8 / w.
    for (v, w) in [(5e-9, 30.0), (5e-8, 1e3), (5e-7, 1e4), (1e-6, 1e5)] {
        let rows: [(f64, &[f64], f64); 2] =
            [(8.78, &[v, w, 5.0, 0.0], 8.78), (-INF, &[0.0, w, 7.0, 0.0], 8.0)];
        let model = LinearModel {
            variable_lower: vec![0.0; 4],
            variable_upper: vec![4.0 / v, 1000.0, 6.0, 1.0],
            variable_kinds: vec![1, 1, 2, 2],
            ..dense(MIN, &[1e-3, 1.0, 1.0, 1.0], &rows)
        };
        let outcome = solve(model);
        assert_eq!(reason(&outcome), Reason::Optimal, "{v:e} {w:e}");
        let (found, best) = (termination(&outcome).objective.unwrap(), 0.78e-3 / v + 8.0 / w);
        // The gap of HiGHS is 1e-4.
        assert!((found - best).abs() <= 2e-4 * best, "{found} instead of {best}");
    }
}
