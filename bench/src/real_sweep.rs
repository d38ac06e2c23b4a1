//! A sweep over one right-hand side of a real model, through the mesh and by HiGHS alone.

use std::{path::Path, time::Instant};

use anyhow::{Context as _, bail, ensure};
use solvemesh::v1::{
    LinearModel, Model, ModelFile, ParameterKind, ScenarioParameter, ScenarioResult, model::Form,
};
use solvemesh_model::{Limits, read};
use solvemesh_solver::WarmLp;
use solvemesh_tests::mesh::Gateway;

use crate::{
    rate::Rate,
    sweep::{at, in_threads, run_sweep},
};

/// The real models of which a right-hand side is varied.
pub(crate) const REAL_MODELS: [&str; 3] = ["25fv47", "pilot4", "greenbea"];

/// A model whose largest right-hand side is varied by 1 %, in this number of values.
pub(crate) struct RealSweep {
    model: Model,
    arrays: LinearModel,
    row: usize,
    range: (f64, f64),
    points: i32,
}

/// The optimal objective of a scenario.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Optimum {
    index: i32,
    objective: f64,
}

impl RealSweep {
    /// Reads `lp/NAME.mps` in the folder.
    pub(crate) fn load(folder: &Path, name: &str, points: i32) -> anyhow::Result<Self> {
        let path = folder.join("lp").join(format!("{name}.mps"));
        let content = std::fs::read(&path).with_context(|| path.display().to_string())?;
        let file =
            ModelFile { content: content.into(), name: path.display().to_string(), format: 0 };
        let model = Model { form: Some(Form::File(file)), ..Model::default() };
        let arrays = read(model.clone(), &Limits::default())?.model.into_inner();
        let Some((row, base)) = right_hand_side(&arrays) else {
            bail!("{name} has no constraint with a single right-hand side")
        };
        let range = (base - 0.01 * base.abs(), base + 0.01 * base.abs());
        Ok(Self { model, arrays, row, range, points })
    }

    /// The name of the constraint that is varied.
    pub(crate) fn constraint(&self) -> &str {
        &self.arrays.constraint_names[self.row]
    }

    /// The optima by HiGHS alone of every scenario whose index is a multiple of `step`, each from a
    /// cold start, in parallel threads.
    pub(crate) fn cold(&self, threads: usize, step: i32) -> anyhow::Result<(Vec<Optimum>, Rate)> {
        let (arrays, row, (from, to)) = (&self.arrays, self.row, self.range);
        let begin = Instant::now();
        let optima = in_threads(threads, (self.points + step - 1) / step, |multiples| {
            let mut lp = WarmLp::new(arrays.clone())?;
            let mut optima = Vec::new();
            for index in multiples.map(|multiple| multiple * step) {
                let value = at(index, self.points, from, to);
                // An infinite bound stays: the constraint has only one side.
                let kept = |bound: f64| if bound.is_finite() { value } else { bound };
                let bounds =
                    (kept(arrays.constraint_lower[row]), kept(arrays.constraint_upper[row]));
                lp.set_row_bounds(row, bounds)?;
                lp.clear_basis();
                optima.push(Optimum { index, objective: lp.solve()? });
            }
            Ok(optima)
        })?;
        let rate = Rate::of(optima.len(), begin.elapsed());
        Ok((optima, rate))
    }

    /// The results of a sweep through the mesh.
    pub(crate) async fn by_mesh(
        &self,
        gateway: &Gateway,
    ) -> anyhow::Result<(Vec<ScenarioResult>, Rate)> {
        let parameter = ScenarioParameter {
            kind: ParameterKind::RightHandSide.into(),
            constraint_index: Some(i32::try_from(self.row)?),
            ..ScenarioParameter::default()
        };
        let begin = Instant::now();
        let model = self.model.clone();
        let answers = run_sweep(gateway, model, parameter, self.range, self.points).await?;
        let rate = Rate::of(answers.len(), begin.elapsed());
        Ok((answers, rate))
    }
}

/// The largest relative difference between optima and the answers to the same scenarios. Fails
/// above 1e-6. The answers are those of all scenarios, in their order.
pub(crate) fn worst_difference(
    optima: &[Optimum],
    answers: &[ScenarioResult],
) -> anyhow::Result<f64> {
    let mut worst = 0.0_f64;
    for &Optimum { index, objective } in optima {
        let answer = answers.get(usize::try_from(index)?).context("an answer is missing")?;
        let found = answer.objective.unwrap_or(f64::NAN);
        let error = (found - objective).abs() / objective.abs().max(1.0);
        ensure!(answer.index == index && error <= 1e-6, "{answer:?} instead of {objective}");
        worst = worst.max(error);
    }
    Ok(worst)
}

/// The constraint with the largest absolute right-hand side, and this value. Ranged constraints,
/// with two different bounds, are skipped.
fn right_hand_side(model: &LinearModel) -> Option<(usize, f64)> {
    let bounds = model.constraint_lower.iter().zip(&model.constraint_upper);
    let of_row = |(lower, upper): (&f64, &f64)| match (lower.is_finite(), upper.is_finite()) {
        (true, false) => Some(*lower),
        (false, true) => Some(*upper),
        (true, true) if lower == upper => Some(*lower),
        _ => None,
    };
    bounds
        .map(of_row)
        .enumerate()
        .filter_map(|(row, side)| Some((row, side?)))
        .max_by(|(_, one), (_, other)| one.abs().total_cmp(&other.abs()))
}
