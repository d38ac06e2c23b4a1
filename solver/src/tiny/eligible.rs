//! Which tasks the fast path takes, by the size of the model and by the options. Pure.

use solvemesh::v1::{Presolve, SolveOptions};

use crate::{arrays::Arrays, settings};

/// Maximum number of constraints.
pub(super) const MAX_ROWS: usize = 16;

/// Maximum number of variables.
pub(super) const MAX_COLUMNS: usize = 32;

/// Whether a model is an LP, as submitted, and tiny.
pub(super) fn has_size(arrays: &Arrays<'_>) -> bool {
    (1..=MAX_COLUMNS).contains(&arrays.variables())
        && arrays.constraints() <= MAX_ROWS
        && arrays.is_lp_as_submitted()
}

/// Whether the options are none but those that have no effect on the optimum of an LP.
///
/// The others request something that only HiGHS returns, a limit of the method, or a method. All
/// fields are named, so that a new one is decided on here.
pub(super) fn has_options(options: &SolveOptions) -> bool {
    let SolveOptions {
        time_limit: _,
        relative_gap,
        absolute_gap,
        incumbents: _,
        threads,
        seed,
        presolve,
        solver: _,
        solver_options,
        return_infeasible_subset: _,
        node_limit,
        iteration_limit,
        solution_limit,
        objective_target,
        return_basis,
        return_log,
        // The whole path takes some kilobytes.
        memory_limit_bytes: _,
        return_sensitivity,
        // Names are not the solver's.
        omit_names: _,
    } = options;
    // Numbers that are out of range, or a limit of 0, are for HiGHS to report. Valid gaps and seeds
    // have no effect here: there are no branches and no random numbers.
    let has_time =
        settings::time_limit(options).is_ok_and(|limit| limit.is_none_or(|limit| !limit.is_zero()));
    has_time
        && [relative_gap, absolute_gap].into_iter().all(|gap| gap.is_none_or(|gap| gap >= 0.0))
        && seed.is_none_or(|seed| seed >= 0)
        && threads.is_none_or(|threads| threads == 1)
        && matches!(Presolve::try_from(*presolve), Ok(Presolve::Unspecified | Presolve::Auto))
        && solver_options.is_empty()
        && node_limit.is_none()
        && iteration_limit.is_none()
        && solution_limit.is_none()
        && objective_target.is_none()
        && !(*return_basis || *return_log || *return_sensitivity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_without_effect_on_an_lp_are_accepted() {
        let none = SolveOptions::default();
        assert!(has_options(&none));
        assert!(has_options(&SolveOptions {
            time_limit: Some(prost_types::Duration { seconds: 1, nanos: 0 }),
            relative_gap: Some(0.1),
            threads: Some(1),
            seed: Some(3),
            return_infeasible_subset: true,
            memory_limit_bytes: Some(1 << 30),
            ..none
        }));
    }

    #[test]
    fn options_that_need_highs_are_not_accepted() {
        let none = SolveOptions::default();
        let raw = [("simplex_strategy".to_owned(), "1".to_owned())];
        let no_time = Some(prost_types::Duration::default());
        for options in [
            SolveOptions { time_limit: no_time, ..none.clone() },
            SolveOptions { relative_gap: Some(f64::NAN), ..none.clone() },
            SolveOptions { absolute_gap: Some(-1.0), ..none.clone() },
            SolveOptions { seed: Some(-1), ..none.clone() },
            SolveOptions { threads: Some(0), ..none.clone() },
            SolveOptions { threads: Some(2), ..none.clone() },
            SolveOptions { presolve: Presolve::Off.into(), ..none.clone() },
            SolveOptions { presolve: 77, ..none.clone() },
            SolveOptions { solver_options: raw.into(), ..none.clone() },
            SolveOptions { node_limit: Some(1), ..none.clone() },
            SolveOptions { iteration_limit: Some(0), ..none.clone() },
            SolveOptions { solution_limit: Some(1), ..none.clone() },
            SolveOptions { objective_target: Some(0.0), ..none.clone() },
            SolveOptions { return_basis: true, ..none.clone() },
            SolveOptions { return_log: true, ..none.clone() },
            SolveOptions { return_sensitivity: true, ..none },
        ] {
            assert!(!has_options(&options), "{options:?}");
        }
    }
}
