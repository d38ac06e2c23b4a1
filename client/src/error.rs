use std::{collections::BTreeMap, error::Error as _, fmt, time::Duration};

use tonic::{Code, ConnectError, Status};
use tonic_types::StatusExt;

use crate::PartsError;

/// An error of a [`Client`](crate::Client).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL of the gateway is invalid. Nothing was sent.
    #[error("invalid gateway address {url:?}: {reason}")]
    Address {
        /// The URL, as given, but without a user and password.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A certificate, a key or a token can't be used. Nothing was sent.
    #[error("{0}")]
    Credentials(String),
    /// No gateway responded, or it asked to retry later, until the retry budget was used up. The
    /// request may nevertheless have been executed.
    #[error("{}{}", if .0.gateway.is_some() { "" } else { "the mesh is not available: " }, .0)]
    Unavailable(#[source] Box<Rejection>),
    /// The gateway rejected the request; a retry would be rejected too.
    #[error("{0}")]
    Rejected(#[source] Box<Rejection>),
    /// The response of the gateway violates the API.
    #[error("malformed response from the gateway: {0}")]
    Malformed(String),
}

impl Error {
    /// The status of the failed call, from the gateway or from the transport.
    pub fn rejection(&self) -> Option<&Rejection> {
        match self {
            Self::Unavailable(rejection) | Self::Rejected(rejection) => Some(rejection),
            Self::Address { .. } | Self::Credentials(_) | Self::Malformed(_) => None,
        }
    }
}

impl From<PartsError> for Error {
    fn from(parts: PartsError) -> Self {
        Self::Malformed(parts.to_string())
    }
}

/// A gRPC status other than OK, with its details.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejection {
    /// The gRPC code.
    pub code: Code,
    /// The message, for display only.
    pub message: String,
    /// The stable name of the cause, in `UPPER_SNAKE_CASE` (`google.rpc.ErrorInfo`).
    pub reason: Option<String>,
    /// Details of the cause for programs, such as `job_id` if the error is about a job.
    pub metadata: BTreeMap<String, String>,
    /// The invalid fields of the request (`google.rpc.BadRequest`).
    pub violations: Vec<Violation>,
    /// How long to wait before a retry (`google.rpc.RetryInfo`).
    pub retry_after: Option<Duration>,
    /// Whether the transport failed, and not the gateway.
    transport: bool,
    /// Whether no connection could be opened.
    connect_failed: bool,
    /// The URL of the gateway, if no connection to it could be opened.
    gateway: Option<String>,
}

/// An invalid field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The path of the field: "model.file", "options.time_limit".
    pub field: String,
    /// What is wrong with it. For a model as text, it begins with the position: "line 3, column
    /// 7: …".
    pub description: String,
}

impl Rejection {
    /// Whether a retry may succeed: the transport failed, the gateway was unavailable, or it asked
    /// to retry later.
    pub fn is_transient(&self) -> bool {
        self.transport
            || self.retry_after.is_some()
            || matches!(
                self.code,
                Code::Unavailable
                    | Code::Unknown
                    | Code::Aborted
                    | Code::Cancelled
                    | Code::DeadlineExceeded
            )
    }

    /// Adds the URL of the gateway, if no connection to it could be opened.
    pub(crate) fn with_gateway(self, gateway: &str) -> Self {
        Self { gateway: self.connect_failed.then(|| gateway.to_owned()), ..self }
    }

    /// A transient rejection that the client itself reports, because the gateway stopped
    /// responding.
    pub(crate) fn unavailable(message: &str) -> Self {
        Status::unavailable(message).into()
    }
}

impl From<Status> for Rejection {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info();
        Self {
            code: status.code(),
            message: message(&status),
            reason: info.map(|info| info.reason.clone()),
            metadata: info
                .map(|info| info.metadata.clone().into_iter().collect())
                .unwrap_or_default(),
            violations: details
                .bad_request()
                .map(|bad| bad.field_violations.as_slice())
                .unwrap_or_default()
                .iter()
                .map(|violation| Violation {
                    field: violation.field.clone(),
                    description: violation.description.clone(),
                })
                .collect(),
            retry_after: details.retry_info().and_then(|info| info.retry_delay),
            transport: status.source().is_some(),
            connect_failed: causes(&status).any(|cause| cause.is::<ConnectError>()),
            gateway: None,
        }
    }
}

/// The message of a status. For a transport error this is the innermost cause, since the outer
/// ones say nothing specific ("Connection refused" instead of "transport error").
fn message(status: &Status) -> String {
    let innermost = causes(status).last().map(ToString::to_string);
    let message = innermost.unwrap_or_else(|| status.message().to_owned());
    if message.is_empty() { status.code().description().to_owned() } else { message }
}

/// The causes of a status that the transport reports, the innermost last.
fn causes(status: &Status) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(status.source(), |&error| error.source())
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(gateway) = &self.gateway {
            write!(f, "no gateway at {gateway}: ")?;
        }
        f.write_str(&self.message)?;
        if let Some(reason) = &self.reason {
            write!(f, " ({reason})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Rejection {}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    #[test]
    fn a_rejection_has_the_details_of_its_status() {
        let mut details = ErrorDetails::new();
        details
            .set_error_info("INVALID_MODEL", "solvemesh.dev", [("job_id".into(), "j".into())])
            .set_retry_info(Some(Duration::from_millis(20)))
            .add_bad_request_violation("model.lp", "line 1, column 2: what is this");
        let rejection =
            Rejection::from(Status::with_error_details(Code::InvalidArgument, "no", details));
        assert_eq!(rejection.reason.as_deref(), Some("INVALID_MODEL"));
        assert_eq!(rejection.metadata["job_id"], "j");
        assert_eq!(rejection.violations[0].field, "model.lp");
        assert_eq!(rejection.retry_after, Some(Duration::from_millis(20)));
        assert_eq!(rejection.to_string(), "no (INVALID_MODEL)");
    }

    #[test]
    fn only_temporary_failures_are_transient() {
        assert!(Rejection::from(Status::unavailable("")).is_transient());
        assert!(Rejection::from(Status::unknown("")).is_transient());
        assert!(!Rejection::from(Status::invalid_argument("")).is_transient());
        assert!(!Rejection::from(Status::not_found("")).is_transient());
        assert!(!Rejection::from(Status::internal("")).is_transient());
        assert!(!Rejection::from(Status::resource_exhausted("")).is_transient());
        let mut details = ErrorDetails::new();
        details.set_retry_info(Some(Duration::from_secs(1)));
        let full = Status::with_error_details(Code::ResourceExhausted, "full", details);
        assert!(Rejection::from(full).is_transient());
    }
}
