//! What a finished job costs a gateway in memory, while it keeps the job and its result.

use crate::{
    load,
    mesh::BenchMesh,
    report::{MESH, Report, Unit},
    suite::Bench,
    usage,
};

/// Measures a new gateway in every round, below its default limit of 25,000 results in memory.
pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let jobs = bench.count(10_000, 200);
    for _ in 0..bench.rounds {
        let vhost = bench.node.vhost().await;
        let mesh = BenchMesh::start(vhost.url(), &[]).await?;
        // Warm-up: buffers of connections and queues, which do not grow with the jobs.
        load::solve(&mesh.doors, bench.count(2_000, 50), 200).await?;
        let gateway = mesh.gateway.process.id();
        let before = usage::memory(gateway)?;
        load::solve(&mesh.doors, jobs, 200).await?;
        let growth = usage::memory(gateway)? - before;
        let each = growth / jobs as f64;
        report.add("gateway memory per finished job", MESH, Unit::Kibibytes, each);
    }
    Ok(())
}
