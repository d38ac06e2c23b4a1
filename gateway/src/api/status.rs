//! The one place that maps causes to gRPC statuses.

use std::collections::HashMap;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::refusal::{FieldFault, Refusal};

/// The domain of all `google.rpc.ErrorInfo`.
pub const DOMAIN: &str = "solvemesh.dev";

/// Details travel in a header, and clients allow as little as 8 KiB for all headers:
/// faults past this many bytes are counted, not told.
const MAX_FAULT_BYTES: usize = 3 << 10;

/// The most bytes of a status's message.
const MAX_MESSAGE_BYTES: usize = 1 << 10;

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let (code, reason) = classify(&refusal);
        let mut details = ErrorDetails::with_error_info(reason, DOMAIN, metadata(&refusal));
        if let Some(delay) = refusal.retry_after() {
            details.set_retry_info(Some(delay));
        }
        if let Refusal::Invalid { faults, .. } = &refusal {
            for (field, description) in bounded(faults) {
                details.add_bad_request_violation(field, description);
            }
        }
        Self::with_error_details(code, shortened(refusal.to_string()), details)
    }
}

fn classify(refusal: &Refusal) -> (Code, &'static str) {
    match refusal {
        Refusal::Invalid { reason, .. } => (Code::InvalidArgument, reason),
        Refusal::NotFound { .. } => (Code::NotFound, "JOB_NOT_FOUND"),
        Refusal::Forgotten { .. } => (Code::NotFound, "JOB_FORGOTTEN"),
        Refusal::Taken { .. } => (Code::AlreadyExists, "REQUEST_ID_TAKEN"),
        Refusal::Exhausted { .. } | Refusal::LogHeldUp { .. } => {
            (Code::ResourceExhausted, "LIMIT_REACHED")
        }
        Refusal::QueueFull { .. } => (Code::ResourceExhausted, "QUEUE_FULL"),
        Refusal::NoWorker { .. } => (Code::FailedPrecondition, "NO_WORKER"),
        Refusal::Unavailable { .. } => (Code::Unavailable, "MESH_UNAVAILABLE"),
        Refusal::OutcomeUnknown { .. } => (Code::Unavailable, "OUTCOME_UNKNOWN"),
        Refusal::StaleToken { reason, .. } => (Code::OutOfRange, reason),
        Refusal::ShuttingDown { .. } => (Code::Unavailable, "SHUTTING_DOWN"),
        // As after any other loss of a stream, the client goes on with its token.
        Refusal::WatcherTooSlow { .. } => (Code::Unavailable, "WATCHER_TOO_SLOW"),
        Refusal::MessageTooLarge { .. } => (Code::ResourceExhausted, "LIMIT_REACHED"),
        Refusal::Undecodable { .. } => (Code::InvalidArgument, "UNDECODABLE"),
        Refusal::TookTooLong { .. } => (Code::DeadlineExceeded, "TOOK_TOO_LONG"),
    }
}

fn metadata(refusal: &Refusal) -> HashMap<String, String> {
    let pairs = match refusal {
        Refusal::NotFound { job_id }
        | Refusal::Forgotten { job_id }
        | Refusal::OutcomeUnknown { job_id } => vec![("job_id", job_id.clone())],
        Refusal::ShuttingDown { job_id } if !job_id.is_empty() => {
            vec![("job_id", job_id.clone())]
        }
        Refusal::MessageTooLarge { limit } => {
            vec![("limit", "max_message_bytes".to_owned()), ("value", limit.to_string())]
        }
        Refusal::Taken { request_id, job_id } => {
            vec![("job_id", job_id.clone()), ("request_id", request_id.clone())]
        }
        Refusal::Exhausted { limit, value } => {
            vec![("limit", (*limit).to_owned()), ("value", value.to_string())]
        }
        Refusal::LogHeldUp { half } => {
            vec![("limit", "log_max_bytes".to_owned()), ("value", half.to_string())]
        }
        Refusal::QueueFull { lane } => vec![("lane", lane.clone())],
        Refusal::NoWorker { solver, lane } => {
            vec![("solver", (*solver).to_owned()), ("lane", lane.clone())]
        }
        Refusal::Invalid { .. }
        | Refusal::Unavailable { .. }
        | Refusal::StaleToken { .. }
        | Refusal::Undecodable { .. }
        | Refusal::TookTooLong { .. }
        | Refusal::WatcherTooSlow { .. }
        | Refusal::ShuttingDown { .. } => Vec::new(),
    };
    pairs.into_iter().map(|(key, value)| (key.to_owned(), shortened(value))).collect()
}

fn bounded(faults: &[FieldFault]) -> Vec<(String, String)> {
    let mut told = Vec::new();
    let mut bytes = 0;
    for (index, FieldFault { field, description }) in faults.iter().enumerate() {
        let (field, description) = (shortened(field.clone()), shortened(description.clone()));
        bytes += field.len() + description.len();
        if bytes > MAX_FAULT_BYTES && index > 0 {
            let rest = faults.len() - index;
            told.push((field, format!("{description} (and {} more faults)", rest - 1)));
            break;
        }
        told.push((field, description));
    }
    told
}

fn shortened(mut text: String) -> String {
    if text.len() > MAX_MESSAGE_BYTES {
        let end = (0..=MAX_MESSAGE_BYTES).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_fault_names_its_field() {
        let status =
            Status::from(Refusal::field("SYNTAX_ERROR", "model.lp", "line 1, column 2: x"));
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.message(), "model.lp: line 1, column 2: x");
        let details = status.get_error_details();
        let violation = &details.bad_request().map(|request| &request.field_violations[0]);
        assert_eq!(violation.map(|v| v.field.as_str()), Some("model.lp"));
        assert_eq!(details.error_info().map(|info| info.reason.as_str()), Some("SYNTAX_ERROR"));
    }

    #[test]
    fn a_limit_is_named_and_says_when_to_retry() {
        let status = Status::from(Refusal::Exhausted { limit: "max_watchers", value: 7 });
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(status.message(), "max_watchers is at its limit of 7");
        let details = status.get_error_details();
        assert_eq!(
            details.retry_info().and_then(|retry| retry.retry_delay),
            Some(Duration::from_secs(2))
        );
    }

    #[test]
    fn many_faults_fit_into_a_header() {
        let fault = FieldFault { field: "f".repeat(500), description: "é".repeat(5000) };
        let faults = vec![fault; 100];
        let status = Status::from(Refusal::Invalid { reason: "INVALID_MODEL", faults });
        assert!(status.details().len() < 6 << 10, "{} bytes", status.details().len());
        assert!(status.message().len() <= MAX_MESSAGE_BYTES + '…'.len_utf8());
        let details = status.get_error_details();
        let told = details.bad_request().map_or(0, |request| request.field_violations.len());
        assert!((1..10).contains(&told));
    }
}
