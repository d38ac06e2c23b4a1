//! Real models that take a second or more, one job at a time, beside the solver process alone and
//! highspy.
//!
//! Branch and bound is chaotic: with another seed, the same model may take half or twice the time.
//! So each round has a seed of its own, the same for all. With it, the solver process takes the
//! same path as the job on the mesh; highspy, which reads the file itself, need not.

use anyhow::Context as _;
use solvemesh::v1::SolveOptions;
use solvemesh_tests::{
    instances::{Instance, Instances},
    models,
};
use tokio::task::spawn_blocking;

use crate::{
    direct::{self, ALONE},
    files,
    mesh::BenchMesh,
    report::{MESH, Report, Unit},
    suite::Bench,
};

/// Those of the folder that take HiGHS 1 to 10 seconds.
const MODELS: [&str; 4] = ["lpfmt/gap4_2.lp", "mip/bell5.mps", "mip/gesa2.mps", "mip/p0201.mps"];
/// All solve to a relative gap of 1e-4, the default of HiGHS, so they may differ by that.
const GAP: f64 = 2e-4;

/// Measures the mesh, the solver process and highspy.
pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let (Some(folder), Some(instances)) = (&bench.instances, Instances::find()) else {
        report.skip("real models: SOLVEMESH_INSTANCES is not set");
        return Ok(());
    };
    let vhost = bench.node.vhost().await;
    let mesh = BenchMesh::start(vhost.url(), &[]).await?;
    let index = instances.index();
    for seed in (0..).take(bench.rounds) {
        for name in &MODELS[..bench.count(MODELS.len(), 1)] {
            let known = |instance: &&Instance| instance.file == *name;
            index.iter().find(known).with_context(|| format!("{name} is not in index.csv"))?;
            let model = models::file(name, instances.bytes(name));
            let options = SolveOptions { seed: Some(seed), ..SolveOptions::default() };
            let measurement = format!("real model {name}");
            let mut add = |contestant: &str, solved: files::Solved| {
                report.add(&measurement, contestant, Unit::Seconds, solved.seconds);
            };
            let mut api = mesh.doors.api(0);
            let of_mesh =
                files::by_mesh(&mut api, name, model.clone(), Some(options.clone())).await?;
            add(MESH, of_mesh);
            let alone = spawn_blocking(move || direct::solve_file(model, options)).await??;
            files::check(name, of_mesh, alone, GAP)?;
            add(ALONE, alone);
            if let Some(peers) = bench.peers(report, "highspy") {
                let of_highspy = files::by_highspy(peers, &folder.join(name), seed).await?;
                files::check(name, of_mesh, of_highspy, GAP)?;
                report.add(&measurement, "highspy", Unit::Seconds, of_highspy.seconds);
            }
        }
    }
    Ok(())
}
