//! Whether a job is live or has finished, with the fields that exist only then.

use prost_types::Timestamp;
use solvemesh::v1::{JobState, Progress};

use crate::table::Tally;

/// The part of a job's state that depends on whether it has finished.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Stage {
    Live(Live),
    Finished(Finished),
}

/// A job that is queued or running.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Live {
    /// Whether it is running; otherwise it is queued.
    pub(super) running: bool,
    /// The latest progress of the latest attempt. Also of a queued job, if that attempt was
    /// declared lost and still reports.
    pub(super) progress: Option<Progress>,
    /// The answers so far, if it is a sweep.
    pub(super) tally: Option<Tally>,
    /// Whether the log has lost its first entries to truncation. Such a job is forgotten once it
    /// has finished.
    pub(super) start_truncated: bool,
}

/// A job that has finished.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Finished {
    /// A terminal state, which [`Finished::new`] checks.
    state: JobState,
    time: Option<Timestamp>,
    pub(super) results: Results,
}

/// Where the results of a finished job are.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Results {
    /// In its history in memory, with the latest progress of its last attempt.
    Retained { progress: Option<Progress> },
    /// In the log only; the progress is dropped.
    Evicted,
}

impl Stage {
    pub(super) fn state(&self) -> JobState {
        match self {
            Self::Live(Live { running: false, .. }) => JobState::Queued,
            Self::Live(Live { running: true, .. }) => JobState::Running,
            Self::Finished(finished) => finished.state,
        }
    }

    /// The latest progress of the latest attempt, if that is in memory.
    pub(super) fn progress(&self) -> Option<Progress> {
        match self {
            Self::Live(live) => live.progress,
            Self::Finished(Finished { results: Results::Retained { progress }, .. }) => *progress,
            Self::Finished(Finished { results: Results::Evicted, .. }) => None,
        }
    }

    /// When the job finished; `None` also if the terminal entry has no time.
    pub(super) fn finish_time(&self) -> Option<Timestamp> {
        match self {
            Self::Live(_) => None,
            Self::Finished(finished) => finished.time,
        }
    }

    /// The answers so far, for a sweep that has not finished.
    pub(super) fn tally(&self) -> Option<&Tally> {
        match self {
            Self::Live(live) => live.tally.as_ref(),
            Self::Finished(_) => None,
        }
    }

    /// Whether the log has lost the first entries of a job that has not finished.
    pub(super) fn start_truncated(&self) -> bool {
        matches!(self, Self::Live(Live { start_truncated: true, .. }))
    }

    /// Whether results were evicted from memory.
    pub(super) fn results_evicted(&self) -> bool {
        matches!(self, Self::Finished(Finished { results: Results::Evicted, .. }))
    }
}

impl Finished {
    /// `None` if the state is not a terminal one.
    pub(super) fn new(state: JobState, time: Option<Timestamp>, results: Results) -> Option<Self> {
        is_terminal(state).then_some(Self { state, time, results })
    }
}

/// Whether a job in this state has finished.
pub(crate) fn is_terminal(state: JobState) -> bool {
    match state {
        JobState::Succeeded | JobState::Failed | JobState::Cancelled | JobState::Expired => true,
        JobState::Unspecified | JobState::Queued | JobState::Running => false,
    }
}
