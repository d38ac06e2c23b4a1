#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, sync::atomic::AtomicBool};

use bytes::Bytes;
use proptest::prelude::*;
use prost::Message as _;
use solvemesh::{
    broker::v1::{JobPayload, ScenarioRange},
    solver::v1::{ScenarioOutcome, SweepTask, solver_report::Kind},
    v1::{
        Basis, GridAxis, LinearModel, ObjectiveSense, ParameterKind, ScenarioGrid,
        ScenarioParameter, ScenarioTable, SolveOptions, Sweep, TerminationReason as Reason,
        VariableKind, sweep,
    },
};
use solvemesh_model::{
    sweep::{Patched, Scenarios},
    verify::objective,
};

use solvemesh_testkit::models::instance;

use super::Sweeps;
use crate::{
    report::Reports,
    samples::{Pipe, dense, wyndor},
    tests::{solve, termination},
};

fn variable(kind: ParameterKind, index: i32) -> ScenarioParameter {
    ScenarioParameter {
        kind: kind.into(),
        variable_index: Some(index),
        ..ScenarioParameter::default()
    }
}

fn constraint(kind: ParameterKind, index: i32) -> ScenarioParameter {
    ScenarioParameter {
        kind: kind.into(),
        constraint_index: Some(index),
        ..ScenarioParameter::default()
    }
}

fn grid(axes: &[(ScenarioParameter, f64, f64, i32)]) -> Sweep {
    let axis = |(parameter, from, to, points): &(ScenarioParameter, f64, f64, i32)| GridAxis {
        parameter: Some(parameter.clone()),
        first: Some(*from),
        last: Some(*to),
        point_count: *points,
        values: Vec::new(),
    };
    let grid = ScenarioGrid { axes: axes.iter().map(axis).collect() };
    Sweep { scenarios: Some(sweep::Scenarios::Grid(grid)), ..Sweep::default() }
}

/// Solves a sweep in two tasks. Returns the model and the outcome of each scenario, by index.
fn swept(model: &LinearModel, sweep: &Sweep) -> Vec<(LinearModel, ScenarioOutcome)> {
    let scenarios = Scenarios::of(sweep.clone(), model).unwrap();
    let count = i32::try_from(scenarios.count()).unwrap();
    let pipe = Pipe::default();
    let reports = Reports::new(pipe.clone());
    let mut sweeps = Sweeps::default();
    let half = count / 2;
    for (task, (first, count)) in (1..).zip([(0, half), (half, count - half)]) {
        let is_first = task == 1;
        let payload = JobPayload { sweep: Some(sweep.clone()), ..model.clone().into() };
        let task = SweepTask {
            task,
            payload: if is_first { payload.encode_to_vec().into() } else { Bytes::new() },
            options: is_first.then(SolveOptions::default),
            scenarios: vec![ScenarioRange { first, count }],
            ..SweepTask::default()
        };
        sweeps.solve(&reports, task, &AtomicBool::new(false)).unwrap();
    }
    let mut outcomes = BTreeMap::new();
    let mut ends = 0;
    for report in pipe.reports() {
        match report.kind {
            Some(Kind::Scenarios(batch)) => {
                for outcome in batch.outcomes {
                    assert!(outcomes.insert(outcome.index, outcome).is_none(), "answered twice");
                }
            }
            Some(Kind::ScenariosDone(_)) => ends += 1,
            _ => {}
        }
    }
    assert_eq!((outcomes.len(), ends), (scenarios.count(), 2));
    let mut patched = Patched::new(model.clone(), &scenarios);
    let with_model = |(scenario, outcome)| {
        patched.apply_scenario(&scenarios, scenario);
        (patched.model().clone(), outcome)
    };
    outcomes.into_values().enumerate().map(with_model).collect()
}

/// Compares each scenario with a cold solve. Returns the number of those without an iteration.
fn agree_with_cold_solves(model: &LinearModel, sweep: &Sweep) -> usize {
    let swept = swept(model, sweep);
    for (scenario, (model, outcome)) in swept.iter().enumerate() {
        let cold = solve(model.clone());
        let expected = termination(&cold);
        assert_eq!(outcome.reason, expected.reason, "scenario {scenario}");
        let Some(expected) = expected.objective else { continue };
        let found = objective(model, &outcome.values);
        let error = (found - expected).abs() / expected.abs().max(1.0);
        assert!(error <= 1e-6, "scenario {scenario}: {found} instead of {expected}");
    }
    swept.iter().filter(|(_, outcome)| outcome.iterations == 0).count()
}

#[test]
fn last_basis_is_optimal_for_most_costs() {
    let sweep = grid(&[(variable(ParameterKind::Objective, 1), 100.0, 1000.0, 1001)]);
    let swept = swept(&wyndor(), &sweep);
    let mut iterations = 0;
    for (model, outcome) in &swept {
        let rate = model.objective[1];
        // (4, 3) is the best vertex up to a rate of 200, and (2, 6) from there on.
        let expected = (1200.0 + 3.0 * rate).max(600.0 + 6.0 * rate);
        assert_eq!(outcome.reason, Reason::Optimal as i32);
        assert!((objective(model, &outcome.values) - expected).abs() <= 1e-9 * expected, "{rate}");
        iterations += outcome.iterations;
    }
    assert!(iterations <= 8, "{iterations} iterations");
}

#[test]
fn bounds_costs_and_coefficients_move_together() {
    let axes = [
        (variable(ParameterKind::Objective, 1), -100.0, 600.0, 8),
        (constraint(ParameterKind::RightHandSide, 2), -2.0, 30.0, 9),
        (variable(ParameterKind::VariableUpper, 0), 0.0, 5.0, 3),
    ];
    let proven = agree_with_cold_solves(&wyndor(), &grid(&axes));
    assert!(proven > 50, "{proven} proven by the last basis");
    let moving =
        ScenarioParameter { variable_index: Some(0), ..constraint(ParameterKind::Coefficient, 1) };
    let axes = [(moving, -1.0, 5.0, 7), (axes[1].0.clone(), 0.0, 30.0, 4)];
    agree_with_cold_solves(&wyndor(), &grid(&axes));
}

#[test]
fn scenarios_without_a_solution_do_not_stop_the_rest() {
    let table = ScenarioTable {
        parameters: vec![
            variable(ParameterKind::VariableLower, 0),
            constraint(ParameterKind::ConstraintUpper, 1),
            constraint(ParameterKind::ConstraintUpper, 2),
        ],
        scenario_count: Some(4),
        // Feasible, crossed with the rows, unbounded, feasible.
        values: vec![
            0.0,
            12.0,
            18.0,
            5.0,
            12.0,
            18.0,
            0.0,
            f64::INFINITY,
            f64::INFINITY,
            1.0,
            12.0,
            18.0,
        ],
        ..ScenarioTable::default()
    };
    let sweep = Sweep { scenarios: Some(sweep::Scenarios::Table(table)), ..Sweep::default() };
    let reasons: Vec<i32> =
        swept(&wyndor(), &sweep).into_iter().map(|(_, outcome)| outcome.reason).collect();
    let expected = [Reason::Optimal, Reason::Infeasible, Reason::Unbounded, Reason::Optimal];
    assert_eq!(reasons, expected.map(|reason| reason as i32));
}

#[test]
fn crossed_bounds_are_detected_although_the_last_basis_is_at_one_of_them() {
    let table = ScenarioTable {
        parameters: vec![
            variable(ParameterKind::VariableLower, 0),
            variable(ParameterKind::VariableUpper, 0),
        ],
        scenario_count: Some(4),
        // In the second, doors are at their upper bound. The third has that bound too, but crossed.
        values: vec![0.0, 4.0, 0.0, 1.0, 3.0, 2.0, 0.5, 1.0],
        ..ScenarioTable::default()
    };
    let sweep = Sweep { scenarios: Some(sweep::Scenarios::Table(table)), ..Sweep::default() };
    agree_with_cold_solves(&wyndor(), &sweep);
}

#[test]
fn right_hand_sides_and_costs_of_real_models_agree_with_cold_solves() {
    for file in ["lp/25fv47.mps", "lp/pilot4.mps", "lp/afiro.mps"] {
        let Some(model) = instance(file) else { return };
        let row = (0..model.constraint_lower.len())
            .rev()
            .find(|&row| {
                let (lower, upper) = (model.constraint_lower[row], model.constraint_upper[row]);
                lower == upper && lower != 0.0 || lower.is_finite() != upper.is_finite()
            })
            .unwrap();
        let (lower, upper) = (model.constraint_lower[row], model.constraint_upper[row]);
        let base = if lower.is_finite() { lower } else { upper };
        let column = model.objective.iter().position(|&cost| cost != 0.0).unwrap();
        let cost = model.objective[column];
        let wide =
            |base: f64| (base - 0.02 * base.abs().max(1.0), base + 0.02 * base.abs().max(1.0));
        let axes = [
            (constraint(ParameterKind::RightHandSide, i32::try_from(row).unwrap()), wide(base)),
            (variable(ParameterKind::Objective, i32::try_from(column).unwrap()), wide(cost)),
        ];
        let axes = axes.map(|(parameter, (from, to))| (parameter, from, to, 5));
        let proven = agree_with_cold_solves(&model, &grid(&axes));
        eprintln!("{file}: {proven} of 25 proven by the last basis");
    }
}

#[test]
fn capacities_of_a_mip_agree_with_cold_solves() {
    let Some(model) = instance("mip/p0201.mps") else { return };
    let row = model.constraint_upper.iter().position(|upper| upper.is_finite()).unwrap();
    let upper = model.constraint_upper[row];
    let parameter = constraint(ParameterKind::ConstraintUpper, i32::try_from(row).unwrap());
    let sweep = grid(&[(parameter, upper - 2.0, upper + 2.0, 3)]);
    let swept = swept(&model, &sweep);
    for (model, outcome) in swept {
        let cold = termination(&solve(model.clone())).objective.unwrap();
        let found = objective(&model, &outcome.values);
        // Each is within the gap of 1e-4 of the best.
        assert!((found - cold).abs() <= 2e-4 * cold.abs(), "{found} instead of {cold}");
    }
}

#[test]
fn a_model_without_entries_is_swept() {
    let model = dense(ObjectiveSense::Minimize, &[3.0], &[(f64::NEG_INFINITY, &[0.0], 3.0)]);
    let model = LinearModel { variable_lower: vec![-1.0], variable_upper: vec![1.0], ..model };
    let sweep = grid(&[(variable(ParameterKind::Objective, 0), 1.0, 3.0, 3)]);
    let swept = swept(&model, &sweep);
    let objectives: Vec<f64> =
        swept.iter().map(|(model, outcome)| objective(model, &outcome.values)).collect();
    assert_eq!(objectives, [-1.0, -2.0, -3.0]);
}

#[test]
fn a_scenario_after_an_unbounded_one_is_answered() {
    let free = f64::NEG_INFINITY;
    let rows: [(f64, &[f64], f64); 3] = [
        (free, &[-1.0, 4.0, 0.5, 5.0, -2.0], 10.0),
        (6.0, &[0.0, 2.0, 0.0, 0.0, 5.0], f64::INFINITY),
        (free, &[5.0, 0.0, 2.0, 0.0, 3.0], 0.0),
    ];
    let model = dense(ObjectiveSense::Minimize, &[1.0, -2.0, 2.0, 2.0, 0.0], &rows);
    let model = LinearModel {
        variable_lower: vec![2.0, 0.0, free, free, free],
        variable_upper: vec![4.0, 5.0, f64::INFINITY, f64::INFINITY, 4.0],
        ..model
    };
    let sweep = grid(&[(variable(ParameterKind::VariableFixed, 4), 1.0, 0.0, 2)]);
    for (_, outcome) in swept(&model, &sweep) {
        assert_eq!(outcome.reason(), Reason::Unbounded);
        assert!(outcome.unbounded_ray.is_some() && outcome.values.len() == 5, "{outcome:?}");
    }
}

#[test]
fn a_sweep_of_a_mip_is_not_misled_by_its_own_starts() {
    let model = dense(
        ObjectiveSense::Minimize,
        &[1.0, -1.0, 0.0],
        &[(4.5, &[5.0, -2.0, 0.0], f64::INFINITY)],
    );
    let model = LinearModel {
        variable_lower: vec![f64::NEG_INFINITY, 0.0, 0.0],
        variable_upper: vec![4.0, 5.0, 1.0],
        variable_kinds: vec![2, 1, 2],
        ..model
    };
    let sweep = grid(&[(variable(ParameterKind::Objective, 2), 8.0, -1.0, 2)]);
    let objectives: Vec<f64> = swept(&model, &sweep)
        .iter()
        .map(|(model, outcome)| objective(model, &outcome.values))
        .collect();
    assert_eq!(objectives, [-2.0, -3.0]);
}

#[test]
fn a_coefficient_may_become_small_in_a_sweep() {
    // Minimise x, where c x >= 1 for c from 1 to 1e-10: HiGHS by default drops the last one.
    let model = dense(ObjectiveSense::Minimize, &[1.0, 1.0], &[(1.0, &[1.0, 1e-3], f64::INFINITY)]);
    let model = LinearModel { variable_upper: vec![f64::INFINITY, 0.0], ..model };
    let coefficient =
        ScenarioParameter { variable_index: Some(0), ..constraint(ParameterKind::Coefficient, 0) };
    let table = ScenarioTable {
        parameters: vec![coefficient],
        scenario_count: Some(3),
        values: vec![1.0, 1e-5, 1e-10],
        ..ScenarioTable::default()
    };
    let sweep = Sweep { scenarios: Some(sweep::Scenarios::Table(table)), ..Sweep::default() };
    for ((_, outcome), best) in swept(&model, &sweep).iter().zip([1.0, 1e5, 1e10]) {
        assert_eq!(outcome.reason(), Reason::Optimal, "{outcome:?}");
        assert!((outcome.values[0] - best).abs() <= 1e-6 * best, "{outcome:?}");
    }
}

#[test]
fn small_costs_are_swept_correctly() {
    // Each needs another scale factor than the scenario before.
    let rates: Vec<f64> = [1e-9, 5e-6, 0.25, 500.0].into();
    let table = ScenarioTable {
        parameters: vec![
            variable(ParameterKind::Objective, 0),
            variable(ParameterKind::Objective, 1),
        ],
        scenario_count: Some(4),
        values: rates.iter().flat_map(|rate| [0.6 * rate, *rate]).collect(),
        ..ScenarioTable::default()
    };
    let sweep = Sweep { scenarios: Some(sweep::Scenarios::Table(table)), ..Sweep::default() };
    for (rate, (_, outcome)) in rates.iter().zip(swept(&wyndor(), &sweep)) {
        assert_eq!(outcome.reason(), Reason::Optimal);
        let near = outcome.values.iter().zip([2.0, 6.0]).all(|(x, at)| (x - at).abs() < 1e-9);
        assert!(near, "{rate:e}: {:?}", outcome.values);
    }
}

/// Small LPs and MIPs, and sweeps over a cost and a right-hand side.
fn small_sweeps() -> impl Strategy<Value = (LinearModel, Sweep)> {
    let number = |range: std::ops::Range<i32>| range.prop_map(f64::from);
    (2..4usize, 1..4usize).prop_flat_map(move |(n, m)| {
        let rows =
            prop::collection::vec((prop::collection::vec(number(-4..5), n), number(-6..13)), m);
        let costs = prop::collection::vec(number(-5..6), n);
        let kinds = prop::collection::vec(1..3i32, n);
        let uppers =
            prop::collection::vec(prop_oneof![4 => number(1..9), 1 => Just(f64::INFINITY)], n);
        let values = prop::collection::vec((number(-6..7), number(-4..9)), 2..7);
        (rows, costs, kinds, uppers, values, 0..n, 0..m).prop_map(
            |(rows, costs, kinds, uppers, values, column, row)| {
                let rows: Vec<_> = rows
                    .iter()
                    .map(|(row, side)| (f64::NEG_INFINITY, row.as_slice(), *side))
                    .collect();
                let model = dense(ObjectiveSense::Maximize, &costs, &rows);
                let model = LinearModel { variable_kinds: kinds, variable_upper: uppers, ..model };
                let index = |index: usize| i32::try_from(index).unwrap();
                let table = ScenarioTable {
                    parameters: vec![
                        variable(ParameterKind::Objective, index(column)),
                        constraint(ParameterKind::ConstraintUpper, index(row)),
                    ],
                    scenario_count: Some(index(values.len())),
                    values: values.iter().flat_map(|(cost, side)| [*cost, *side]).collect(),
                    ..ScenarioTable::default()
                };
                let scenarios = Some(sweep::Scenarios::Table(table));
                (model, Sweep { scenarios, ..Sweep::default() })
            },
        )
    })
}

/// Solves one scenario of a sweep in a process of its own, from a basis. Returns its outcome, and the
/// basis with which it ended.
fn solved_alone(
    (model, sweep): (&LinearModel, &Sweep),
    scenario: i32,
    basis: Option<Basis>,
) -> (ScenarioOutcome, Option<Basis>) {
    let pipe = Pipe::default();
    let payload = JobPayload { sweep: Some(sweep.clone()), ..model.clone().into() };
    let task = SweepTask {
        task: 1,
        payload: payload.encode_to_vec().into(),
        options: Some(SolveOptions::default()),
        scenarios: vec![ScenarioRange { first: scenario, count: 1 }],
        basis,
    };
    let interrupt = AtomicBool::new(false);
    Sweeps::default().solve(&Reports::new(pipe.clone()), task, &interrupt).unwrap();
    let (mut outcome, mut end) = (None, None);
    for report in pipe.reports() {
        match report.kind {
            Some(Kind::Scenarios(batch)) => outcome = batch.outcomes.into_iter().next(),
            Some(Kind::ScenariosDone(done)) => end = Some(done.basis),
            _ => {}
        }
    }
    (outcome.unwrap(), end.unwrap())
}

/// An LP of a dense matrix that takes HiGHS several iterations from scratch, and a sweep of one
/// right-hand side.
fn dense_sweep() -> (LinearModel, Sweep) {
    let size = 12_i32;
    let row = |row: i32| -> Vec<f64> {
        (0..size).map(|column| f64::from(1 + (7 * row + 5 * column + row * column) % 11)).collect()
    };
    let rows: Vec<Vec<f64>> = (0..size).map(row).collect();
    let rows: Vec<_> = rows
        .iter()
        .zip(20..)
        .map(|(row, side)| (f64::NEG_INFINITY, row.as_slice(), f64::from(side)))
        .collect();
    let costs: Vec<f64> = (0..size).map(|column| f64::from(3 + column * 5 % 7)).collect();
    let model = dense(ObjectiveSense::Maximize, &costs, &rows);
    let parameter = constraint(ParameterKind::ConstraintUpper, 0);
    (model, grid(&[(parameter, 20.0, 20.5, 2)]))
}

#[test]
fn another_process_starts_from_the_basis_of_the_first() {
    let (model, sweep) = &dense_sweep();
    let (first, basis) = solved_alone((model, sweep), 0, None);
    let (cold, _) = solved_alone((model, sweep), 1, None);
    assert!(first.iterations > 1 && cold.iterations > 1, "{first:?} {cold:?}");
    assert!(basis.is_some());
    let (warm, _) = solved_alone((model, sweep), 1, basis);
    assert!(warm.iterations < cold.iterations, "{warm:?} {cold:?}");
    let difference = objective(model, &warm.values) - objective(model, &cold.values);
    assert!(difference.abs() <= 1e-9, "{difference}");
}

#[test]
fn a_basis_that_does_not_fit_is_ignored() {
    let (model, sweep) = &dense_sweep();
    let (cold, basis) = solved_alone((model, sweep), 1, None);
    let basis = basis.unwrap();
    let too_short = Basis { variables: vec![1; 3], ..basis.clone() };
    let unknown = Basis { variables: vec![77; 12], ..basis.clone() };
    let too_many_basic = Basis { variables: vec![2; 12], constraints: vec![2; 12] };
    let none_basic = Basis { variables: vec![1; 12], constraints: vec![1; 12] };
    let at_no_bound = Basis { variables: vec![3; 12], constraints: vec![2; 12] };
    for wrong in [too_short, unknown, too_many_basic, none_basic, at_no_bound, Basis::default()] {
        let (outcome, _) = solved_alone((model, sweep), 1, Some(wrong.clone()));
        assert_eq!(outcome.reason(), Reason::Optimal, "{wrong:?}");
        let difference = objective(model, &outcome.values) - objective(model, &cold.values);
        assert!(difference.abs() <= 1e-9, "{difference} with {wrong:?}");
    }
}

#[test]
fn a_mip_has_no_basis() {
    let (model, sweep) = dense_sweep();
    let kinds = vec![VariableKind::Integer as i32; 12];
    let model = LinearModel { variable_kinds: kinds, ..model };
    let basis = Basis { variables: vec![1; 12], constraints: vec![2; 12] };
    let (outcome, basis) = solved_alone((&model, &sweep), 1, Some(basis));
    assert_eq!((outcome.reason(), basis), (Reason::Optimal, None));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn scenarios_agree_with_cold_solves((model, sweep) in small_sweeps()) {
        agree_with_cold_solves(&model, &sweep);
    }
}
