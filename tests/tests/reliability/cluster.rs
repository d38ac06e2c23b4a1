//! Faults of a cluster of three nodes: it loses one of them.

use std::time::Duration;

use solvemesh_broker::AmqpConfig;
use solvemesh_tests::{
    clients::Load,
    fleet::Plan,
    payload::Payload,
    rabbit::{Cluster, Vhost},
    rawlog::RawLog,
    trial::{Breaking, Fault, Scale, Trial},
    within,
};

pub(crate) const FAULTS: &[Fault] = &[
    fault("cluster: its leaders killed", |scale| Box::pin(loaded(scale, leaders_killed))),
    fault("cluster: a minority cut off", |scale| Box::pin(loaded(scale, minority_cut_off))),
];

const fn fault(name: &'static str, body: fn(Scale) -> Breaking) -> Fault {
    Fault { name, limit: Duration::from_secs(420), body }
}

const LOG: &str = "solvemesh.log.v1";
const EXPRESS: &str = "solvemesh.jobs.express.v1";
/// Timeout until the remaining nodes serve without the lost one.
const SOON: Duration = Duration::from_secs(90);

/// A mesh under load, and the cluster to break.
struct Scene<'a> {
    trial: &'a Trial,
    cluster: &'a Cluster,
    vhost: &'a Vhost,
}

/// Runs a fault on a mesh under load, which has a cluster of its own.
async fn loaded(scale: Scale, fault: impl AsyncFnOnce(Scene<'_>)) -> Trial {
    let cluster = Cluster::start().await;
    let vhost = cluster.vhost().await;
    let plan = Plan { amqp_options: "heartbeat=5".to_owned(), ..Plan::default() };
    let mut trial = Trial::start(vhost.url(), plan).await;
    // A lower pace, because three replicas of everything on one machine are slow.
    let load = Load { jobs: scale.times(1_000), pace: 40.0, ..Load::default() };
    let scene = Scene { trial: &trial, cluster: &cluster, vhost: &vhost };
    trial.clients.under_load(&load, fault(scene)).await;
    // Read the log again: the check is against what the cluster has of it now, not against
    // what was read before the fault.
    trial.log = RawLog::configured(AmqpConfig::new(vhost.url())).await;
    trial.kept(cluster)
}

/// Kills the leader of the log and, once it is back, the leader of a job queue.
async fn leaders_killed(scene: Scene<'_>) {
    let Scene { trial, cluster, vhost } = scene;
    for queue in [LOG, EXPRESS] {
        let leader = &cluster.nodes()[cluster.leader(vhost, queue).await];
        trial.clients.recorder.fault();
        leader.kill9();
        served(trial, queue).await;
        leader.restart().await;
        cluster.await_all().await;
    }
}

/// Cuts the leader of the log off from the other nodes. As a minority it does not serve.
async fn minority_cut_off(scene: Scene<'_>) {
    let Scene { trial, cluster, vhost } = scene;
    let minority = cluster.leader(vhost, LOG).await;
    assert!(cluster.connections(minority).await > 0, "no process is connected to it");
    trial.clients.recorder.fault();
    cluster.cut_off(minority).await;
    served(trial, "a minority").await;
    cluster.rejoin(minority).await;
    cluster.await_all().await;
}

/// Waits until a job is accepted and has finished although a node is missing.
async fn served(trial: &Trial, without: &str) {
    let serving = async {
        let payload = Payload::Wyndor { rate: 5.0 };
        let job = trial.clients.accepted(0, &format!("without {without}"), payload).await;
        trial.clients.watch(0, vec![job]).await;
    };
    within(SOON, "service by the other nodes", serving).await;
}
