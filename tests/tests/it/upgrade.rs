//! Rolling upgrades from an older version, and what happens in the wrong order. `scripts/upgrade`
//! builds the older programs and runs these tests; without them they are skipped.

use std::time::Duration;

use solvemesh::v1::{
    CancelJobRequest, JobState, Priority, SolveOptions, SubmitJobRequest, WatchResultsRequest,
    job_event::Kind,
};
use solvemesh_tests::{
    jobs::{self, Story, Watch},
    mesh::{Api, Gateway},
    models::{market_split, wide, wyndor, wyndor_optimum, wyndor_rates},
    old_version::OldVersion,
    processes::Process,
    rabbit, within,
};
use tempfile::TempDir;
use tonic::Code;

/// Enough for a busy machine.
const TIMEOUT: Duration = Duration::from_secs(120);
/// Number of small jobs of each kind.
const JOBS: usize = 10;
/// Number of scenarios of a sweep.
const SCENARIOS: i32 = 200;
/// Number of groups of a model that is too large for a message.
const LARGE: usize = 5_000;

fn worker(broker: &str) -> Process {
    let flags = ["--amqp", broker, "--slots", "express=1,standard=1", "--name", "new"];
    Process::start("solvemesh-worker", &flags).0
}

/// A job of the lane `standard` that takes as long as this, and then ends at its time limit.
fn takes(millis: u64) -> SubmitJobRequest {
    let limit = Duration::from_millis(millis).try_into().ok();
    let options = SolveOptions { time_limit: limit, ..SolveOptions::default() };
    SubmitJobRequest { options: Some(options), ..jobs::request(market_split(5, 40)) }
}

fn rate(number: usize) -> f64 {
    300.0 + number as f64
}

/// A job and its right answer.
#[derive(Debug)]
struct Expected {
    id: String,
    answer: Answer,
}

#[derive(Debug)]
enum Answer {
    /// Proven optimal, with this objective.
    Optimum(f64),
    /// The best solution within a time limit.
    BestInTime,
    /// All scenarios of a sweep.
    Scenarios,
    Cancelled,
}

impl Expected {
    /// Watches the job at a gateway from its beginning to its one end, and checks the answer.
    async fn check(&self, api: &Api) -> Story {
        let story = Watch::begin(api, &self.id).await.finish().await;
        let state = story.finished.state();
        match self.answer {
            Answer::Cancelled => assert_eq!(state, JobState::Cancelled, "{self:?}"),
            _ => assert_eq!(state, JobState::Succeeded, "{self:?}: {:?}", story.finished),
        }
        match self.answer {
            Answer::Optimum(best) => {
                assert!(jobs::agree(story.objective(), best), "{self:?}: {}", story.objective());
            }
            Answer::BestInTime => assert!(story.max_violation() <= 1e-6, "{self:?}"),
            Answer::Scenarios => {
                let summary = story.finished.sweep_summary.as_ref().expect("a summary");
                let counts = (summary.scenario_count, summary.answered_count);
                assert_eq!(counts, (SCENARIOS, SCENARIOS), "{self:?}");
            }
            Answer::Cancelled => {}
        }
        story
    }
}

/// Submits a job of every kind: small ones of both lanes, a large one, a sweep, and one that is
/// cancelled.
async fn submit_all(api: &Api) -> Vec<Expected> {
    let mut expected = Vec::new();
    for number in 0..JOBS {
        for lane in ["standard", "express"] {
            let request = jobs::request(wyndor(rate(number)));
            let id = jobs::submit(api, SubmitJobRequest { lane: lane.to_owned(), ..request }).await;
            let answer = Answer::Optimum(wyndor_optimum(rate(number)).0);
            expected.push(Expected { id, answer });
        }
    }
    let id = jobs::submit(api, jobs::request(wide(LARGE))).await;
    expected.push(Expected { id, answer: Answer::Optimum(LARGE as f64) });

    let sweep = Some(wyndor_rates(SCENARIOS));
    let request = SubmitJobRequest { sweep, ..jobs::request(wyndor(500.0)) };
    expected.push(Expected { id: jobs::submit(api, request).await, answer: Answer::Scenarios });

    let id = jobs::submit(api, takes(600_000)).await;
    let request = CancelJobRequest { job_id: id.clone() };
    api.clone().cancel_job(request).await.expect("a cancel");
    expected.push(Expected { id, answer: Answer::Cancelled });
    expected
}

/// Submits a job that is more urgent than the others, which only a new gateway can read.
async fn submit_urgent(api: &Api) -> Expected {
    let request =
        SubmitJobRequest { priority: Priority::High.into(), ..jobs::request(wyndor(500.0)) };
    let answer = Answer::Optimum(wyndor_optimum(500.0).0);
    Expected { id: jobs::submit(api, request).await, answer }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_first_then_gateways_ends_every_job_once_and_right() {
    let Some(old) = OldVersion::find() else { return };
    let vhost = rabbit::vhost().await;
    let state = TempDir::new().expect("a folder");
    let state = ["--state-dir", state.path().to_str().expect("a path of UTF-8")];
    let mut old_gateway = old.gateway(vhost.url(), &state).await;
    let mut old_worker = old.worker(vhost.url(), &["--drain-grace", "60", "--name", "old"]);
    let api = old_gateway.api();
    let running = jobs::submit(&api, takes(5000)).await;
    let mut watch = Watch::begin(&api, &running).await;
    watch.until(|kind| matches!(kind, Kind::Started(_))).await;
    let mut expected = submit_all(&api).await;

    // The workers, one after the other: the old one finishes what it solves.
    let _new_worker = worker(vhost.url());
    let (status, meanwhile) = tokio::join!(old_worker.terminate(), submit_all(&api));
    assert!(status.success());
    expected.extend(meanwhile);
    let story = Expected { id: running.clone(), answer: Answer::BestInTime }.check(&api).await;
    let workers = story.events.iter().filter_map(|event| match &event.kind {
        Some(Kind::Started(started)) => Some(started.worker.as_str()),
        _ => None,
    });
    assert_eq!(workers.collect::<Vec<_>>(), ["old"]);

    // The gateways. For a time both are there, and each knows the jobs of the other.
    let new_gateway = Gateway::on(vhost.url(), &[]).await;
    let urgent = submit_urgent(&new_gateway.api()).await;
    urgent.check(&api).await;
    expected.push(urgent);
    expected.extend(submit_all(&new_gateway.api()).await);
    assert!(old_gateway.process.terminate().await.success());
    let restored = Gateway::on(vhost.url(), &state).await;
    let log = restored.process.log();
    let is_read = log.contains("job table restored from snapshot");
    assert!(is_read || log.contains("snapshot unusable"), "{log}");
    println!("the snapshot of the old gateway was {}", if is_read { "read" } else { "refused" });

    // They agree on everything, also on fields that the old gateway does not know.
    for job in &expected {
        let story = job.check(&new_gateway.api()).await;
        assert_eq!(story, job.check(&restored.api()).await, "both gateways agree");
    }
    resumes_or_is_refused(&restored.api(), &running, &watch.seen.last().expect("an event").1).await;
}

/// A watch of an old gateway either continues with its token at a new one, or is told that it
/// can't.
async fn resumes_or_is_refused(api: &Api, job: &str, token: &str) {
    let request = WatchResultsRequest {
        job_ids: vec![job.to_owned()],
        resume_token: token.to_owned(),
        ..Default::default()
    };
    match api.clone().watch_results(request).await {
        Ok(_) => {
            let rest = Watch::resume(api, job, token).await.next().await.expect("an event");
            println!("the watch of the old gateway continued with event {}", rest.sequence);
            assert!(rest.sequence > 2);
        }
        Err(status) => {
            println!("the token of the old gateway was refused: {}", status.message());
            assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
            assert!(status.message().contains("resume_token"), "{status:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateways_first_loses_nothing_and_the_log_says_what_is_wrong() {
    let Some(old) = OldVersion::find() else { return };
    let vhost = rabbit::vhost().await;
    let _old_worker = old.worker(vhost.url(), &["--name", "old"]);
    let gateway = Gateway::on(vhost.url(), &[]).await;
    let api = gateway.api();
    let mut expected = submit_all(&api).await;
    expected.push(submit_urgent(&api).await);

    // Either the old worker can take all of them, or the gateway says that it can't.
    let says_so = async {
        while !gateway.process.log().contains("older version") {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let all_end = async {
        for job in &expected {
            job.check(&api).await;
        }
    };
    let end = async {
        tokio::select! {
            () = says_so => "the gateway warns of the old worker",
            () = all_end => "the old worker solves everything",
        }
    };
    println!("{}", within(TIMEOUT, "an end or a warning", end).await);

    let _new_worker = worker(vhost.url());
    for job in &expected {
        job.check(&api).await;
    }
}
