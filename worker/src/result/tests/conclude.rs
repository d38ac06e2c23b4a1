//! Results of handwritten outcomes.

use solvemesh::v1::UnboundedRay;

use crate::result::*;

/// Minimise x + y, both in [0, 4].
fn model() -> LinearModel {
    LinearModel {
        variable_count: Some(2),
        variable_lower: vec![0.0; 2],
        variable_upper: vec![4.0; 2],
        objective: vec![1.0; 2],
        variable_kinds: vec![1, 1],
        variable_names: vec!["x".to_owned(), "y".to_owned()],
        constraint_count: Some(0),
        row_starts: vec![0],
        ..LinearModel::default()
    }
}

fn outcome(reason: TerminationReason, values: Vec<f64>) -> Outcome {
    let termination = Termination { reason: reason.into(), ..Termination::default() };
    let result = SolveResult { termination: Some(termination), ..SolveResult::default() };
    Outcome { result: Some(result), values, ..Outcome::default() }
}

fn incumbent() -> Incumbent {
    Incumbent { objective: 99.0, bound: None, values: vec![1.0, 2.0] }
}

fn concluded(answer: SolverResult) -> (SolveResult, Termination) {
    let result = conclude(model(), answer).unwrap().result;
    let termination = result.termination.clone().unwrap();
    (result, termination)
}

#[test]
fn objective_and_gap_are_computed_from_the_model_not_from_the_solver() {
    let mut claimed = outcome(TerminationReason::Feasible, vec![1.0, 3.0]);
    let termination = claimed.result.as_mut().unwrap().termination.as_mut().unwrap();
    (termination.objective, termination.objective_bound, termination.relative_gap) =
        (Some(-7.0), Some(3.0), Some(f64::INFINITY));
    let (_, termination) = concluded(SolverResult::from_outcome(claimed, None));
    assert_eq!((termination.objective, termination.relative_gap), (Some(4.0), Some(0.25)));
}

#[test]
fn names_are_left_out_on_request() {
    let ended = || outcome(TerminationReason::Feasible, vec![1.0, 3.0]);
    let (named, _) = concluded(SolverResult::from_outcome(ended(), None));
    assert_eq!(named.solution.unwrap().variable_names, ["x", "y"]);
    let options = SolveOptions { omit_names: true, ..SolveOptions::default() };
    let answer = SolverResult::from_outcome(ended(), None).with_options(&options);
    let solution = concluded(answer).0.solution.unwrap();
    assert!(solution.variable_names.is_empty() && solution.constraint_names.is_empty());
    assert_eq!(solution.values, [1.0, 3.0]);
}

#[test]
fn the_last_incumbent_replaces_a_missing_solution() {
    let ended = outcome(TerminationReason::NoSolutionFound, Vec::new());
    let (result, termination) = concluded(SolverResult::from_outcome(ended, Some(incumbent())));
    assert_eq!(termination.reason(), TerminationReason::Feasible);
    assert_eq!(termination.objective, Some(3.0));
    assert_eq!(result.solution.unwrap().values, [1.0, 2.0]);
}

#[test]
fn values_of_an_infeasible_outcome_are_ignored() {
    let ended = outcome(TerminationReason::Infeasible, vec![1.0, 1.0]);
    let crossed = LinearModel { variable_lower: vec![5.0, 0.0], ..model() };
    let result =
        conclude(crossed, SolverResult::from_outcome(ended, Some(incumbent()))).unwrap().result;
    let termination = result.termination.unwrap();
    assert_eq!(termination.reason(), TerminationReason::Infeasible);
    assert!(result.infeasibility_proof.unwrap().verified);
    assert_eq!((result.solution, result.verification, termination.objective), (None, None, None));
}

#[test]
fn an_incumbent_refutes_infeasibility() {
    let integers = || LinearModel { variable_kinds: vec![2; 2], ..model() };
    let ended = || outcome(TerminationReason::Infeasible, Vec::new());
    let answer = SolverResult::from_outcome(ended(), Some(incumbent()));
    let result = conclude(integers(), answer).unwrap().result;
    let termination = result.termination.unwrap();
    assert_eq!(termination.reason(), TerminationReason::Imprecise);
    assert_eq!(termination.objective, Some(3.0));
    assert_eq!(
        (result.solution.unwrap().values, result.infeasibility_proof),
        (vec![1.0, 2.0], None)
    );
    // Without an incumbent, the solver's claim stands, marked as not verified.
    let result = conclude(integers(), SolverResult::from_outcome(ended(), None)).unwrap().result;
    assert_eq!(result.termination.unwrap().reason(), TerminationReason::Infeasible);
    assert!(!result.infeasibility_proof.unwrap().verified);
}

#[test]
fn an_optimum_outside_of_the_gap_is_imprecise_with_both_numbers() {
    let integers = LinearModel { variable_kinds: vec![2; 2], ..model() };
    let mut claimed = outcome(TerminationReason::Optimal, vec![1.0, 3.0]);
    claimed.result.as_mut().unwrap().termination.as_mut().unwrap().objective_bound = Some(3.0);
    let result = conclude(integers, SolverResult::from_outcome(claimed, None)).unwrap().result;
    let termination = result.termination.unwrap();
    assert_eq!(termination.reason(), TerminationReason::Imprecise);
    assert_eq!((termination.objective, termination.objective_bound), (Some(4.0), Some(3.0)));
    let warning = &termination.warnings[0];
    assert!(
        warning.contains("objective is 4") && warning.contains("proven bound is 3"),
        "{warning}"
    );
}

#[test]
fn unbounded_needs_a_ray_and_a_feasible_point() {
    let open = || LinearModel {
        objective: vec![-1.0, 1.0],
        variable_upper: vec![f64::INFINITY, 4.0],
        ..model()
    };
    for (point, expected) in [
        (vec![0.0, 0.0], TerminationReason::Unbounded),
        (vec![-1.0, 0.0], TerminationReason::InfeasibleOrUnbounded),
        (Vec::new(), TerminationReason::InfeasibleOrUnbounded),
    ] {
        let mut ended = outcome(TerminationReason::Unbounded, point);
        ended.result.as_mut().unwrap().unbounded_ray = Some(UnboundedRay {
            variable_indices: vec![0],
            values: vec![1.0],
            ..UnboundedRay::default()
        });
        let result = conclude(open(), SolverResult::from_outcome(ended, None)).unwrap().result;
        assert_eq!(result.termination.unwrap().reason(), expected);
        assert_eq!(result.solution, None);
    }
}

#[test]
fn numbers_that_are_not_finite_are_absent() {
    let mut ended = outcome(TerminationReason::NoSolutionFound, Vec::new());
    let termination = ended.result.as_mut().unwrap().termination.as_mut().unwrap();
    (termination.objective, termination.objective_bound) =
        (Some(f64::NAN), Some(f64::NEG_INFINITY));
    let (_, termination) = concluded(SolverResult::from_outcome(ended, None));
    assert_eq!(
        (termination.objective, termination.objective_bound, termination.relative_gap),
        (None, None, None)
    );
}

#[test]
fn values_that_are_nan_are_an_error() {
    let ended = outcome(TerminationReason::Optimal, vec![f64::NAN, 0.0]);
    assert!(conclude(model(), SolverResult::from_outcome(ended, None)).is_err());
}

#[test]
fn a_model_without_variables_has_a_solution_without_values() {
    let empty = LinearModel { objective_offset: 5.0, row_starts: vec![0], ..Default::default() };
    let ended = outcome(TerminationReason::Optimal, Vec::new());
    let result = conclude(empty, SolverResult::from_outcome(ended, None)).unwrap().result;
    assert_eq!(result.termination.unwrap().objective, Some(5.0));
    assert!(result.solution.is_some());
}

#[test]
fn warnings_are_limited_in_number_and_length() {
    let endless = std::iter::repeat_n("ä".repeat(5000), 500);
    let ended = outcome(TerminationReason::NoSolutionFound, Vec::new());
    let (_, termination) =
        concluded(SolverResult::from_outcome(ended, None).with_warnings(endless));
    assert_eq!(termination.warnings.len(), MAX_TEXTS);
    assert!(termination.warnings.iter().all(|text| text.len() <= MAX_TEXT_BYTES + 3));
}
