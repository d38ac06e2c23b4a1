//! From a model and options to a request.

use std::path::Path;

use prost::Message;
use solvemesh_client::v1::{
    FileFormat, LinearModel, Model, ModelFile, Priority, SolveOptions, SubmitJobRequest,
    VariableKind, model::Form,
};
use solvemesh_model::NlModel;
use uuid::Uuid;

use super::{
    names::{names, path},
    settings::Settings,
};
use crate::{
    args::{compress::packed, values::to_wire},
    exit::Failure,
};

/// Arrays that are larger are sent as a file, compressed: half of the size that a gateway accepts
/// for a request by default.
const MAX_INLINE_BYTES: usize = 32 << 20;

/// The request for a model, and warnings about it.
pub(super) fn request(
    settings: &Settings,
    stub: &Path,
    mut read: NlModel,
) -> Result<(SubmitJobRequest, Vec<String>), Failure> {
    let mut warnings = std::mem::take(&mut read.warnings);
    let named = match named(&mut read.model, stub) {
        Ok(named) => named,
        Err(why) => {
            warnings.push(format!("names are not used: {why}"));
            false
        }
    };
    let mut options = options(settings, &read.model)?;
    // Names that were generated tell nobody anything.
    options.omit_names = !named;
    let starts = read.start.take().filter(|_| settings.warm_start && settings.may_be_highs());
    let name = [settings.model_name.as_str(), read.name.as_str(), &stub_name(stub)]
        .into_iter()
        .find(|name| !name.is_empty())
        .unwrap_or_default()
        .to_owned();
    let model = Model { name, form: Some(form(read.model, MAX_INLINE_BYTES)?) };
    let request = SubmitJobRequest {
        model: Some(model),
        options: Some(options),
        labels: settings.labels.clone(),
        request_id: Uuid::new_v4().to_string(),
        validate_only: false,
        lane: settings.lane.clone(),
        total_time_limit: to_wire("totallimit", settings.total_time_limit)?,
        queue_time_limit: to_wire("queuelimit", settings.queue_time_limit)?,
        sweep: None,
        starts: starts.into_iter().collect(),
        priority: Priority::Unspecified.into(),
    };
    Ok((request, warnings))
}

/// The last part of the path of a stub.
fn stub_name(stub: &Path) -> String {
    stub.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Adds the names in the files beside the model; returns whether there were any.
fn named(model: &mut LinearModel, stub: &Path) -> Result<bool, String> {
    let variables = names(&path(stub, ".col"), model.variable_lower.len())?;
    let constraints = names(&path(stub, ".row"), model.constraint_lower.len())?;
    let named = variables.is_some() || constraints.is_some();
    model.variable_names = variables.unwrap_or_default();
    model.constraint_names = constraints.unwrap_or_default();
    Ok(named)
}

fn options(settings: &Settings, model: &LinearModel) -> Result<SolveOptions, Failure> {
    let is_lp = !model.variable_kinds.contains(&VariableKind::Integer.into());
    let highs = settings.may_be_highs();
    Ok(SolveOptions {
        time_limit: to_wire("timelimit", settings.time_limit)?,
        relative_gap: settings.relative_gap,
        absolute_gap: settings.absolute_gap,
        threads: settings.threads,
        seed: settings.seed,
        presolve: settings.presolve.into(),
        solver: settings.solver.into(),
        solver_options: settings.solver_options.clone(),
        node_limit: settings.node_limit,
        iteration_limit: settings.iteration_limit,
        solution_limit: settings.solution_limit,
        objective_target: settings.objective_target,
        memory_limit_bytes: settings.memory_limit,
        return_basis: settings.basis && is_lp && highs,
        return_log: settings.log && highs,
        ..SolveOptions::default()
    })
}

/// The arrays themselves or, if they have more than `max_inline` bytes, as a file.
fn form(model: LinearModel, max_inline: usize) -> Result<Form, Failure> {
    if model.encoded_len() <= max_inline {
        return Ok(Form::Linear(model));
    }
    let content = model.encode_to_vec();
    drop(model);
    let (content, _) = packed(content, String::new())?;
    let format = FileFormat::Linear.into();
    Ok(Form::File(ModelFile { content: content.into(), name: String::new(), format }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::io::Read as _;

    use flate2::read::GzDecoder;
    use solvemesh_client::v1::Solver;
    use solvemesh_model::{Limits, NlObjective, read_nl};

    use super::*;

    /// A model with two variables, the second of which may be an integer, and a constraint.
    fn model(integers: usize) -> NlModel {
        let text = format!(
            "g3 1 1 0\n 2 1 1 0 0\n 0 0\n 0 0\n 0 0 0\n 0 0 0 1\n 0 {integers} 0 0 0\n 1 1\n 0 0\n \
             0 0 0 0 0\nO0 1\nn0\nx1\n1 3\nr\n1 4\nb\n0 0 9\n0 0 9\nS0 1 sstatus\n1 1\n\
             J0 1\n1 1\nG0 1\n1 5\n"
        );
        read_nl(text.as_bytes(), &Limits::default(), NlObjective::First).unwrap()
    }

    fn request_of(settings: &Settings, integers: usize) -> SubmitJobRequest {
        let folder = tempfile::tempdir().unwrap();
        request(settings, &folder.path().join("diet"), model(integers)).unwrap().0
    }

    #[test]
    fn an_lp_requests_a_basis_and_starts_from_one() {
        let request = request_of(&Settings::default(), 0);
        let options = request.options.unwrap();
        assert!(options.return_basis && options.return_log && options.omit_names);
        assert!(request.starts[0].basis.is_some());
        assert_eq!(request.model.unwrap().name, "diet");
        let cold = request_of(&Settings { warm_start: false, ..Settings::default() }, 0);
        assert!(cold.starts.is_empty());
    }

    #[test]
    fn a_model_with_integers_starts_from_the_initial_guess() {
        let request = request_of(&Settings::default(), 1);
        assert!(!request.options.unwrap().return_basis);
        assert_eq!(request.starts[0].values, [3.0]);
    }

    #[test]
    fn other_solvers_get_no_request_that_only_highs_can_meet() {
        let request = request_of(&Settings { solver: Solver::Clarabel, ..Settings::default() }, 0);
        let options = request.options.unwrap();
        assert!(!options.return_basis && !options.return_log && request.starts.is_empty());
    }

    #[test]
    fn names_beside_the_model_are_sent_and_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let stub = folder.path().join("diet");
        std::fs::write(path(&stub, ".col"), "bread\nmilk\n").unwrap();
        let (sent, warnings) = request(&Settings::default(), &stub, model(0)).unwrap();
        assert!(warnings.is_empty() && !sent.options.unwrap().omit_names);
        let Some(Form::Linear(sent)) = sent.model.unwrap().form else { panic!("no arrays") };
        assert_eq!(sent.variable_names, ["bread", "milk"]);
        std::fs::write(path(&stub, ".row"), "").unwrap();
        let (sent, warnings) = request(&Settings::default(), &stub, model(0)).unwrap();
        assert!(warnings[0].contains("0 names instead of 1"), "{warnings:?}");
        let Some(Form::Linear(sent)) = sent.model.unwrap().form else { panic!("no arrays") };
        assert!(sent.variable_names.is_empty());
    }

    #[test]
    fn large_arrays_are_sent_as_a_compressed_file() {
        let large = LinearModel { objective: vec![0.5; 1 << 18], ..LinearModel::default() };
        let Form::File(file) = form(large.clone(), 1 << 20).unwrap() else { panic!("no file") };
        assert_eq!(file.format(), FileFormat::Linear);
        assert!(file.content.len() < 1 << 16);
        let mut bytes = Vec::new();
        GzDecoder::new(&file.content[..]).read_to_end(&mut bytes).unwrap();
        assert_eq!(LinearModel::decode(&bytes[..]).unwrap(), large);
        assert!(matches!(form(large, 1 << 22).unwrap(), Form::Linear(_)));
    }
}
