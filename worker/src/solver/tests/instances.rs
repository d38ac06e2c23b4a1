//! Real models with known answers, which are data and no part of the project: see
//! CONTRIBUTING.md. Tests that find none say so and pass.

use std::{env, fs, path::PathBuf};

use solvemesh::v1::{LinearModel, Model, ModelFile, model::Form};
use solvemesh_model::{Limits, read};

/// A model of the index.
pub(super) struct Instance {
    pub file: String,
    /// In normal form.
    pub model: LinearModel,
    pub is_lp: bool,
    pub infeasible: bool,
}

/// One model, by its path in the folder.
pub(in crate::solver) fn instance(file: &str) -> Option<LinearModel> {
    let path = folder()?.join(file);
    let content = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let file = ModelFile { content: content.into(), name: file.to_owned(), format: 0 };
    let model = Model { form: Some(Form::File(file)), ..Model::default() };
    Some(read(&model, &Limits::default()).unwrap().model)
}

/// All models of the index.
pub(super) fn index() -> Vec<Instance> {
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

fn folder() -> Option<PathBuf> {
    let folder = env::var_os("SOLVEMESH_INSTANCES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/instances"),
        PathBuf::from,
    );
    if folder.join("index.csv").is_file() {
        return Some(folder);
    }
    eprintln!("skipped: no instances in {}", folder.display());
    None
}
