//! Model files that programs write, and results for them, through a gateway.

use prost::Message;
use solvemesh::v1::{
    FileFormat, LinearModel, Model, ModelFile, SolveOptions, StartStatus, SubmitJobRequest,
    model::Form,
};
use solvemesh_tests::{jobs, mesh::Gateway};

fn file(content: Vec<u8>, format: FileFormat) -> Model {
    let file = ModelFile { content: content.into(), name: String::new(), format: format.into() };
    Model { name: String::new(), form: Some(Form::File(file)) }
}

/// Maximise 3 x + 5 y with x + y <= 4.5, y an integer from 0 to 9, from the guess (0.5, 4).
const NL: &str = "g3 1 1 0\n 2 1 1 0 0\n 0 0\n 0 0\n 0 0 0\n 0 0 0 1\n 0 1 0 0 0\n 2 2\n 0 0\n \
                  0 0 0 0 0\nC0\nn0\nO0 1\nn0\nx2\n0 0.5\n1 4\nr\n1 4.5\nb\n2 0\n0 0 9\nk1\n1\n\
                  J0 2\n0 1\n1 1\nG0 2\n0 3\n1 5\n";

#[tokio::test]
async fn an_nl_file_is_solved_from_its_initial_guess() {
    let gateway = Gateway::embedded(&[]).await;
    let request = jobs::request(file(NL.as_bytes().to_vec(), FileFormat::Unspecified));
    let story = jobs::solve(&gateway.api(), request).await;
    assert_eq!(story.objective(), 21.5);
    let start = story.result().start_report.as_ref().expect("a report of the start");
    assert_eq!(start.status(), StartStatus::Used, "{start:?}");
}

#[tokio::test]
async fn an_nl_file_that_is_not_linear_is_refused_with_constraint_and_line() {
    let gateway = Gateway::embedded(&[]).await;
    let wrong = NL.replacen("C0\nn0", "C0\no5\nv0\nn2", 1).into_bytes();
    let request = jobs::request(file(wrong, FileFormat::Nl));
    let refusal = jobs::refusal(&gateway.api(), request).await;
    assert!(refusal.message().contains("constraint 0 is not linear"), "{refusal:?}");
}

#[tokio::test]
async fn encoded_arrays_are_solved_and_their_result_has_no_names_on_request() {
    const N: usize = 50_000;
    let gateway = Gateway::embedded(&[]).await;
    let model = LinearModel {
        objective: vec![1.0; N],
        variable_lower: (0..N).map(|index| (index % 7) as f64).collect(),
        ..LinearModel::default()
    };
    let expected: f64 = model.variable_lower.iter().sum();
    let request = SubmitJobRequest {
        options: Some(SolveOptions { omit_names: true, ..SolveOptions::default() }),
        ..jobs::request(file(model.encode_to_vec(), FileFormat::Linear))
    };
    let story = jobs::solve(&gateway.api(), request).await;
    assert_eq!(story.objective(), expected);
    assert!(story.result().solution_part_count > 1);
    let values: Vec<f64> = story.solutions().flat_map(|part| part.values.iter().copied()).collect();
    assert_eq!(values, model.variable_lower);
    assert!(story.solutions().all(|part| part.variable_names.is_empty()));
}

#[tokio::test]
async fn an_error_in_encoded_arrays_names_its_field() {
    let gateway = Gateway::embedded(&[]).await;
    let model = LinearModel { objective: vec![1.0, f64::NAN], ..LinearModel::default() };
    let request = jobs::request(file(model.encode_to_vec(), FileFormat::Linear));
    let refusal = jobs::refusal(&gateway.api(), request).await;
    assert!(refusal.message().contains("model.file.objective[1]"), "{refusal:?}");
}
