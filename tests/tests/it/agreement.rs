//! Gateways and watchers that must agree. Injected faults are tested by the fault suite.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use solvemesh::v1::{
    GetJobRequest, JobFilter, JobState, ListJobsRequest, TerminationReason, job_event::Kind,
};
use solvemesh_tests::{
    jobs::{self, Watch, agree},
    mesh::{Api, Gateway, worker},
    models, rabbit, within,
};

#[tokio::test]
async fn watches_from_before_during_and_after_a_solve_on_two_gateways_are_equal() {
    let vhost = rabbit::vhost().await;
    let here = Gateway::on(vhost.url(), &[]).await;
    let there = Gateway::on(vhost.url(), &[]).await;
    let job = jobs::submit(&here.api(), jobs::exact(models::market_split(5, 40), 4)).await;

    let mut before = Watch::begin(&there.api(), &job).await;
    before.until(|kind| matches!(kind, Kind::Queued(_))).await;
    let _worker = worker(vhost.url());
    before.until(|kind| matches!(kind, Kind::Started(_))).await;
    let during = Watch::begin(&here.api(), &job).await;
    let (before, during) = tokio::join!(before.finish(), during.finish());
    let after = Watch::begin(&there.api(), &job).await.finish().await;

    assert_eq!(before.termination().reason(), TerminationReason::Feasible);
    assert_eq!(before, during);
    assert_eq!(before, after);
}

#[tokio::test]
async fn a_job_accepted_by_one_gateway_is_known_at_another_at_once() {
    let vhost = rabbit::vhost().await;
    let here = Gateway::on(vhost.url(), &[]).await;
    let there = Gateway::on(vhost.url(), &[]).await;
    for _ in 0..200 {
        let job = jobs::submit(&here.api(), jobs::request(models::wyndor(500.0))).await;
        let request = GetJobRequest { job_id: job.clone(), ..GetJobRequest::default() };
        let found = there.api().get_job(request).await.expect("a job that is known");
        assert_eq!(found.into_inner().job.expect("a job").job_id, job);
    }
}

#[tokio::test]
async fn a_thousand_jobs_finish_correctly_and_once() {
    const JOBS: u32 = 1000;
    let vhost = rabbit::vhost().await;
    let gateway = Gateway::on(vhost.url(), &[]).await;
    let _workers = [worker(vhost.url()), worker(vhost.url())];
    let api = gateway.api();
    let solved = stream::iter(1..=JOBS)
        .map(|number| {
            let api = api.clone();
            async move {
                let rate = f64::from(number);
                let (optimum, doors, windows) = models::wyndor_optimum(rate);
                let story = jobs::solve(&api, jobs::request(models::wyndor(rate))).await;
                assert_eq!(story.attempts(), [1]);
                assert!(agree(story.objective(), optimum), "rate {rate}: {story:?}");
                // At 200 the two vertices are equally good.
                if number != 200 {
                    let values = story.values();
                    assert!(agree(values["Doors"], doors) && agree(values["Windows"], windows));
                }
                story.events[0].job_id.clone()
            }
        })
        .buffer_unordered(100)
        .collect::<Vec<_>>();
    let mut solved = within(Duration::from_secs(240), "a thousand jobs", solved).await;
    let mut listed = all_jobs(&api).await;
    solved.sort_unstable();
    listed.sort_unstable();
    assert_eq!(solved.len(), JOBS as usize);
    assert_eq!(solved, listed, "one job for each submission");
}

/// The ids of all jobs that have succeeded, page by page.
async fn all_jobs(api: &Api) -> Vec<String> {
    let pages = stream::try_unfold(Some(String::new()), |token| async move {
        let Some(page_token) = token else { return Ok(None) };
        let request = ListJobsRequest {
            page_size: 300,
            page_token,
            filter: Some(JobFilter {
                states: vec![JobState::Succeeded.into()],
                ..JobFilter::default()
            }),
            ..ListJobsRequest::default()
        };
        let page = api.clone().list_jobs(request).await?.into_inner();
        let ids: Vec<String> = page.jobs.into_iter().map(|job| job.job_id).collect();
        let next = Some(page.next_page_token).filter(|token| !token.is_empty());
        Ok::<_, tonic::Status>(Some((ids, next)))
    });
    let pages: Vec<Vec<String>> = pages.try_collect().await.expect("pages of jobs");
    pages.concat()
}
