//! Builds correct logs and histories, step by step.

use std::time::Duration;

use prost::Message;
use solvemesh::{
    broker::v1::{
        AttemptLost, AttemptStarted, JobEnd, LogBatch, LogEntry, Submitted,
        log_entry::Kind as Entry,
    },
    v1::{
        Failure, JobDescription, JobEvent, JobFinished, JobState, Progress, SolveResult,
        Termination, TerminationReason, Verification, job_event::Kind,
    },
};
use solvemesh_broker::{FORMAT_VERSION, LogMessage};

use crate::{
    checker::{Ledger, Rules, Verdict, Violation, check},
    history::{Answer, Call, History, Sight, Watch, WatchEnd},
    models::wyndor_optimum,
    payload::Payload,
};

/// Number of jobs in a good history.
pub(super) const JOBS: usize = 4;

pub(super) fn payload(number: usize) -> Payload {
    Payload::Wyndor { rate: 300.0 + number as f64 }
}

pub(super) fn id(number: usize) -> String {
    format!("job {number}")
}

pub(super) fn outcome(payload: Payload) -> JobFinished {
    let Payload::Wyndor { rate } = payload else { panic!("a job of Wyndor") };
    let mut termination =
        Termination { objective: Some(wyndor_optimum(rate).0), ..Termination::default() };
    termination.set_reason(TerminationReason::Optimal);
    let result = SolveResult {
        termination: Some(termination),
        verification: Some(Verification::default()),
        ..SolveResult::default()
    };
    JobFinished {
        state: JobState::Succeeded.into(),
        result: Some(result),
        ..JobFinished::default()
    }
}

pub(super) fn failed(reason: &str) -> JobFinished {
    let failure = Failure { reason: reason.to_owned(), message: String::new() };
    JobFinished { state: JobState::Failed.into(), failure: Some(failure), ..JobFinished::default() }
}

/// A log, a history that agrees with it, and the rules of the check.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) log: Vec<LogMessage>,
    pub(super) history: History,
    pub(super) rules: Rules,
}

impl Case {
    /// Jobs that were solved in one attempt, each watched at two gateways.
    pub(super) fn good() -> Self {
        let mut case = Self::jobs(JOBS);
        for number in 0..JOBS {
            case.starts(number, "a");
            case.writes(number, "a", 2, Entry::Progress(Progress::default()));
            case.ends(number, "a", 3, outcome(payload(number)));
        }
        case.watched()
    }

    /// Jobs that were submitted and acknowledged, but not yet started.
    pub(super) fn jobs(count: usize) -> Self {
        let mut case =
            Self { log: Vec::new(), history: History::default(), rules: Rules::strict() };
        for number in 0..count {
            let description = Some(case.description(number));
            let submitted = Submitted { description, ..Submitted::default() };
            case.writes(number, "", 0, Entry::Submitted(submitted));
            case.calls(number, payload(number), Answer::Acknowledged { job_id: id(number) });
        }
        case
    }

    pub(super) fn description(&self, number: usize) -> JobDescription {
        JobDescription {
            model_name: payload(number).name(),
            request_id: format!("request {number}"),
            ..JobDescription::default()
        }
    }

    pub(super) fn calls(&mut self, number: usize, payload: Payload, answer: Answer) {
        self.history.calls.push(Call {
            request_id: format!("request {number}"),
            gateway: 0,
            payload,
            asked: Duration::from_secs(number as u64),
            answered: Some(Duration::from_secs(number as u64 + 1)),
            answer,
        });
    }

    pub(super) fn writes(&mut self, number: usize, attempt: &str, place: u32, kind: Entry) {
        let entry = LogEntry {
            job_id: id(number),
            digest: vec![number as u8 + 1],
            attempt_id: attempt.to_owned(),
            number: place,
            kind: Some(kind),
            time: None,
        };
        self.appends(entry);
    }

    pub(super) fn appends(&mut self, entry: LogEntry) {
        let batch = LogBatch { version: FORMAT_VERSION, entries: vec![entry] };
        let (offset, bytes) = (self.log.len() as u64, batch.encoded_len());
        self.log.push(LogMessage { offset, bytes, batch: Ok(batch) });
    }

    pub(super) fn starts(&mut self, number: usize, attempt: &str) {
        let description = Some(self.description(number));
        let started = AttemptStarted { description, ..AttemptStarted::default() };
        self.writes(number, attempt, 1, Entry::Started(started));
    }

    pub(super) fn dies(&mut self, number: usize, attempt: &str) {
        self.writes(number, attempt, 2, Entry::AttemptLost(AttemptLost::default()));
    }

    pub(super) fn ends(&mut self, number: usize, attempt: &str, place: u32, outcome: JobFinished) {
        let finished = JobEnd { outcome: Some(outcome), ..JobEnd::default() };
        self.writes(number, attempt, place, Entry::Finished(finished.into()));
    }

    /// Adds two watchers, at two gateways, that received every event of the log.
    pub(super) fn watched(mut self) -> Self {
        let ledger = Ledger::read(&self.log);
        for gateway in 0..2 {
            let mut watch = Watch {
                jobs: ledger.jobs.keys().cloned().collect(),
                sights: Vec::new(),
                cuts: Vec::new(),
                end: WatchEnd::Complete,
            };
            for (job_id, account) in &ledger.jobs {
                for sequence in (1..).take_while(|&sequence| account.event(sequence).is_some()) {
                    let logged = account.event(sequence).expect("an event");
                    let event = JobEvent {
                        job_id: job_id.clone(),
                        sequence,
                        attempt: logged.attempt,
                        kind: Some(logged.kind.clone()),
                        ..JobEvent::default()
                    };
                    watch.sights.push(Sight { gateway, at: Duration::from_secs(100), event });
                }
            }
            self.history.watches.push(watch);
        }
        self
    }

    pub(super) fn verdict(&self) -> Verdict {
        check(&self.history, &self.log, &self.rules)
    }

    #[track_caller]
    pub(super) fn passes(&self) {
        assert_eq!(self.verdict().violations, []);
    }

    #[track_caller]
    pub(super) fn fails(&self, wanted: impl Fn(&Violation) -> bool) {
        let violations = self.verdict().violations;
        assert!(violations.iter().any(wanted), "{violations:?}");
    }

    /// The first event of some kind that the first watcher received, with its index.
    pub(super) fn sight(&mut self, wanted: impl Fn(&Kind) -> bool) -> (usize, &mut Sight) {
        let sights = &mut self.history.watches[0].sights;
        let place = sights.iter().position(|it| it.event.kind.as_ref().is_some_and(&wanted));
        let place = place.expect("such an event");
        (place, &mut sights[place])
    }
}
