//! Real models with known answers, as files, through a whole mesh.

use futures::{StreamExt, stream};
use solvemesh::v1::{TerminationLimit, TerminationReason};
use solvemesh_tests::{
    instances::{Expected, Instance, Instances},
    jobs::{self, Story, agree},
    mesh::{Api, Gateway, worker},
    rabbit,
};

/// How long a model may take that is known to need less than a minute.
const PATIENT: u64 = 60;
/// How long one that needs more is looked at.
const BRIEF: u64 = 10;
/// What the independent check may find of a solution whose solver promises 1e-7
/// after scaling.
const FEASIBLE: f64 = 1e-5;

#[tokio::test]
async fn every_model_ends_as_published_through_a_broker_and_two_workers() {
    let Some(instances) = Instances::find() else { return };
    let vhost = rabbit::vhost().await;
    let gateway = Gateway::on(vhost.url(), &[]).await;
    let _workers = [worker(vhost.url()), worker(vhost.url())];
    every_model_ends_as_published(&gateway.api(), &instances).await;
}

#[tokio::test]
async fn every_model_ends_as_published_in_one_process() {
    let Some(instances) = Instances::find() else { return };
    let gateway = Gateway::embedded(&["--slots", "express=1,standard=2"]).await;
    every_model_ends_as_published(&gateway.api(), &instances).await;
}

async fn every_model_ends_as_published(api: &Api, instances: &Instances) {
    let index = instances.index();
    assert!(!index.is_empty(), "an index without models");
    let faults: Vec<String> = stream::iter(&index)
        .map(|instance| async move {
            let seconds = if instance.finishes { PATIENT } else { BRIEF };
            let request = jobs::exact(instances.model(&instance.file), seconds);
            let story = jobs::solve(api, request).await;
            verdict(instance, &story).err().map(|fault| format!("{}: {fault}", instance.file))
        })
        .buffer_unordered(2)
        .filter_map(|fault| async { fault })
        .collect()
        .await;
    assert!(
        faults.is_empty(),
        "{} of {} models:\n{}",
        faults.len(),
        index.len(),
        faults.join("\n")
    );
}

/// Compares how a solve ended with what is published.
fn verdict(instance: &Instance, story: &Story) -> Result<(), String> {
    let termination = story.termination();
    let told = format!("{termination:?}");
    match instance.expected {
        Expected::Infeasible if termination.reason() == TerminationReason::Infeasible => Ok(()),
        Expected::Infeasible => Err(told),
        Expected::Optimal(optimum) => {
            let objective = termination.objective.ok_or_else(|| told.clone())?;
            let violation = story.max_violation();
            let right = if instance.finishes {
                termination.reason() == TerminationReason::Optimal && agree(objective, optimum)
            } else {
                // Both of them minimise.
                termination.reason() == TerminationReason::Feasible
                    && termination.limit() == TerminationLimit::Time
                    && objective >= optimum - 1e-6
                    && termination.bound.is_some_and(|bound| bound <= optimum + 1e-6)
            };
            let has_duals = story.solutions().all(|part| !part.duals.is_empty());
            match () {
                () if !right => Err(format!("expected {optimum}, found {told}")),
                () if violation > FEASIBLE => Err(format!("violated by {violation:e}")),
                () if has_duals == instance.integer => Err("duals, of LPs and of no MIP".into()),
                () => Ok(()),
            }
        }
    }
}
