//! Checks what happened to a mesh from outside: the clients' own records against the raw
//! log. Pure, and in nothing the gateway's: a fold of its own says what the log means.

mod ledger;
mod sweep;
#[cfg(test)]
mod tests;
mod verdict;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use solvemesh::v1::{Finished, JobState, event::Kind};
use solvemesh_broker::LogMessage;

pub use self::{
    ledger::{Account, Ledger, Told},
    verdict::{Figures, Verdict, Violation},
};
use crate::{
    history::{Answer, Call, History, Watch, WatchEnd},
    payload::Payload,
};

/// What a fault allows that is a violation elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// How many attempts of a job may die in the solver. The last of them fails the job.
    pub max_attempts: usize,
    /// How many attempts of a job may start without one before that died in the solver. Each
    /// fault that was recorded allows one by itself.
    pub interruptions: usize,
    /// How many attempts may start after their job's end, of all jobs together; any number
    /// where nothing is told.
    pub late_starts: Option<usize>,
    /// The reasons for which jobs may have FAILED.
    pub failures: BTreeSet<&'static str>,
    /// Whether jobs may have been CANCELLED.
    pub cancelled: bool,
    /// Whether jobs may have EXPIRED.
    pub expired: bool,
    /// The reasons for which watches may have been refused.
    pub denials: BTreeSet<&'static str>,
    /// How many messages of the log may be unreadable.
    pub unreadable: usize,
    /// Jobs that no client submitted: the fault itself put them into a queue.
    pub strays: BTreeSet<String>,
}

impl Rules {
    /// Three attempts a job, and nothing that is out of order.
    pub fn strict() -> Self {
        Self { max_attempts: 3, ..Self::default() }
    }
}

/// Checks a history against the messages of the log, in their order.
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
    /// Each request is one job with one payload, in the answers and in the log.
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

    /// The answers to one request agree with what the log says of its job.
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

    /// What the log says of each job is in order.
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
                && let Some(why) = self.fault(call.payload, end)
            {
                self.report(Violation::WrongEnd { job_id: job_id.clone(), why });
            }
        }
        let late: usize = ledger.jobs.values().map(|job| job.late_starts).sum();
        if self.rules.late_starts.is_some_and(|most| late > most) {
            self.report(Violation::SolvedAgain { starts: late });
        }
    }

    fn attempts(&mut self, job_id: &str, job: &Account) {
        // Each attempt after the first has a cause: one that died, or something that broke.
        let broken = self.history.faults.len() + self.rules.interruptions;
        if job.deaths > self.rules.max_attempts || job.starts() > 1 + job.deaths + broken {
            let (job_id, started, died) = (job_id.to_owned(), job.starts(), job.deaths);
            self.report(Violation::TooManyAttempts { job_id, started, died });
        }
    }

    /// What is wrong with how a job ended, if anything.
    fn fault(&self, payload: Payload, end: &Finished) -> Option<String> {
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

    /// A watcher saw the events that the log says, in order, each once, to the end.
    fn watch(&mut self, watcher: usize, watch: &Watch) {
        let mut told: HashMap<&str, i32> = HashMap::new();
        let ledger = self.ledger;
        for sight in &watch.sights {
            let event = &sight.event;
            let job_id = &event.job_id;
            let Some(account) = ledger.jobs.get(job_id).filter(|_| watch.jobs.contains(job_id))
            else {
                self.report(Violation::Unexpected { job_id: job_id.clone() });
                continue;
            };
            let last = told.entry(job_id).or_default();
            let (seen, due) = (event.sequence, *last + event.skipped + 1);
            if seen != due {
                let (job_id, repeated) = (job_id.clone(), seen <= *last);
                self.report(match repeated {
                    true => Violation::Repeated { watcher, job_id, sequence: seen },
                    false => Violation::Gap { watcher, job_id, due, seen },
                });
            } else if !account.told(seen).is_some_and(|told| told.is(event)) {
                let (job_id, gateway) = (job_id.clone(), sight.gateway);
                let seen = Box::new(event.clone());
                self.report(Violation::NotInLog { watcher, gateway, job_id, seen });
            }
            *told.entry(job_id).or_default() = seen.max(*told.get(job_id.as_str()).unwrap_or(&0));
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

    /// A watch that was ended, or given up after a long wait, had the end of every job. What
    /// was given up may lack those that the log lacks too: they are reported as such.
    fn ends(&mut self, watcher: usize, watch: &Watch) {
        let ends = watch.sights.iter().filter(|sight| is_end(sight.event.kind.as_ref()));
        let told: BTreeSet<&str> = ends.map(|sight| sight.event.job_id.as_str()).collect();
        let ledger = self.ledger;
        let ended = |job: &str| ledger.jobs.get(job).is_some_and(|job| job.end().is_some());
        let due = |job: &str| watch.end == WatchEnd::Complete || ended(job);
        for job_id in watch.jobs.iter().filter(|job| !told.contains(job.as_str()) && due(job)) {
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
