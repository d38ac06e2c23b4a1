//! The limits of a solve other than its time, and what else not every model or not every
//! solver has.

use solvemesh::v1::{Presolve, SolveOptions, Solver};

use super::catalog;

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
    let asked_for = [
        ("relative_gap", asked.relative_gap.is_some()),
        ("absolute_gap", asked.absolute_gap.is_some()),
        ("threads", asked.threads.is_some_and(|threads| threads > 1)),
        ("seed", asked.seed.is_some()),
        ("presolve", matches!(asked.presolve(), Presolve::On | Presolve::Off)),
        ("infeasible_subset", asked.infeasible_subset),
        ("return_basis", asked.return_basis),
        ("sensitivity", asked.sensitivity),
        ("node_limit", asked.node_limit.is_some()),
        ("iteration_limit", asked.iteration_limit.is_some()),
        ("solution_limit", asked.solution_limit.is_some()),
        ("objective_target", asked.objective_target.is_some()),
        ("log", asked.log),
        ("incumbents", asked.incumbents.as_ref().is_some_and(|it| *it != Default::default())),
    ];
    let lacking =
        asked_for.into_iter().filter(|(field, asked)| *asked && !catalog::follows(solver, field));
    faults.extend(lacking.map(|(field, _)| (field, lacks(solver, field))));
    faults
}

/// That a solver does not follow a field.
pub(super) fn lacks(solver: Solver, field: &str) -> String {
    let solver = solver.as_str_name();
    match field {
        "threads" => format!("{solver} has one thread"),
        "start" => format!("{solver} begins from no start, and the model has one"),
        "log" => format!("{solver} writes no log"),
        "incumbents" => format!("{solver} tells no incumbents"),
        _ => format!("{solver} has none"),
    }
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

    #[test]
    fn what_the_solver_would_silently_pass_over_is_refused() {
        let options = SolveOptions {
            relative_gap: Some(0.1),
            absolute_gap: Some(0.1),
            threads: Some(2),
            seed: Some(1),
            presolve: Presolve::Off.into(),
            log: true,
            ..SolveOptions::default()
        };
        assert!(fields(&options, Solver::Highs, true).is_empty());
        let others = ["threads", "seed", "presolve", "log"];
        assert_eq!(fields(&options, Solver::Cbc, true), others);
        let all = ["relative_gap", "absolute_gap", "threads", "seed", "presolve", "log"];
        assert_eq!(fields(&options, Solver::Clarabel, false), all);
    }

    #[test]
    fn what_is_at_its_default_is_not_asked_for() {
        let options = SolveOptions {
            threads: Some(1),
            presolve: Presolve::Auto.into(),
            incumbents: Some(Default::default()),
            ..SolveOptions::default()
        };
        for solver in [Solver::Clarabel, Solver::Microlp, Solver::Scip, Solver::Cbc] {
            assert!(faults(&options, solver, false).is_empty(), "{solver:?}");
        }
    }
}
