//! The start of a gateway that reads a long log, beside a raw read of the same log.

use std::time::Instant;

use anyhow::Context as _;
use solvemesh::broker::v1::LogEntry;
use solvemesh_broker::{AmqpConfig, AmqpMesh, LogStart, Mesh as _};
use solvemesh_tests::mesh::Gateway;

use crate::{
    load,
    mesh::BenchMesh,
    report::{MESH, Report, Unit},
    suite::Bench,
};

const READ: &str = "log entries read at the start of a gateway";
const START: &str = "start of a gateway, until it is ready";
/// The id in the entry after the last job. A gateway skips it, as an entry of a later version.
const END: &str = "end-of-the-measured-log";

/// Fills a log once, and reads it in every round.
pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let vhost = bench.node.vhost().await;
    let mesh = BenchMesh::start(vhost.url(), &[]).await?;
    load::solve(&mesh.doors, bench.count(30_000, 500), 200).await?;
    drop(mesh);
    let reader = AmqpMesh::connect(AmqpConfig::new(vhost.url())).await?;
    reader.append(LogEntry { job_id: END.to_owned(), ..LogEntry::default() }).await?;
    let entries = read(&reader).await?;

    for _ in 0..bench.rounds {
        let begin = Instant::now();
        let gateway = Gateway::on(vhost.url(), &[]).await;
        let seconds = begin.elapsed().as_secs_f64();
        drop(gateway);
        report.add(READ, MESH, Unit::PerSecond, entries as f64 / seconds);
        report.add(START, &format!("mesh, after {entries} entries"), Unit::Seconds, seconds);

        let begin = Instant::now();
        let read = read(&reader).await?;
        let rate = read as f64 / begin.elapsed().as_secs_f64();
        report.add(READ, "read and decoded, nothing more", Unit::PerSecond, rate);

        let empty = bench.node.vhost().await;
        let begin = Instant::now();
        drop(Gateway::on(empty.url(), &[]).await);
        let seconds = begin.elapsed().as_secs_f64();
        report.add(START, "mesh, with an empty log", Unit::Seconds, seconds);
    }
    Ok(())
}

/// Reads the log from its beginning to the entry at its end, and returns the number of entries.
async fn read(reader: &AmqpMesh) -> anyhow::Result<usize> {
    let mut log = reader.follow_log(LogStart::First).await?;
    let mut entries = 0;
    loop {
        let message = log.recv().await.context("the log has ended")?;
        let batch = message.batch.map_err(anyhow::Error::msg)?;
        entries += batch.entries.len();
        if batch.entries.iter().any(|entry| entry.job_id == END) {
            return Ok(entries);
        }
    }
}
