//! Real models with known answers, as files, through a whole mesh.

use futures::{StreamExt, stream};
use solvemesh::v1::{TerminationLimit, TerminationReason};
use solvemesh_tests::{
    instances::{Expected, Instance, Instances},
    jobs::{self, Story, agree},
    mesh::{Api, Gateway, worker},
    rabbit,
};

/// Time limit of a model that is known to need less than a minute, in seconds.
const LONG: u64 = 60;
/// Time limit of a model that needs more, in seconds.
const SHORT: u64 = 10;
/// Maximum violation found by the verification. The tolerance of the solver is 1e-7, but for
/// the scaled model.
const TOLERANCE: f64 = 1e-5;

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
    let failures: Vec<String> = stream::iter(&index)
        .map(|instance| async move {
            let seconds = if instance.finishes { LONG } else { SHORT };
            let request = jobs::exact(instances.model(&instance.file), seconds);
            let story = jobs::solve(api, request).await;
            verdict(instance, &story).err().map(|failure| format!("{}: {failure}", instance.file))
        })
        .buffer_unordered(2)
        .filter_map(|failure| async { failure })
        .collect()
        .await;
    assert!(
        failures.is_empty(),
        "{} of {} models:\n{}",
        failures.len(),
        index.len(),
        failures.join("\n")
    );
}

/// Compares the result of a solve with the published answer.
fn verdict(instance: &Instance, story: &Story) -> Result<(), String> {
    let termination = story.termination();
    let found = format!("{termination:?}");
    match instance.expected {
        Expected::Infeasible if termination.reason() == TerminationReason::Infeasible => Ok(()),
        Expected::Infeasible => Err(found),
        Expected::Optimal(optimum) => {
            let objective = termination.objective.ok_or_else(|| found.clone())?;
            let violation = story.max_violation();
            let right = if instance.finishes {
                termination.reason() == TerminationReason::Optimal && agree(objective, optimum)
            } else {
                // The models that don't finish are both minimised.
                termination.reason() == TerminationReason::Feasible
                    && termination.limit() == TerminationLimit::Time
                    && objective >= optimum - 1e-6
                    && termination.objective_bound.is_some_and(|bound| bound <= optimum + 1e-6)
            };
            let has_duals = story.solutions().all(|part| !part.duals.is_empty());
            match () {
                () if !right => Err(format!("expected {optimum}, found {found}")),
                () if violation > TOLERANCE => Err(format!("violated by {violation:e}")),
                () if has_duals == instance.integer => Err("duals, of LPs and of no MIP".into()),
                () => Ok(()),
            }
        }
    }
}
