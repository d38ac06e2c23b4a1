//! Checks a mesh from outside: compares the clients' own records with the raw log. Pure, and
//! independent of the gateway's code: the checker has its own fold of the log.

mod ledger;
mod sweep;
#[cfg(test)]
mod tests;
mod verdict;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use solvemesh::v1::{JobFinished, JobState, job_event::Kind};
use solvemesh_broker::LogMessage;

pub use self::{
    ledger::{Account, Ledger, LoggedEvent},
    verdict::{Figures, Verdict, Violation},
};
use crate::{
    history::{Answer, Call, History, Watch, WatchEnd},
    payload::Payload,
};

/// Exceptions that a fault allows: without them each is a violation.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Maximum number of attempts of a job that die in the solver. The last of them fails the
    /// job.
    pub max_attempts: usize,
    /// Number of attempts of a job that may start without an earlier death in the solver. Each
    /// recorded fault allows one more.
    pub interruptions: usize,
    /// Maximum number of attempts, over all jobs, that start after their job has finished.
    /// `None` allows any number.
    pub late_starts: Option<usize>,
    /// The reasons with which jobs may have FAILED.
    pub failures: BTreeSet<&'static str>,
    /// Whether jobs may have been CANCELLED.
    pub cancelled: bool,
    /// Whether jobs may have EXPIRED.
    pub expired: bool,
    /// The reasons with which watches may have been refused.
    pub denials: BTreeSet<&'static str>,
    /// Maximum number of undecodable messages in the log.
    pub unreadable: usize,
    /// Jobs that no client submitted: the trial itself wrote them into a queue or the log.
    pub strays: BTreeSet<String>,
}

impl Rules {
    /// Three attempts a job, and no exceptions.
    pub fn strict() -> Self {
        Self { max_attempts: 3, ..Self::default() }
    }
}

/// Checks a history against the messages of the log, which are in log order.
pub fn check(history: &History, log: &[LogMessage], rules: &Rules) -> Verdict {
    let ledger = Ledger::read(log);
    let mut check = Check { history, ledger: &ledger, rules, violations: Vec::new() };
    let requests = check.requests();
    check.log(&requests);
    for (index, watch) in history.watches.iter().enumerate() {
        check.watch(index, watch);
    }
    let violations = check.violations;
    let figures = Figures::of(history, &ledger, &violations);
    Verdict { violations, figures }
}

/// All calls of each request id.
type Requests<'a> = BTreeMap<&'a str, Vec<&'a Call>>;

struct Check<'a> {
    history: &'a History,
    ledger: &'a Ledger,
    rules: &'a Rules,
    violations: Vec<Violation>,
}

impl<'a> Check<'a> {
    /// Checks that each request id is one job with one payload, in the answers and in the log.
    /// Returns the calls by request id.
    fn requests(&mut self) -> Requests<'a> {
        let mut requests = Requests::new();
        for call in &self.history.calls {
            requests.entry(&call.request_id).or_default().push(call);
        }
        let mut logged: HashMap<&str, BTreeSet<&str>> = HashMap::new();
        for (job, account) in &self.ledger.jobs {
            logged.entry(account.request_id()).or_default().insert(job);
        }
        for (request_id, calls) in &requests {
            let logged = logged.get(request_id);
            let mut jobs: BTreeSet<&str> = logged.cloned().unwrap_or_default();
            for call in calls {
                if let Answer::Acknowledged { job_id } | Answer::Taken { job_id } = &call.answer {
                    jobs.insert(job_id);
                }
            }
            if jobs.len() > 1 {
                let jobs = jobs.iter().map(|&job| job.to_owned()).collect();
                self.report(Violation::TwoJobs { request_id: (*request_id).to_owned(), jobs });
            }
            self.answers(request_id, calls, logged.is_some());
        }
        requests
    }

    /// Checks that the answers to one request agree with its job in the log.
    fn answers(&mut self, request_id: &str, calls: &[&Call], logged: bool) {
        for call in calls {
            let request_id = || request_id.to_owned();
            match &call.answer {
                Answer::Acknowledged { job_id } => match self.ledger.jobs.get(job_id) {
                    None => self.report(Violation::Lost { job_id: job_id.clone() }),
                    Some(job) if job.model() != call.payload.name() => {
                        self.report(Violation::OtherPayload { request_id: request_id() });
                    }
                    Some(job) if job.end().is_none() => {
                        self.report(Violation::Lost { job_id: job_id.clone() });
                    }
                    Some(_) => {}
                },
                Answer::Taken { job_id } => match self.ledger.jobs.get(job_id) {
                    Some(job) if job.model() != call.payload.name() => {}
                    _ => self.report(Violation::NotTaken { request_id: request_id() }),
                },
                Answer::Refused { .. } | Answer::Unknown { .. } => {}
            }
        }
        let refused = |call: &&Call| matches!(call.answer, Answer::Refused { .. });
        if logged && calls.iter().all(refused) {
            self.report(Violation::RefusedButThere { request_id: request_id.to_owned() });
        }
    }

    /// Checks each job of the log: a client submitted it, its attempts have causes, and its end
    /// is right.
    fn log(&mut self, requests: &Requests<'_>) {
        let extra = self.ledger.unreadable.iter().skip(self.rules.unreadable);
        let extra: Vec<u64> = extra.copied().collect();
        for offset in extra {
            self.report(Violation::Unreadable { offset });
        }
        let ledger = self.ledger;
        for (job_id, job) in &ledger.jobs {
            if self.rules.strays.contains(job_id) {
                continue;
            }
            let calls = requests.get(job.request_id());
            let call = calls
                .and_then(|calls| calls.iter().find(|call| call.payload.name() == job.model()));
            let Some(call) = call else {
                self.report(Violation::Unexpected { job_id: job_id.clone() });
                continue;
            };
            self.attempts(job_id, job);
            if let Some(end) = job.end()
                && let Some(why) = self.check_end(call.payload, end)
            {
                self.report(Violation::WrongEnd { job_id: job_id.clone(), why });
            }
        }
        let late: usize = ledger.jobs.values().map(|job| job.late_starts).sum();
        if self.rules.late_starts.is_some_and(|most| late > most) {
            self.report(Violation::SolvedAgain { starts: late });
        }
    }

    /// Checks the number of attempts of a job.
    fn attempts(&mut self, job_id: &str, job: &Account) {
        // Each attempt after the first has a cause: a death in the solver, or a fault.
        let faults = self.history.faults.len() + self.rules.interruptions;
        if job.deaths > self.rules.max_attempts || job.starts() > 1 + job.deaths + faults {
            let (job_id, started, died) = (job_id.to_owned(), job.starts(), job.deaths);
            self.report(Violation::TooManyAttempts { job_id, started, died });
        }
    }

    /// Checks the outcome of a job. Returns what is wrong, if anything.
    fn check_end(&self, payload: Payload, end: &JobFinished) -> Option<String> {
        match end.state() {
            JobState::Cancelled if self.rules.cancelled => None,
            JobState::Expired if self.rules.expired => None,
            JobState::Failed => {
                let failure = end.failure.as_ref()?;
                let allowed = self.rules.failures.contains(failure.reason.as_str());
                (!allowed).then(|| format!("{}: {}", failure.reason, failure.message))
            }
            _ => payload.fault(end),
        }
    }

    /// Checks that a watcher received the events of the log, in order, each once, to the end.
    fn watch(&mut self, watcher: usize, watch: &Watch) {
        // The last sequence number that was received of each job.
        let mut received: HashMap<&str, i32> = HashMap::new();
        let ledger = self.ledger;
        for sight in &watch.sights {
            let event = &sight.event;
            let job_id = &event.job_id;
            let Some(account) = ledger.jobs.get(job_id).filter(|_| watch.jobs.contains(job_id))
            else {
                self.report(Violation::Unexpected { job_id: job_id.clone() });
                continue;
            };
            let last = received.entry(job_id).or_default();
            let (seen, due) = (event.sequence, *last + event.skipped_count + 1);
            if seen != due {
                let (job_id, repeated) = (job_id.clone(), seen <= *last);
                self.report(match repeated {
                    true => Violation::Repeated { watcher, job_id, sequence: seen },
                    false => Violation::Gap { watcher, job_id, due, seen },
                });
            } else if !account.event(seen).is_some_and(|logged| logged.is(event)) {
                let (job_id, gateway) = (job_id.clone(), sight.gateway);
                let seen = Box::new(event.clone());
                self.report(Violation::NotInLog { watcher, gateway, job_id, seen });
            }
            // Stays at the maximum, so that one repeated event is one violation.
            let last = received.entry(job_id).or_default();
            *last = seen.max(*last);
        }
        match &watch.end {
            WatchEnd::Open => {}
            WatchEnd::Complete | WatchEnd::GivenUp => self.ends(watcher, watch),
            WatchEnd::Refused { reason } => {
                if !self.rules.denials.contains(reason.as_str()) {
                    self.report(Violation::Denied { watcher, reason: reason.clone() });
                }
            }
        }
    }

    /// Checks that a watch that completed or timed out received the end of every job. One that
    /// timed out may lack ends that the log lacks too: those jobs are reported as lost.
    fn ends(&mut self, watcher: usize, watch: &Watch) {
        let ends = watch.sights.iter().filter(|sight| is_end(sight.event.kind.as_ref()));
        let received: BTreeSet<&str> = ends.map(|sight| sight.event.job_id.as_str()).collect();
        let ledger = self.ledger;
        let ended = |job: &str| ledger.jobs.get(job).is_some_and(|job| job.end().is_some());
        let due = |job: &str| watch.end == WatchEnd::Complete || ended(job);
        let missing = |job: &&String| !received.contains(job.as_str()) && due(job);
        for job_id in watch.jobs.iter().filter(missing) {
            self.report(Violation::EndUntold { watcher, job_id: job_id.clone() });
        }
    }

    fn report(&mut self, violation: Violation) {
        self.violations.push(violation);
    }
}

fn is_end(kind: Option<&Kind>) -> bool {
    matches!(kind, Some(Kind::Finished(_)))
}
