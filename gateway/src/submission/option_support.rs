//! Validates the options that not every solver supports or that not every model can have: the
//! limits of a solve other than time, and optional parts of the result.

use solvemesh::v1::{Presolve, SolveOptions, Solver};

use super::catalog;

/// The invalid fields, with their errors. `discrete` means that the model is not an LP.
pub(super) fn errors(
    options: &SolveOptions,
    solver: Solver,
    discrete: bool,
) -> Vec<(&'static str, String)> {
    let mut faults = Vec::new();
    // Each with its minimum, and whether it is for MIPs (or else for LPs).
    let limits = [
        ("node_limit", options.node_limit.map(|limit| (limit, 1)), true),
        ("iteration_limit", options.iteration_limit.map(|limit| (limit, 0)), false),
        ("solution_limit", options.solution_limit.map(|limit| (limit.into(), 1)), true),
    ];
    for (field, limit, for_mips) in limits {
        let Some((limit, min)) = limit else { continue };
        if limit < min {
            faults.push((field, format!("must be {min} or more, not {limit}")));
        }
        faults.extend(wrong_model_class(for_mips, discrete).map(|wrong| (field, wrong)));
    }
    if let Some(target) = options.objective_target {
        let field = "objective_target";
        if !target.is_finite() {
            faults.push((field, format!("must be a finite number, not {target}")));
        }
        faults.extend(wrong_model_class(true, discrete).map(|wrong| (field, wrong)));
    }
    if options.return_basis {
        faults.extend(wrong_model_class(false, discrete).map(|wrong| ("return_basis", wrong)));
    }
    if options.return_sensitivity {
        faults
            .extend(wrong_model_class(false, discrete).map(|wrong| ("return_sensitivity", wrong)));
    }
    // A field at the value that every solver has anyway does not count as requested.
    let requested = [
        ("relative_gap", options.relative_gap.is_some()),
        ("absolute_gap", options.absolute_gap.is_some()),
        ("threads", options.threads.is_some_and(|threads| threads > 1)),
        ("seed", options.seed.is_some()),
        ("presolve", matches!(options.presolve(), Presolve::On | Presolve::Off)),
        ("return_infeasible_subset", options.return_infeasible_subset),
        ("return_basis", options.return_basis),
        ("return_sensitivity", options.return_sensitivity),
        ("node_limit", options.node_limit.is_some()),
        ("iteration_limit", options.iteration_limit.is_some()),
        ("solution_limit", options.solution_limit.is_some()),
        ("objective_target", options.objective_target.is_some()),
        ("return_log", options.return_log),
        ("incumbents", options.incumbents.as_ref().is_some_and(|it| *it != Default::default())),
    ];
    let rejected = requested
        .into_iter()
        .filter(|(field, is_set)| *is_set && !catalog::supports_field(solver, field));
    faults.extend(rejected.map(|(field, _)| (field, unsupported(solver, field))));
    faults
}

/// The error for a field that a solver does not support.
pub(super) fn unsupported(solver: Solver, field: &str) -> String {
    let solver = solver.as_str_name();
    match field {
        "threads" => format!("{solver} runs on one thread"),
        "starts" => format!("{solver} does not support starting points"),
        _ => format!("{solver} does not support it"),
    }
}

/// The error for an option for MIPs on an LP, or the reverse; `None` if it fits the model.
fn wrong_model_class(for_mips: bool, discrete: bool) -> Option<String> {
    let wrong = match (for_mips, discrete) {
        (true, false) => "is only for models with integers, and this one has none",
        (false, true) => "is only for LPs, and this model has integers",
        _ => return None,
    };
    Some(wrong.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(options: &SolveOptions, solver: Solver, discrete: bool) -> Vec<&'static str> {
        errors(options, solver, discrete).into_iter().map(|(field, _)| field).collect()
    }

    #[test]
    fn branch_and_bound_limits_are_only_for_mips() {
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
    fn iteration_limit_is_only_for_lps() {
        let options = SolveOptions { iteration_limit: Some(0), ..SolveOptions::default() };
        assert!(fields(&options, Solver::Highs, false).is_empty());
        assert_eq!(fields(&options, Solver::Highs, true), ["iteration_limit"]);
    }

    #[test]
    fn sensitivity_is_only_for_lps_and_solvers_that_support_it() {
        let options = SolveOptions { return_sensitivity: true, ..SolveOptions::default() };
        assert!(fields(&options, Solver::Highs, false).is_empty());
        assert_eq!(fields(&options, Solver::Highs, true), ["return_sensitivity"]);
        assert_eq!(fields(&options, Solver::Microlp, false), ["return_sensitivity"]);
    }

    #[test]
    fn limits_out_of_range_are_reported_by_field() {
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
    fn limits_that_the_solver_does_not_support_are_refused() {
        let options = SolveOptions {
            return_infeasible_subset: true,
            iteration_limit: Some(3),
            ..SolveOptions::default()
        };
        let both = ["return_infeasible_subset", "iteration_limit"];
        assert_eq!(fields(&options, Solver::Microlp, false), both);
    }

    #[test]
    fn options_that_the_solver_would_ignore_are_refused() {
        let options = SolveOptions {
            relative_gap: Some(0.1),
            absolute_gap: Some(0.1),
            threads: Some(2),
            seed: Some(1),
            presolve: Presolve::Off.into(),
            return_log: true,
            ..SolveOptions::default()
        };
        assert!(fields(&options, Solver::Highs, true).is_empty());
        let others = ["threads", "seed", "presolve", "return_log"];
        assert_eq!(fields(&options, Solver::Cbc, true), others);
        let all = ["relative_gap", "absolute_gap", "threads", "seed", "presolve", "return_log"];
        assert_eq!(fields(&options, Solver::Clarabel, false), all);
    }

    #[test]
    fn options_at_their_default_are_accepted_by_every_solver() {
        let options = SolveOptions {
            threads: Some(1),
            presolve: Presolve::Auto.into(),
            incumbents: Some(Default::default()),
            ..SolveOptions::default()
        };
        for solver in [Solver::Clarabel, Solver::Microlp, Solver::Scip, Solver::Cbc] {
            assert!(errors(&options, solver, false).is_empty(), "{solver:?}");
        }
    }
}
