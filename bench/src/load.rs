//! The load generator: many concurrent jobs over several connections, as a fleet of clients would
//! send them. It drives whatever serves `solvemesh.v1.JobService`, and checks every answer.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use solvemesh::v1::{
    Job, JobFinished, Model, SolveOptions, SolveRequest, SubmitJobRequest, WatchResultsRequest,
    job_event::Kind, watch_results_response,
};
use solvemesh_tests::{
    clients::Doors,
    mesh::Api,
    models::{wyndor, wyndor_optimum},
};

use crate::rate::Rate;

/// The number of connections of a load: as a fleet of clients has several, and a server may serve
/// them in parallel.
const CONNECTIONS: usize = 4;

/// Connections to servers, over which a load is spread evenly.
pub(crate) fn connections(servers: &[SocketAddr]) -> Doors {
    Doors::to(servers.iter().copied().cycle().take(CONNECTIONS.max(servers.len())))
}

/// Measures the rate of submissions; each counts when the server has accepted it.
pub(crate) async fn submit(doors: &Doors, jobs: usize, in_flight: usize) -> anyhow::Result<Rate> {
    each(doors, jobs, in_flight, async |api, rate| {
        submit_one(api, wyndor(f64::from(rate)), None).await.map(|_| ())
    })
    .await
}

/// Measures the rate of `Solve` calls; each counts when its optimum has arrived.
pub(crate) async fn solve(doors: &Doors, jobs: usize, in_flight: usize) -> anyhow::Result<Rate> {
    each(doors, jobs, in_flight, async |api, rate| solve_one(api, rate).await.map(|_| ())).await
}

/// Measures the rate of `SubmitJob` followed by `WatchResults`; a job counts when its optimum has
/// arrived on its watch stream.
pub(crate) async fn watch(doors: &Doors, jobs: usize, in_flight: usize) -> anyhow::Result<Rate> {
    each(doors, jobs, in_flight, async |api, rate| {
        let job = submit_one(api, wyndor(f64::from(rate)), None).await?;
        let finished = finished(api, &job).await?;
        let termination = finished.result.unwrap_or_default().termination.unwrap_or_default();
        check(termination.objective, rate)
    })
    .await
}

/// Solves Wyndor again and again, one at a time. Returns how much longer each call took than its
/// solve, in milliseconds.
pub(crate) async fn overheads(doors: &Doors, jobs: usize) -> anyhow::Result<Vec<f64>> {
    let mut api = doors.api(0);
    let mut overheads = Vec::with_capacity(jobs);
    for rate in (1..=1000).cycle().take(jobs) {
        let begin = Instant::now();
        let job = solve_one(&mut api, rate).await?;
        let total = begin.elapsed();
        let statistics = job.result.and_then(|result| result.statistics);
        let solve = statistics.and_then(|statistics| statistics.solve_time);
        let solve: Duration = solve.context("no solve time")?.try_into()?;
        overheads.push(total.saturating_sub(solve).as_secs_f64() * 1e3);
    }
    Ok(overheads)
}

/// Submits a job and returns its id.
pub(crate) async fn submit_one(
    api: &mut Api,
    model: Model,
    options: Option<SolveOptions>,
) -> anyhow::Result<String> {
    let request = SubmitJobRequest { model: Some(model), options, ..SubmitJobRequest::default() };
    let job = api.submit_job(request).await?.into_inner().job.unwrap_or_default();
    Ok(job.job_id)
}

/// Watches a job to its end; parts of a large solution are read too.
pub(crate) async fn finished(api: &mut Api, job: &str) -> anyhow::Result<JobFinished> {
    let request =
        WatchResultsRequest { job_ids: vec![job.to_owned()], ..WatchResultsRequest::default() };
    let mut events = api.watch_results(request).await?.into_inner();
    let mut finished = None;
    while let Some(response) = events.message().await? {
        let Some(watch_results_response::Kind::Event(event)) = response.kind else { continue };
        if let Some(Kind::Finished(event)) = event.kind {
            finished = Some(event);
        }
    }
    match finished {
        Some(finished) => Ok(*finished),
        None => bail!("the stream of {job} ended before the job"),
    }
}

/// Solves one model and checks the answer.
async fn solve_one(api: &mut Api, rate: u16) -> anyhow::Result<Job> {
    let model = Some(wyndor(f64::from(rate)));
    let request = SolveRequest { model, ..SolveRequest::default() };
    let job = api.solve(request).await?.into_inner().job.unwrap_or_default();
    let termination = job.result.as_ref().and_then(|result| result.termination.as_ref());
    check(termination.and_then(|termination| termination.objective), rate)?;
    Ok(job)
}

/// Fails on a wrong objective, so that a broken server can't look fast.
pub(crate) fn check(objective: Option<f64>, rate: u16) -> anyhow::Result<()> {
    let (optimum, ..) = wyndor_optimum(f64::from(rate));
    let correct = objective.is_some_and(|found| (found - optimum).abs() <= 1e-6 * optimum);
    ensure!(correct, "{objective:?} at a rate of {rate} instead of {optimum}");
    Ok(())
}

/// Runs jobs that differ in their rate, spread over the connections.
async fn each(
    doors: &Doors,
    jobs: usize,
    in_flight: usize,
    job: impl AsyncFn(&mut Api, u16) -> anyhow::Result<()>,
) -> anyhow::Result<Rate> {
    let job = &job;
    let begin = Instant::now();
    stream::iter((1..=1000).cycle().take(jobs).enumerate())
        .map(|(index, rate)| async move { job(&mut doors.api(index), rate).await })
        .buffer_unordered(in_flight)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(Rate::of(jobs, begin.elapsed()))
}
