use std::{collections::BTreeMap, error::Error as _, fmt, time::Duration};

use tonic::{Code, ConnectError, Status};
use tonic_types::StatusExt;

use crate::BadParts;

/// What a [`Client`](crate::Client) could not do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address of the gateway can't be used. Nothing was sent.
    #[error("{url:?} is not the address of a gateway: {reason}")]
    Address {
        /// The address, as given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No gateway answered, or the one that did asked to come again, until the time for
    /// retries was over. Whether one of the requests arrived is open.
    #[error("{}{}", if .0.gateway.is_some() { "" } else { "the mesh is not available: " }, .0)]
    Unavailable(#[source] Box<Rejection>),
    /// The gateway said no, and would say so again.
    #[error("{0}")]
    Rejected(#[source] Box<Rejection>),
    /// The gateway's answer does not keep to the contract.
    #[error("the gateway's answer makes no sense: {0}")]
    Malformed(String),
}

impl Error {
    /// The status that the gateway, or the way to it, ended the call with.
    pub fn rejection(&self) -> Option<&Rejection> {
        match self {
            Self::Unavailable(rejection) | Self::Rejected(rejection) => Some(rejection),
            Self::Address { .. } | Self::Malformed(_) => None,
        }
    }
}

impl From<BadParts> for Error {
    fn from(parts: BadParts) -> Self {
        Self::Malformed(parts.to_string())
    }
}

/// A status other than OK, with the details that came with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejection {
    /// The gRPC code.
    pub code: Code,
    /// What went wrong, for people.
    pub message: String,
    /// The stable name of the cause, in `UPPER_SNAKE_CASE` (`google.rpc.ErrorInfo`).
    pub reason: Option<String>,
    /// More about the cause, for programs; `job_id` where a job is concerned.
    pub metadata: BTreeMap<String, String>,
    /// The fields of the request that are at fault (`google.rpc.BadRequest`).
    pub violations: Vec<Violation>,
    /// How long to wait before a retry (`google.rpc.RetryInfo`).
    pub retry_after: Option<Duration>,
    transport: bool,
    /// No connection came about.
    unconnected: bool,
    /// The address where there is no gateway.
    gateway: Option<String>,
}

/// One field of a request that is at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The path of the field: "model.file", "options.time_limit".
    pub field: String,
    /// What is wrong with it. In a text it begins with the place: "line 3, column 7: …".
    pub description: String,
}

impl Rejection {
    /// Whether the same request, sent again, may fare better: the transport failed, the
    /// gateway was not there, or it asked to come again.
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

    /// Names the gateway that was asked, where no connection to it came about.
    pub(crate) fn at(self, gateway: &str) -> Self {
        Self { gateway: self.unconnected.then(|| gateway.to_owned()), ..self }
    }

    /// What the client itself finds: the gateway has fallen silent.
    pub(crate) fn silent(message: &str) -> Self {
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
            unconnected: causes(&status).any(|cause| cause.is::<ConnectError>()),
            gateway: None,
        }
    }
}

/// The status's message; of a transport error its innermost cause, which alone tells
/// ("Connection refused").
fn message(status: &Status) -> String {
    let innermost = causes(status).last().map(ToString::to_string);
    let message = innermost.unwrap_or_else(|| status.message().to_owned());
    if message.is_empty() { status.code().description().to_owned() } else { message }
}

/// What lies behind a status of the transport's, the innermost cause last.
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
    fn a_rejection_carries_the_details_of_its_status() {
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
    fn only_what_may_pass_by_itself_is_transient() {
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
