//! Maps refusals to gRPC statuses, with `google.rpc` error details. The only place that does.

use std::collections::HashMap;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use solvemesh_model::Place;

use crate::{
    access::Unrecognised,
    refusal::{FieldError, Refusal},
};

/// The domain of every `google.rpc.ErrorInfo`.
pub(crate) const DOMAIN: &str = "solvemesh.dev";

/// Maximum size of the field errors in a status, in bytes; further ones are only counted. Details
/// travel in a header, and some clients accept no more than 8 KiB of headers.
const MAX_FAULT_BYTES: usize = 3 << 10;

/// Maximum length of a status message, and of each text in its details, in bytes.
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
        if let Refusal::UnknownField { field } = &refusal {
            details
                .add_bad_request_violation(shortened(field.path.clone()), "has an unknown field");
        }
        Self::with_error_details(code, shortened(refusal.to_string()), details)
    }
}

/// The stable name of the reason of a refusal.
pub(super) fn reason(refusal: &Refusal) -> &'static str {
    classify(refusal).1
}

fn classify(refusal: &Refusal) -> (Code, &'static str) {
    match refusal {
        Refusal::Invalid { reason, .. } => (Code::InvalidArgument, reason),
        Refusal::Unauthenticated { cause } => (
            Code::Unauthenticated,
            match cause {
                Unrecognised::Missing => "CREDENTIAL_MISSING",
                Unrecognised::Malformed
                | Unrecognised::Invalid
                | Unrecognised::Certificate
                | Unrecognised::Ambiguous
                | Unrecognised::Token(_) => "CREDENTIAL_INVALID",
                Unrecognised::Expired => "CREDENTIAL_EXPIRED",
                Unrecognised::Changed => "CREDENTIAL_CHANGED",
            },
        ),
        Refusal::RoleTooLow { .. } => (Code::PermissionDenied, "ROLE_TOO_LOW"),
        Refusal::NotSubmitter { .. } => (Code::PermissionDenied, "NOT_SUBMITTER"),
        Refusal::NotFound { .. } => (Code::NotFound, "JOB_NOT_FOUND"),
        Refusal::Forgotten { .. } => (Code::NotFound, "JOB_FORGOTTEN"),
        Refusal::RequestIdExpired { .. } => (Code::FailedPrecondition, "REQUEST_ID_EXPIRED"),
        Refusal::RequestIdTaken { .. } => (Code::AlreadyExists, "REQUEST_ID_TAKEN"),
        Refusal::Exhausted { .. } | Refusal::LogTooLong { .. } => {
            (Code::ResourceExhausted, "MESH_LIMIT_REACHED")
        }
        Refusal::QuotaExceeded { .. } => (Code::ResourceExhausted, "QUOTA_EXCEEDED"),
        Refusal::QueueFull { .. } => (Code::ResourceExhausted, "QUEUE_FULL"),
        Refusal::NoWorker { .. } => (Code::FailedPrecondition, "NO_WORKER"),
        Refusal::Unavailable { .. } => (Code::Unavailable, "MESH_UNAVAILABLE"),
        Refusal::OutcomeUnknown { .. } => (Code::Unavailable, "OUTCOME_UNKNOWN"),
        Refusal::StaleToken { reason, .. } => (Code::OutOfRange, reason),
        Refusal::ShuttingDown { .. } => (Code::Unavailable, "SHUTTING_DOWN"),
        // The client handles it like any other lost stream: it resumes with its token.
        Refusal::WatcherTooSlow { .. } => (Code::Unavailable, "WATCHER_TOO_SLOW"),
        Refusal::MessageTooLarge { .. } => (Code::ResourceExhausted, "REQUEST_TOO_LARGE"),
        Refusal::UnknownField { .. } => (Code::InvalidArgument, "UNKNOWN_FIELD"),
        Refusal::Undecodable { .. } => (Code::InvalidArgument, "UNDECODABLE"),
        Refusal::TookTooLong { .. } => (Code::DeadlineExceeded, "TOOK_TOO_LONG"),
    }
}

fn metadata(refusal: &Refusal) -> HashMap<String, String> {
    let pairs = match refusal {
        Refusal::RoleTooLow { role, required } => {
            vec![("role", role.to_string()), ("required", required.to_string())]
        }
        Refusal::NotFound { job_id }
        | Refusal::NotSubmitter { job_id, .. }
        | Refusal::Forgotten { job_id }
        | Refusal::OutcomeUnknown { job_id } => vec![("job_id", job_id.clone())],
        Refusal::ShuttingDown { job_id } if !job_id.is_empty() => {
            vec![("job_id", job_id.clone())]
        }
        Refusal::MessageTooLarge { limit } => {
            vec![("limit", "max_message_bytes".to_owned()), ("value", limit.to_string())]
        }
        Refusal::RequestIdTaken { request_id, job_id }
        | Refusal::RequestIdExpired { request_id, job_id } => {
            vec![("job_id", job_id.clone()), ("request_id", request_id.clone())]
        }
        Refusal::Exhausted { limit, value } => {
            vec![("limit", (*limit).to_owned()), ("value", value.to_string())]
        }
        Refusal::QuotaExceeded { quota, scope, limit, .. } => vec![
            ("quota", (*quota).to_owned()),
            ("scope", scope.to_string()),
            ("limit", limit.to_string()),
        ],
        Refusal::LogTooLong { half } => {
            vec![("limit", "log_max_bytes".to_owned()), ("value", half.to_string())]
        }
        Refusal::QueueFull { lane } => vec![("lane", lane.clone())],
        Refusal::NoWorker { solver, lane } => {
            vec![("solver", (*solver).to_owned()), ("lane", lane.clone())]
        }
        Refusal::UnknownField { field } => {
            vec![("message", field.message.clone()), ("number", field.number.to_string())]
        }
        Refusal::Invalid { faults, .. } => match faults.iter().find_map(|fault| fault.place) {
            Some(Place { line, column }) => {
                vec![("line", line.to_string()), ("column", column.to_string())]
            }
            None => Vec::new(),
        },
        Refusal::Unauthenticated { .. }
        | Refusal::Unavailable { .. }
        | Refusal::StaleToken { .. }
        | Refusal::Undecodable { .. }
        | Refusal::TookTooLong { .. }
        | Refusal::WatcherTooSlow { .. }
        | Refusal::ShuttingDown { .. } => Vec::new(),
    };
    pairs.into_iter().map(|(key, value)| (key.to_owned(), shortened(value))).collect()
}

/// The field errors up to [`MAX_FAULT_BYTES`], at least one; the last one has the number of those
/// that are omitted.
fn bounded(faults: &[FieldError]) -> Vec<(String, String)> {
    let mut kept = Vec::new();
    let mut bytes = 0;
    for (index, FieldError { field, description, .. }) in faults.iter().enumerate() {
        let (field, description) = (shortened(field.clone()), shortened(description.clone()));
        bytes += field.len() + description.len();
        if bytes > MAX_FAULT_BYTES && index > 0 {
            let rest = faults.len() - index;
            kept.push((field, format!("{description} (and {} more errors)", rest - 1)));
            break;
        }
        kept.push((field, description));
    }
    kept
}

/// Truncates a text to [`MAX_MESSAGE_BYTES`] at a character boundary.
fn shortened(mut text: String) -> String {
    if text.len() > MAX_MESSAGE_BYTES {
        text.truncate(text.floor_char_boundary(MAX_MESSAGE_BYTES));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::Duration};

    use solvemesh::UnknownField;

    use super::*;
    use crate::{
        access::{QuotaScope, Role},
        refusal::reason,
    };

    /// One refusal of each variant, and of each reason of those that have several.
    fn samples() -> Vec<Refusal> {
        let job_id = || "j".to_owned();
        let request_id = || "r".to_owned();
        let text = || "t".to_owned();
        let placed = FieldError {
            place: Some(Place { line: 3, column: 5 }),
            ..FieldError::new("model.lp", "x")
        };
        let in_text = |reason| Refusal::Invalid { reason, faults: vec![placed.clone()] };
        let field = UnknownField { path: "model".into(), message: "m".into(), number: 99 };
        let stale = |reason| Refusal::StaleToken { reason, message: text() };
        vec![
            Refusal::invalid("lane", "x"),
            Refusal::missing("model"),
            in_text(reason::INVALID_MODEL),
            in_text(reason::SYNTAX_ERROR),
            in_text(reason::UNSUPPORTED_FEATURE),
            in_text(reason::MODEL_TOO_LARGE),
            Refusal::Unauthenticated { cause: Unrecognised::Missing },
            Refusal::Unauthenticated { cause: Unrecognised::Invalid },
            Refusal::Unauthenticated { cause: Unrecognised::Expired },
            Refusal::Unauthenticated { cause: Unrecognised::Changed },
            Refusal::RoleTooLow { role: Role::Read, required: Role::Submit },
            Refusal::NotSubmitter { job_id: job_id(), role: Role::Submit },
            Refusal::NotFound { job_id: job_id() },
            Refusal::Forgotten { job_id: job_id() },
            Refusal::RequestIdExpired { request_id: request_id(), job_id: job_id() },
            Refusal::RequestIdTaken { request_id: request_id(), job_id: job_id() },
            Refusal::Exhausted { limit: "max_live_jobs", value: 1 },
            Refusal::QuotaExceeded {
                quota: "max_live_jobs",
                scope: QuotaScope::Key,
                limit: 1,
                retry: Some(Duration::from_secs(1)),
            },
            Refusal::LogTooLong { half: 1 },
            Refusal::QueueFull { lane: text() },
            Refusal::NoWorker { solver: "s", lane: text() },
            Refusal::Unavailable { message: text() },
            Refusal::OutcomeUnknown { job_id: job_id() },
            stale("TOKEN_OF_ANOTHER_LOG"),
            stale("TOKEN_TOO_OLD"),
            stale("TOKEN_BEYOND_LOG"),
            Refusal::ShuttingDown { job_id: job_id() },
            Refusal::WatcherTooSlow { idle_timeout: Duration::ZERO },
            Refusal::MessageTooLarge { limit: 1 },
            Refusal::UnknownField { field },
            Refusal::Undecodable { cause: text() },
            Refusal::TookTooLong { limit: Duration::ZERO },
        ]
    }

    /// Numbers the variants. A new one does not compile until it has a number here, and then the
    /// test below fails until it has a sample above and a row in the document.
    fn number(refusal: &Refusal) -> usize {
        match refusal {
            Refusal::Invalid { .. } => 0,
            Refusal::NotFound { .. } => 1,
            Refusal::Forgotten { .. } => 2,
            Refusal::RequestIdExpired { .. } => 3,
            Refusal::RequestIdTaken { .. } => 4,
            Refusal::Exhausted { .. } => 5,
            Refusal::LogTooLong { .. } => 6,
            Refusal::QueueFull { .. } => 7,
            Refusal::NoWorker { .. } => 8,
            Refusal::Unavailable { .. } => 9,
            Refusal::OutcomeUnknown { .. } => 10,
            Refusal::StaleToken { .. } => 11,
            Refusal::ShuttingDown { .. } => 12,
            Refusal::WatcherTooSlow { .. } => 13,
            Refusal::MessageTooLarge { .. } => 14,
            Refusal::UnknownField { .. } => 15,
            Refusal::Undecodable { .. } => 16,
            Refusal::TookTooLong { .. } => 17,
            Refusal::Unauthenticated { .. } => 18,
            Refusal::RoleTooLow { .. } => 19,
            Refusal::NotSubmitter { .. } => 20,
            Refusal::QuotaExceeded { .. } => 21,
        }
    }
    const VARIANTS: usize = 22;

    /// The first four columns of a row of docs/errors.md, for an error.
    fn row(refusal: Refusal) -> String {
        let status = Status::from(refusal);
        let code = match status.code() {
            Code::InvalidArgument => "INVALID_ARGUMENT",
            Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Code::Unauthenticated => "UNAUTHENTICATED",
            Code::PermissionDenied => "PERMISSION_DENIED",
            Code::NotFound => "NOT_FOUND",
            Code::AlreadyExists => "ALREADY_EXISTS",
            Code::FailedPrecondition => "FAILED_PRECONDITION",
            Code::OutOfRange => "OUT_OF_RANGE",
            Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Code::Unavailable => "UNAVAILABLE",
            other => panic!("{other:?}"),
        };
        let details = status.get_error_details();
        let info = details.error_info().expect("an ErrorInfo");
        assert_eq!(info.domain, DOMAIN);
        let retry = if details.retry_info().is_some() { "yes" } else { "no" };
        let mut keys: Vec<String> = info.metadata.keys().map(|key| format!("`{key}`")).collect();
        keys.sort();
        format!("`{}` | {code} | {retry} | {}", info.reason, keys.join(", "))
    }

    #[test]
    fn every_reason_is_documented_with_code_retry_and_metadata() {
        let mut numbers: Vec<usize> = samples().iter().map(number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers, (0..VARIANTS).collect::<Vec<_>>(), "a variant without a sample");

        let document = include_str!("../../../docs/errors.md");
        let documented = document.lines().filter(|line| line.starts_with("| `")).map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let mut keys: Vec<&str> = cells[4].split(", ").filter(|key| !key.is_empty()).collect();
            keys.sort_unstable();
            format!("{} | {} | {} | {}", cells[1], cells[2], cells[3], keys.join(", "))
        });
        let documented: BTreeSet<String> = documented.collect();
        let found: BTreeSet<String> = samples().into_iter().map(row).collect();
        assert_eq!(found, documented);
    }

    #[test]
    fn an_unknown_field_has_its_path_and_number() {
        let path = "model.named".to_owned();
        let field = UnknownField { path, message: "solvemesh.v1.NamedModel".into(), number: 7 };
        let status = Status::from(Refusal::UnknownField { field });
        let expected =
            "model.named: unknown field 7 of solvemesh.v1.NamedModel: this gateway would ignore it";
        assert_eq!(status.message(), expected);
        let details = status.get_error_details();
        let violations = &details.bad_request().expect("a BadRequest").field_violations;
        assert_eq!(violations[0].field, "model.named");
    }

    #[test]
    fn invalid_argument_has_its_field() {
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
    fn exhausted_limit_has_its_name_and_a_retry_delay() {
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
    fn many_field_errors_fit_into_a_header() {
        let fault = FieldError::new("f".repeat(500), "é".repeat(5000));
        let faults = vec![fault; 100];
        let status = Status::from(Refusal::Invalid { reason: "INVALID_MODEL", faults });
        assert!(status.details().len() < 6 << 10, "{} bytes", status.details().len());
        assert!(status.message().len() <= MAX_MESSAGE_BYTES + '…'.len_utf8());
        let details = status.get_error_details();
        let count = details.bad_request().map_or(0, |request| request.field_violations.len());
        assert!((1..10).contains(&count));
    }
}
