//! Several tenants: a job of one with few jobs beside one with 10,000, and the cost of TLS and keys.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures::{TryStreamExt as _, stream};
use solvemesh::v1::{GetUsageRequest, SolveOptions, SubmitJobRequest};
use solvemesh_tests::{
    clients::Doors,
    jobs::request,
    keys::Keys,
    mesh::{Api, Gateway, worker},
    models::{market_split, wyndor},
    tls::GatewayFiles,
};

use crate::{
    load,
    mesh::BenchMesh,
    report::{MESH, Report, Unit},
    statistics::median,
    suite::Bench,
};

/// How long each job of the standard lane takes: until its time limit.
const JOB: Duration = Duration::from_millis(200);
const RATE: &str = "small jobs, 200 in flight, TLS and keys";
const IN_FLIGHT: usize = 200;

/// Measures how long a newcomer waits, and what TLS and keys cost.
pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    newcomer(bench, report).await?;
    locked(bench, report).await
}

/// A job of a tenant without others, from its submission to its result: on an idle mesh, and
/// beside a tenant with many queued jobs.
async fn newcomer(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let vhost = bench.node.vhost().await;
    let mut keys = Keys::default();
    let (few, many) = (keys.add("few", "few", "submit"), keys.add("many", "many", "submit"));
    let path = keys.path();
    let flags = ["--keys", path.to_str().context("a path")?];
    let gateway = Gateway::on(vhost.url(), &flags).await;
    let _workers = [worker(vhost.url()), worker(vhost.url())];
    let (few, many) = (gateway.api_with(&few), gateway.api_with(&many));
    let hoard = bench.count(10_000, 60);
    let kinds: [(&str, NewJob); 2] = [("of 200 ms", long), ("that is small", small)];
    let samples = bench.count(20, 3);
    let mut measure = async |contestant: &str| {
        for _ in 0..bench.rounds {
            for (name, job) in kinds {
                let measurement =
                    format!("a newcomer's job {name}, {hoard} jobs of another queued");
                let time = wait(&few, job, samples).await?;
                report.add(&measurement, contestant, Unit::Milliseconds, time);
            }
        }
        anyhow::Ok(())
    };
    measure("the same on an idle mesh").await?;
    stream::iter((0..hoard).map(anyhow::Ok))
        .try_for_each_concurrent(IN_FLIGHT, async |_| {
            many.clone().submit_job(long()).await?;
            Ok(())
        })
        .await?;
    measure(MESH).await?;
    let usage = many.clone().get_usage(GetUsageRequest {}).await?.into_inner();
    let left: i64 = usage.live.iter().map(|live| live.job_count).sum();
    ensure!(left > 0, "the other tenant has no jobs left");
    Ok(())
}

/// Makes the request of a job.
type NewJob = fn() -> SubmitJobRequest;

fn small() -> SubmitJobRequest {
    request(wyndor(500.0))
}

fn long() -> SubmitJobRequest {
    let options = SolveOptions { time_limit: JOB.try_into().ok(), ..SolveOptions::default() };
    SubmitJobRequest { options: Some(options), ..request(market_split(5, 40)) }
}

/// The median time from submission to result, in milliseconds, of jobs one after the other.
async fn wait(api: &Api, job: NewJob, count: usize) -> anyhow::Result<f64> {
    let mut times = Vec::new();
    for _ in 0..count {
        let start = Instant::now();
        let response = api.clone().submit_job(job()).await?.into_inner();
        load::finished(&mut api.clone(), &response.job.context("a job")?.job_id).await?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(median(&times))
}

/// The rate of small jobs over TLS and with a key, beside one without.
async fn locked(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let open = bench.node.vhost().await;
    let open = BenchMesh::start(open.url(), &[]).await?;
    let vhost = bench.node.vhost().await;
    let (files, mut keys) = (GatewayFiles::new(), Keys::default());
    let key = keys.add("bench", "bench", "submit");
    let path = keys.path();
    let flags = files.flags(&["--amqp", vhost.url(), "--keys", path.to_str().context("a path")?]);
    let flags: Vec<_> = flags.iter().map(String::as_str).collect();
    let gateway = Gateway::with_tls(&flags, files.client()).await;
    let _workers = [worker(vhost.url()), worker(vhost.url())];
    let doors = Doors::locked(gateway.address, open.doors.count(), &files.client(), &key);
    load::solve(&doors, 64, 64).await?; // Warm-up.
    let jobs = bench.count(10_000, 200);
    for _ in 0..bench.rounds {
        let rate = load::watch(&doors, jobs, IN_FLIGHT).await?;
        report.add(RATE, MESH, Unit::PerSecond, rate.per_second());
        let rate = load::watch(&open.doors, jobs, IN_FLIGHT).await?;
        report.add(RATE, "mesh without them", Unit::PerSecond, rate.per_second());
    }
    Ok(())
}
