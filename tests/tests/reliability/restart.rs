//! Gateways that start on a long log.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant, SystemTime},
};

use futures::{StreamExt, stream};
use prost_types::Timestamp;
use solvemesh::{
    broker::v1::{AttemptStarted, JobEnd, LogEntry, Submitted, log_entry::Kind},
    v1::{JobDescription, JobFinished, JobState, SolveResult},
};
use solvemesh_broker::{AmqpConfig, AmqpMesh, LogStart, Mesh};
use solvemesh_tests::{
    clients::Load,
    fleet::Plan,
    mesh::Gateway,
    rabbit,
    trial::{Fault, Scale, Trial},
};
use tempfile::TempDir;

use crate::listing::all;

pub(crate) const FAULTS: &[Fault] = &[Fault {
    name: "gateway: restarted on a log of 200,000 finished jobs",
    limit: Duration::from_secs(300),
    body: |scale| Box::pin(long_log(scale)),
}];

/// Number of jobs in the log before a gateway reads it.
const JOBS: usize = 200_000;
/// Number of entries in flight while the log is written. About this many are batched into one
/// message.
const IN_FLIGHT: usize = 200;
/// Timeout for closing a connection.
const GRACE: Duration = Duration::from_secs(5);

/// Gateways start on a long log: without a snapshot, with one, and with a damaged one. Then
/// one is killed and started again under load. Each must know all jobs when it is ready.
async fn long_log(scale: Scale) -> Trial {
    let vhost = rabbit::vhost().await;
    write(vhost.url()).await;
    let raw = read(vhost.url()).await;

    let folder = TempDir::new().expect("a temporary folder");
    let state = folder.path().to_str().expect("a path").to_owned();
    let gateway_flags = ["--state-dir", &state, "--keep-jobs", "500000"].map(str::to_owned);
    let plan = Plan { gateway_flags: gateway_flags.to_vec(), ..Plan::default() };
    let mut trial = Trial::start(vhost.url(), plan).await;
    trial.rules.strays = (0..JOBS).map(id).collect();

    let Trial { fleet, clients, .. } = &mut trial;
    assert_eq!(count(&fleet.gateways[1]).await, JOBS);
    fleet.stop_gateway(1).await;
    let snapshot = folder.path().join("table.snapshot");
    let bytes = fs::metadata(&snapshot).expect("a snapshot").len();
    let short = timed(fleet.bring_back_gateway(1)).await;
    assert!(fleet.gateways[1].process.log().contains("job table restored from snapshot"));
    assert_eq!(count(&fleet.gateways[1]).await, JOBS);

    fleet.kill_gateway(1).await;
    damage(&snapshot);
    let long = timed(fleet.bring_back_gateway(1)).await;
    assert!(fleet.gateways[1].process.log().contains("snapshot unusable"));
    assert_eq!(count(&fleet.gateways[1]).await, JOBS);
    println!(
        "reliability: {JOBS} finished jobs: a bare read of the log {:.2} s; a gateway ready after \
         {:.2} s without a snapshot, {:.2} s with one of {} MiB",
        raw.as_secs_f64(),
        long.as_secs_f64(),
        short.as_secs_f64(),
        bytes >> 20
    );

    let load = Load { jobs: scale.times(1_500), ..Load::default() };
    let fault = async {
        clients.recorder.fault();
        fleet.kill_gateway(0).await;
        fleet.bring_back_gateway(0).await;
    };
    clients.under_load(&load, fault).await;
    trial.kept(folder)
}

fn id(number: usize) -> String {
    format!("written-{number}")
}

/// Writes a log of jobs that were submitted, started and finished, with many entries in
/// flight.
async fn write(broker: &str) {
    let mesh = AmqpMesh::connect(AmqpConfig::new(broker)).await.expect("a broker");
    let writing = stream::iter((0..JOBS).flat_map(entries)).map(|entry| mesh.append(entry));
    let mut writing = writing.buffered(IN_FLIGHT);
    while let Some(written) = writing.next().await {
        written.expect("an entry that is appended");
    }
    drop(writing);
    mesh.close(GRACE).await;
}

fn entries(number: usize) -> [LogEntry; 3] {
    let description = Some(JobDescription {
        model_name: format!("model {number}"),
        lane: "express".to_owned(),
        ..JobDescription::default()
    });
    let now = Timestamp::from(SystemTime::now());
    let submitted = Submitted {
        description: description.clone(),
        submit_time: Some(now),
        ..Submitted::default()
    };
    let started = AttemptStarted {
        worker: "a worker of long ago".to_owned(),
        description,
        submit_time: Some(now),
        ..AttemptStarted::default()
    };
    let outcome = JobFinished {
        state: JobState::Succeeded.into(),
        result: Some(SolveResult::default()),
        ..JobFinished::default()
    };
    let finished = JobEnd { outcome: Some(outcome), ..JobEnd::default() };
    let entry = |attempt_id: String, number, kind| LogEntry {
        time: Some(now),
        job_id: id(number),
        digest: vec![1; 32],
        attempt_id,
        number: 0,
        kind: Some(kind),
    };
    let attempt = format!("attempt {number}");
    [
        entry(String::new(), number, Kind::Submitted(submitted)),
        LogEntry { number: 1, ..entry(attempt.clone(), number, Kind::Started(started)) },
        LogEntry { number: 2, ..entry(attempt, number, Kind::Finished(finished.into())) },
    ]
}

/// Measures how long a bare read of the log takes, up to the end of the last job.
async fn read(broker: &str) -> Duration {
    let started = Instant::now();
    let mesh = AmqpMesh::connect(AmqpConfig::new(broker)).await.expect("a broker");
    let mut log = mesh.follow_log(LogStart::First).await.expect("a log");
    let last = id(JOBS - 1);
    let is_last =
        |entry: &LogEntry| entry.job_id == last && matches!(entry.kind, Some(Kind::Finished(_)));
    while let Some(message) = log.recv().await {
        if message.batch.expect("a readable log").entries.iter().any(is_last) {
            mesh.close(GRACE).await;
            return started.elapsed();
        }
    }
    panic!("the log ended");
}

/// Number of jobs that a gateway knows.
async fn count(gateway: &Gateway) -> usize {
    all(&gateway.api()).await.len()
}

async fn timed(work: impl Future<Output = ()>) -> Duration {
    let started = Instant::now();
    work.await;
    started.elapsed()
}

/// Flips a bit in the middle of a snapshot.
fn damage(snapshot: &Path) {
    let mut bytes = fs::read(snapshot).expect("a snapshot");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(snapshot, bytes).expect("a snapshot");
}
