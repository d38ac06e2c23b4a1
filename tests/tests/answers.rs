//! What a solve gives back beside a solution, through a gateway.

use solvemesh::v1::{BoundSide, SolveOptions, SubmitJobRequest, TerminationReason};
use solvemesh_tests::{
    instances::{Expected, Instances},
    jobs,
    mesh::Gateway,
    models,
};

fn with_subset(request: SubmitJobRequest) -> SubmitJobRequest {
    let options = SolveOptions { infeasible_subset: true, ..request.options.unwrap_or_default() };
    SubmitJobRequest { options: Some(options), ..request }
}

#[tokio::test]
async fn an_infeasible_model_names_the_bounds_that_contradict_each_other() {
    let gateway = Gateway::embedded(&[]).await;
    let text = "Minimize\n x + y\nSubject To\n demand: x + y >= 5\n side: x - y <= 9\n\
                Bounds\n x <= 2\n y <= 2\nEnd";
    let story = jobs::solve(&gateway.api(), with_subset(jobs::request(models::lp(text)))).await;
    assert_eq!(story.termination().reason(), TerminationReason::Infeasible);
    let proof = story.result().infeasibility_proof.as_ref().expect("a proof");
    assert!(proof.verified);
    assert_eq!(proof.constraint_names, ["demand"]);
    let subset = story.result().infeasible_subset.as_ref().expect("a subset");
    assert!(subset.verified && subset.irreducible);
    let bounds = subset.constraints.iter().chain(&subset.variables);
    let named: Vec<_> = bounds.map(|of| (of.name.as_str(), of.side(), of.bound)).collect();
    let (lower, upper) = (BoundSide::Lower, BoundSide::Upper);
    assert_eq!(named, [("demand", lower, 5.0), ("x", upper, 2.0), ("y", upper, 2.0)]);
}

#[tokio::test]
async fn every_infeasible_public_model_says_why_or_that_integers_are_why() {
    let Some(instances) = Instances::find() else { return };
    let gateway = Gateway::embedded(&[]).await;
    let infeasible =
        |of: &solvemesh_tests::instances::Instance| of.expected == Expected::Infeasible;
    for instance in instances.index().into_iter().filter(infeasible) {
        let request = with_subset(jobs::exact(instances.model(&instance.file), 60));
        let story = jobs::solve(&gateway.api(), request).await;
        match &story.result().infeasible_subset {
            Some(subset) => {
                assert!(subset.verified && subset.irreducible, "{}", instance.file);
                let proof = story.result().infeasibility_proof.as_ref().expect("a proof");
                assert!(proof.verified, "{}", instance.file);
            }
            None => {
                assert!(instance.integer, "{}", instance.file);
                let warnings = &story.termination().warnings;
                assert!(warnings.iter().any(|told| told.contains("relaxation")), "{warnings:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_limit_that_the_model_can_not_have_is_refused_by_its_field() {
    let gateway = Gateway::embedded(&[]).await;
    let options = SolveOptions { node_limit: Some(5), ..SolveOptions::default() };
    let request =
        SubmitJobRequest { options: Some(options), ..jobs::request(models::wyndor(500.0)) };
    let refusal = jobs::refusal(&gateway.api(), request).await;
    assert!(refusal.message().contains("options.node_limit"), "{refusal:?}");
}
