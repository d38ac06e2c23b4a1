//! Validates the fields of a request that do not depend on its model: request id, labels,
//! priority, time limits on the whole job.

use std::time::Duration;

use solvemesh::v1::{Priority, SubmitJobRequest};

use crate::{policy::Policy, refusal::FieldError};

const MAX_LABELS: usize = 64;
const MAX_LABEL_KEY: usize = 63;
const MAX_LABEL_VALUE: usize = 255;
const MAX_REQUEST_ID: usize = 128;

/// Validates the request id and the labels.
pub(super) fn id_and_label_errors(request: &SubmitJobRequest) -> Vec<FieldError> {
    let mut faults = Vec::new();
    if request.request_id.chars().count() > MAX_REQUEST_ID {
        faults.push(FieldError::new(
            "request_id",
            format!("may have at most {MAX_REQUEST_ID} characters"),
        ));
    }
    if request.labels.len() > MAX_LABELS {
        faults.push(FieldError::new("labels", format!("at most {MAX_LABELS} labels are allowed")));
    }
    // Bounded, as each label can add an error to the response.
    for (key, value) in request.labels.iter().take(MAX_LABELS) {
        if !(1..=MAX_LABEL_KEY).contains(&key.chars().count()) {
            let wrong = format!("a key must have 1 to {MAX_LABEL_KEY} characters");
            faults.push(FieldError::new(format!("labels[{key:?}]"), wrong));
        }
        if value.chars().count() > MAX_LABEL_VALUE {
            let wrong = format!("a value may have at most {MAX_LABEL_VALUE} characters");
            faults.push(FieldError::new(format!("labels[{key:?}]"), wrong));
        }
    }
    faults
}

/// Validates the priority.
pub(super) fn priority_error(request: &SubmitJobRequest) -> Option<FieldError> {
    let priority = request.priority;
    let unknown = || FieldError::new("priority", format!("unknown priority {priority}"));
    Priority::try_from(priority).is_err().then(unknown)
}

/// The durations after which a job is given up.
pub(super) struct TimeLimits {
    /// From now, queued or running.
    pub(super) total: Duration,
    /// While it is still queued; at most `total`.
    pub(super) queue: Duration,
}

/// Validates the time limits on the whole job.
pub(super) fn time_limits(
    request: &SubmitJobRequest,
    policy: &Policy,
) -> Result<TimeLimits, Vec<FieldError>> {
    let total = time_limit("total_time_limit", request.total_time_limit, policy);
    let queue = time_limit("queue_time_limit", request.queue_time_limit, policy);
    match (total, queue) {
        (Ok(total), Ok(queue)) => Ok(TimeLimits { total, queue: queue.min(total) }),
        (total, queue) => Err([total.err(), queue.err()].into_iter().flatten().collect()),
    }
}

/// Validates a requested time limit; the policy's maximum where none is requested.
fn time_limit(
    field: &str,
    requested: Option<prost_types::Duration>,
    policy: &Policy,
) -> Result<Duration, FieldError> {
    let max = policy.max_total_time_limit;
    match requested.map(Duration::try_from) {
        None => Ok(max),
        Some(Ok(duration)) if !duration.is_zero() && duration <= max => Ok(duration),
        Some(_) => {
            let max = max.as_secs_f64();
            let wrong = format!("must be above 0 and at most max_total_time_limit, {max} s");
            Err(FieldError::new(field, wrong))
        }
    }
}
