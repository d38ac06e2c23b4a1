//! Many open watchers of one job: the memory of each, and how long its end takes to reach them.

use std::{net::SocketAddr, time::Instant};

use anyhow::{Context as _, bail};
use solvemesh::v1::{
    CancelJobRequest, WatchResultsRequest, WatchResultsResponse, job_event::Kind,
    watch_results_response,
};
use solvemesh_tests::{
    mesh::{Api, Gateway, api},
    models::wyndor,
};
use tokio::{sync::mpsc, task::JoinSet};
use tonic::{Streaming, transport::Endpoint};

use crate::{
    load,
    report::{MESH, Report, Unit},
    statistics::percentile,
    suite::Bench,
    usage,
};

/// Measures a new gateway in every round. It has no workers, so the watched job stays queued until
/// its cancel, which is its end.
pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let (connections, streams) = (bench.count(100, 4), bench.count(100, 5));
    let watchers = connections * streams;
    for _ in 0..bench.rounds {
        let vhost = bench.node.vhost().await;
        let limit = watchers.to_string();
        let gateway = Gateway::on(vhost.url(), &["--max-watchers", &limit]).await;
        let mut api = gateway.api();
        let job = load::submit_one(&mut api, wyndor(500.0), None).await?;
        let process = gateway.process.id();
        let before = usage::memory(process)?;
        let (opened, mut open) = mpsc::channel(watchers);
        let mut watches = JoinSet::new();
        for _ in 0..connections {
            let api = connect(gateway.address).await?;
            for _ in 0..streams {
                watches.spawn(watch(api.clone(), job.clone(), opened.clone()));
            }
        }
        drop(opened);
        for _ in 0..watchers {
            tokio::select! {
                Some(()) = open.recv() => {}
                Some(ended) = watches.join_next() => bail!("a watch ended early: {ended:?}"),
            }
        }
        let each = (usage::memory(process)? - before) / watchers as f64;
        report.add(&format!("memory per watcher, of {watchers}"), MESH, Unit::Kibibytes, each);

        let begin = Instant::now();
        api.cancel_job(CancelJobRequest { job_id: job }).await?;
        let mut times = Vec::with_capacity(watchers);
        while let Some(end) = watches.join_next().await {
            times.push(end??.duration_since(begin).as_secs_f64() * 1e3);
        }
        for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
            let measurement = format!("end of a job to {watchers} watchers, {name}");
            report.add(&measurement, MESH, Unit::Milliseconds, percentile(&times, share));
        }
    }
    Ok(())
}

async fn connect(address: SocketAddr) -> anyhow::Result<Api> {
    let channel = Endpoint::from_shared(format!("http://{address}"))?.connect().await?;
    Ok(api(channel))
}

/// Watches a job. Reports when its first event has arrived, and returns when the last one has.
async fn watch(mut api: Api, job: String, opened: mpsc::Sender<()>) -> anyhow::Result<Instant> {
    let request = WatchResultsRequest { job_ids: vec![job], ..WatchResultsRequest::default() };
    let mut stream = api.watch_results(request).await?.into_inner();
    next(&mut stream).await?;
    opened.send(()).await?;
    loop {
        if let Kind::Finished(_) = next(&mut stream).await? {
            return Ok(Instant::now());
        }
    }
}

/// The next event; heartbeats are skipped.
async fn next(stream: &mut Streaming<WatchResultsResponse>) -> anyhow::Result<Kind> {
    while let Some(response) = stream.message().await? {
        if let Some(watch_results_response::Kind::Event(event)) = response.kind {
            return event.kind.context("an event of no kind");
        }
    }
    bail!("the stream ended before the job")
}
