//! Small models in normal form, and the real ones of [`instances`](crate::instances).
#![allow(clippy::unwrap_used, missing_docs, reason = "a test fails by panicking")]

use std::fs;

use solvemesh::v1::{LinearModel, Model, ModelFile, ObjectiveSense, VariableKind, model::Form};
use solvemesh_model::{Limits, read};

use crate::instances::folder;

/// Arrays of continuous variables in [0, ∞), from dense rows with their bounds.
pub fn dense(sense: ObjectiveSense, objective: &[f64], rows: &[(f64, &[f64], f64)]) -> LinearModel {
    let n = objective.len();
    let mut model = LinearModel {
        sense: sense as i32,
        objective: objective.to_vec(),
        variable_lower: vec![0.0; n],
        variable_upper: vec![f64::INFINITY; n],
        variable_kinds: vec![VariableKind::Continuous as i32; n],
        row_starts: vec![0],
        ..LinearModel::default()
    };
    for &(lower, row, upper) in rows {
        model.constraint_lower.push(lower);
        model.constraint_upper.push(upper);
        for (column, &coefficient) in row.iter().enumerate() {
            if coefficient != 0.0 {
                model.column_indices.push(i32::try_from(column).unwrap());
                model.coefficients.push(coefficient);
            }
        }
        model.row_starts.push(i32::try_from(model.coefficients.len()).unwrap());
    }
    model
}

/// Wyndor Glass: doors and windows from three plants, 3600 at (2, 6).
pub fn wyndor() -> LinearModel {
    let free = f64::NEG_INFINITY;
    let rows: [(f64, &[f64], f64); 3] =
        [(free, &[1.0, 0.0], 4.0), (free, &[0.0, 2.0], 12.0), (free, &[3.0, 2.0], 18.0)];
    dense(ObjectiveSense::Maximize, &[300.0, 500.0], &rows)
}

/// A market split: binaries that are to halve several sums at once, in so many
/// variables that no solver finds out within minutes. The slacks make it feasible.
pub fn market_split(products: usize, markets: usize) -> LinearModel {
    let mut state = 1_u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        ((state >> 33) % 100) as f64
    };
    let rows: Vec<(f64, Vec<f64>)> = (0..markets)
        .map(|market| {
            let mut row: Vec<f64> = (0..products).map(|_| random()).collect();
            let half = (row.iter().sum::<f64>() / 2.0).floor();
            row.resize(products + 2 * markets, 0.0);
            row[products + 2 * market] = 1.0;
            row[products + 2 * market + 1] = -1.0;
            (half, row)
        })
        .collect();
    let mut objective = vec![0.0; products];
    objective.resize(products + 2 * markets, 1.0);
    let rows: Vec<_> = rows.iter().map(|(half, row)| (*half, row.as_slice(), *half)).collect();
    let mut model = dense(ObjectiveSense::Minimize, &objective, &rows);
    for product in 0..products {
        model.variable_upper[product] = 1.0;
        model.variable_kinds[product] = VariableKind::Integer as i32;
    }
    model
}

/// The model with other kinds of variables.
pub fn with_kinds(model: LinearModel, kinds: &[VariableKind]) -> LinearModel {
    let variable_kinds = kinds.iter().map(|&kind| kind as i32).collect();
    LinearModel { variable_kinds, ..model }
}

/// A model of the index.
pub struct Instance {
    pub file: String,
    /// In normal form.
    pub model: LinearModel,
    pub is_lp: bool,
    pub infeasible: bool,
}

/// One model, by its path in the folder.
pub fn instance(file: &str) -> Option<LinearModel> {
    let path = folder()?.join(file);
    let content = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let file = ModelFile { content: content.into(), name: file.to_owned(), format: 0 };
    let model = Model { form: Some(Form::File(file)), ..Model::default() };
    Some(read(model, &Limits::default()).unwrap().model.into_inner())
}

/// All models of the index.
pub fn index() -> Vec<Instance> {
    let Some(folder) = folder() else { return Vec::new() };
    let table = fs::read_to_string(folder.join("index.csv")).unwrap();
    let records = table.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    records
        .map(|fields| Instance {
            file: fields[1].to_owned(),
            model: instance(fields[1]).unwrap(),
            is_lp: fields[3] == "lp",
            infeasible: fields[8] == "infeasible",
        })
        .collect()
}
