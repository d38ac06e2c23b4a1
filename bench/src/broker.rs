//! The broker as the programs use it: `AmqpMesh` alone, without gateway and solver.

use std::time::Instant;

use anyhow::Context as _;
use futures::{TryStreamExt as _, stream};
use solvemesh::broker::v1::{JobEnvelope, LogEntry};
use solvemesh_broker::{AmqpConfig, AmqpMesh, ENVELOPE_VERSION, Lane, LogStart, Mesh as _};

use crate::rate::Rate;

/// The size of a message beside its id, in bytes: about that of a small job.
const PADDING: usize = 250;
/// How many jobs are consumed without an acknowledgement.
const PREFETCH: u16 = 200;

/// The rates of the operations of a mesh.
#[derive(Debug)]
pub(crate) struct Rates {
    /// Confirmed jobs.
    pub(crate) enqueue: Rate,
    /// Confirmed log entries.
    pub(crate) append: Rate,
    /// Log entries read from the beginning.
    pub(crate) follow: Rate,
    /// Jobs consumed and acknowledged one by one.
    pub(crate) consume: Rate,
}

/// Measures `count` of each operation on an empty virtual host.
pub(crate) async fn measure(url: &str, count: usize, in_flight: usize) -> anyhow::Result<Rates> {
    let mesh = AmqpMesh::connect(AmqpConfig::new(url)).await?;
    let lane: Lane = "standard".parse()?;

    let start = Instant::now();
    stream::iter((0..count).map(anyhow::Ok))
        .try_for_each_concurrent(in_flight, async |n| Ok(mesh.enqueue(&lane, &job(n)).await?))
        .await?;
    let enqueue = Rate::of(count, start.elapsed());

    let start = Instant::now();
    stream::iter((0..count).map(anyhow::Ok))
        .try_for_each_concurrent(in_flight, async |n| Ok(mesh.append(entry(n)).await?))
        .await?;
    let append = Rate::of(count, start.elapsed());

    let start = Instant::now();
    let mut log = mesh.follow_log(LogStart::First).await?;
    let mut read = 0;
    while read < count {
        let message = log.recv().await.context("the log has ended")?;
        read += message.batch.map_err(anyhow::Error::msg)?.entries.len();
    }
    let follow = Rate::of(count, start.elapsed());

    let start = Instant::now();
    let mut jobs = mesh.consume(&lane, PREFETCH).await?;
    for _ in 0..count {
        jobs.next().await.context("the lane has ended")?.lease.ack().await?;
    }
    let consume = Rate::of(count, start.elapsed());
    Ok(Rates { enqueue, append, follow, consume })
}

fn job(n: usize) -> JobEnvelope {
    JobEnvelope {
        version: ENVELOPE_VERSION,
        job_id: n.to_string(),
        digest: vec![1; PADDING],
        ..JobEnvelope::default()
    }
}

fn entry(n: usize) -> LogEntry {
    LogEntry { job_id: n.to_string(), digest: vec![1; PADDING], ..LogEntry::default() }
}
