//! Models with integers that HiGHS calls optimal although they are unbounded.

use proptest::prelude::*;
use solvemesh::{
    broker::v1::JobPayload,
    v1::{
        LinearModel, ObjectiveSense, Presolve, SolveOptions, SolveResult, StartStatus,
        StartingPoint, TerminationReason as Reason, VariableKind,
    },
};

use super::solve_with;
use crate::samples::dense;

const INF: f64 = f64::INFINITY;

/// Solves with and without presolve, each without a start and from each of these.
fn results(model: &LinearModel, starts: &[Vec<f64>]) -> Vec<SolveResult> {
    let mut results = Vec::new();
    for presolve in [Presolve::On, Presolve::Off] {
        for start in std::iter::once(None).chain(starts.iter().map(Some)) {
            let options = SolveOptions {
                presolve: presolve.into(),
                // Branch and bound may not end where only the objective is bounded.
                time_limit: Some(prost_types::Duration { seconds: 20, nanos: 0 }),
                ..SolveOptions::default()
            };
            let start = start.map(|values| StartingPoint {
                variable_indices: (0..).take(values.len()).collect(),
                values: values.clone(),
                ..StartingPoint::default()
            });
            let payload = JobPayload { start, ..model.clone().into() };
            results.push(solve_with(payload, options).result.unwrap());
        }
    }
    results
}

fn integers(model: LinearModel) -> LinearModel {
    let kinds = vec![VariableKind::Integer.into(); model.objective.len()];
    LinearModel { variable_kinds: kinds, ..model }
}

#[test]
fn an_unbounded_mip_is_unbounded_with_a_start_and_without_presolve() {
    // y may grow together with x. HiGHS calls the start optimal.
    let rows: [(f64, &[f64], f64); 2] = [(-INF, &[2.0, -2.0], 0.0), (-INF, &[-1.0, 1.0], 1.0)];
    let model = integers(dense(ObjectiveSense::Maximize, &[0.0, 1.0], &rows));
    for result in results(&model, &[vec![0.0, 0.0], vec![1.0, 1.0], vec![5.0, 5.0]]) {
        let termination = result.termination.unwrap();
        assert_eq!(termination.reason(), Reason::Unbounded, "{termination:?}");
        assert_eq!((termination.objective, termination.objective_bound), (None, None));
        assert!(result.unbounded_ray.is_some());
    }
}

#[test]
fn an_unbounded_mip_uses_its_start_and_any_number_of_threads() {
    let rows: [(f64, &[f64], f64); 2] = [(-INF, &[2.0, -2.0], 0.0), (-INF, &[-1.0, 1.0], 1.0)];
    let model = integers(dense(ObjectiveSense::Maximize, &[0.0, 1.0], &rows));
    for threads in [2, 1, 2] {
        let options = SolveOptions { threads: Some(threads), ..SolveOptions::default() };
        let start = Some(StartingPoint {
            variable_indices: vec![0, 1],
            values: vec![4.0, 5.0],
            ..StartingPoint::default()
        });
        let payload = JobPayload { start, ..model.clone().into() };
        let result = solve_with(payload, options.clone()).result.unwrap();
        assert_eq!(result.termination.unwrap().reason(), Reason::Unbounded);
        assert_eq!(result.start_report.unwrap().status(), StartStatus::Used);
        // The next job of the process has the same number of threads.
        let bounded = LinearModel { variable_upper: vec![3.0; 2], ..model.clone() };
        let result = solve_with(bounded, options).result.unwrap();
        assert_eq!(result.termination.unwrap().objective, Some(3.0));
    }
}

#[test]
fn an_infeasible_mip_with_an_improving_direction_is_infeasible() {
    // 2 x = 2 y + 1 has no integers.
    let model = integers(dense(ObjectiveSense::Maximize, &[1.0, 1.0], &[(1.0, &[2.0, -2.0], 1.0)]));
    for result in results(&model, &[]) {
        let termination = result.termination.unwrap();
        // Without presolve HiGHS may branch until the time limit.
        assert!(
            matches!(termination.reason(), Reason::Infeasible | Reason::NoSolutionFound),
            "{termination:?}"
        );
        assert_eq!((termination.objective, termination.objective_bound), (None, None));
    }
}

#[test]
fn a_minimised_mip_with_a_semi_continuous_variable_and_a_range_is_unbounded() {
    // z, which is free, decreases with y; s is bounded.
    let rows: [(f64, &[f64], f64); 1] = [(-2.0, &[1.0, 1.0, 1.0], 5.0)];
    let model = LinearModel {
        variable_kinds: [
            VariableKind::SemiContinuous,
            VariableKind::Integer,
            VariableKind::Integer,
        ]
        .map(i32::from)
        .to_vec(),
        variable_lower: vec![1.0, 0.0, -INF],
        variable_upper: vec![4.0, INF, INF],
        ..dense(ObjectiveSense::Minimize, &[1.0, 0.0, 1.0], &rows)
    };
    for result in results(&model, &[vec![0.0, 0.0, 0.0]]) {
        assert_eq!(result.termination.unwrap().reason(), Reason::Unbounded);
    }
    let bounded = LinearModel { variable_upper: vec![4.0, 7.0, INF], ..model };
    for result in results(&bounded, &[vec![0.0, 0.0, 0.0]]) {
        assert_eq!(result.termination.unwrap().objective, Some(-9.0));
    }
}

#[test]
fn a_bounded_mip_with_variables_that_have_no_bounds_stays_optimal() {
    // Only together the rows bound x and y.
    let rows: [(f64, &[f64], f64); 2] = [(-INF, &[1.0, -1.0], 3.0), (-INF, &[-0.5, 1.0], 3.0)];
    let model = integers(dense(ObjectiveSense::Maximize, &[1.0, 1.0], &rows));
    for result in results(&model, &[vec![0.0, 0.0]]) {
        let termination = result.termination.unwrap();
        assert_eq!(termination.reason(), Reason::Optimal);
        assert_eq!((termination.objective, termination.warnings), (Some(21.0), Vec::new()));
    }
}

/// Small models with integers, most of whose variables have no upper bound. 0 is a solution.
fn open_mips() -> impl Strategy<Value = LinearModel> {
    (2..4_usize, 1..4_usize).prop_flat_map(|(n, m)| {
        let number = |range: std::ops::Range<i32>| range.prop_map(f64::from);
        let row = (prop::collection::vec(number(-4..5), n), number(0..9));
        let upper = prop_oneof![3 => Just(INF), 1 => number(1..9)];
        (
            prop::collection::vec(row, m),
            prop::collection::vec(number(-3..6), n),
            prop::collection::vec(1..3_i32, n - 1),
            prop::collection::vec(upper, n),
        )
            .prop_map(|(rows, costs, mut kinds, variable_upper)| {
                let rows: Vec<_> =
                    rows.iter().map(|(row, side)| (-INF, row.as_slice(), *side)).collect();
                kinds.push(VariableKind::Integer.into());
                LinearModel {
                    variable_kinds: kinds,
                    variable_upper,
                    ..dense(ObjectiveSense::Maximize, &costs, &rows)
                }
            })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn starts_and_presolve_do_not_change_whether_a_mip_is_bounded(model in open_mips()) {
        let start = vec![0.0; model.objective.len()];
        let reasons: Vec<_> = results(&model, &[start])
            .into_iter()
            .map(|result| result.termination.unwrap().reason())
            .collect();
        prop_assert!(matches!(reasons[0], Reason::Optimal | Reason::Unbounded), "{reasons:?}");
        prop_assert!(reasons.iter().all(|reason| *reason == reasons[0]), "{reasons:?}");
    }
}
