//! The limits of a solve other than its time, and what it is to tell beside a solution:
//! which model and which solver has them.

use solvemesh::v1::{SolveOptions, Solver};

/// What is wrong with them, by field.
pub(super) fn faults(
    asked: &SolveOptions,
    solver: Solver,
    discrete: bool,
) -> Vec<(&'static str, String)> {
    let mut faults = Vec::new();
    let limits = [
        ("node_limit", asked.node_limit.map(|limit| (limit, 1)), true),
        ("iteration_limit", asked.iteration_limit.map(|limit| (limit, 0)), false),
        ("solution_limit", asked.solution_limit.map(|limit| (limit, 1)), true),
    ];
    for (field, limit, of_mips) in limits {
        let Some((limit, least)) = limit else { continue };
        if limit < least {
            faults.push((field, format!("must be {least} or more, not {limit}")));
        }
        faults.extend(misplaced(of_mips, discrete).map(|wrong| (field, wrong)));
    }
    if let Some(target) = asked.objective_target {
        let field = "objective_target";
        if !target.is_finite() {
            faults.push((field, format!("must be a finite number, not {target}")));
        }
        faults.extend(misplaced(true, discrete).map(|wrong| (field, wrong)));
    }
    if asked.return_basis {
        faults.extend(misplaced(false, discrete).map(|wrong| ("return_basis", wrong)));
    }
    if asked.sensitivity {
        faults.extend(misplaced(false, discrete).map(|wrong| ("sensitivity", wrong)));
    }
    if solver != Solver::Highs {
        let solver = solver.as_str_name();
        let asked_for = [
            ("infeasible_subset", asked.infeasible_subset),
            ("return_basis", asked.return_basis),
            ("sensitivity", asked.sensitivity),
            ("node_limit", asked.node_limit.is_some()),
            ("iteration_limit", asked.iteration_limit.is_some()),
            ("solution_limit", asked.solution_limit.is_some()),
            ("objective_target", asked.objective_target.is_some()),
        ];
        let lacking = asked_for.into_iter().filter(|(_, asked)| *asked);
        faults.extend(lacking.map(|(field, _)| (field, format!("{solver} has none"))));
    }
    faults
}

/// What is wrong with a limit on a model that has nothing to limit by it.
fn misplaced(of_mips: bool, discrete: bool) -> Option<String> {
    let wrong = match (of_mips, discrete) {
        (true, false) => "is for models with integers, and this one has none",
        (false, true) => "is for LPs, and this model has integers",
        _ => return None,
    };
    Some(wrong.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(options: &SolveOptions, solver: Solver, discrete: bool) -> Vec<&'static str> {
        faults(options, solver, discrete).into_iter().map(|(field, _)| field).collect()
    }

    #[test]
    fn limits_of_branch_and_bound_are_for_models_with_integers() {
        let options = SolveOptions {
            node_limit: Some(1),
            solution_limit: Some(1),
            objective_target: Some(-3.0),
            ..SolveOptions::default()
        };
        assert!(fields(&options, Solver::Highs, true).is_empty());
        let all = ["node_limit", "solution_limit", "objective_target"];
        assert_eq!(fields(&options, Solver::Highs, false), all);
    }

    #[test]
    fn a_limit_on_iterations_is_for_lps() {
        let options = SolveOptions { iteration_limit: Some(0), ..SolveOptions::default() };
        assert!(fields(&options, Solver::Highs, false).is_empty());
        assert_eq!(fields(&options, Solver::Highs, true), ["iteration_limit"]);
    }

    #[test]
    fn sensitivity_is_for_lps_and_for_a_solver_that_tells_it() {
        let options = SolveOptions { sensitivity: true, ..SolveOptions::default() };
        assert!(fields(&options, Solver::Highs, false).is_empty());
        assert_eq!(fields(&options, Solver::Highs, true), ["sensitivity"]);
        assert_eq!(fields(&options, Solver::Microlp, false), ["sensitivity"]);
    }

    #[test]
    fn limits_out_of_range_are_told_by_field() {
        let options = SolveOptions {
            node_limit: Some(0),
            solution_limit: Some(-1),
            objective_target: Some(f64::NAN),
            ..SolveOptions::default()
        };
        let all = ["node_limit", "solution_limit", "objective_target"];
        assert_eq!(fields(&options, Solver::Highs, true), all);
    }

    #[test]
    fn a_solver_that_has_none_of_them_is_refused() {
        let options = SolveOptions {
            infeasible_subset: true,
            iteration_limit: Some(3),
            ..SolveOptions::default()
        };
        let both = ["infeasible_subset", "iteration_limit"];
        assert_eq!(fields(&options, Solver::Microlp, false), both);
    }
}
