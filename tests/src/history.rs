//! The record of what the clients of a mesh did and saw: every submission and its answer,
//! every event that a watcher received, and the times of injected faults.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use solvemesh::v1::JobEvent;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::payload::Payload;

/// The `ErrorInfo` domain of a gateway's own errors. A status without it comes from the
/// transport.
const DOMAIN: &str = "solvemesh.dev";

/// Everything that the clients did and saw. Times count from the creation of the
/// [`Recorder`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Every call of `SubmitJob`, in the order of sending.
    pub calls: Vec<Call>,
    /// Every watch, in the order of starting.
    pub watches: Vec<Watch>,
    /// When each fault was injected.
    pub faults: Vec<Duration>,
}

/// One call of `SubmitJob`.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The same for all calls that submit the same job.
    pub request_id: String,
    /// Index of the gateway that was called.
    pub gateway: usize,
    /// What was submitted.
    pub payload: Payload,
    /// When it was sent.
    pub asked: Duration,
    /// When the answer arrived or the call timed out. `None` while the call is in flight, or
    /// if it was dropped.
    pub answered: Option<Duration>,
    /// The answer.
    pub answer: Answer,
}

/// The outcome of a submission, as far as its client knows.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The job was accepted: it must never be lost.
    Acknowledged {
        /// The job.
        job_id: String,
    },
    /// Its request id belongs to another payload.
    Taken {
        /// The job that has this request id.
        job_id: String,
    },
    /// The gateway reported that it did not accept the job.
    Refused {
        /// The status code.
        code: Code,
        /// The reason of the `ErrorInfo`.
        reason: String,
    },
    /// The job may have been accepted or not.
    Unknown {
        /// The reason of the `ErrorInfo`, if a gateway sent one; else the status of the
        /// transport. Empty without a status.
        why: String,
    },
}

/// What one watcher received, over all the streams that it opened one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Watch {
    /// The jobs that it watched.
    pub jobs: BTreeSet<String>,
    /// The events, in the order of arrival.
    pub sights: Vec<Sight>,
    /// Why each of its streams that was cut before the end failed: the reason of the
    /// gateway's `ErrorInfo`, or the status of the transport.
    pub cuts: Vec<String>,
    /// How it ended.
    pub end: WatchEnd,
}

/// One event that a watcher received.
#[derive(Clone, Debug, PartialEq)]
pub struct Sight {
    /// Index of the gateway that sent it.
    pub gateway: usize,
    /// When it arrived.
    pub at: Duration,
    /// The event.
    pub event: JobEvent,
}

/// How a watch ended.
#[derive(Clone, Debug, PartialEq)]
pub enum WatchEnd {
    /// It has not ended yet: more events may follow.
    Open,
    /// The gateway ended the stream, because all jobs have finished.
    Complete,
    /// The watcher timed out: no event arrived for too long.
    GivenUp,
    /// A gateway refused it with a permanent error.
    Refused {
        /// The reason of the gateway's `ErrorInfo`.
        reason: String,
    },
}

impl Answer {
    /// Classifies the status of a failed submission.
    pub fn of(status: &Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info().filter(|info| info.domain == DOMAIN);
        let Some(info) = info else { return Self::Unknown { why: format!("{status:?}") } };
        match info.reason.as_str() {
            // The gateway timed out and does not know whether the job was accepted.
            why @ ("OUTCOME_UNKNOWN" | "TOOK_TOO_LONG") => Self::Unknown { why: why.to_owned() },
            "REQUEST_ID_TAKEN" => {
                Self::Taken { job_id: info.metadata.get("job_id").cloned().unwrap_or_default() }
            }
            reason => Self::Refused { code: status.code(), reason: reason.to_owned() },
        }
    }

    /// Whether a retry may have another outcome.
    pub fn passes(&self) -> bool {
        match self {
            Self::Acknowledged { .. } | Self::Taken { .. } => false,
            Self::Refused { code, .. } => {
                matches!(code, Code::Unavailable | Code::ResourceExhausted)
            }
            Self::Unknown { .. } => true,
        }
    }
}

/// The reason of a gateway's `ErrorInfo`; without one, the whole status as text.
pub fn reason(status: &Status) -> String {
    let details = status.get_error_details();
    let info = details.error_info().filter(|info| info.domain == DOMAIN);
    info.map_or_else(|| format!("{status:?}"), |info| info.reason.clone())
}

/// Records a history. Many tasks use it concurrently.
#[derive(Debug)]
pub struct Recorder {
    started: Instant,
    history: Mutex<History>,
}

/// Handle of a call or a watch that is being recorded: its index in the history.
#[derive(Clone, Copy, Debug)]
pub struct Entry(usize);

impl Default for Recorder {
    fn default() -> Self {
        Self { started: Instant::now(), history: Mutex::default() }
    }
}

impl Recorder {
    /// Records a call that is about to be sent. Its outcome is unknown until
    /// [`Recorder::answer`].
    pub fn ask(&self, gateway: usize, request_id: &str, payload: Payload) -> Entry {
        let call = Call {
            request_id: request_id.to_owned(),
            gateway,
            payload,
            asked: self.now(),
            answered: None,
            answer: Answer::Unknown { why: String::new() },
        };
        let mut history = self.lock();
        history.calls.push(call);
        Entry(history.calls.len() - 1)
    }

    /// Records the answer to a call.
    pub fn answer(&self, call: Entry, answer: Answer) {
        let now = self.now();
        let call = &mut self.lock().calls[call.0];
        (call.answered, call.answer) = (Some(now), answer);
    }

    /// Records the start of a watch.
    pub fn watch(&self, jobs: &[String]) -> Entry {
        let jobs = jobs.iter().cloned().collect();
        let watch = Watch { jobs, sights: Vec::new(), cuts: Vec::new(), end: WatchEnd::Open };
        let mut history = self.lock();
        history.watches.push(watch);
        Entry(history.watches.len() - 1)
    }

    /// Records an event that a watcher received from a gateway.
    pub fn see(&self, watch: Entry, gateway: usize, event: JobEvent) {
        let at = self.now();
        self.lock().watches[watch.0].sights.push(Sight { gateway, at, event });
    }

    /// Records that a watcher's stream was cut before the end.
    pub fn cut(&self, watch: Entry, why: String) {
        self.lock().watches[watch.0].cuts.push(why);
    }

    /// Records the end of a watch.
    pub fn end(&self, watch: Entry, end: WatchEnd) {
        self.lock().watches[watch.0].end = end;
    }

    /// Records that a fault is injected now, and returns the time.
    pub fn fault(&self) -> Duration {
        let now = self.now();
        self.lock().faults.push(now);
        now
    }

    /// The ids of all acknowledged jobs.
    pub fn acknowledged(&self) -> Vec<String> {
        self.lock().acknowledged().into_iter().map(str::to_owned).collect()
    }

    /// A copy of everything recorded so far.
    pub fn history(&self) -> History {
        self.lock().clone()
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl History {
    /// The ids of all acknowledged jobs.
    pub fn acknowledged(&self) -> BTreeSet<&str> {
        let ids = self.calls.iter().filter_map(|call| match &call.answer {
            Answer::Acknowledged { job_id } => Some(job_id.as_str()),
            _ => None,
        });
        ids.collect()
    }
}
