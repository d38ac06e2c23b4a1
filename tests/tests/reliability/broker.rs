//! Faults of the broker: it dies, closes its connections, or runs short of memory or disk.
//! Each trial has a node of its own.

use std::time::Duration;

use solvemesh_tests::{
    clients::Load,
    fleet::Plan,
    payload::Payload,
    rabbit::{RabbitNode, Resource},
    trial::{Fault, Scale, Trial},
    within,
};
use tonic::Code;

use crate::{
    jobs::{attempts, ends, starts},
    refusal::refused,
};

pub(crate) const FAULTS: &[Fault] = &[
    Fault {
        name: "broker: killed",
        limit: Duration::from_secs(240),
        body: |scale| Box::pin(loaded(scale, killed)),
    },
    Fault {
        name: "broker: stopped and started",
        limit: Duration::from_secs(240),
        body: |scale| Box::pin(loaded(scale, restarted)),
    },
    Fault {
        name: "broker: closes all connections",
        limit: Duration::from_secs(240),
        body: |scale| Box::pin(loaded(scale, closing)),
    },
    Fault {
        name: "broker: short of memory",
        limit: Duration::from_secs(240),
        body: |scale| Box::pin(loaded(scale, async |scene| short(scene, Resource::Memory).await)),
    },
    Fault {
        name: "broker: short of disk",
        limit: Duration::from_secs(240),
        body: |scale| Box::pin(loaded(scale, async |scene| short(scene, Resource::Disk).await)),
    },
];

/// Number of times that all connections are closed.
const CLOSINGS: usize = 3;
/// Time limit of the jobs that are running when the alarm is raised.
const SOLVE: Duration = Duration::from_secs(4);
/// Size of a model whose solution is stored in parts.
const GROUPS: usize = 9_000;
/// Duration of an alarm: longer than `SOLVE`, so that the jobs finish during it and their
/// results have to wait.
const ALARM: Duration = Duration::from_secs(10);
/// Timeout for entries that are only waiting until the broker accepts messages again.
const SOON: Duration = Duration::from_secs(30);

/// A mesh under load, and the node to break.
struct Scene<'a> {
    scale: Scale,
    trial: &'a Trial,
    node: &'a RabbitNode,
}

/// Runs a fault on a mesh under load, which has a node of its own.
async fn loaded(scale: Scale, fault: impl AsyncFnOnce(Scene<'_>)) -> Trial {
    let node = RabbitNode::start().await;
    let vhost = node.vhost().await;
    let plan = Plan { amqp_options: "heartbeat=5".to_owned(), ..Plan::default() };
    let trial = Trial::start(vhost.url(), plan).await;
    let load = Load { jobs: scale.times(1_500), pace: 150.0, ..Load::default() };
    let scene = Scene { scale, trial: &trial, node: &node };
    trial.clients.under_load(&load, fault(scene)).await;
    trial.kept(node)
}

async fn killed(scene: Scene<'_>) {
    for _ in 0..scene.scale.times(1) {
        scene.trial.clients.recorder.fault();
        scene.node.kill9();
        scene.node.restart().await;
    }
}

async fn restarted(scene: Scene<'_>) {
    scene.trial.clients.recorder.fault();
    scene.node.stop();
    scene.node.restart().await;
}

async fn closing(scene: Scene<'_>) {
    for _ in 0..scene.scale.times(CLOSINGS) {
        scene.trial.clients.recorder.fault();
        scene.node.close_connections().await;
    }
}

/// Raises a resource alarm. Submissions are refused in bounded time; running jobs continue,
/// and their results arrive when the alarm is over.
async fn short(scene: Scene<'_>, resource: Resource) {
    let Scene { trial: Trial { clients, log, .. }, node, .. } = scene;
    let [mut one, mut other, mut behind] = [log.reader(), log.reader(), log.reader()];
    let long = |number| Payload::Long { number: usize::MAX - number, limit: SOLVE };
    let first = clients.accepted(0, "first through the alarm", long(0)).await;
    let second = clients.accepted(0, "second through the alarm", long(1)).await;
    // Each worker is solving one of the two; this one is solved after them, and its solution
    // is too large for the log: it is stored in parts in the bulk stream.
    let large = clients.accepted(0, "large", Payload::Wide { groups: GROUPS }).await;
    within(SOON, "the first to start", one.until(|entry| starts(entry, &first))).await;
    within(SOON, "the second to start", other.until(|entry| starts(entry, &second))).await;

    clients.recorder.fault();
    node.run_short_of(resource).await;
    let alarm = tokio::time::sleep(ALARM);
    for gateway in 0..clients.doors.count() {
        let refusal = refused(clients, gateway, "during the alarm").await;
        assert_eq!(refusal.code(), Code::Unavailable, "{refusal:?}");
    }
    alarm.await;
    node.have_enough_of(resource).await;
    for (job, reader) in [(&first, &mut one), (&second, &mut other), (&large, &mut behind)] {
        within(SOON, "its end", reader.until(|entry| ends(entry, job))).await;
        assert_eq!(attempts(log, job).len(), 1, "a result was discarded and the job solved again");
    }
}
