//! Models that solvers have answered wrongly, with the correct results that a worker must report.

use proptest::prelude::*;
use solvemesh::broker::v1::JobPayload;
use solvemesh::v1::{
    LinearModel, ObjectiveSense, SolveOptions, SolveResult, Solver, StartingPoint,
    TerminationReason as Reason, VariableKind,
};

use solvemesh_testkit::models::{dense, index, with_kinds};

use super::solve_with;
use crate::result::{SolverResult, conclude};

const INF: f64 = f64::INFINITY;
const MIN: ObjectiveSense = ObjectiveSense::Minimize;
const MAX: ObjectiveSense = ObjectiveSense::Maximize;
const CONTINUOUS: VariableKind = VariableKind::Continuous;
const INTEGER: VariableKind = VariableKind::Integer;

fn exact() -> SolveOptions {
    SolveOptions { relative_gap: Some(0.0), absolute_gap: Some(0.0), ..SolveOptions::default() }
}

/// Solves a model and checks the answer.
fn solved(job: impl Into<JobPayload>, options: SolveOptions) -> SolveResult {
    let job = job.into();
    let model = job.model.clone().unwrap();
    let answer =
        SolverResult::from_outcome(solve_with(job, options.clone()), None).with_options(&options);
    conclude(model, answer).unwrap().result
}

#[track_caller]
fn assert_optimum(job: impl Into<JobPayload>, options: SolveOptions, expected: f64) -> SolveResult {
    let result = solved(job, options);
    let termination = result.termination.clone().unwrap();
    assert_eq!(termination.reason(), Reason::Optimal, "{termination:?}");
    let objective = termination.objective.unwrap();
    let error = (objective - expected).abs();
    assert!(error <= 1e-9 * expected.abs(), "{objective} instead of {expected}");
    result
}

fn bounded(model: LinearModel, bounds: &[(f64, f64)]) -> LinearModel {
    let (variable_lower, variable_upper) = bounds.iter().copied().unzip();
    LinearModel { variable_lower, variable_upper, ..model }
}

#[test]
fn crossed_bounds_of_a_semi_continuous_variable_fix_it_to_0() {
    let model = dense(MIN, &[1.0, 3.0], &[(2.0, &[1.0, 1.0], INF)]);
    let model = bounded(model, &[(0.5, 0.25), (0.0, INF)]);
    for kind in [VariableKind::SemiContinuous, VariableKind::SemiInteger] {
        let model = with_kinds(model.clone(), &[kind, CONTINUOUS]);
        let result = assert_optimum(model.clone(), SolveOptions::default(), 6.0);
        assert_eq!(result.solution.unwrap().values, [0.0, 2.0]);
    }
    // If the rest of the model is infeasible, the subset contains that.
    let model = with_kinds(model, &[VariableKind::SemiContinuous, CONTINUOUS]);
    let tight = bounded(model, &[(0.5, 0.25), (0.0, 1.0)]);
    let result = solved(tight.clone(), SolveOptions { return_infeasible_subset: true, ..exact() });
    assert_eq!(result.termination.unwrap().reason(), Reason::Infeasible);
    assert!(result.infeasibility_proof.unwrap().verified);
    assert!(result.infeasible_subset.unwrap().verified);
}

#[test]
fn small_coefficients_are_kept() {
    let alone = dense(MIN, &[1.0], &[(1.0, &[1e-10], INF)]);
    assert_optimum(alone.clone(), exact(), 1e10);
    let beside = dense(MIN, &[0.0, 1.0], &[(1.0, &[1e-10, 1.0], INF)]);
    let beside = bounded(beside, &[(0.0, 1e10), (0.0, INF)]);
    for kinds in [[CONTINUOUS; 2], [INTEGER, CONTINUOUS]] {
        let result = solved(with_kinds(beside.clone(), &kinds), exact());
        let termination = result.termination.unwrap();
        assert_eq!(termination.reason(), Reason::Optimal, "{termination:?}");
        assert!(termination.objective.unwrap().abs() <= 1e-9, "{termination:?}");
    }
}

#[test]
fn a_model_with_dropped_coefficients_has_no_optimum() {
    let alone = dense(MIN, &[1.0], &[(1.0, &[1e-13], INF)]);
    let beside = dense(MIN, &[0.0, 1.0], &[(1.0, &[1e-13, 1.0], INF)]);
    for upper in [1e13, INF] {
        let beside = bounded(beside.clone(), &[(0.0, upper), (0.0, INF)]);
        for (model, kinds) in [
            (alone.clone(), vec![CONTINUOUS]),
            (alone.clone(), vec![INTEGER]),
            (beside.clone(), vec![CONTINUOUS; 2]),
            (beside, vec![INTEGER, CONTINUOUS]),
        ] {
            let termination = solved(with_kinds(model, &kinds), exact()).termination.unwrap();
            assert_eq!(termination.reason(), Reason::Imprecise, "{termination:?}");
            assert!(!termination.warnings.is_empty());
        }
    }
}

#[test]
fn small_costs_are_kept() {
    let rows: [(f64, &[f64], f64); 2] = [(-INF, &[2.0, 2.0], 7.0), (-INF, &[1.0, -1.0], 1.0)];
    for factor in [1.0, 1e-7, 3e-9, 1e-100] {
        let model = dense(MAX, &[factor, 0.0], &rows);
        let integers = with_kinds(model.clone(), &[INTEGER; 2]);
        let result = assert_optimum(integers.clone(), exact(), 2.0 * factor);
        let termination = result.termination.unwrap();
        assert_eq!(
            (termination.objective_bound, termination.relative_gap),
            (termination.objective, Some(0.0))
        );
        let result = assert_optimum(model.clone(), exact(), 2.25 * factor);
        let duals = result.solution.unwrap().duals;
        for (dual, expected) in duals.iter().zip([0.25, 0.5]) {
            assert!((dual - expected * factor).abs() <= 1e-12 * factor, "{duals:?}");
        }
    }
}

#[test]
fn requested_scaling_changes_no_answer() {
    let rows: [(f64, &[f64], f64); 2] = [(-INF, &[2.0, 2.0], 7.0), (-INF, &[1.0, -1.0], 1.0)];
    let model = LinearModel { objective_offset: 3.0, ..dense(MAX, &[1.0, 0.25], &rows) };
    let model = with_kinds(model, &[INTEGER, CONTINUOUS]);
    for (name, values) in
        [("user_objective_scale", ["-7", "12"]), ("user_bound_scale", ["-4", "6"])]
    {
        for value in values {
            let solver_options = [(name.to_owned(), value.to_owned())].into();
            let options = SolveOptions { solver_options, ..exact() };
            let result = assert_optimum(model.clone(), options, 5.375);
            let bound = result.termination.unwrap().objective_bound.unwrap();
            assert!((bound - 5.375).abs() <= 1e-6, "{name} {value}: {bound}");
        }
    }
}

#[test]
fn a_failed_solve_is_retried_once() {
    // HiGHS with presolve: "solve error".
    let model = dense(MIN, &[0.0, 1.0], &[(999_999_998.0, &[1e9, 1.0], 999_999_998.0)]);
    let model = with_kinds(bounded(model, &[(0.0, INF), (0.0, 1.0)]), &[INTEGER, CONTINUOUS]);
    let result = solved(model.clone(), exact());
    assert_eq!(result.termination.unwrap().reason(), Reason::Infeasible);
    assert!(!result.infeasibility_proof.unwrap().verified);
}

#[test]
fn bounds_are_not_violated_to_improve_the_objective() {
    let model = dense(MIN, &[3.0, 5.0], &[(3.5, &[1.0, 1.0], INF)]);
    let model = with_kinds(bounded(model, &[(0.0, 8.0), (0.0, 8.0)]), &[CONTINUOUS, INTEGER]);
    assert_optimum(model.clone(), exact(), 10.5);
    assert_optimum(model.clone(), SolveOptions::default(), 10.5);
}

#[test]
fn a_start_is_not_reported_as_the_optimum() {
    let model = dense(MIN, &[1.0, -1.0, -1.0], &[(4.5, &[5.0, -2.0, 0.0], INF)]);
    let model = bounded(model, &[(-INF, 4.0), (0.0, 5.0), (0.0, 1.0)]);
    let model = with_kinds(model, &[INTEGER, CONTINUOUS, INTEGER]);
    for start in [vec![(2, 0.0)], vec![(0, 2.0), (1, 2.75), (2, 0.0)]] {
        let (variable_indices, values) = start.into_iter().unzip();
        let start = Some(StartingPoint { variable_indices, values, ..StartingPoint::default() });
        assert_optimum(JobPayload { start, ..model.clone().into() }, exact(), -3.0);
    }
    let model =
        dense(MIN, &[1.0, 1.0, 4.0, -1.0, 2.0], &[(-4.5, &[3.3, 4.5, -1.0, -2.0, -1.0], INF)]);
    let bounds = [(-4.0, 6.0), (-3.0, 5.0), (0.0, 5.0), (-3.0, 4.0), (-2.0, 4.0)];
    let kinds = [INTEGER, CONTINUOUS, INTEGER, INTEGER, CONTINUOUS];
    let variable_indices = (0..5).collect();
    let start = StartingPoint {
        variable_indices,
        values: vec![-4.0, 2.0, 0.0, -3.0, -2.0],
        ..StartingPoint::default()
    };
    let model = with_kinds(bounded(model, &bounds), &kinds);
    let job = JobPayload { start: Some(start), ..model.into() };
    let result = assert_optimum(job, exact(), -131.0 / 15.0);
    // HiGHS 1.16.0 claims -10 for the start, whose objective is -3. The check notices that, but
    // correcting it would take a second solve, with a warning.
    assert_eq!(result.termination.unwrap().warnings, [""; 0]);
}

#[test]
fn integers_with_wide_bounds_are_solved_to_the_optimum() {
    let rows: [(f64, &[f64], f64); 6] = [
        (-275.4498, &[-4.0, 0.0, 1.6], -266.8664),
        (-INF, &[-0.5, -7.6808, 0.0], -564.9342),
        (-INF, &[5.4, -3.0, -5.1], -17.8375),
        (-385.88, &[-3.0, -3.91, 2.5], INF),
        (-INF, &[-9.7363, 0.0, -3.02], -1115.047),
        (152.607, &[9.0, 0.0, -4.0], INF),
    ];
    let model = dense(MAX, &[-2.0, 4.47, 10.0], &rows);
    let model = bounded(model, &[(0.0, INF), (-INF, 2e9), (-49.0, 2e9)]);
    let model = with_kinds(model, &[CONTINUOUS, INTEGER, INTEGER]);
    assert_optimum(model.clone(), exact(), 12534.264);
}

#[test]
fn no_solver_gets_away_with_an_unproven_claim() {
    // Clarabel calls the first unbounded, where every variable has two bounds.
    let boxed = dense(MAX, &[1e9, 1.0], &[(-INF, &[1e-9, 1.0], 1e9)]);
    let boxed = bounded(boxed, &[(-1e9, 1e9), (-1e9, 1e9)]);
    let open = dense(MAX, &[1.0, 1.0], &[(-INF, &[1.0, -1.0], 2.0)]);
    let none = dense(MIN, &[1.0], &[(-INF, &[1.0], 1.0), (2.0, &[1.0], INF)]);
    for solver in [Solver::Highs, Solver::Clarabel, Solver::Microlp] {
        let options = || SolveOptions { solver: solver.into(), ..exact() };
        assert_optimum(boxed.clone(), options(), 1e18 + 1e9 - 1.0);
        let result = solved(open.clone(), options());
        assert_eq!(result.termination.unwrap().reason(), Reason::Unbounded, "{solver:?}");
        assert!(result.unbounded_ray.unwrap().verified);
        let result = solved(none.clone(), options());
        assert_eq!(result.termination.unwrap().reason(), Reason::Infeasible, "{solver:?}");
        assert!(result.infeasibility_proof.unwrap().verified);
    }
}

#[test]
fn public_models_need_no_second_solve() {
    // Skipped, because these two take minutes.
    let slow = |file: &str| file.contains("pk1") || file.contains("markshare");
    for instance in index().iter().filter(|of| !slow(&of.file)) {
        let result = solved(instance.model.clone(), SolveOptions::default());
        let termination = result.termination.unwrap();
        let expected = if instance.infeasible { Reason::Infeasible } else { Reason::Optimal };
        assert_eq!(termination.reason(), expected, "{}: {termination:?}", instance.file);
        let twice = termination.warnings.iter().any(|warning| warning.contains("twice"));
        // For klein1, HiGHS finds the proof at once only without entries of 1e-9 and less.
        assert!(!twice || instance.file.contains("klein1"), "{}: {termination:?}", instance.file);
    }
}

/// The values to enumerate for an integer variable: the integers between its bounds, and 0 for a
/// semi-integer one.
fn choices(kind: VariableKind, lower: f64, upper: f64) -> Vec<f64> {
    let first = lower.ceil() as i32;
    let mut choices: Vec<f64> = (first..=upper.floor() as i32).map(f64::from).collect();
    if kind == VariableKind::SemiInteger && !choices.contains(&0.0) {
        choices.push(0.0);
    }
    choices
}

/// The best objective of a pure integer model with a row `row >= side`, by enumeration.
fn enumerated(model: &LinearModel) -> Option<f64> {
    let n = model.objective.len();
    let all: Vec<Vec<f64>> = (0..n)
        .map(|column| {
            let kind = VariableKind::try_from(model.variable_kinds[column]).unwrap();
            choices(kind, model.variable_lower[column], model.variable_upper[column])
        })
        .collect();
    let mut best: Option<f64> = None;
    let mut points = vec![Vec::new()];
    for choices in &all {
        points = points
            .iter()
            .flat_map(|point: &Vec<f64>| {
                choices.iter().map(move |&value| [point.as_slice(), &[value]].concat())
            })
            .collect();
    }
    for point in points {
        let holds = (0..model.constraint_lower.len()).all(|row| {
            let activity: f64 = solvemesh_model::entries(model, row)
                .map(|(column, coefficient)| coefficient * point[column])
                .sum();
            activity >= model.constraint_lower[row] && activity <= model.constraint_upper[row]
        });
        let value: f64 = point.iter().zip(&model.objective).map(|(x, c)| x * c).sum();
        if holds && best.is_none_or(|best| value < best) {
            best = Some(value);
        }
    }
    best
}

fn semi_models() -> impl Strategy<Value = LinearModel> {
    (1..4usize, 1..4usize).prop_flat_map(|(n, m)| {
        let whole = |range: std::ops::Range<i32>| range.prop_map(f64::from);
        let rows = prop::collection::vec((prop::collection::vec(whole(-3..4), n), whole(-6..7)), m);
        let quarter = (0..17i32).prop_map(|quarters| f64::from(quarters) / 4.0);
        let columns =
            prop::collection::vec((whole(-4..5), any::<bool>(), quarter.clone(), quarter), n);
        (rows, columns).prop_map(|(rows, columns)| {
            let rows: Vec<_> =
                rows.iter().map(|(row, side)| (*side, row.as_slice(), INF)).collect();
            let costs: Vec<f64> = columns.iter().map(|column| column.0).collect();
            let kinds: Vec<_> = columns
                .iter()
                .map(|column| if column.1 { VariableKind::SemiInteger } else { INTEGER })
                .collect();
            let bounds: Vec<_> = columns.iter().map(|column| (column.2, column.3)).collect();
            with_kinds(bounded(dense(MIN, &costs, &rows), &bounds), &kinds)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn semi_integer_models_agree_with_enumeration_even_with_crossed_bounds(
        model in semi_models(),
    ) {
        let termination = solved(model.clone(), exact()).termination.unwrap();
        match enumerated(&model) {
            Some(best) => {
                prop_assert_eq!(termination.reason(), Reason::Optimal);
                let objective = termination.objective.unwrap();
                prop_assert!((objective - best).abs() <= 1e-9, "{} instead of {}", objective, best);
            }
            None => prop_assert_eq!(termination.reason(), Reason::Infeasible),
        }
    }

    /// A model with semi-continuous variables agrees with the best of the LPs in which each of them
    /// is either fixed to 0 or continuous between its bounds.
    #[test]
    fn semi_continuous_models_agree_with_their_branches(
        model in semi_models(),
        semi in prop::collection::vec(any::<bool>(), 4),
    ) {
        let n = model.objective.len();
        let kinds: Vec<_> = (0..n)
            .map(|column| if semi[column] { VariableKind::SemiContinuous } else { CONTINUOUS })
            .collect();
        let whole = with_kinds(model, &kinds);
        let mut best: Option<f64> = None;
        for branch in 0..1u32 << n {
            let mut lp = with_kinds(whole.clone(), &vec![CONTINUOUS; n]);
            let mut exists = true;
            for (column, semi) in semi.iter().take(n).enumerate() {
                if branch >> column & 1 == 1 {
                    exists &= *semi;
                    (lp.variable_lower[column], lp.variable_upper[column]) = (0.0, 0.0);
                }
            }
            if !exists {
                continue;
            }
            let termination = solved(lp.clone(), exact()).termination.unwrap();
            if let Some(objective) = termination.objective
                && best.is_none_or(|best| objective < best)
            {
                best = Some(objective);
            }
        }
        let termination = solved(whole.clone(), exact()).termination.unwrap();
        match best {
            Some(best) => {
                prop_assert_eq!(termination.reason(), Reason::Optimal);
                let objective = termination.objective.unwrap();
                prop_assert!((objective - best).abs() <= 1e-6, "{} instead of {}", objective, best);
            }
            None => prop_assert_eq!(termination.reason(), Reason::Infeasible),
        }
    }
}
