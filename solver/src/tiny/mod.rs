//! A fast path for tiny LPs: a dense simplex method, whose answer counts only if it is proven.
//!
//! HiGHS takes most of its time for a tiny LP to set itself up. Here, the simplex method
//! ([`simplex`]) only proposes a basis. Its vertex and its duals are then computed from the numbers
//! of the model ([`vertex`]), and the check that the worker makes of every answer is made here with
//! stricter tolerances: a feasible solution and duals that prove that none is better. That is at
//! once the answer and its verification. Whatever is not proven is left to HiGHS: models without an
//! optimum, unusual numbers, and every model and option that [`eligible`] excludes.

mod dictionary;
mod eligible;
mod lp;
mod simplex;
#[cfg(test)]
mod tests;
mod vertex;

use solvemesh::v1::{LinearModel, SolveOptions, SolveStatistics, StartingPoint};
use solvemesh_model::verify::{
    Candidate, Check, Tolerances,
    claim::{self, Gaps},
    largest_cost, verify_within,
};

use crate::{arrays::Arrays, report::Monitor, task::Finding, termination::optimal};
use lp::DenseLp;
use vertex::Vertex;

/// The violations that are accepted, a thousandth of those that the worker accepts. A vertex that
/// is computed from its basis has rounding errors only.
const TOLERANCES: Tolerances =
    Tolerances { primal: 1e-9, integrality: 0.0, dual: 1e-9, complementarity: 1e-9 };

/// Maximum distance of the objective from the bound that the duals prove, relative to the largest
/// of the two and of the costs.
const BOUND_TOLERANCE: f64 = 1e-9;

/// The proven optimum of a tiny LP; `None` if this is a task for HiGHS.
pub(super) fn solve(
    arrays: &Arrays<'_>,
    start: Option<&StartingPoint>,
    options: &SolveOptions,
    monitor: &Monitor<'_>,
) -> Option<Finding> {
    let is_eligible =
        start.is_none() && eligible::has_size(arrays) && eligible::has_options(options);
    if !is_eligible || monitor.interrupted() {
        return None;
    }
    proven_optimum(arrays)
}

/// The optimum of an LP, if there is one and it is proven.
fn proven_optimum(arrays: &Arrays<'_>) -> Option<Finding> {
    let lp = DenseLp::of(arrays)?;
    let basis = simplex::optimal_basis(&lp)?;
    let Vertex { values, duals, reduced_costs } = Vertex::of(&lp, &basis.places)?;
    let candidate = Candidate { values: &values, duals: &duals, reduced_costs: &reduced_costs };
    let check = verify_within(arrays.model(), candidate, TOLERANCES).ok()?;
    if !is_proven(arrays.model(), &check) {
        return None;
    }
    let termination = optimal(check.objective, "dense simplex: optimal");
    let statistics = SolveStatistics {
        simplex_iteration_count: Some(basis.iterations),
        thread_count: Some(1),
        ..SolveStatistics::default()
    };
    Some(Finding { termination, statistics, values, duals, reduced_costs, ..Finding::default() })
}

/// Whether a check proves an optimum, to the tolerances of this module and by the rules of the
/// worker.
fn is_proven(model: &LinearModel, check: &Check) -> bool {
    let Some(bound) = check.bound else { return false };
    let scale = check.objective.abs().max(bound.abs()).max(largest_cost(model));
    claim::why_rejected(model, check, None, Gaps::NONE).is_none()
        && (bound - check.objective).abs() <= BOUND_TOLERANCE * scale
}
