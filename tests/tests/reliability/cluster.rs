//! A cluster of three nodes that loses one of them.

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
/// How long the others may take until they serve without the one that is gone.
const SOON: Duration = Duration::from_secs(90);

/// What a fault finds: a mesh and its cluster, under load.
struct Scene<'a> {
    trial: &'a Trial,
    cluster: &'a Cluster,
    vhost: &'a Vhost,
}

/// A mesh on a cluster of its own, under load while something happens to the cluster.
async fn loaded(scale: Scale, fault: impl AsyncFnOnce(Scene<'_>)) -> Trial {
    let cluster = Cluster::start().await;
    let vhost = cluster.vhost().await;
    let plan = Plan { amqp_options: "heartbeat=5".to_owned(), ..Plan::default() };
    let mut trial = Trial::start(vhost.url(), plan).await;
    // Three replicas of all on one machine take their time.
    let load = Load { jobs: scale.times(1_000), pace: 40.0, ..Load::default() };
    let scene = Scene { trial: &trial, cluster: &cluster, vhost: &vhost };
    trial.clients.under_load(&load, fault(scene)).await;
    // What the nodes that are left have of the log counts, not what was read of it before.
    trial.log = RawLog::configured(AmqpConfig::new(vhost.url())).await;
    trial.kept(cluster)
}

/// The leader of the log, and once it is back that of the jobs.
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

/// The leader of the log sees the others no more, and pauses.
async fn minority_cut_off(scene: Scene<'_>) {
    let Scene { trial, cluster, vhost } = scene;
    let minority = cluster.leader(vhost, LOG).await;
    assert!(cluster.connections(minority).await > 0, "nobody is connected to it");
    trial.clients.recorder.fault();
    cluster.cut_off(minority).await;
    served(trial, "a minority").await;
    cluster.rejoin(minority).await;
    cluster.await_all().await;
}

/// Waits until a job was accepted and has ended, without what is gone.
async fn served(trial: &Trial, without: &str) {
    let serving = async {
        let payload = Payload::Wyndor { rate: 5.0 };
        let job = trial.clients.accepted(0, &format!("without {without}"), payload).await;
        trial.clients.watch(0, vec![job]).await;
    };
    within(SOON, "service by the others", serving).await;
}
