//! A large model file, from submission to verified result, beside highspy, which reads and solves
//! the same file.

use anyhow::Context as _;
use bytes::Bytes;
use solvemesh_tests::models;

use crate::{
    files,
    mesh::BenchMesh,
    mps,
    report::{MESH, Report, Unit},
    suite::Bench,
};

/// The file is larger than the default limit of a request, 64 MiB.
const GATEWAY_FLAGS: [&str; 2] = ["--max-message-bytes", "134217728"];

/// Measures the mesh and highspy.
pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let text = mps::large(bench.count(400_000, 2_000));
    let measurement = match text.len() >> 20 {
        0 => "large MPS file".to_owned(),
        mib => format!("MPS file of {mib} MiB"),
    };
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("large.mps");
    std::fs::write(&file, &text).context("the file of the large model")?;
    let content = Bytes::from(text);

    let vhost = bench.node.vhost().await;
    let mesh = BenchMesh::start(vhost.url(), &GATEWAY_FLAGS).await?;
    for _ in 0..bench.rounds {
        let model = models::file("large.mps", content.clone());
        let of_mesh = files::by_mesh(&mut mesh.doors.api(0), "large.mps", model, None).await?;
        report.add(&measurement, MESH, Unit::Seconds, of_mesh.seconds);
        if let Some(peers) = bench.peers(report, "highspy") {
            let of_highspy = files::by_highspy(peers, &file, 0).await?;
            files::check("the large model", of_mesh, of_highspy, 1e-6)?;
            report.add(&measurement, "highspy", Unit::Seconds, of_highspy.seconds);
        }
    }
    Ok(())
}
