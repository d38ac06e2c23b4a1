//! Solves that need more memory than their limit.

use solvemesh::v1::{
    JobState, LinearModel, Model, SolveOptions, SubmitJobRequest, TerminationLimit,
    TerminationReason, VariableKind, job_event::Kind, model::Form,
};
use solvemesh_tests::{
    instances::Instances,
    jobs::{self, Story},
    mesh::{Api, Gateway},
    models,
    processes::Process,
    rabbit,
};

/// The smallest memory limit that is accepted, in bytes.
const LITTLE: i64 = 16 << 20;
/// One solver process for all jobs of this lane.
const LANE: &str = "standard";

async fn gateway() -> Gateway {
    Gateway::embedded(&["--slots", "express=1,standard=1"]).await
}

fn request(model: Model, memory_limit: Option<i64>) -> SubmitJobRequest {
    let request = jobs::exact(model, 60);
    let asked = request.options.clone().unwrap_or_default();
    let options = SolveOptions { memory_limit_bytes: memory_limit, ..asked };
    SubmitJobRequest { options: Some(options), lane: LANE.to_owned(), ..request }
}

async fn solve(api: &Api, model: Model, memory_limit: Option<i64>) -> Story {
    jobs::solve(api, request(model, memory_limit)).await
}

/// Checks that a job ended at its memory limit, at its first attempt.
fn is_out_of_memory(name: &str, story: &Story, reason: TerminationReason) {
    assert_eq!(story.finished.state(), JobState::Succeeded, "{name}");
    let termination = story.termination();
    assert_eq!(termination.limit(), TerminationLimit::Memory, "{name}: {termination:?}");
    assert_eq!(termination.reason(), reason, "{name}: {termination:?}");
    let warned =
        termination.warnings.iter().any(|warning| warning.contains("needed more than its limit"));
    assert!(warned, "{name}: {termination:?}");
    assert_eq!(story.attempts(), [1], "{name}");
}

/// [`models::wide`] with integer variables.
fn wide_integer(groups: usize) -> Model {
    let mut model = models::wide(groups);
    if let Some(Form::Linear(linear)) = &mut model.form {
        let LinearModel { objective, variable_kinds, .. } = linear;
        *variable_kinds = vec![VariableKind::Integer.into(); objective.len()];
    }
    model
}

#[tokio::test]
async fn a_solve_at_its_memory_limit_returns_its_best_solution_and_affects_no_other() {
    let Some(instances) = Instances::find() else { return };
    let gateway = gateway().await;
    for name in ["markshare1", "pk1", "gesa2"] {
        let model = instances.model(&format!("mip/{name}.mps"));
        let story = solve(&gateway.api(), model, Some(LITTLE)).await;
        is_out_of_memory(name, &story, TerminationReason::Feasible);
        let last = story.events.iter().rev().find_map(|event| match &event.kind {
            Some(Kind::Incumbent(incumbent)) => incumbent.objective,
            _ => None,
        });
        assert!(jobs::agree(story.objective(), last.expect("an incumbent")), "{name}");
        assert!(story.max_violation() <= 1e-6, "{name}: {}", story.max_violation());
        eprintln!("{name}: {} with {LITTLE} bytes", story.objective());
    }
    // Each job has its own limit, although the same process solves all of them.
    for limit in [None, Some(1 << 30), None] {
        let story = solve(&gateway.api(), instances.model("mip/gesa2.mps"), limit).await;
        assert_eq!(story.termination().reason(), TerminationReason::Optimal);
        assert!(jobs::agree(story.objective(), 25_779_856.372));
    }
}

#[tokio::test]
async fn a_solve_with_too_little_memory_to_find_a_solution_reports_the_limit() {
    let gateway = gateway().await;
    // A model of more than ten MiB, which the process holds twice.
    let story = solve(&gateway.api(), wide_integer(20_000), Some(LITTLE)).await;
    is_out_of_memory("wide", &story, TerminationReason::NoSolutionFound);
    assert_eq!(story.result().solution, None);
    let story = solve(&gateway.api(), wide_integer(20_000), None).await;
    assert!(jobs::agree(story.objective(), 20_000.0));
    let story = solve(&gateway.api(), models::wyndor(500.0), Some(LITTLE)).await;
    assert_eq!(story.objective(), 3600.0);
    let story = solve(&gateway.api(), models::wide(20_000), Some(LITTLE)).await;
    is_out_of_memory("wide LP", &story, TerminationReason::NoSolutionFound);
    let refused = jobs::refusal(&gateway.api(), request(models::wyndor(1.0), Some(1 << 20))).await;
    assert!(refused.message().contains("memory_limit_bytes"), "{refused:?}");
}

#[tokio::test]
async fn a_worker_caps_the_memory_of_each_job() {
    let Some(instances) = Instances::find() else { return };
    let vhost = rabbit::vhost().await;
    let gateway = Gateway::on(vhost.url(), &[]).await;
    let flags = ["--amqp", vhost.url(), "--slots", "standard=1", "--memory-per-job", "16"];
    let (_worker, _) = Process::start("solvemesh-worker", &flags);
    for asked in [None, Some(1 << 30)] {
        let story = solve(&gateway.api(), instances.model("mip/gesa2.mps"), asked).await;
        is_out_of_memory("gesa2", &story, TerminationReason::Feasible);
        let warnings = &story.termination().warnings;
        let clipped =
            warnings.iter().any(|warning| warning.contains("this worker allows 16777216"));
        assert_eq!(clipped, asked.is_some(), "{warnings:?}");
    }
}
