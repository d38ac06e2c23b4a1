//! What a check finds: what is wrong, and the figures of the report.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    time::Duration,
};

use solvemesh::v1::Event;

use super::{Ledger, is_end};
use crate::history::{Answer, History};

/// What a check found.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// All that is wrong.
    pub violations: Vec<Violation>,
    /// What the report shows.
    pub figures: Figures,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq)]
pub enum Violation {
    /// A job was acknowledged, and the log has no end of it.
    Lost {
        /// The job.
        job_id: String,
    },
    /// A job that nobody submitted, or that the watcher did not ask for.
    Unexpected {
        /// The job.
        job_id: String,
    },
    /// A job was refused each time, and is there.
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
    /// A request was acknowledged, and its job has another payload.
    OtherPayload {
        /// The request.
        request_id: String,
    },
    /// A request was told that its id belongs to another payload, and it does not.
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
    /// A job was tried more often than is allowed.
    TooManyAttempts {
        /// The job.
        job_id: String,
        /// How many attempts began.
        started: usize,
        /// How many of them died in the solver.
        died: usize,
    },
    /// More attempts than allowed began after the end of their jobs.
    SolvedAgain {
        /// How many, of all jobs together.
        starts: usize,
    },
    /// A message of the log can't be read.
    Unreadable {
        /// Its offset.
        offset: u64,
    },
    /// A watcher was told an event twice, or an earlier one late.
    Repeated {
        /// The watcher.
        watcher: usize,
        /// The job.
        job_id: String,
        /// The event's sequence.
        sequence: i32,
    },
    /// A watcher was not told an event, nor that it was skipped.
    Gap {
        /// The watcher.
        watcher: usize,
        /// The job.
        job_id: String,
        /// The sequence that was due.
        due: i32,
        /// The sequence that came.
        seen: i32,
    },
    /// A watcher was told what the log does not say at this place: another end than the
    /// first, the progress of an attempt that was superseded, …
    NotInLog {
        /// The watcher.
        watcher: usize,
        /// The gateway that told it.
        gateway: usize,
        /// The job.
        job_id: String,
        /// What was told.
        seen: Box<Event>,
    },
    /// A watch was ended as complete or given up, and the end of a job was not told.
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
    /// Requests that became several jobs, and jobs whose end a watcher was told twice.
    pub duplicated: usize,
    /// The longest time from a fault to the first end, seen by a watcher, of a job that was
    /// first asked for after that fault. Nothing where there is no such job.
    pub recovery: Option<Duration>,
    /// Attempts that died in the solver.
    pub deaths: usize,
    /// Attempts that began after their job's end.
    pub solved_again: usize,
    /// How often watches were cut and resumed.
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
            duplicated: violations.iter().filter(two).count() + ends_told_twice(history),
            recovery: recovery(history),
            deaths: ledger.jobs.values().map(|job| job.deaths).sum(),
            solved_again: ledger.jobs.values().map(|job| job.late_starts).sum(),
            cuts: history.watches.iter().map(|watch| watch.cuts.len()).sum(),
        }
    }
}

/// Jobs whose end some watcher was told more than once.
fn ends_told_twice(history: &History) -> usize {
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

/// See [`Figures::recovery`].
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
    let of = |fault: &Duration| {
        let end = ends.iter().find(|(_, asked)| asked >= fault);
        end.map(|(at, _)| at.saturating_sub(*fault))
    };
    history.faults.iter().filter_map(of).max()
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
