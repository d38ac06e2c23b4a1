//! The errors of requests.

use std::time::Duration;

use solvemesh::UnknownField;
use solvemesh_broker::MeshError;
use solvemesh_model::{FaultKind, Faults, Place};

use crate::{
    access::{QuotaScope, Role, Unrecognised},
    table::CatchUpError,
};

/// An invalid field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldError {
    /// The path of the field: `options.time_limit`, `model.linear.row_starts[3]`.
    pub(crate) field: String,
    /// What is wrong with it, as text for people. Errors in a model file begin with their place:
    /// "line 3, column 5: ".
    pub(crate) description: String,
    /// The line and column of an error in a text, from 1.
    pub(crate) place: Option<Place>,
}

impl FieldError {
    /// An error without a place.
    pub(crate) fn new(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self { field: field.into(), description: description.into(), place: None }
    }
}

/// The reasons of an invalid request. Like all reasons, they are part of the API: docs/errors.md.
pub(crate) mod reason {
    /// A field has a value that is not allowed.
    pub(crate) const INVALID_FIELD: &str = "INVALID_FIELD";
    /// A required field is empty.
    pub(crate) const MISSING_FIELD: &str = "MISSING_FIELD";
    /// The text of a model does not follow its format.
    pub(crate) const SYNTAX_ERROR: &str = "SYNTAX_ERROR";
    /// The text of a model has a feature of its format that is not supported.
    pub(crate) const UNSUPPORTED_FEATURE: &str = "UNSUPPORTED_FEATURE";
    /// The model exceeds a limit.
    pub(crate) const MODEL_TOO_LARGE: &str = "MODEL_TOO_LARGE";
    /// The model is not a valid one.
    pub(crate) const INVALID_MODEL: &str = "INVALID_MODEL";
}

/// Why a request is not carried out. `api::status` maps each variant to a gRPC status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// The request is invalid, and a retry would be too.
    #[error("{}", faults.iter().map(|f| format!("{}: {}", f.field, f.description)).collect::<Vec<_>>().join("; "))]
    Invalid {
        /// A stable name of the kind of error.
        reason: &'static str,
        /// All invalid fields.
        faults: Vec<FieldError>,
    },
    /// The caller is not recognised.
    #[error("{cause}")]
    Unauthenticated {
        /// Why not.
        cause: Unrecognised,
    },
    /// The caller's role does not include the call.
    #[error("the role {role} does not permit this call, which needs the role {required}")]
    RoleTooLow {
        /// The caller's role.
        role: Role,
        /// The least role that may call.
        required: Role,
    },
    /// The caller may see the job, but not cancel it.
    #[error("job {job_id} was submitted by another caller, and the role {role} may not cancel it")]
    NotSubmitter {
        /// The job.
        job_id: String,
        /// The caller's role.
        role: Role,
    },
    /// There is no such job.
    #[error("there is no job {job_id:?}")]
    NotFound {
        /// The requested job.
        job_id: String,
    },
    /// The job, or its result, is too old: this gateway has forgotten it, or the log has.
    #[error("job {job_id} finished long ago and is no longer stored")]
    Forgotten {
        /// The requested job.
        job_id: String,
    },
    /// The request id belongs to a job that is too old, so that its payload can't be compared any
    /// more.
    #[error("request id {request_id:?} was used for a job that is no longer stored")]
    RequestIdExpired {
        /// The request id.
        request_id: String,
        /// The job it belonged to.
        job_id: String,
    },
    /// The request id belongs to a submission with another payload.
    #[error("request id {request_id:?} was used for another submission, job {job_id}")]
    RequestIdTaken {
        /// The request id.
        request_id: String,
        /// The job it belongs to.
        job_id: String,
    },
    /// A limit is reached. A retry may succeed once there is room again.
    #[error("{limit} is at its limit of {value}")]
    Exhausted {
        /// The limit's name, as in `GetCapabilities` and the configuration.
        limit: &'static str,
        /// Its value.
        value: usize,
    },
    /// A quota of the caller's key or tenant is used up.
    #[error("the quota {quota} of the {scope} is used up: {limit}")]
    QuotaExceeded {
        /// The quota's name, as in the file of keys.
        quota: &'static str,
        /// Whose quota it is.
        scope: QuotaScope,
        /// Its value.
        limit: u64,
        /// When a retry may succeed; `None` if never.
        retry: Option<Duration>,
    },
    /// The log has grown so far since the oldest live job that the broker might soon truncate the
    /// entries of that.
    #[error(
        "the log has grown by half of log_max_bytes, {half} bytes, since the oldest job that has \
         not finished"
    )]
    LogTooLong {
        /// Half of the size at which the log is truncated, in bytes.
        half: u64,
    },
    /// The queue of a lane is full.
    #[error("the queue of lane {lane} is full")]
    QueueFull {
        /// The lane.
        lane: String,
    },
    /// No connected worker has the solver.
    #[error("no connected worker has {solver}: lane {lane} has no consumer")]
    NoWorker {
        /// The solver's name in the API.
        solver: &'static str,
        /// The lane of the solver's jobs.
        lane: String,
    },
    /// The gateway or the broker can't serve the request now. It had no effect.
    #[error("{message}")]
    Unavailable {
        /// Why, as text for people.
        message: String,
    },
    /// The broker did not confirm in time, so the job may or may not have been accepted.
    #[error("the broker did not confirm in time: job {job_id} may have been accepted or not")]
    OutcomeUnknown {
        /// The job that may exist.
        job_id: String,
    },
    /// The watch can't continue from the resume token.
    #[error("{message}")]
    StaleToken {
        /// A stable name of the reason.
        reason: &'static str,
        /// Why, as text for people.
        message: String,
    },
    /// This gateway is shutting down.
    #[error("this gateway is shutting down; retry at another")]
    ShuttingDown {
        /// The job that was accepted before the shutdown; empty if there is none.
        job_id: String,
    },
    /// The client read nothing from a watch stream for so long that the stream was closed.
    #[error(
        "the client read nothing from this watch for {} s; continue with the last resume token",
        idle_timeout.as_secs_f64()
    )]
    WatcherTooSlow {
        /// The idle timeout.
        idle_timeout: Duration,
    },
    /// The request is too large.
    #[error(
        "the request is larger than max_message_bytes, {limit} bytes; a model file can be \
         compressed with gzip or zstd"
    )]
    MessageTooLarge {
        /// Maximum size of a request, in bytes.
        limit: usize,
    },
    /// The request has a field that this version of the API does not have.
    #[error(
        "{}unknown field {} of {}: this gateway would ignore it",
        if field.path.is_empty() { String::new() } else { format!("{}: ", field.path) },
        field.number,
        field.message
    )]
    UnknownField {
        /// The field.
        field: UnknownField,
    },
    /// The request is not a valid message of this API.
    #[error("the request can't be decoded: {cause}")]
    Undecodable {
        /// Why, as text for people.
        cause: String,
    },
    /// The request took too long to arrive or to be processed.
    #[error("the request took longer than {} s", limit.as_secs())]
    TookTooLong {
        /// The timeout.
        limit: Duration,
    },
}

impl Refusal {
    /// How long to wait before a retry; `None` where a retry would not help.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::QuotaExceeded { retry, .. } => *retry,
            Self::Exhausted { .. } | Self::LogTooLong { .. } | Self::QueueFull { .. } => {
                Some(Duration::from_secs(2))
            }
            Self::Unavailable { .. } | Self::OutcomeUnknown { .. } => Some(Duration::from_secs(1)),
            Self::ShuttingDown { .. }
            | Self::WatcherTooSlow { .. }
            | Self::Unauthenticated { cause: Unrecognised::Changed } => Some(Duration::ZERO),
            _ => None,
        }
    }

    /// An [`Invalid`](Self::Invalid) with one field.
    pub(crate) fn field(
        reason: &'static str,
        field: impl Into<String>,
        description: impl Into<String>,
    ) -> Self {
        Self::Invalid { reason, faults: vec![FieldError::new(field, description)] }
    }

    /// The refusal of an empty required field.
    pub(crate) fn missing(field: &str) -> Self {
        Self::field(reason::MISSING_FIELD, field, "is required")
    }

    /// The refusal of a field with a value that is not allowed.
    pub(crate) fn invalid(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self::field(reason::INVALID_FIELD, field, description)
    }

    /// The refusal of a job for which the broker returned an error.
    pub(crate) fn from_mesh(error: MeshError, job_id: &str) -> Self {
        match error {
            MeshError::Full(lane) => Self::QueueFull { lane: lane.to_string() },
            MeshError::OutcomeUnknown => Self::OutcomeUnknown { job_id: job_id.to_owned() },
            error @ MeshError::TooLarge { .. } => {
                Self::field(reason::MODEL_TOO_LARGE, "model", error.to_string())
            }
            error => Self::Unavailable { message: error.to_string() },
        }
    }
}

impl From<CatchUpError> for Refusal {
    fn from(error: CatchUpError) -> Self {
        Self::Unavailable { message: error.to_string() }
    }
}

impl From<Faults> for Refusal {
    fn from(Faults(faults): Faults) -> Self {
        let reason = match faults.first().map(|fault| fault.kind) {
            Some(FaultKind::Syntax) => reason::SYNTAX_ERROR,
            Some(FaultKind::Unsupported) => reason::UNSUPPORTED_FEATURE,
            Some(FaultKind::TooLarge) => reason::MODEL_TOO_LARGE,
            Some(FaultKind::Invalid) | None => reason::INVALID_MODEL,
        };
        let described = |fault: &solvemesh_model::Fault| FieldError {
            field: format!("model.{}", fault.field).trim_end_matches('.').to_owned(),
            description: fault.to_string(),
            place: fault.place,
        };
        Self::Invalid { reason, faults: faults.iter().map(described).collect() }
    }
}
