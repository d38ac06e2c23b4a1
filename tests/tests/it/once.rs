//! Workers that take one job and exit (`--once`).

use std::{collections::BTreeSet, time::Duration};

use futures::future::join_all;
use solvemesh::v1::{
    CancelJobRequest, JobEvent, JobFilter, JobState, ListJobsRequest, SolveOptions,
    SubmitJobRequest, job_event::Kind,
};
use solvemesh_tests::{
    jobs::{self, Watch},
    mesh::{Api, Gateway, worker},
    models::{market_split, wyndor, wyndor_optimum},
    processes::Process,
    rabbit, within,
};

/// Enough for a busy machine.
const TIMEOUT: Duration = Duration::from_secs(120);

/// A worker for one job.
fn once(broker: &str, name: &str, flags: &[&str]) -> Process {
    let flags = [&["--amqp", broker, "--once", "--name", name][..], flags].concat();
    Process::start("solvemesh-worker", &flags).0
}

/// A job of the lane `standard` that takes as long as this, and then ends at its time limit.
fn takes(millis: u64) -> SubmitJobRequest {
    let limit = Duration::from_millis(millis).try_into().ok();
    let options = SolveOptions { time_limit: limit, ..SolveOptions::default() };
    SubmitJobRequest { options: Some(options), ..jobs::request(market_split(5, 40)) }
}

/// The workers of the attempts.
fn workers(events: &[JobEvent]) -> Vec<&str> {
    let started = events.iter().filter_map(|event| match &event.kind {
        Some(Kind::Started(started)) => Some(started.worker.as_str()),
        _ => None,
    });
    started.collect()
}

/// The number of live jobs, once it is at most `expected`: a gateway reads the log with a delay.
async fn live_jobs(api: &Api, expected: usize) -> usize {
    let states = [JobState::Queued, JobState::Running].map(i32::from).to_vec();
    let request = ListJobsRequest {
        filter: Some(JobFilter { states, ..Default::default() }),
        page_size: 1000,
        ..Default::default()
    };
    let counting = async {
        loop {
            let listed = api.clone().list_jobs(request.clone()).await.expect("the jobs");
            let count = listed.into_inner().jobs.len();
            if count <= expected {
                return count;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    within(TIMEOUT, "the end of a job in the list", counting).await
}

#[tokio::test]
async fn each_of_two_workers_solves_one_of_two_jobs() {
    let vhost = rabbit::vhost().await;
    let gateway = Gateway::on(vhost.url(), &[]).await;
    let api = gateway.api();
    let ids = [jobs::submit(&api, takes(1000)).await, jobs::submit(&api, takes(1000)).await];
    let mut processes = ["one", "other"].map(|name| once(vhost.url(), name, &[]));
    for process in &mut processes {
        assert!(process.ended(TIMEOUT).await.success());
        assert!(process.log().contains("job limit reached"), "{}", process.log());
    }
    let mut by = BTreeSet::new();
    for id in ids {
        let story = Watch::begin(&api, &id).await.finish().await;
        assert_eq!(story.finished.state(), JobState::Succeeded);
        by.extend(workers(&story.events).into_iter().map(str::to_owned));
    }
    assert_eq!(by, ["one", "other"].map(str::to_owned).into());
}

#[tokio::test]
async fn a_worker_without_a_job_ends_after_its_wait() {
    let vhost = rabbit::vhost().await;
    let gateway = Gateway::on(vhost.url(), &[]).await;
    let api = gateway.api();
    let mut winner = once(vhost.url(), "winner", &[]);
    let id = jobs::submit(&api, takes(8000)).await;
    let mut watch = Watch::begin(&api, &id).await;
    watch.until(|kind| matches!(kind, Kind::Started(_))).await;
    let mut late = once(vhost.url(), "late", &["--once-wait", "1"]);
    assert!(late.ended(TIMEOUT).await.success());
    assert!(late.log().contains("no job within"), "{}", late.log());
    assert_eq!(workers(&watch.finish().await.events), ["winner"]);
    assert!(winner.ended(TIMEOUT).await.success());
}

#[tokio::test]
async fn a_worker_that_is_stopped_finishes_its_job_or_leaves_it_to_another() {
    let vhost = rabbit::vhost().await;
    let gateway = Gateway::on(vhost.url(), &[]).await;
    let api = gateway.api();
    let start = async |millis, name, flags: &[&str]| {
        let process = once(vhost.url(), name, flags);
        let id = jobs::submit(&api, takes(millis)).await;
        let mut watch = Watch::begin(&api, &id).await;
        watch.until(|kind| matches!(kind, Kind::Started(_))).await;
        (process, watch)
    };
    let (mut patient, watch) = start(3000, "patient", &["--drain-grace", "60"]).await;
    assert!(patient.terminate().await.success());
    let story = watch.finish().await;
    assert_eq!(story.finished.state(), JobState::Succeeded);
    assert_eq!(workers(&story.events), ["patient"]);

    let (mut hasty, watch) = start(10_000, "hasty", &["--drain-grace", "0"]).await;
    assert!(hasty.terminate().await.success());
    let mut other = once(vhost.url(), "other", &[]);
    let story = watch.finish().await;
    assert_eq!(story.finished.state(), JobState::Succeeded);
    assert_eq!(workers(&story.events), ["hasty", "other"]);
    assert!(other.ended(TIMEOUT).await.success());
}

#[tokio::test]
async fn a_job_that_was_cancelled_in_the_queue_does_not_count() {
    let vhost = rabbit::vhost().await;
    let gateway = Gateway::on(vhost.url(), &[]).await;
    let api = gateway.api();
    let cancelled = jobs::submit(&api, takes(1000)).await;
    let solved = jobs::submit(&api, takes(1000)).await;
    api.clone().cancel_job(CancelJobRequest { job_id: cancelled }).await.expect("a cancel");
    let mut process = once(vhost.url(), "one", &[]);
    let story = Watch::begin(&api, &solved).await.finish().await;
    assert_eq!(workers(&story.events), ["one"]);
    assert!(process.ended(TIMEOUT).await.success());
}

#[tokio::test]
async fn the_other_jobs_of_a_shared_message_are_left_to_other_workers() {
    const JOBS: usize = 60;
    let vhost = rabbit::vhost().await;
    let gateway = Gateway::on(vhost.url(), &[]).await;
    let api = gateway.api();
    // At once, so that those that gather during a confirm share messages.
    let rate = |number: usize| 300.0 + number as f64;
    let submitted = (0..JOBS).map(|number| {
        let request = jobs::request(wyndor(rate(number)));
        jobs::submit(&api, request)
    });
    let ids = join_all(submitted).await;
    for taken in 1..=2 {
        let mut process = once(vhost.url(), "one", &["--slots", "express=1"]);
        assert!(process.ended(TIMEOUT).await.success());
        assert_eq!(live_jobs(&api, JOBS - taken).await, JOBS - taken);
    }
    let _others = worker(vhost.url());
    for (number, id) in ids.iter().enumerate() {
        let story = Watch::begin(&api, id).await.finish().await;
        assert!(jobs::agree(story.objective(), wyndor_optimum(rate(number)).0));
    }
}
