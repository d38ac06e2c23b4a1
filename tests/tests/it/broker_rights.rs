//! A mesh whose gateways and workers connect with the rights of `scripts/broker-users`.

use std::time::Duration;

use lapin::{Connection, ConnectionProperties, options::QueueDeleteOptions};
use solvemesh::v1::{
    CancelJobRequest, JobState, SubmitJobRequest, WatchMeshRequest, job_event::Kind,
};
use solvemesh_broker::{AmqpConfig, AmqpMesh, Mesh, MeshError};
use solvemesh_tests::{
    jobs::{self, Watch},
    mesh::{Gateway, worker},
    models,
    rabbit::{RabbitNode, Role},
    within,
};

const TIMEOUT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mesh_works_with_the_least_rights() {
    let node = RabbitNode::shared().await;
    let vhost = node.vhost().await;
    node.add_users(vhost.name()).await;
    let [of_gateway, of_worker] = [Role::Gateway, Role::Worker].map(|role| role.url(vhost.url()));
    let gateway = Gateway::on(&of_gateway, &[]).await;
    let mut first = worker(&of_worker);
    let api = gateway.api();

    let story = jobs::solve(&api, jobs::exact(models::wyndor(500.0), 60)).await;
    assert_eq!(story.objective(), 3600.0);
    // A model and a solution that are stored in parts.
    let story = jobs::solve(&api, jobs::request(models::wide(4_000))).await;
    assert_eq!(story.finished.state(), JobState::Succeeded);

    // More scenarios than a worker keeps to itself: it queues further shares.
    let sweep = Some(models::wyndor_rates(20_000));
    let request = SubmitJobRequest { sweep, ..jobs::request(models::wyndor(500.0)) };
    let story = jobs::solve(&api, request).await;
    assert_eq!(story.finished.state(), JobState::Succeeded, "{story:?}");

    let endless = || jobs::submit(&api, jobs::exact(models::market_split(5, 40), 600));
    let job = endless().await;
    let mut watch = Watch::begin(&api, &job).await;
    watch.until(|kind| matches!(kind, Kind::Incumbent(_))).await;
    cancel(&gateway, &job).await;
    assert_eq!(watch.finish().await.finished.state(), JobState::Cancelled);

    // A job is redelivered, so the other worker looks up its attempt and whether the first worker is
    // connected.
    let job = endless().await;
    let mut watch = Watch::begin(&api, &job).await;
    watch.until(|kind| matches!(kind, Kind::Incumbent(_))).await;
    let second = worker(&of_worker);
    first.kill().await;
    let again = watch.until(|kind| matches!(kind, Kind::Started(_))).await;
    assert_eq!(again.attempt, 2);
    cancel(&gateway, &job).await;
    assert_eq!(watch.finish().await.finished.state(), JobState::Cancelled);

    // Heartbeats arrive.
    let mut states =
        api.clone().watch_mesh(WatchMeshRequest::default()).await.unwrap().into_inner();
    let listed = async {
        loop {
            let mesh = states.message().await.unwrap().unwrap().mesh.unwrap();
            if mesh.workers.iter().any(|worker| worker.slot_count == 2) {
                return;
            }
        }
    };
    within(TIMEOUT, "the worker's heartbeat", listed).await;
    for log in [gateway.process.log(), second.log()] {
        assert!(!log.contains("ACCESS_REFUSED"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_user_of_workers_can_neither_read_the_log_nor_delete_anything() {
    let node = RabbitNode::shared().await;
    let vhost = node.vhost().await;
    node.add_users(vhost.name()).await;
    let url = Role::Worker.url(vhost.url());

    // Nothing exists yet, and it may not declare anything: it waits for a gateway.
    let mesh = AmqpMesh::open(AmqpConfig::new(&url)).unwrap();
    let waiting = async {
        while !format!("{:?}", mesh.health().borrow()).contains("may not declare it") {
            mesh.health().changed().await.unwrap();
        }
    };
    within(TIMEOUT, "a connection without queues", waiting).await;
    let _gateway = Gateway::on(&Role::Gateway.url(vhost.url()), &[]).await;
    within(TIMEOUT, "a connection with queues", mesh.connected()).await.unwrap();

    for refused in [
        mesh.log_start().await.err(),
        mesh.read_log(0).await.err(),
        mesh.dead_letters().await.err(),
        mesh.consume_lookups().await.err(),
    ] {
        assert!(matches!(refused, Some(MeshError::Refused(_))), "{refused:?}");
    }
    let connection = Connection::connect(&url, ConnectionProperties::default()).await.unwrap();
    for queue in ["solvemesh.log.v1", "solvemesh.jobs.standard.v1", "solvemesh.bulk.v1"] {
        let channel = connection.create_channel().await.unwrap();
        let deleted = channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await;
        assert!(deleted.unwrap_err().to_string().contains("ACCESS_REFUSED"), "{queue}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_user_of_gateways_can_neither_pose_as_a_worker_nor_use_other_virtual_hosts() {
    let node = RabbitNode::shared().await;
    let (vhost, other) = (node.vhost().await, node.vhost().await);
    node.add_users(vhost.name()).await;
    let url = Role::Gateway.url(vhost.url());
    let connection = Connection::connect(&url, ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let queue = "solvemesh.present.someone.v1";
    let declared = channel.queue_declare(queue.into(), Default::default(), Default::default());
    assert!(declared.await.unwrap_err().to_string().contains("ACCESS_REFUSED"));

    let elsewhere = url.replace(&format!("/{}", vhost.name()), &format!("/{}", other.name()));
    let refused = AmqpMesh::connect(AmqpConfig::new(&elsewhere)).await;
    assert!(matches!(refused, Err(MeshError::Refused(_))), "{refused:?}");
}

async fn cancel(gateway: &Gateway, job: &str) {
    let request = CancelJobRequest { job_id: job.to_owned() };
    gateway.api().cancel_job(request).await.expect("a cancel");
}
