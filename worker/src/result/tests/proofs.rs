//! Proofs of infeasibility, infeasible subsets and unbounded rays of real solves.

use solvemesh::{
    solver::v1::Outcome,
    v1::{
        BoundSide, InfeasibilityProof, InfeasibleSubset, LinearModel, ObjectiveSense, Presolve,
        SolveOptions, SolveResult, TerminationReason as Reason, VariableKind,
    },
};

use solvemesh_testkit::models::{dense, index, with_kinds};

use super::solve_with;
use crate::result::proofs;

const INF: f64 = f64::INFINITY;
const MIN: ObjectiveSense = ObjectiveSense::Minimize;
const MAX: ObjectiveSense = ObjectiveSense::Maximize;

fn subset_wanted() -> SolveOptions {
    SolveOptions { return_infeasible_subset: true, ..SolveOptions::default() }
}

fn reason(outcome: &Outcome) -> Reason {
    outcome.result.as_ref().unwrap().termination.as_ref().unwrap().reason()
}

/// The result of an outcome, with its proofs checked.
fn checked(model: &LinearModel, outcome: Outcome) -> SolveResult {
    let mut result = outcome.result.unwrap();
    proofs::check_proofs(model, &mut result);
    result
}

fn explained(model: &LinearModel, options: SolveOptions) -> SolveResult {
    let outcome = solve_with(model.clone(), options);
    checked(model, outcome)
}

/// The model with only the bounds of a subset.
fn with_bounds(model: &LinearModel, subset: &InfeasibleSubset) -> LinearModel {
    let (n, m) = (model.variable_lower.len(), model.constraint_lower.len());
    let mut freed = LinearModel {
        objective: vec![0.0; n],
        variable_lower: vec![-INF; n],
        variable_upper: vec![INF; n],
        variable_kinds: vec![VariableKind::Continuous as i32; n],
        constraint_lower: vec![-INF; m],
        constraint_upper: vec![INF; m],
        ..model.clone()
    };
    for of in &subset.constraints {
        match of.side() {
            BoundSide::Upper => freed.constraint_upper[of.index as usize] = of.bound.unwrap(),
            _ => freed.constraint_lower[of.index as usize] = of.bound.unwrap(),
        }
    }
    for of in &subset.variables {
        match of.side() {
            BoundSide::Upper => freed.variable_upper[of.index as usize] = of.bound.unwrap(),
            _ => freed.variable_lower[of.index as usize] = of.bound.unwrap(),
        }
    }
    freed
}

/// Asserts by solving that a subset is infeasible, and feasible without any one of its bounds.
fn assert_irreducible(name: &str, model: &LinearModel, subset: &InfeasibleSubset) {
    assert_eq!(
        reason(&solve_with(with_bounds(model, subset), SolveOptions::default())),
        Reason::Infeasible,
        "{name}"
    );
    for index in 0..subset.constraints.len() {
        let mut less = subset.clone();
        let left_out = less.constraints.remove(index);
        let outcome = solve_with(with_bounds(model, &less), SolveOptions::default());
        assert_eq!(reason(&outcome), Reason::Optimal, "{name} without {left_out:?}");
    }
    for index in 0..subset.variables.len() {
        let mut less = subset.clone();
        let left_out = less.variables.remove(index);
        let outcome = solve_with(with_bounds(model, &less), SolveOptions::default());
        assert_eq!(reason(&outcome), Reason::Optimal, "{name} without {left_out:?}");
    }
}

#[test]
fn every_infeasible_public_lp_has_a_verified_proof_and_an_irreducible_subset() {
    for instance in index().iter().filter(|of| of.is_lp && of.infeasible) {
        for presolve in [Presolve::Auto, Presolve::Off] {
            let options = SolveOptions { presolve: presolve as i32, ..subset_wanted() };
            let result = explained(&instance.model, options);
            let (file, proof) = (&instance.file, result.infeasibility_proof.unwrap());
            assert!(proof.verified, "{file}");
            let subset = result.infeasible_subset.unwrap();
            eprintln!(
                "{file}: {} constraints and {} variables, distance {:e}",
                subset.constraints.len(),
                subset.variables.len(),
                proof.distance.unwrap(),
            );
            assert!(subset.verified && subset.irreducible, "{file}");
            assert!(subset.constraints.iter().all(|of| !of.name.is_empty()), "{file}");
            assert_irreducible(file, &instance.model, &subset);
        }
    }
}

#[test]
fn a_proof_is_always_reported_and_a_subset_on_request() {
    let model = dense(MIN, &[1.0], &[(-INF, &[1.0], 1.0), (2.0, &[1.0], INF)]);
    let result = explained(&model, SolveOptions::default());
    let proof = result.infeasibility_proof.unwrap();
    assert!(proof.verified);
    assert_eq!((proof.multipliers, proof.distance), (vec![-1.0, 1.0], Some(0.5)));
    assert_eq!(result.infeasible_subset, None);
}

#[test]
fn an_integer_model_has_a_proof_only_if_its_relaxation_is_infeasible() {
    let integers = |model| with_kinds(model, &[VariableKind::Integer]);
    let relaxation = integers(dense(MIN, &[1.0], &[(-INF, &[1.0], 1.0), (2.0, &[1.0], INF)]));
    let result = explained(&relaxation, subset_wanted());
    assert!(result.infeasibility_proof.unwrap().verified);
    assert!(result.infeasible_subset.unwrap().verified);
    let integrality = integers(dense(MIN, &[1.0], &[(0.4, &[1.0], 0.6)]));
    let result = explained(&integrality, subset_wanted());
    assert_eq!(result.termination.as_ref().unwrap().reason(), Reason::Infeasible);
    let unproven = InfeasibilityProof { verified: false, ..InfeasibilityProof::default() };
    assert_eq!((result.infeasibility_proof, result.infeasible_subset), (Some(unproven), None));
    let warnings = result.termination.unwrap().warnings;
    assert!(warnings.iter().any(|warning| warning.contains("relaxation")), "{warnings:?}");
}

#[test]
fn crossed_bounds_are_the_subset() {
    let model = dense(MIN, &[1.0, 1.0], &[(1.0, &[1.0, 1.0], INF)]);
    let column = LinearModel {
        variable_lower: vec![0.0, 3.0],
        variable_upper: vec![INF, 2.0],
        ..model.clone()
    };
    let row = LinearModel { constraint_upper: vec![0.5], ..model };
    let empty = dense(MIN, &[1.0], &[(1.0, &[0.0], 2.0)]);
    for (model, constraints, variables) in [(column, 0, 2), (row, 2, 0), (empty, 1, 0)] {
        let subset = explained(&model, subset_wanted()).infeasible_subset.unwrap();
        let found = (subset.constraints.len(), subset.variables.len());
        assert_eq!(found, (constraints, variables));
        assert!(subset.verified && subset.irreducible, "{subset:?}");
    }
}

#[test]
fn a_subset_is_reduced_to_what_the_contradiction_needs() {
    // The first two contradict each other; the third is not needed.
    let rows: [(f64, &[f64], f64); 3] =
        [(3.0, &[1.0, 1.0], INF), (-INF, &[1.0, 1.0], 2.0), (0.0, &[1.0, -1.0], 0.0)];
    let model = dense(MIN, &[1.0, 2.0], &rows);
    let subset = explained(&model, subset_wanted()).infeasible_subset.unwrap();
    assert_irreducible("a small model", &model, &subset);
    assert_eq!((subset.constraints.len(), subset.variables.len()), (2, 0));
}

#[test]
fn an_unbounded_model_has_a_verified_ray() {
    let with_rows = dense(MAX, &[1.0, 1.0], &[(-INF, &[1.0, -1.0], 2.0)]);
    let without = dense(MIN, &[0.0, -2.0], &[]);
    for presolve in [Presolve::Auto, Presolve::Off] {
        for kind in [VariableKind::Continuous, VariableKind::Integer] {
            for model in [&with_rows, &without] {
                let model = with_kinds(model.clone(), &[kind; 2]);
                let options = SolveOptions { presolve: presolve as i32, ..SolveOptions::default() };
                let result = explained(&model, options);
                let ray = result.unbounded_ray.unwrap();
                assert!(ray.verified, "{presolve:?} {kind:?} {ray:?}");
                assert!(
                    ray.rate.unwrap() * if model.sense == MAX as i32 { 1.0 } else { -1.0 } > 0.0
                );
            }
        }
    }
}

#[test]
fn a_feasible_model_has_no_proofs() {
    let result = explained(&dense(MIN, &[1.0], &[(2.0, &[1.0], INF)]), subset_wanted());
    assert_eq!(result.termination.unwrap().reason(), Reason::Optimal);
    assert_eq!((result.infeasibility_proof, result.unbounded_ray), (None, None));
    assert_eq!(result.infeasible_subset, None);
}
