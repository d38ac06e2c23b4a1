//! Solvers other than HiGHS, on models whose answers are known.

use solvemesh::{
    solver::v1::Outcome,
    v1::{
        LinearModel, ObjectiveSense, SolveOptions, Solver, TerminationReason as Reason,
        VariableKind,
    },
};
use solvemesh_model::verify::{Candidate, proof, verify};

use solvemesh_testkit::models::index;

use super::{assert_close, assert_optimal, reason, solve, solve_with, termination, with_kinds};
use crate::samples::{dense, wyndor};

const INF: f64 = f64::INFINITY;

/// The solvers of this build that support integers.
const MIP_SOLVERS: &[Solver] = &[
    Solver::Microlp,
    #[cfg(feature = "cbc")]
    Solver::Cbc,
    #[cfg(feature = "scip")]
    Solver::Scip,
];

/// Public MIPs that microlp does not finish in reasonable time.
const SLOW: [&str; 13] = [
    "TEST0059",
    "bell5",
    "egout",
    "enigma",
    "flugpl",
    "gap4_2",
    "gesa2",
    "infeasible-mip1",
    "lseu",
    "misc03",
    "p0201",
    "stein27",
    "vpm1",
];

fn solve_by(solver: Solver, model: LinearModel) -> Outcome {
    solve_with(model, SolveOptions { solver: solver as i32, ..SolveOptions::default() })
}

/// All solvers of this build except HiGHS.
fn solvers_of_build() -> impl Iterator<Item = Solver> {
    [Solver::Clarabel].into_iter().chain(MIP_SOLVERS.iter().copied())
}

/// Asserts that two solves ended with the same reason and objective.
#[track_caller]
fn assert_agrees(what: &str, found: &Outcome, known: &Outcome) {
    assert_eq!(reason(found), reason(known), "{what}: {:?}", termination(found));
    if reason(known) != Reason::Optimal {
        return;
    }
    let (found, known) = (termination(found).objective, termination(known).objective);
    let (found, known) = (found.unwrap(), known.unwrap());
    assert!((found - known).abs() <= 1e-6 * known.abs().max(1.0), "{what}: {found} for {known}");
}

#[test]
fn wyndor_is_solved_with_its_offset() {
    for solver in solvers_of_build() {
        let outcome = solve_by(solver, LinearModel { objective_offset: 1.5, ..wyndor() });
        assert_optimal(&outcome, 3601.5, &[2.0, 6.0]);
        assert_eq!(outcome.result.unwrap().solver(), solver);
    }
}

#[test]
fn ranged_rows_hold_at_either_end() {
    let rows: [(f64, &[f64], f64); 2] = [(2.5, &[1.0, 1.0], 5.5), (1.0, &[1.0, -1.0], 1.0)];
    for solver in solvers_of_build() {
        for (sense, objective, values) in [
            (ObjectiveSense::Maximize, 5.5, [3.25, 2.25]),
            (ObjectiveSense::Minimize, 2.5, [1.75, 0.75]),
        ] {
            assert_optimal(&solve_by(solver, dense(sense, &[1.0, 1.0], &rows)), objective, &values);
        }
    }
}

#[test]
fn infeasible_and_unbounded_are_reported() {
    let rows: [(f64, &[f64], f64); 2] = [(-INF, &[1.0, 1.0], 1.0), (2.0, &[1.0, 1.0], INF)];
    let infeasible = dense(ObjectiveSense::Minimize, &[1.0, 0.0], &rows);
    let unbounded = dense(ObjectiveSense::Maximize, &[1.0, 0.0], &[(1.0, &[1.0, 1.0], INF)]);
    for solver in solvers_of_build() {
        assert_eq!(reason(&solve_by(solver, infeasible.clone())), Reason::Infeasible, "{solver:?}");
        let ended = reason(&solve_by(solver, unbounded.clone()));
        assert_eq!(ended, Reason::Unbounded, "{solver:?}");
    }
}

#[test]
fn clarabel_proves_infeasible_and_unbounded() {
    let rows: [(f64, &[f64], f64); 3] =
        [(-INF, &[1.0, 1.0], 1.0), (2.0, &[1.0, 2.0], INF), (3.0, &[1.0, -1.0], 3.0)];
    let model = dense(ObjectiveSense::Maximize, &[1.0, 0.0], &rows);
    let found = solve_by(Solver::Clarabel, model.clone()).result.unwrap();
    let proof = found.infeasibility_proof.expect("a proof");
    let indices = proof.constraint_indices.iter().map(|&row| row as usize);
    let multipliers: Vec<_> = indices.zip(proof.multipliers.iter().copied()).collect();
    assert!(proof::contradiction(&model, &multipliers, None).is_some(), "{proof:?}");

    let model = dense(ObjectiveSense::Maximize, &[1.0, 0.5], &[(-2.0, &[1.0, -1.0], 2.0)]);
    let found = solve_by(Solver::Clarabel, model).result.unwrap();
    let ray = found.unbounded_ray.expect("a ray");
    assert_close(&[ray.values[0]], &[ray.values[1]]);
}

#[test]
fn clarabel_rejects_integers_and_is_named() {
    let outcome = solve_by(Solver::Clarabel, with_kinds(wyndor(), &[VariableKind::Integer; 2]));
    assert_eq!(reason(&outcome), Reason::OtherError);
    assert!(termination(&outcome).detail.contains("Clarabel"));
}

#[test]
fn clarabels_duals_are_those_of_highs() {
    let minimum = LinearModel {
        sense: ObjectiveSense::Minimize as i32,
        objective: vec![-300.0, -500.0],
        ..wyndor()
    };
    let rows: [(f64, &[f64], f64); 3] = [
        (2.0, &[1.0, 1.0, 0.0], 5.0),
        (-1.0, &[1.0, -2.0, 1.0], 4.0),
        (1.0, &[0.0, 1.0, 3.0], 8.0),
    ];
    let ranged = dense(ObjectiveSense::Maximize, &[2.0, 3.5, 1.0], &rows);
    let bounded = LinearModel { variable_upper: vec![3.0, INF, 2.0], ..ranged };
    for model in [wyndor(), minimum, bounded] {
        let (found, known) = (solve_by(Solver::Clarabel, model.clone()), solve(model));
        assert_close(&found.duals, &known.duals);
        assert_close(&found.reduced_costs, &known.reduced_costs);
    }
}

#[test]
fn clarabel_agrees_on_every_public_lp() {
    for instance in index().iter().filter(|of| of.is_lp) {
        let found = solve_by(Solver::Clarabel, instance.model.clone());
        let known = solve(instance.model.clone());
        if !instance.infeasible {
            let Outcome { values, duals, reduced_costs, .. } = &found;
            let candidate = Candidate { values, duals, reduced_costs };
            let check = verify(&instance.model, candidate).unwrap();
            if !check.acceptable {
                // The worker reports it as imprecise.
                assert!(instance.file.contains("greenbea"), "{}", instance.file);
                continue;
            }
        }
        assert_agrees(&instance.file, &found, &known);
    }
}

#[test]
fn mip_solvers_agree_on_public_mips() {
    let mips: Vec<_> = index().into_iter().filter(|of| !of.is_lp).collect();
    for instance in mips.iter().filter(|of| !of.file.contains("pk1") && !of.file.contains("mark")) {
        let known = solve_with(
            instance.model.clone(),
            SolveOptions { relative_gap: Some(0.0), ..SolveOptions::default() },
        );
        for &solver in MIP_SOLVERS {
            let slow = SLOW.iter().any(|name| instance.file.contains(name));
            if slow && solver == Solver::Microlp {
                continue;
            }
            let found = solve_by(solver, instance.model.clone());
            assert_agrees(&format!("{} {solver:?}", instance.file), &found, &known);
        }
    }
}

#[cfg(any(feature = "cbc", feature = "scip"))]
#[test]
fn time_limit_is_reported_and_values_are_a_solution() {
    use std::time::Duration;

    use solvemesh::v1::TerminationLimit;

    use super::time_limit;
    use crate::samples::market_split;

    for &solver in MIP_SOLVERS.iter().filter(|solver| **solver != Solver::Microlp) {
        let options =
            SolveOptions { solver: solver as i32, ..time_limit(Duration::from_millis(1500)) };
        let model = market_split(40, 5);
        let outcome = solve_with(model.clone(), options);
        let ended = termination(&outcome);
        assert_eq!(ended.limit(), TerminationLimit::Time, "{ended:?}");
        assert_eq!(reason(&outcome) == Reason::Feasible, !outcome.values.is_empty(), "{ended:?}");
        if let values @ [_, ..] = outcome.values.as_slice() {
            let candidate = Candidate { values, duals: &[], reduced_costs: &[] };
            assert!(verify(&model, candidate).unwrap().acceptable, "{ended:?}");
        }
        let bound = ended.objective_bound.unwrap_or(f64::NEG_INFINITY);
        assert!(ended.objective.is_none_or(|objective| bound <= objective), "{ended:?}");
    }
}
