//! Edge cases of model files: which are accepted, which are refused, and what we decided where
//! readers differ.

use solvemesh::v1::{TerminationReason, job_event::Kind};
use solvemesh_tests::{
    instances::Instances,
    jobs::{self, Story, agree},
    mesh::{Api, Gateway},
};
use tonic_types::StatusExt;

/// The expected result of an accepted file.
enum Answer {
    Optimum(f64),
    Infeasible,
    Unbounded,
}

/// The answers to the files that every reader should accept.
const ACCEPTED: [(&str, Answer); 13] = [
    ("edge/cuopt_empty_matrix.mps", Answer::Optimum(-6.0)),
    ("edge/cuopt_good-max.mps", Answer::Optimum(17.0)),
    ("edge/cuopt_good-mps-1-clrf.mps", Answer::Optimum(0.0)),
    ("edge/cuopt_good-mps-1.mps", Answer::Optimum(0.0)),
    // Its two equations meet at a negative variable.
    ("edge/cuopt_good-mps-fixed-ranges.mps", Answer::Infeasible),
    ("edge/cuopt_good-mps-free-var.mps", Answer::Unbounded),
    ("edge/cuopt_lp_model_with_var_bounds.mps", Answer::Optimum(-2.0)),
    ("edge/cuopt_max_offset.mps", Answer::Optimum(0.0)),
    ("edge/cuopt_sample.mps", Answer::Optimum(-28.0)),
    ("edge/moi_example_lo1.lp", Answer::Optimum(250.0 / 3.0)),
    // The constant on the left counts: x - 1 >= 2.
    ("edge/highs_1451.lp", Answer::Optimum(3.0)),
    ("edge/highs_dD2e.mps", Answer::Optimum(-3000.0)),
    ("edge/scip_oc5.mps", Answer::Optimum(2.0)),
];

#[tokio::test]
async fn accepted_files_have_the_expected_result() {
    let Some(instances) = Instances::find() else { return };
    let gateway = Gateway::embedded(&[]).await;
    let accepted = instances.edges().into_iter().filter(|edge| edge.class == "accept");
    let mut files: Vec<String> = accepted.map(|edge| edge.file).collect();
    files.sort_by_key(|file| ACCEPTED.iter().position(|(known, _)| known == file));
    assert_eq!(files, ACCEPTED.map(|(file, _)| file), "files with an answer");
    for (file, answer) in &ACCEPTED {
        let story = solved(&gateway.api(), &instances, file).await;
        let reason = story.termination().reason();
        let right = match answer {
            Answer::Infeasible => reason == TerminationReason::Infeasible,
            Answer::Unbounded => matches!(
                reason,
                TerminationReason::Unbounded | TerminationReason::InfeasibleOrUnbounded
            ),
            Answer::Optimum(optimum) => {
                reason == TerminationReason::Optimal && agree(story.objective(), *optimum)
            }
        };
        assert!(right, "{file}: {:?}", story.termination());
    }
}

#[tokio::test]
async fn rejected_files_are_refused_with_a_line() {
    let Some(instances) = Instances::find() else { return };
    let gateway = Gateway::embedded(&[]).await;
    for edge in instances.edges().iter().filter(|edge| edge.class == "reject") {
        let message = refusal(&gateway.api(), &instances, &edge.file).await;
        assert!(message.contains("line "), "{}: {message}", edge.file);
    }
}

#[tokio::test]
async fn names_with_blanks_are_read_as_fixed_mps() {
    let Some(instances) = Instances::find() else { return };
    let gateway = Gateway::embedded(&[]).await;
    let story = solved(&gateway.api(), &instances, "edge/cuopt_good-fixed-mps-2.mps").await;
    assert_eq!(story.termination().reason(), TerminationReason::Optimal);
    let names: Vec<_> = story.values().into_keys().collect();
    assert_eq!(names, ["VA R1", "VAR2"]);
}

#[tokio::test]
async fn a_duplicate_coefficient_in_mps_is_refused_with_its_line() {
    let Some(instances) = Instances::find() else { return };
    let gateway = Gateway::embedded(&[]).await;
    let file = "edge/moi_duplicate_coefficient.mps";
    let message = refusal(&gateway.api(), &instances, file).await;
    assert!(message.contains("line 8"), "{message}");
}

#[tokio::test]
async fn an_integer_column_without_bounds_causes_a_warning() {
    let Some(instances) = Instances::find() else { return };
    let gateway = Gateway::embedded(&[]).await;
    let story = solved(&gateway.api(), &instances, "edge/moi_integer_default_bounds.mps").await;
    assert_eq!(story.termination().reason(), TerminationReason::Optimal);
    let Some(Kind::Queued(queued)) = &story.events[0].kind else { panic!("{story:?}") };
    let warnings = &queued.description.as_ref().expect("a description").warnings;
    assert!(warnings.iter().any(|warning| warning.contains("bound")), "{warnings:?}");
}

#[tokio::test]
async fn a_semi_continuous_bound_on_an_integer_column_makes_it_semi_integer() {
    let Some(instances) = Instances::find() else { return };
    let gateway = Gateway::embedded(&[]).await;
    let story = solved(&gateway.api(), &instances, "edge/highs_semi-continuous.mps").await;
    assert_eq!(story.termination().reason(), TerminationReason::Optimal);
    // As a semi-continuous variable x3 could be 1.1, and the optimum 8.2233.
    assert!(agree(story.objective(), 8.133_333_333), "{:?}", story.termination());
    assert!(agree(story.values()["x3"], 2.0));
}

#[tokio::test]
async fn a_quadratic_objective_is_refused_as_unsupported() {
    let Some(instances) = Instances::find() else { return };
    let gateway = Gateway::embedded(&[]).await;
    let request = jobs::request(instances.model("edge/highs_qjh.lp"));
    let status = jobs::refusal(&gateway.api(), request).await;
    let info = status.get_details_error_info().unwrap_or_else(|| panic!("{status:?}"));
    assert_eq!(info.reason, "UNSUPPORTED_FEATURE");
    let message = refusal(&gateway.api(), &instances, "edge/highs_qjh.lp").await;
    assert!(message.contains("quadratic") && message.contains("line 5"), "{message}");
}

async fn solved(api: &Api, instances: &Instances, file: &str) -> Story {
    jobs::solve(api, jobs::exact(instances.model(file), 60)).await
}

/// Why a file is refused: the description of its first violation.
async fn refusal(api: &Api, instances: &Instances, file: &str) -> String {
    let status = jobs::refusal(api, jobs::request(instances.model(file))).await;
    let details = status.get_details_bad_request().unwrap_or_else(|| panic!("{status:?}"));
    details.field_violations.first().map(|it| it.description.clone()).unwrap_or_default()
}
