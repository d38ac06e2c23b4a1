//! One job in flight: how much longer it takes than its solve, beside a round trip over the same
//! path through the broker.

use crate::{
    ceiling, load,
    mesh::BenchMesh,
    report::{MESH, Report, Unit},
    statistics::percentile,
    suite::Bench,
};

/// The percentiles of the table.
const SHARES: [(&str, f64); 2] = [("p50", 0.5), ("p99", 0.99)];

/// Measures the mesh and the echo.
pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let vhost = bench.node.vhost().await;
    let mesh = BenchMesh::start(vhost.url(), &[]).await?;
    let jobs = bench.count(1_000, 30);
    for _ in 0..bench.rounds {
        let of_mesh = load::overheads(&mesh.doors, jobs).await?;
        let empty = bench.node.vhost().await;
        let of_echo = ceiling::round_trips(empty.url(), jobs).await?;
        for (name, share) in SHARES {
            let measurement = format!("one job in flight, without its solve, {name}");
            let mut add = |contestant: &str, times: &[f64]| {
                let value = percentile(times, share);
                report.add(&measurement, contestant, Unit::Milliseconds, value);
            };
            add(MESH, &of_mesh);
            add("ceiling: echo through the broker", &of_echo);
        }
    }
    Ok(())
}
