//! Chooses the lane of a job.

use solvemesh::v1::{ModelSize, SolveOptions, SubmitJobRequest};
use solvemesh_broker::Lane;
use solvemesh_model::ReadModel;

use super::{catalog, options};
use crate::{policy::Policy, refusal::FieldError};

/// The largest LP that goes into the express lane by default: LPs up to this size are solved
/// within milliseconds, and must not wait behind long solves.
const EXPRESS_VARIABLES: i32 = 2_000;
const EXPRESS_CONSTRAINTS: i32 = 2_000;
const EXPRESS_NONZEROS: i32 = 10_000;

/// The lane of a job: that of its solver, if it has one of its own; else the requested one; else
/// express or standard by kind and size of the model.
pub(super) fn choose(
    request: &SubmitJobRequest,
    options: &SolveOptions,
    read: &ReadModel,
    policy: &Policy,
) -> Result<Lane, FieldError> {
    let requested = request.lane.as_str();
    if let Some(own) = catalog::dedicated_lane(options.solver()) {
        return if requested.is_empty() || requested == own.as_str() {
            Ok(own)
        } else {
            let wrong = format!("must be {own} for this solver, not {requested:?}");
            Err(FieldError::new("lane", wrong))
        };
    }
    // A sweep solves many models, and a small MIP can take hours.
    let is_small =
        request.sweep.is_none() && !options::is_discrete(&read.model) && is_small(&read.size);
    requested_or_by_size(requested, is_small, policy)
}

/// Whether an LP of this size fits the express lane.
fn is_small(size: &ModelSize) -> bool {
    size.variable_count <= EXPRESS_VARIABLES
        && size.constraint_count <= EXPRESS_CONSTRAINTS
        && size.nonzero_count <= EXPRESS_NONZEROS
}

/// The requested lane; without one, express or standard by size, or the first lane of a mesh
/// that has neither.
fn requested_or_by_size(
    requested: &str,
    is_small: bool,
    policy: &Policy,
) -> Result<Lane, FieldError> {
    let find = |name: &str| policy.lanes.iter().find(|lane| lane.as_str() == name).cloned();
    if !requested.is_empty() {
        let names = || policy.lanes.iter().map(Lane::as_str).collect::<Vec<_>>().join(", ");
        return find(requested).ok_or_else(|| {
            let wrong = format!("unknown lane {requested:?}; the lanes are {}", names());
            FieldError::new("lane", wrong)
        });
    }
    let fitting = if is_small { Lane::EXPRESS } else { Lane::STANDARD };
    let found = find(fitting).or_else(|| policy.lanes.first().cloned());
    found.ok_or_else(|| FieldError::new("lane", "no lanes are configured"))
}
