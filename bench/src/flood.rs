//! Many concurrent jobs, as a fleet of clients would send them.

use std::time::Instant;

use anyhow::ensure;
use futures::{StreamExt, TryStreamExt, stream};
use solvemesh::v1::{Model, SolveRequest, SubmitJobRequest};
use solvemesh_tests::{
    mesh::{Api, Gateway},
    models::{wyndor, wyndor_optimum},
};

use crate::rate::Rate;

/// Measures the rate of submissions; each counts when the gateway has accepted it.
pub(crate) async fn submit(
    gateway: &Gateway,
    jobs: usize,
    in_flight: usize,
) -> anyhow::Result<Rate> {
    each(jobs, in_flight, |rate| {
        let api = gateway.api();
        async move {
            let request =
                SubmitJobRequest { model: Some(model(rate)), ..SubmitJobRequest::default() };
            let mut api: Api = api;
            api.submit_job(request).await?;
            Ok(())
        }
    })
    .await
}

/// Measures the rate of solves; each counts when its optimum has arrived.
pub(crate) async fn solve(
    gateway: &Gateway,
    jobs: usize,
    in_flight: usize,
) -> anyhow::Result<Rate> {
    each(jobs, in_flight, |rate| {
        let api = gateway.api();
        async move {
            let request = SolveRequest { model: Some(model(rate)), ..SolveRequest::default() };
            let mut api: Api = api;
            let job = api.solve(request).await?.into_inner().job.unwrap_or_default();
            let result = job.result.unwrap_or_default();
            let objective = result.termination.unwrap_or_default().objective;
            let (optimum, ..) = wyndor_optimum(f64::from(rate));
            ensure!(
                objective.is_some_and(|objective| (objective - optimum).abs() < 1e-6),
                "{objective:?} is not {optimum}"
            );
            Ok(())
        }
    })
    .await
}

/// A model that differs from job to job.
fn model(rate: u16) -> Model {
    wyndor(f64::from(rate))
}

async fn each<F>(jobs: usize, in_flight: usize, job: impl Fn(u16) -> F) -> anyhow::Result<Rate>
where
    F: Future<Output = anyhow::Result<()>>,
{
    let begin = Instant::now();
    stream::iter((1..=1000).cycle().take(jobs))
        .map(job)
        .buffer_unordered(in_flight)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(Rate::of(jobs, begin.elapsed()))
}
