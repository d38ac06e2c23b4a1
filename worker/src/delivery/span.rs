//! The span of an attempt, in the trace of its job.

use std::time::SystemTime;

use solvemesh::broker::v1::JobEnvelope;
use solvemesh_daemon::{Origin, TRACES, TraceContext};
use tracing::{Span, info_span};

/// Where a job comes from, if its gateway exports traces.
pub(super) fn origin_of(job: &JobEnvelope) -> Option<Origin> {
    let context = TraceContext::parse(&job.traceparent)?;
    let submitted = job.submit_time.and_then(|time| time.try_into().ok());
    Some(Origin { context, submitted: submitted.unwrap_or(SystemTime::UNIX_EPOCH) })
}

/// The span of an attempt that begins now. Without an origin it is the root of a trace: the gateway
/// exports none.
pub(super) fn attempt_span(job: &str, attempt: &str, origin: Option<&Origin>) -> Span {
    let span = info_span!(
        target: TRACES,
        parent: None,
        "process job",
        otel.kind = "consumer",
        messaging.system = "rabbitmq",
        messaging.operation.name = "process",
        messaging.operation.type = "process",
        job,
        attempt,
    );
    if let Some(origin) = origin {
        origin.attach_to(&span);
    }
    span
}
