//! A model file, solved by the mesh and by highspy.

use std::{path::Path, time::Instant};

use anyhow::{Context as _, ensure};
use solvemesh::v1::{JobState, Model, SolveOptions};
use solvemesh_tests::mesh::Api;

use crate::{load, peers::Peers};

/// How long a solve took, in seconds, and what it found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Solved {
    pub(crate) seconds: f64,
    pub(crate) objective: f64,
}

/// Submits a model, and watches the job until its result, which the mesh has verified, and its whole
/// solution have arrived.
pub(crate) async fn by_mesh(
    api: &mut Api,
    name: &str,
    model: Model,
    options: Option<SolveOptions>,
) -> anyhow::Result<Solved> {
    let begin = Instant::now();
    let job = load::submit_one(api, model, options).await?;
    let finished = load::finished(api, &job).await?;
    let seconds = begin.elapsed().as_secs_f64();
    ensure!(finished.state() == JobState::Succeeded, "{name}: {finished:?}");
    let result = finished.result.unwrap_or_default();
    ensure!(result.verification.is_some(), "{name}: the result is not verified");
    let objective = result.termination.unwrap_or_default().objective;
    Ok(Solved { seconds, objective: objective.context("no objective")? })
}

/// Reads and solves a file with highspy and this seed. The start of Python does not count.
pub(crate) async fn by_highspy(peers: &Peers, file: &Path, seed: i32) -> anyhow::Result<Solved> {
    let path = file.to_str().context("the path is not UTF-8")?;
    let printed = peers.run("highs_file.py", &[path, &seed.to_string()], "").await?;
    match printed[..] {
        [seconds, objective] => Ok(Solved { seconds, objective }),
        _ => anyhow::bail!("{printed:?} instead of seconds and objective"),
    }
}

/// Fails if two solves differ by more than a relative gap.
pub(crate) fn check(name: &str, one: Solved, other: Solved, gap: f64) -> anyhow::Result<()> {
    let difference = (one.objective - other.objective).abs();
    ensure!(difference <= gap * one.objective.abs().max(1.0), "{name}: {one:?}, but {other:?}");
    Ok(())
}
