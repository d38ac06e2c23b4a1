//! Models with integers that are unbounded, detected before they are solved.
//!
//! HiGHS calls some of them optimal if there is a start solution, or no presolve: branch and bound
//! then reports the objective of the solution that it has as the bound, and no check of the solution
//! or of the bound finds it. On others it branches for ever. But if the relaxation, without
//! integers, has a direction that never leaves a bound and improves the objective, a model with a
//! solution is unbounded too, as its numbers are rational (Meyer, "On the existence of optimal
//! solutions to integer and mixed-integer programming problems", 1974): some multiple of the
//! direction has only integers.

use std::time::Duration;

use solvemesh::v1::{
    LinearModel, SolveOptions, StartingPoint, Termination, TerminationReason as Reason,
    UnboundedRay, VariableKind,
};
use solvemesh_model::verify::is_solution;

use super::{
    arrays::Arrays,
    highs::{Highs, ModelStatus, Scale},
    highs_solver::{HighsSolver, run_silently, time_limit},
    proof,
    report::Monitor,
    settings,
    task::Finding,
};

/// The longest search for a direction. It is an LP of the size of the relaxation, and easier: most
/// models have none, and then no step at all is the optimum.
const MAX_SEARCH_TIME: Duration = Duration::from_secs(30);

/// How often the signs of directions are restricted by all rows. Most models need one or two.
const MAX_ROUNDS: usize = 8;

/// The finding of a model with integers whose relaxation improves without limit: unbounded if there
/// is a solution, and else why there is none. `None` for all other models.
pub(super) fn solve(
    arrays: &Arrays<'_>,
    start: Option<&StartingPoint>,
    options: &SolveOptions,
    monitor: &Monitor<'_>,
) -> Option<Finding> {
    let ray = improving_ray(arrays, options, monitor)?;
    // Any solution will do, so the one of the start, if it has one.
    let model = LinearModel {
        objective: vec![0.0; arrays.variables()],
        variable_lower: arrays.model().variable_lower.clone(),
        variable_upper: arrays.model().variable_upper.clone(),
        variable_kinds: arrays.model().variable_kinds.clone(),
        ..with_sides(
            arrays,
            arrays.model().constraint_lower.clone(),
            arrays.model().constraint_upper.clone(),
        )
    };
    let feasibility = Arrays::of(&model).ok()?;
    let options = SolveOptions { objective_target: None, ..options.clone() };
    let found =
        HighsSolver::default().solve(&feasibility, start, &options, &monitor.without_incumbents());
    Some(conclude(found, ray, arrays))
}

/// What the finding of a model without its objective says about the model with it, which improves
/// along a ray.
fn conclude(found: Finding, ray: UnboundedRay, arrays: &Arrays<'_>) -> Finding {
    let termination = Termination {
        objective: None,
        objective_bound: None,
        relative_gap: None,
        ..found.termination.clone()
    };
    // Without a solution, a direction proves nothing.
    if !is_solution(arrays.model(), &found.values) {
        return Finding { termination, ..found };
    }
    let mut start = found.start;
    if let Some(start) = &mut start {
        start.objective = None;
    }
    Finding {
        termination: Termination {
            reason: Reason::Unbounded.into(),
            limit: 0,
            detail: "HiGHS: unbounded".to_owned(),
            ..termination
        },
        statistics: found.statistics,
        values: found.values,
        unbounded_ray: Some(ray),
        start,
        ..Finding::default()
    }
}

/// A direction in which the relaxation of a model with integers improves without limit. `None` if
/// there is none, or none is found in time.
pub(super) fn improving_ray(
    arrays: &Arrays<'_>,
    options: &SolveOptions,
    monitor: &Monitor<'_>,
) -> Option<UnboundedRay> {
    if !arrays.is_mip() || !Signs::of(arrays).allow_improvement(arrays) {
        return None;
    }
    // The direction that improves the objective most, with steps of at most 1.
    let steps = steps(arrays);
    let lp = Arrays::of(&steps).ok()?;
    let mut highs = Highs::new();
    // Before the first run: HiGHS starts its threads then, and refuses another number later.
    highs.set_threads(settings::threads(options).ok()?).ok()?;
    highs.pass(&lp, Scale::of(&lp, &SolveOptions::default())).ok()?;
    let end = monitor.elapsed() + MAX_SEARCH_TIME;
    let end = time_limit(options).ok()?.map_or(end, |limit| limit.min(end));
    if run_silently(&mut highs, Some(end), monitor)? != ModelStatus::Optimal {
        return None;
    }
    let ray = proof::sparse_ray(&highs.solution(&lp)?.values)?;
    proof::is_improving(arrays, &ray).then_some(ray)
}

/// The signs that the steps of a direction may have which never leaves a bound.
struct Signs {
    /// `[n]` Whether a variable may increase.
    up: Vec<bool>,
    /// `[n]` Whether a variable may decrease.
    down: Vec<bool>,
}

impl Signs {
    /// Those that the bounds of variables allow, and then the rows, each for itself.
    fn of(arrays: &Arrays<'_>) -> Self {
        let open = |bounds: &[f64]| {
            let is_open =
                |(column, bound): (usize, &f64)| bound.is_infinite() && !arrays.is_semi(column);
            bounds.iter().enumerate().map(is_open).collect::<Vec<_>>()
        };
        let mut signs = Self { up: open(arrays.upper()), down: open(arrays.lower()) };
        for _ in 0..MAX_ROUNDS {
            if !signs.allow_improvement(arrays) || !signs.restrict(arrays) {
                break;
            }
        }
        signs
    }

    /// Whether some variable may move in the direction in which its cost improves the objective.
    fn allow_improvement(&self, arrays: &Arrays<'_>) -> bool {
        let sign = if arrays.maximizes() { -1.0 } else { 1.0 };
        arrays.model().objective.iter().enumerate().any(|(column, cost)| {
            let cost = sign * cost;
            (cost < 0.0 && self.up[column]) || (cost > 0.0 && self.down[column])
        })
    }

    /// A row with an upper bound whose terms can't decrease keeps all of them from increasing, and
    /// one with a single term that can, this one; the other way round likewise. Returns whether that
    /// changed a sign.
    fn restrict(&mut self, arrays: &Arrays<'_>) -> bool {
        let mut changed = false;
        let model = arrays.model();
        for row in 0..arrays.constraints() {
            for (bound, sign) in
                [(model.constraint_upper[row], 1.0), (model.constraint_lower[row], -1.0)]
            {
                if bound.is_infinite() {
                    continue;
                }
                let mut opposite = arrays
                    .row(row)
                    .filter(|&(column, coefficient)| self.may_move(column, -sign * coefficient));
                match (opposite.next(), opposite.next()) {
                    (None, _) => {
                        for (column, coefficient) in arrays.row(row) {
                            changed |= std::mem::take(self.way(column, sign * coefficient));
                        }
                    }
                    (Some((column, coefficient)), None) => {
                        changed |= std::mem::take(self.way(column, sign * coefficient));
                    }
                    (Some(_), Some(_)) => {}
                }
            }
        }
        changed
    }

    /// Whether a variable may move such that its term with this coefficient increases.
    fn may_move(&self, column: usize, coefficient: f64) -> bool {
        if coefficient > 0.0 { self.up[column] } else { self.down[column] }
    }

    fn way(&mut self, column: usize, coefficient: f64) -> &mut bool {
        if coefficient > 0.0 { &mut self.up[column] } else { &mut self.down[column] }
    }
}

/// The directions of a model: its relaxation with each finite bound replaced by 0, and each other
/// one by a step of 1.
fn steps(arrays: &Arrays<'_>) -> LinearModel {
    let model = arrays.model();
    let step = |bound: &f64| if bound.is_finite() { 0.0 } else { bound.signum() };
    let side = |bound: &f64| if bound.is_finite() { 0.0 } else { *bound };
    let bounds = |bounds: &[f64]| {
        let of = |(column, bound)| if arrays.is_semi(column) { 0.0 } else { step(bound) };
        bounds.iter().enumerate().map(of).collect()
    };
    LinearModel {
        objective: model.objective.clone(),
        variable_kinds: vec![VariableKind::Continuous.into(); arrays.variables()],
        variable_lower: bounds(arrays.lower()),
        variable_upper: bounds(arrays.upper()),
        ..with_sides(
            arrays,
            model.constraint_lower.iter().map(side).collect(),
            model.constraint_upper.iter().map(side).collect(),
        )
    }
}

/// The matrix of a model with other sides, and without variables and names.
fn with_sides(arrays: &Arrays<'_>, lower: Vec<f64>, upper: Vec<f64>) -> LinearModel {
    let model = arrays.model();
    LinearModel {
        sense: model.sense,
        constraint_lower: lower,
        constraint_upper: upper,
        row_starts: model.row_starts.clone(),
        column_indices: model.column_indices.clone(),
        coefficients: model.coefficients.clone(),
        ..LinearModel::default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use solvemesh::v1::ObjectiveSense;

    use super::*;
    use crate::samples::dense;

    const INF: f64 = f64::INFINITY;

    fn may_improve(model: &LinearModel) -> bool {
        let arrays = Arrays::of(model).unwrap();
        Signs::of(&arrays).allow_improvement(&arrays)
    }

    #[test]
    fn bounds_and_rows_tell_that_most_models_are_bounded() {
        use ObjectiveSense::{Maximize, Minimize};
        // Costs of variables that can't decrease.
        assert!(!may_improve(&dense(Minimize, &[1.0, 0.0], &[(-INF, &[1.0, -1.0], 3.0)])));
        // A capacity for both.
        assert!(!may_improve(&dense(Maximize, &[1.0, 2.0], &[(-INF, &[1.0, 1.0], 3.0)])));
        // One bounds the first variable, and that the second, in whatever order.
        let rows: [(f64, &[f64], f64); 2] = [(-INF, &[-1.0, 1.0], 0.0), (-INF, &[1.0, 0.0], 3.0)];
        assert!(!may_improve(&dense(Maximize, &[0.0, 1.0], &rows)));
        assert!(!may_improve(&dense(Maximize, &[0.0, 1.0], &[(0.0, &[-1.0, -1.0], INF)])));
        // A free variable below others, as in the epigraph of a function.
        let free = |model: LinearModel| LinearModel { variable_lower: vec![-INF, 0.0], ..model };
        let above = LinearModel {
            variable_upper: vec![INF, 1.0],
            ..free(dense(Minimize, &[1.0, 0.0], &[(0.0, &[1.0, -2.0], INF)]))
        };
        assert!(!may_improve(&above));
        assert!(may_improve(&free(dense(Minimize, &[1.0, 0.0], &[(0.0, &[1.0, 2.0], INF)]))));
        // A lower bound, or a row that either of two may satisfy.
        assert!(may_improve(&dense(Maximize, &[1.0, 1.0], &[(3.0, &[1.0, 1.0], INF)])));
        assert!(may_improve(&dense(Maximize, &[1.0, 1.0], &[(-INF, &[1.0, -1.0], 3.0)])));
    }
}
