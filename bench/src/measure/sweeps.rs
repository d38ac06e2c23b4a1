//! Sweeps over a right-hand side of real models, beside cold solves one by one.

use crate::{
    mesh::{BenchMesh, WORKERS},
    real_sweep::{REAL_MODELS, RealSweep, worst_difference},
    report::{MESH, Report, Unit},
    suite::Bench,
};

/// Measures the mesh, and HiGHS alone with as many threads as there are workers.
pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let Some(folder) = &bench.instances else {
        report.skip("sweeps: SOLVEMESH_INSTANCES is not set");
        return Ok(());
    };
    let vhost = bench.node.vhost().await;
    let mesh = BenchMesh::start(vhost.url(), &[]).await?;
    let points = i32::try_from(bench.count(1_000, 5))?;
    // Cold solves take up to a second each, and some tell the rate of all.
    let step = i32::try_from(bench.count(25, 1))?;
    for _ in 0..bench.rounds {
        for name in &REAL_MODELS[..bench.count(REAL_MODELS.len(), 1)] {
            let sweep = RealSweep::load(folder, name, points)?;
            let measurement = format!("scenarios of a sweep of {points}, {name}");
            let (answers, rate) = sweep.by_mesh(&mesh.gateway).await?;
            report.add(&measurement, MESH, Unit::PerSecond, rate.per_second());
            let (optima, rate) = sweep.cold(WORKERS, step)?;
            worst_difference(&optima, &answers)?;
            report.add(&measurement, "HiGHS, cold, 2 threads", Unit::PerSecond, rate.per_second());
        }
    }
    Ok(())
}
