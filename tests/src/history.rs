//! What the clients of a mesh did and saw: every submission that was tried and how it was
//! answered, every event that a watcher was told, and when something was broken.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use solvemesh::v1::Event;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::payload::Payload;

/// The domain of what a gateway itself says; all else comes from the transport.
const DOMAIN: &str = "solvemesh.dev";

/// All that was done and seen. Times count from its beginning.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Every call of `SubmitJob`, in the order of asking.
    pub calls: Vec<Call>,
    /// Every watch, in the order of beginning.
    pub watches: Vec<Watch>,
    /// When something was broken.
    pub faults: Vec<Duration>,
}

/// One call of `SubmitJob`.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The same for all calls that mean the same job.
    pub request_id: String,
    /// The gateway that was asked.
    pub gateway: usize,
    /// What was submitted.
    pub payload: Payload,
    /// When it was sent.
    pub asked: Duration,
    /// When the answer came; nothing while it is awaited, or when it was given up.
    pub answered: Option<Duration>,
    /// What was answered.
    pub answer: Answer,
}

/// How a submission was answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The job was accepted: it must never be lost.
    Acknowledged {
        /// The job.
        job_id: String,
    },
    /// Its request id belongs to another payload.
    Taken {
        /// The job that has it.
        job_id: String,
    },
    /// The gateway said that the job was not accepted.
    Refused {
        /// The status.
        code: Code,
        /// The stable name of the cause.
        reason: String,
    },
    /// There may be such a job, or not.
    Unknown {
        /// The stable name of the cause, where a gateway said so; else what the transport
        /// said, if anything.
        why: String,
    },
}

/// What one watcher was told, over as many streams as it took.
#[derive(Clone, Debug, PartialEq)]
pub struct Watch {
    /// The jobs that it watched.
    pub jobs: BTreeSet<String>,
    /// The events in the order of their coming.
    pub sights: Vec<Sight>,
    /// Why its stream was cut, each time that it was: the stable name of the gateway's
    /// cause, or what the transport said.
    pub cuts: Vec<String>,
    /// How it ended.
    pub end: WatchEnd,
}

/// One event that a watcher was told.
#[derive(Clone, Debug, PartialEq)]
pub struct Sight {
    /// Which gateway told it.
    pub gateway: usize,
    /// When.
    pub at: Duration,
    /// What.
    pub event: Event,
}

/// How a watch ended.
#[derive(Clone, Debug, PartialEq)]
pub enum WatchEnd {
    /// It did not: what it saw is the beginning.
    Open,
    /// The gateway ended the stream: all jobs have ended.
    Complete,
    /// The watcher did: nothing happened for too long.
    GivenUp,
    /// A gateway refused it, and no retry would help.
    Refused {
        /// The stable name of the cause.
        reason: String,
    },
}

impl Answer {
    /// What a status says about a submission.
    pub fn of(status: &Status) -> Self {
        let details = status.get_error_details();
        let told = details.error_info().filter(|info| info.domain == DOMAIN);
        let Some(info) = told else { return Self::Unknown { why: format!("{status:?}") } };
        match info.reason.as_str() {
            why @ ("OUTCOME_UNKNOWN" | "TOOK_TOO_LONG") => Self::Unknown { why: why.to_owned() },
            "REQUEST_ID_TAKEN" => {
                Self::Taken { job_id: info.metadata.get("job_id").cloned().unwrap_or_default() }
            }
            reason => Self::Refused { code: status.code(), reason: reason.to_owned() },
        }
    }

    /// Whether it is worth asking again.
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

/// The stable name of the cause that a gateway told; else all of the status.
pub fn reason(status: &Status) -> String {
    let details = status.get_error_details();
    let told = details.error_info().filter(|info| info.domain == DOMAIN);
    told.map_or_else(|| format!("{status:?}"), |info| info.reason.clone())
}

/// Writes a history, from many tasks at once.
#[derive(Debug)]
pub struct Recorder {
    begun: Instant,
    history: Mutex<History>,
}

/// A call or a watch that is being recorded.
#[derive(Clone, Copy, Debug)]
pub struct Entry(usize);

impl Default for Recorder {
    fn default() -> Self {
        Self { begun: Instant::now(), history: Mutex::default() }
    }
}

impl Recorder {
    /// A call is about to be sent: until it is answered its outcome is unknown.
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

    /// A call was answered.
    pub fn answer(&self, call: Entry, answer: Answer) {
        let now = self.now();
        let call = &mut self.lock().calls[call.0];
        (call.answered, call.answer) = (Some(now), answer);
    }

    /// A watch begins.
    pub fn watch(&self, jobs: &[String]) -> Entry {
        let jobs = jobs.iter().cloned().collect();
        let watch = Watch { jobs, sights: Vec::new(), cuts: Vec::new(), end: WatchEnd::Open };
        let mut history = self.lock();
        history.watches.push(watch);
        Entry(history.watches.len() - 1)
    }

    /// A watcher was told an event by a gateway.
    pub fn see(&self, watch: Entry, gateway: usize, event: Event) {
        let at = self.now();
        self.lock().watches[watch.0].sights.push(Sight { gateway, at, event });
    }

    /// A watcher's stream was cut.
    pub fn cut(&self, watch: Entry, why: String) {
        self.lock().watches[watch.0].cuts.push(why);
    }

    /// A watch ended.
    pub fn end(&self, watch: Entry, end: WatchEnd) {
        self.lock().watches[watch.0].end = end;
    }

    /// Something is being broken now. Tells when.
    pub fn fault(&self) -> Duration {
        let now = self.now();
        self.lock().faults.push(now);
        now
    }

    /// The ids of all acknowledged jobs.
    pub fn acknowledged(&self) -> Vec<String> {
        self.lock().acknowledged().into_iter().map(str::to_owned).collect()
    }

    /// What is recorded so far.
    pub fn history(&self) -> History {
        self.lock().clone()
    }

    fn now(&self) -> Duration {
        self.begun.elapsed()
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
