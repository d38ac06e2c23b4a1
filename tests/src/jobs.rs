//! Submits jobs, watches them, and reads their results.

use std::{collections::BTreeMap, time::Duration};

use prost::Message;
use solvemesh::v1::{
    JobEvent, JobFinished, Model, Solution, SolveOptions, SolveResult, SubmitJobRequest,
    Termination, WatchResultsRequest, WatchResultsResponse, job_event::Kind,
    watch_results_response,
};
use tonic::{Code, Status, Streaming};

use crate::{mesh::Api, within};

/// Maximum size of a message from a gateway, in bytes.
pub const MESSAGE_LIMIT: usize = 1 << 20;

/// Timeout for the next event of a job.
const EVENT_TIMEOUT: Duration = Duration::from_secs(240);

/// A request to solve a model with the defaults.
pub fn request(model: Model) -> SubmitJobRequest {
    SubmitJobRequest { model: Some(model), ..SubmitJobRequest::default() }
}

/// A request to solve a model to a gap of 0, with a time limit in seconds.
pub fn exact(model: Model, seconds: u64) -> SubmitJobRequest {
    let options = SolveOptions {
        time_limit: Some(Duration::from_secs(seconds).try_into().expect("a time limit")),
        relative_gap: Some(0.0),
        ..SolveOptions::default()
    };
    SubmitJobRequest { options: Some(options), ..request(model) }
}

/// Submits a job and returns its id.
pub async fn submit(api: &Api, request: SubmitJobRequest) -> String {
    let response = api.clone().submit_job(request).await.expect("an accepted job");
    let job = response.into_inner().job.expect("a job");
    assert!(!job.job_id.is_empty(), "a job without an id");
    job.job_id
}

/// Submits a job that must be refused with `INVALID_ARGUMENT`, and returns the status.
pub async fn refusal(api: &Api, request: SubmitJobRequest) -> Status {
    match api.clone().submit_job(request).await {
        Ok(response) => panic!("accepted: {:?}", response.into_inner()),
        Err(status) => {
            assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
            status
        }
    }
}

/// A watch of one job.
#[derive(Debug)]
pub struct Watch {
    stream: Streaming<WatchResultsResponse>,
    /// The events so far, each with the token that resumes after it.
    pub seen: Vec<(JobEvent, String)>,
}

impl Watch {
    /// Starts to watch a job.
    pub async fn begin(api: &Api, job_id: &str) -> Self {
        Self::resume(api, job_id, "").await
    }

    /// Resumes the watch of a job after a token.
    pub async fn resume(api: &Api, job_id: &str, token: &str) -> Self {
        let request = WatchResultsRequest {
            job_ids: vec![job_id.to_owned()],
            resume_token: token.to_owned(),
            ..Default::default()
        };
        let response = api.clone().watch_results(request).await.expect("a watch");
        Self { stream: response.into_inner(), seen: Vec::new() }
    }

    /// The next event; `None` at the end of the stream.
    pub async fn next(&mut self) -> Option<JobEvent> {
        loop {
            let message = within(EVENT_TIMEOUT, "an event", self.stream.message());
            let response = message.await.expect("a stream without an error")?;
            assert!(response.encoded_len() <= MESSAGE_LIMIT, "a message over 1 MiB");
            if let Some(watch_results_response::Kind::Event(event)) = response.kind {
                self.seen.push((event.clone(), response.resume_token));
                return Some(event);
            }
        }
    }

    /// Reads up to the first event for which `wanted` is true, and returns it.
    pub async fn until(&mut self, wanted: impl Fn(&Kind) -> bool) -> JobEvent {
        while let Some(event) = self.next().await {
            if event.kind.as_ref().is_some_and(&wanted) {
                return event;
            }
        }
        panic!("the stream ended before: {:?}", self.seen);
    }

    /// Reads to the end of the stream.
    pub async fn finish(mut self) -> Story {
        while self.next().await.is_some() {}
        Story::new(self.seen.into_iter().map(|(event, _)| event).collect())
    }
}

/// All events of one job.
#[derive(Clone, Debug, PartialEq)]
pub struct Story {
    /// The events, in order.
    pub events: Vec<JobEvent>,
    /// The outcome, which the last event carries.
    pub finished: JobFinished,
}

impl Story {
    /// Checks what holds for the events of every job: sequence numbers count from 1, and
    /// `skipped` accounts for each gap; `Queued` is first; there is one `Finished`, and it is
    /// last.
    pub fn new(events: Vec<JobEvent>) -> Self {
        let mut last = 0;
        for event in &events {
            assert_eq!(
                event.sequence,
                last + event.skipped_count + 1,
                "sequence numbers of {events:?}"
            );
            last = event.sequence;
        }
        assert!(matches!(events[0].kind, Some(Kind::Queued(_))), "first queued: {events:?}");
        let ends = events.iter().filter(|event| matches!(event.kind, Some(Kind::Finished(_))));
        assert_eq!(ends.count(), 1, "one end: {events:?}");
        match events.last().and_then(|event| event.kind.clone()) {
            Some(Kind::Finished(finished)) => Self { events, finished: *finished },
            other => panic!("ended with {other:?}"),
        }
    }

    /// The numbers of the attempts that started.
    pub fn attempts(&self) -> Vec<i32> {
        let started = |event: &&JobEvent| matches!(event.kind, Some(Kind::Started(_)));
        self.events.iter().filter(started).map(|event| event.attempt).collect()
    }

    /// The result of a job that has one.
    pub fn result(&self) -> &SolveResult {
        self.finished.result.as_ref().unwrap_or_else(|| panic!("no result: {:?}", self.finished))
    }

    /// How the solve ended.
    pub fn termination(&self) -> &Termination {
        self.result().termination.as_ref().expect("a termination")
    }

    /// The objective of the solution.
    pub fn objective(&self) -> f64 {
        self.termination().objective.unwrap_or_else(|| panic!("no objective: {self:?}"))
    }

    /// The solution by variable name, joined from its parts where it was split.
    pub fn values(&self) -> BTreeMap<String, f64> {
        self.solutions()
            .flat_map(|part| part.variable_names.iter().cloned().zip(part.values.iter().copied()))
            .collect()
    }

    /// The parts of the solution. A solution that was not split is one part.
    pub fn solutions(&self) -> impl Iterator<Item = &Solution> {
        let parts = self.events.iter().filter_map(|event| match &event.kind {
            Some(Kind::SolutionPart(part)) => part.solution.as_ref(),
            _ => None,
        });
        parts.chain(self.result().solution.as_ref())
    }

    /// The largest violation that the verification found.
    pub fn max_violation(&self) -> f64 {
        self.result().verification.as_ref().expect("a verification").max_violation()
    }
}

/// Submits a job and watches it to its end.
pub async fn solve(api: &Api, request: SubmitJobRequest) -> Story {
    let job = submit(api, request).await;
    Watch::begin(api, &job).await.finish().await
}

/// Whether two numbers agree to 1e-6, relative to the larger of `expected` and 1.
pub fn agree(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-6 * expected.abs().max(1.0)
}
