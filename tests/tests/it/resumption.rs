//! Attempts that start from the last solution of one that died.

use std::time::Duration;

use solvemesh::v1::{
    CancelJobRequest, Incumbent, JobEvent, JobStarted, JobState, TerminationReason, job_event::Kind,
};
use solvemesh_tests::{
    instances::Instances,
    jobs::{self, Watch},
    mesh::{Gateway, worker},
    processes::lives,
    rabbit,
};
use tokio::time::timeout;

fn incumbents(events: &[JobEvent], attempt: i32) -> Vec<Incumbent> {
    let incumbent = |event: &JobEvent| match &event.kind {
        Some(Kind::Incumbent(incumbent)) if event.attempt == attempt => Some(incumbent.clone()),
        _ => None,
    };
    events.iter().filter_map(incumbent).collect()
}

fn start(events: &[JobEvent], attempt: i32) -> Option<JobStarted> {
    events.iter().find_map(|event| match &event.kind {
        Some(Kind::Started(started)) if event.attempt == attempt => Some(started.clone()),
        _ => None,
    })
}

/// Whether an objective is at least as good as another one. Both models are minimised.
fn is_as_good(objective: f64, as_this: f64) -> bool {
    objective <= as_this + 1e-6 * as_this.abs().max(1.0)
}

#[tokio::test]
async fn the_attempt_after_a_kill_starts_from_the_last_reported_incumbent() {
    let Some(instances) = Instances::find() else { return };
    let vhost = rabbit::vhost().await;
    let gateway = Gateway::on(vhost.url(), &[]).await;
    for name in ["pk1", "markshare1"] {
        let mut first = worker(vhost.url());
        let model = instances.model(&format!("mip/{name}.mps"));
        let job = jobs::submit(&gateway.api(), jobs::exact(model, 120)).await;
        let mut watch = Watch::begin(&gateway.api(), &job).await;
        // Long enough for several incumbents, the last of which no attempt finds at once.
        let forever = async { while watch.next().await.is_some() {} };
        assert!(timeout(Duration::from_secs(4), forever).await.is_err(), "{name} ended");
        let solvers = first.children();
        first.kill().await;
        // The watcher first gets the events that the broker had, then the next attempt.
        let second = worker(vhost.url());
        watch.until(|kind| matches!(kind, Kind::Started(_))).await;
        watch.until(|kind| matches!(kind, Kind::Incumbent(_))).await;
        assert!(!solvers.into_iter().any(lives), "a solver process outlived its worker");
        let request = CancelJobRequest { job_id: job.clone() };
        gateway.api().cancel_job(request).await.expect("a cancel");
        let story = watch.finish().await;

        let before = incumbents(&story.events, 1);
        let last = before.last().expect("an incumbent").objective();
        let from = start(&story.events, 2).expect("a second attempt").start_objective;
        assert!(jobs::agree(from.expect("a start"), last), "{name}: {from:?} for {last}");
        assert_eq!(start(&story.events, 1).and_then(|started| started.start_objective), None);
        let after = incumbents(&story.events, 2);
        let first_after = after.first().expect("an incumbent");
        assert!(is_as_good(first_after.objective(), last), "{name}: {first_after:?} for {last}");
        assert_eq!(story.finished.state(), JobState::Cancelled, "{name}");
        assert_eq!(story.termination().reason(), TerminationReason::Feasible, "{name}");
        assert!(is_as_good(story.objective(), last), "{name}: {}", story.objective());
        assert!(story.max_violation() <= 1e-6, "{name}: {}", story.max_violation());
        eprintln!(
            "{name}: {} incumbents, the last {last}; then from {from:?} on, first {} after {:?}",
            before.len(),
            first_after.objective(),
            first_after.elapsed,
        );
        drop(second);
    }
}
