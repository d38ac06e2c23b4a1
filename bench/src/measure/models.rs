//! Real models that take a second or more, one job at a time, beside highspy.

use anyhow::Context as _;
use solvemesh_tests::instances::{Instance, Instances};

use crate::{
    files,
    mesh::BenchMesh,
    report::{MESH, Report, Unit},
    suite::Bench,
};

/// Those of the folder that take HiGHS 1 to 10 seconds.
const MODELS: [&str; 4] = ["lpfmt/gap4_2.lp", "mip/bell5.mps", "mip/gesa2.mps", "mip/p0201.mps"];
/// Both solve to a relative gap of 1e-4, the default of HiGHS, so they may differ by that.
const GAP: f64 = 2e-4;

/// Measures the mesh and highspy.
pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let (Some(folder), Some(instances)) = (&bench.instances, Instances::find()) else {
        report.skip("real models: SOLVEMESH_INSTANCES is not set");
        return Ok(());
    };
    let vhost = bench.node.vhost().await;
    let mesh = BenchMesh::start(vhost.url(), &[]).await?;
    let index = instances.index();
    for _ in 0..bench.rounds {
        for model in &MODELS[..bench.count(MODELS.len(), 1)] {
            let known = |instance: &&Instance| instance.file == *model;
            index.iter().find(known).with_context(|| format!("{model} is not in index.csv"))?;
            let content = instances.bytes(model).into();
            let measurement = format!("real model {model}");
            let of_mesh = files::by_mesh(&mut mesh.doors.api(0), model, content).await?;
            report.add(&measurement, MESH, Unit::Seconds, of_mesh.seconds);
            if let Some(peers) = bench.peers(report, "highspy") {
                let of_highspy = files::by_highspy(peers, &folder.join(model)).await?;
                files::check(model, of_mesh, of_highspy, GAP)?;
                report.add(&measurement, "highspy", Unit::Seconds, of_highspy.seconds);
            }
        }
    }
    Ok(())
}
