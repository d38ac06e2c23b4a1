//! Why a request is not carried out.

use std::time::Duration;

use solvemesh_broker::MeshError;
use solvemesh_model::{FaultKind, Faults};

use crate::table::Behind;

/// One thing that is wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFault {
    /// The path of the field: `options.time_limit`, `model.linear.row_starts[3]`.
    pub field: String,
    /// What is wrong with it, for people. A fault of a text begins with its place,
    /// "line 3, column 5: ".
    pub description: String,
}

/// Why a request is not carried out. How each becomes a gRPC status is told in one
/// place, `service::status`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The request can never be carried out.
    #[error("{}", faults.iter().map(|f| format!("{}: {}", f.field, f.description)).collect::<Vec<_>>().join("; "))]
    Invalid {
        /// A stable name of the kind of fault.
        reason: &'static str,
        /// All that is wrong.
        faults: Vec<FieldFault>,
    },
    /// There is no such job.
    #[error("there is no job {job_id:?}")]
    NotFound {
        /// The job that was asked for.
        job_id: String,
    },
    /// The job ended so long ago that this gateway has forgotten it.
    #[error("job {job_id} ended long ago, and is no longer remembered")]
    Forgotten {
        /// The job that was asked for.
        job_id: String,
    },
    /// The request id belongs to a submission with another payload.
    #[error("request id {request_id:?} was used for another submission, job {job_id}")]
    Taken {
        /// The request id.
        request_id: String,
        /// The job it belongs to.
        job_id: String,
    },
    /// A limit is hit that goes away by itself.
    #[error("{limit} is at its limit of {value}")]
    Exhausted {
        /// The limit's name, as in `GetCapabilities` and the configuration.
        limit: &'static str,
        /// Its value.
        value: usize,
    },
    /// The log has grown so far since the oldest live job that it might lose that.
    #[error(
        "the log has grown by half of log_max_bytes, {half} bytes, since the oldest job that has \
         not ended"
    )]
    LogHeldUp {
        /// Half of the log's size.
        half: u64,
    },
    /// The queue of a lane is full.
    #[error("the queue of lane {lane} is full")]
    QueueFull {
        /// The lane.
        lane: String,
    },
    /// No worker is connected that has the solver.
    #[error("no worker is connected that has {solver}; it would consume lane {lane}")]
    NoWorker {
        /// The solver's name in the API.
        solver: &'static str,
        /// The lane that is the solver's own.
        lane: String,
    },
    /// The mesh can't do it now. Nothing was done.
    #[error("{message}")]
    Unavailable {
        /// Why, for people.
        message: String,
    },
    /// The broker gave no answer in time: the job may have been accepted.
    #[error("the broker did not answer in time: job {job_id} may have been accepted or not")]
    OutcomeUnknown {
        /// The job that there may be.
        job_id: String,
    },
    /// The resume token can't be honoured.
    #[error("{message}")]
    StaleToken {
        /// A stable name of the reason.
        reason: &'static str,
        /// Why, for people.
        message: String,
    },
    /// This gateway is shutting down.
    #[error("this gateway is shutting down; go on at another")]
    ShuttingDown {
        /// The job that was accepted before; empty if there is none.
        job_id: String,
    },
    /// The client took nothing of a watch for so long that the watch was cut.
    #[error(
        "nothing of this watch was taken for {} s; go on with the last resume token",
        patience.as_secs_f64()
    )]
    WatcherTooSlow {
        /// How long nothing may be taken.
        patience: Duration,
    },
    /// The request is larger than a message may be.
    #[error(
        "the request is over max_message_bytes, {limit} bytes; a file may be packed with gzip or \
         zstd"
    )]
    MessageTooLarge {
        /// The limit.
        limit: usize,
    },
    /// The request is no message of this API.
    #[error("the request can't be decoded: {cause}")]
    Undecodable {
        /// Why, for people.
        cause: String,
    },
    /// The request took too long to arrive or to be dealt with.
    #[error("the request was not dealt with within {} s", limit.as_secs())]
    TookTooLong {
        /// How long it may take.
        limit: Duration,
    },
}

impl Refusal {
    /// How long to wait before a retry, where one helps.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Exhausted { .. } | Self::LogHeldUp { .. } | Self::QueueFull { .. } => {
                Some(Duration::from_secs(2))
            }
            Self::Unavailable { .. } | Self::OutcomeUnknown { .. } => Some(Duration::from_secs(1)),
            Self::ShuttingDown { .. } | Self::WatcherTooSlow { .. } => Some(Duration::ZERO),
            _ => None,
        }
    }

    /// One field is wrong.
    pub fn field(
        reason: &'static str,
        field: impl Into<String>,
        description: impl Into<String>,
    ) -> Self {
        let fault = FieldFault { field: field.into(), description: description.into() };
        Self::Invalid { reason, faults: vec![fault] }
    }

    /// What became of a job that the mesh did not take.
    pub fn of_mesh(error: MeshError, job_id: &str) -> Self {
        match error {
            MeshError::Full(lane) => Self::QueueFull { lane: lane.to_string() },
            MeshError::OutcomeUnknown => Self::OutcomeUnknown { job_id: job_id.to_owned() },
            error @ MeshError::TooLarge { .. } => {
                Self::field("REQUEST_TOO_LARGE", "model", error.to_string())
            }
            error => Self::Unavailable { message: error.to_string() },
        }
    }
}

impl From<Behind> for Refusal {
    fn from(behind: Behind) -> Self {
        Self::Unavailable { message: behind.to_string() }
    }
}

impl From<Faults> for Refusal {
    fn from(Faults(faults): Faults) -> Self {
        let reason = match faults.first().map(|fault| fault.kind) {
            Some(FaultKind::Syntax) => "SYNTAX_ERROR",
            Some(FaultKind::Unsupported) => "UNSUPPORTED_FEATURE",
            Some(FaultKind::TooLarge) => "MODEL_TOO_LARGE",
            Some(FaultKind::Invalid) | None => "INVALID_MODEL",
        };
        let described = |fault: &solvemesh_model::Fault| FieldFault {
            field: format!("model.{}", fault.field).trim_end_matches('.').to_owned(),
            description: fault.to_string(),
        };
        Self::Invalid { reason, faults: faults.iter().map(described).collect() }
    }
}
