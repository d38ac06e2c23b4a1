//! The mesh in one process, without a broker, beside the solver process alone.

use solvemesh_tests::mesh::Gateway;
use tokio::task::spawn_blocking;

use crate::{
    direct::{self, ALONE},
    load,
    mesh::WORKERS,
    report::{MESH, Report, Unit},
    statistics::percentile,
    suite::Bench,
};

const RATE: &str = "embedded: small jobs, 200 in flight, 2 slots";
const IN_FLIGHT: usize = 200;

/// Measures a gateway with two slots for small jobs, and two solver processes.
pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let slots = format!("express={WORKERS},standard=1");
    let gateway = Gateway::embedded(&["--slots", &slots]).await;
    let doors = load::connections(&[gateway.address]);
    load::solve(&doors, 64, 64).await?; // Warm-up: the slots start their solver processes.
    let (jobs, alone) = (bench.count(10_000, 200), bench.count(2_000, 30));
    for _ in 0..bench.rounds {
        let rate = load::solve(&doors, jobs, IN_FLIGHT).await?;
        report.add(RATE, MESH, Unit::PerSecond, rate.per_second());
        let rate = spawn_blocking(move || direct::solve(WORKERS, jobs)).await??;
        report.add(RATE, ALONE, Unit::PerSecond, rate.per_second());

        let of_mesh = load::overheads(&doors, alone).await?;
        let of_solver = spawn_blocking(move || direct::overheads(alone)).await??;
        for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
            let measurement = format!("embedded: one job in flight, without its solve, {name}");
            let mut add = |contestant: &str, times: &[f64]| {
                let value = percentile(times, share);
                report.add(&measurement, contestant, Unit::Milliseconds, value);
            };
            add(MESH, &of_mesh);
            add(ALONE, &of_solver);
        }
    }
    Ok(())
}
