//! The result of a check: violations, and figures for the report.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    time::Duration,
};

use solvemesh::v1::JobEvent;

use super::{Ledger, is_end};
use crate::history::{Answer, History};

/// The result of a check.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// All violations.
    pub violations: Vec<Violation>,
    /// The figures for the report.
    pub figures: Figures,
}

/// A promise of the mesh that was broken.
#[derive(Clone, Debug, PartialEq)]
pub enum Violation {
    /// A job was acknowledged, but the log has no end of it.
    Lost {
        /// The job.
        job_id: String,
    },
    /// A job that no client submitted, or that the watcher did not ask for.
    Unexpected {
        /// The job.
        job_id: String,
    },
    /// A job exists, although every call with its request id was refused.
    RefusedButThere {
        /// Its request.
        request_id: String,
    },
    /// One request became several jobs.
    TwoJobs {
        /// The request.
        request_id: String,
        /// Its jobs.
        jobs: Vec<String>,
    },
    /// A request was acknowledged, but its job has another payload.
    OtherPayload {
        /// The request.
        request_id: String,
    },
    /// A request was rejected because its id belongs to another payload, but it does not.
    NotTaken {
        /// The request.
        request_id: String,
    },
    /// A job ended in a way that its payload and the rules don't allow.
    WrongEnd {
        /// The job.
        job_id: String,
        /// What is wrong with it.
        why: String,
    },
    /// A job had more attempts than allowed.
    TooManyAttempts {
        /// The job.
        job_id: String,
        /// Number of attempts that started.
        started: usize,
        /// Number of them that died in the solver.
        died: usize,
    },
    /// More attempts than allowed started after the end of their jobs.
    SolvedAgain {
        /// Number of these attempts, over all jobs.
        starts: usize,
    },
    /// A message of the log can't be decoded.
    Unreadable {
        /// Its offset.
        offset: u64,
    },
    /// A watcher received an event twice, or out of order.
    Repeated {
        /// The watcher.
        watcher: usize,
        /// The job.
        job_id: String,
        /// The event's sequence number.
        sequence: i32,
    },
    /// A watcher missed an event that was not reported as skipped.
    Gap {
        /// The watcher.
        watcher: usize,
        /// The job.
        job_id: String,
        /// The sequence number that was due.
        due: i32,
        /// The sequence number that arrived.
        seen: i32,
    },
    /// A watcher received an event that is not the log's event with this sequence number:
    /// another end than the first, the progress of a superseded attempt, …
    NotInLog {
        /// The watcher.
        watcher: usize,
        /// The gateway that sent it.
        gateway: usize,
        /// The job.
        job_id: String,
        /// The event that was received.
        seen: Box<JobEvent>,
    },
    /// A watch completed or timed out without the end of a job.
    EndUntold {
        /// The watcher.
        watcher: usize,
        /// The job.
        job_id: String,
    },
    /// A watch of acknowledged jobs was refused.
    Denied {
        /// The watcher.
        watcher: usize,
        /// The gateway's reason.
        reason: String,
    },
}

/// The figures of a report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// Jobs that were acknowledged.
    pub acknowledged: usize,
    /// Acknowledged jobs that have no end in the log.
    pub lost: usize,
    /// Requests that became several jobs, and jobs whose end a watcher received twice.
    pub duplicated: usize,
    /// The longest time from a fault to the first end, seen by a watcher, of a job that was
    /// first submitted after that fault. `None` if there is no such job.
    pub recovery: Option<Duration>,
    /// Attempts that died in the solver.
    pub deaths: usize,
    /// Attempts that started after their job's end.
    pub solved_again: usize,
    /// Number of times that a watch was cut and resumed.
    pub cuts: usize,
}

impl Figures {
    pub(super) fn of(history: &History, ledger: &Ledger, violations: &[Violation]) -> Self {
        let lost = violations.iter().filter_map(|violation| match violation {
            Violation::Lost { job_id } => Some(job_id.as_str()),
            _ => None,
        });
        let two = |violation: &&Violation| matches!(violation, Violation::TwoJobs { .. });
        Self {
            acknowledged: history.acknowledged().len(),
            lost: lost.collect::<BTreeSet<_>>().len(),
            duplicated: violations.iter().filter(two).count() + repeated_ends(history),
            recovery: recovery(history),
            deaths: ledger.jobs.values().map(|job| job.deaths).sum(),
            solved_again: ledger.jobs.values().map(|job| job.late_starts).sum(),
            cuts: history.watches.iter().map(|watch| watch.cuts.len()).sum(),
        }
    }
}

/// Number of jobs whose end some watcher received more than once.
fn repeated_ends(history: &History) -> usize {
    let mut twice = BTreeSet::new();
    for watch in &history.watches {
        let mut ended = BTreeSet::new();
        for sight in watch.sights.iter().filter(|sight| is_end(sight.event.kind.as_ref())) {
            if !ended.insert(sight.event.job_id.as_str()) {
                twice.insert(sight.event.job_id.as_str());
            }
        }
    }
    twice.len()
}

/// Computes [`Figures::recovery`].
fn recovery(history: &History) -> Option<Duration> {
    let mut asked: BTreeMap<&str, Duration> = BTreeMap::new();
    let mut jobs: HashMap<&str, &str> = HashMap::new();
    for call in &history.calls {
        let first = asked.entry(&call.request_id).or_insert(call.asked);
        *first = call.asked.min(*first);
        if let Answer::Acknowledged { job_id } = &call.answer {
            jobs.insert(job_id, &call.request_id);
        }
    }
    let sights = history.watches.iter().flat_map(|watch| &watch.sights);
    let mut ends: Vec<(Duration, Duration)> = sights
        .filter(|sight| is_end(sight.event.kind.as_ref()))
        .filter_map(|sight| {
            let request = jobs.get(sight.event.job_id.as_str())?;
            Some((sight.at, *asked.get(request)?))
        })
        .collect();
    ends.sort_unstable();
    let recovery_from = |fault: &Duration| {
        let end = ends.iter().find(|(_, asked)| asked >= fault);
        end.map(|(at, _)| at.saturating_sub(*fault))
    };
    history.faults.iter().filter_map(recovery_from).max()
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 20;
        for violation in self.violations.iter().take(SHOWN) {
            writeln!(f, "  {violation:?}")?;
        }
        match self.violations.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => writeln!(f, "  … and {more} more"),
        }
    }
}
