//! Tenants with many jobs beside one with few, and priorities within a tenant.

use std::time::Duration;

use solvemesh::v1::{
    GetUsageRequest, JobFinished, JobView, ListJobsRequest, Priority, Rank, SolveOptions,
    SubmitJobRequest, WatchResultsRequest, job_event::Kind, watch_results_response,
};
use solvemesh_tests::{
    jobs::request,
    keys::Keys,
    mesh::{Api, Gateway, worker},
    models::{market_split, wyndor},
    rabbit, within,
};

/// Enough for a busy machine.
const TIMEOUT: Duration = Duration::from_secs(300);

/// A job of the lane `standard` that takes as long as this, and then ends at its time limit.
fn takes(millis: u64) -> SubmitJobRequest {
    let limit = Duration::from_millis(millis).try_into().ok();
    let options = SolveOptions { time_limit: limit, ..SolveOptions::default() };
    SubmitJobRequest { options: Some(options), ..request(market_split(5, 40)) }
}

async fn submit(api: &Api, request: SubmitJobRequest) -> (String, Rank) {
    let response = api.clone().submit_job(request).await.expect("an accepted job");
    let job = response.into_inner().job.expect("a job");
    let rank = job.description.as_ref().expect("a description").rank();
    (job.job_id, rank)
}

async fn finish(api: &Api, job: &str) -> JobFinished {
    let request = WatchResultsRequest { job_ids: vec![job.to_owned()], ..Default::default() };
    let mut watch = api.clone().watch_results(request).await.expect("a watch").into_inner();
    let finished = async {
        loop {
            let response = watch.message().await.expect("a stream").expect("an end");
            if let Some(watch_results_response::Kind::Event(event)) = response.kind
                && let Some(Kind::Finished(finished)) = event.kind
            {
                return *finished;
            }
        }
    };
    within(TIMEOUT, "the end of the job", finished).await
}

async fn live_jobs(api: &Api) -> i64 {
    let usage = api.clone().get_usage(GetUsageRequest {}).await.expect("the usage").into_inner();
    usage.live.iter().map(|live| live.job_count).sum()
}

#[tokio::test]
async fn a_newcomer_does_not_wait_for_the_jobs_of_another_tenant() {
    let vhost = rabbit::vhost().await;
    let mut keys = Keys::default();
    let hoarder = keys.add("hoarder", "many", "submit");
    let newcomer = keys.add("newcomer", "few", "submit");
    let path = keys.path();
    let flags = ["--keys", path.to_str().expect("a path")];
    let gateway = Gateway::on(vhost.url(), &flags).await;
    let _workers = [worker(vhost.url()), worker(vhost.url())];
    let (many, few) = (gateway.api_with(&hoarder), gateway.api_with(&newcomer));

    // Of both lanes.
    let mut ranks = Vec::new();
    for _ in 0..300 {
        ranks.push(submit(&many, takes(100)).await.1);
    }
    assert_eq!(ranks[0], Rank::First);
    assert_eq!(ranks[299], Rank::Later);

    for _ in 0..3 {
        let before = live_jobs(&many).await;
        assert!(before > 100, "too few jobs are left to compare with: {before}");
        let (job, rank) = submit(&few, takes(100)).await;
        assert_eq!(rank, Rank::First);
        finish(&few, &job).await;
        let passed = before - live_jobs(&many).await;
        // Each of the two slots finishes the job that it has, and maybe one more, before the
        // newcomer's; and one beside it. The rest is for the time until all of it is counted.
        assert!(passed <= 8, "{passed} jobs finished before the newcomer's");
        let (small, _) = submit(&few, request(wyndor(500.0))).await;
        finish(&few, &small).await;
    }
}

#[tokio::test]
async fn a_priority_decides_among_the_jobs_of_a_tenant() {
    let gateway = Gateway::embedded(&["--slots", "express=1,standard=1"]).await;
    let api = gateway.api();
    let submit = async |request, priority: Priority| {
        let request = SubmitJobRequest { priority: priority.into(), ..request };
        let response = api.clone().submit_job(request).await.expect("an accepted job");
        response.into_inner().job.expect("a job").job_id
    };
    let mut submitted = Vec::new();
    // The first one occupies the only slot until all are queued.
    submitted.push(submit(takes(2000), Priority::Normal).await);
    for priority in [Priority::Low, Priority::Normal, Priority::High] {
        submitted.push(submit(takes(20), priority).await);
    }
    for job in &submitted {
        let request = WatchResultsRequest { job_ids: vec![job.clone()], ..Default::default() };
        let mut watch = api.clone().watch_results(request).await.expect("a watch").into_inner();
        while within(TIMEOUT, "an event", watch.message()).await.expect("a stream").is_some() {}
    }
    let request = ListJobsRequest { view: JobView::Basic.into(), ..Default::default() };
    let jobs = api.clone().list_jobs(request).await.expect("the jobs").into_inner().jobs;
    let started = |index: usize| {
        let job = jobs.iter().find(|job| job.job_id == submitted[index]).expect("listed");
        job.start_time.expect("started")
    };
    let (low, normal, high) = (started(1), started(2), started(3));
    let key = |time: prost_types::Timestamp| (time.seconds, time.nanos);
    assert!(key(high) < key(normal) && key(normal) < key(low), "{high} {normal} {low}");
}
