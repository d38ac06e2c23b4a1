//! Models with known answers, and models that are left to HiGHS.

use solvemesh::v1::{LinearModel, ObjectiveSense, TerminationReason as Reason};

use super::{solve, solved_by, termination};
use crate::{
    arrays::Arrays,
    highs_solver::HighsSolver,
    samples::{dense, wyndor},
    task::Finding,
    tiny::{
        eligible::{self, MAX_COLUMNS, MAX_ROWS},
        proven_optimum,
    },
};
use solvemesh::v1::Solver;

const INF: f64 = f64::INFINITY;
const MIN: ObjectiveSense = ObjectiveSense::Minimize;
const MAX: ObjectiveSense = ObjectiveSense::Maximize;

fn found(model: &LinearModel) -> Option<Finding> {
    proven_optimum(&Arrays::of(model).unwrap())
}

#[track_caller]
fn assert_optimum(model: &LinearModel, values: &[f64], duals: &[f64], reduced_costs: &[f64]) {
    let found = found(model).unwrap();
    assert_eq!(found.termination.reason(), Reason::Optimal);
    assert_eq!(found.values, values);
    assert_eq!(found.duals, duals);
    assert_eq!(found.reduced_costs, reduced_costs);
}

#[test]
fn wyndor_has_its_vertex_and_duals_as_a_maximum_and_as_a_minimum() {
    assert_optimum(&wyndor(), &[2.0, 6.0], &[0.0, 150.0, 100.0], &[0.0, 0.0]);
    let mirrored = LinearModel { sense: MIN as i32, objective: vec![-300.0, -500.0], ..wyndor() };
    assert_optimum(&mirrored, &[2.0, 6.0], &[0.0, -150.0, -100.0], &[0.0, 0.0]);
    let found = found(&wyndor()).unwrap();
    assert_eq!(found.termination.objective, Some(3600.0));
    assert_eq!(found.termination.objective_bound, Some(3600.0));
    assert!(found.statistics.simplex_iteration_count > Some(0));
}

#[test]
fn phase_1_reaches_equations_ranges_and_free_variables() {
    // x + y = 4, 1 <= x - y <= 2, y free.
    let rows: [(f64, &[f64], f64); 2] = [(4.0, &[1.0, 1.0], 4.0), (1.0, &[1.0, -1.0], 2.0)];
    let mut model = dense(MIN, &[1.0, 0.0], &rows);
    model.variable_lower[1] = f64::NEG_INFINITY;
    assert_optimum(&model, &[2.5, 1.5], &[0.5, 0.5], &[0.0, 0.0]);
}

#[test]
fn models_without_rows_costs_or_freedom_are_solved() {
    let mut model = dense(MAX, &[2.0, -1.0], &[]);
    model.variable_upper[0] = 3.0;
    assert_optimum(&model, &[3.0, 0.0], &[], &[2.0, -1.0]);
    model.objective = vec![0.0, 0.0];
    assert_optimum(&model, &[0.0, 0.0], &[], &[0.0, 0.0]);
    // A fixed variable, an empty row, a row twice.
    let rows: [(f64, &[f64], f64); 3] =
        [(-1.0, &[0.0, 0.0], 1.0), (2.0, &[1.0, 1.0], INF), (2.0, &[1.0, 1.0], INF)];
    let mut model = dense(MIN, &[1.0, 1.0], &rows);
    (model.variable_lower[0], model.variable_upper[0]) = (1.5, 1.5);
    let found = found(&model).unwrap();
    assert_eq!((found.values, found.termination.objective), (vec![1.5, 0.5], Some(2.0)));
}

#[test]
fn models_without_an_optimum_have_the_answer_of_highs() {
    let infeasible = dense(MIN, &[1.0], &[(-INF, &[1.0], -1.0)]);
    let unbounded = dense(MAX, &[1.0, 0.0], &[(-INF, &[1.0, -1.0], 1.0)]);
    let mut highs_solver = HighsSolver::default();
    for (model, reason) in [(infeasible, Reason::Infeasible), (unbounded, Reason::Unbounded)] {
        assert!(found(&model).is_none());
        let outcome = solve(&mut highs_solver, &model, Solver::Auto);
        assert_eq!(termination(&outcome).reason(), reason);
        assert_eq!(solved_by(&outcome), Solver::Highs);
    }
}

#[test]
fn unusual_numbers_are_left_to_highs() {
    let with = |change: &dyn Fn(&mut LinearModel)| {
        let mut model = wyndor();
        change(&mut model);
        found(&model)
    };
    assert!(with(&|_| {}).is_some());
    for number in [1e-9, 1e10, f64::NAN, INF] {
        assert!(with(&|model| model.coefficients[0] = number).is_none(), "{number}");
        assert!(with(&|model| model.objective[0] = number).is_none(), "{number}");
    }
    for number in [1e20, f64::NAN, f64::NEG_INFINITY] {
        assert!(with(&|model| model.constraint_upper[0] = number).is_none(), "{number}");
        assert!(with(&|model| model.variable_upper[0] = number).is_none(), "{number}");
    }
    assert!(with(&|model| model.variable_lower[0] = INF).is_none());
}

#[test]
fn only_tiny_lps_have_the_size_for_it() {
    let has_size = |model: &LinearModel| eligible::has_size(&Arrays::of(model).unwrap());
    let row = vec![1.0; MAX_COLUMNS + 1];
    let of = |rows: usize, columns: usize| {
        dense(MIN, &row[..columns], &vec![(1.0, &row[..columns], INF); rows])
    };
    assert!(has_size(&of(MAX_ROWS, MAX_COLUMNS)) && has_size(&of(0, 1)));
    assert!(!has_size(&of(MAX_ROWS + 1, 1)) && !has_size(&of(1, MAX_COLUMNS + 1)));
    assert!(!has_size(&of(0, 0)));
    // An integer variable that is fixed: an LP, but not as submitted.
    let mut mip = of(1, 1);
    mip.variable_kinds = vec![solvemesh::v1::VariableKind::Integer as i32];
    assert!(!has_size(&mip));
}
