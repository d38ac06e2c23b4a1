//! Small jobs of the express lane that share messages: each is settled by itself, and none is lost.

use std::{collections::BTreeSet, time::Duration};

use futures::{StreamExt as _, future::join_all};
use lapin::{
    Connection, ConnectionProperties,
    options::{BasicConsumeOptions, BasicRejectOptions},
    types::FieldTable,
};
use prost::Message as _;
use solvemesh::broker::v1::JobEnvelope;
use solvemesh_broker::{AmqpConfig, AmqpMesh, Consumer, Delivery, Lane, Mesh};
use solvemesh_testkit::rabbit::{self, RabbitNode, Vhost};

use crate::behaviour::{job, job_id, next, within};

const QUEUE: &str = "solvemesh.jobs.express.v1";
const JOBS: usize = 100;

async fn connect(vhost: &Vhost) -> AmqpMesh {
    AmqpMesh::connect(AmqpConfig::new(vhost.url())).await.unwrap()
}

/// Enqueues [`JOBS`] jobs at once.
async fn enqueue_all(mesh: &AmqpMesh) -> BTreeSet<String> {
    let ids: BTreeSet<_> = (0..JOBS).map(|number| number.to_string()).collect();
    let enqueued = ids.iter().map(|id| async { mesh.enqueue(&Lane::express(), &job(id)).await });
    assert!(join_all(enqueued).await.iter().all(Result::is_ok));
    ids
}

/// Number of messages in the queue of the lane, those that are delivered and not settled included.
async fn messages(vhost: &Vhost) -> usize {
    let node = RabbitNode::shared().await;
    let list = ["-p", vhost.name(), "-q", "list_queues", "name", "messages"];
    let queues = node.rabbitmqctl(&list).await;
    let of_lane = queues.lines().find_map(|line| line.strip_prefix(QUEUE));
    of_lane.unwrap().trim().parse().unwrap()
}

/// Waits until the queue of the lane is empty. RabbitMQ updates the count with a delay.
async fn until_empty(vhost: &Vhost) {
    within("an empty queue", async {
        while messages(vhost).await > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
}

/// Receives and acknowledges deliveries until all of these jobs were received. Returns those that
/// were delivered before.
async fn acknowledge_all(
    jobs: &mut Consumer<Delivery>,
    mut ids: BTreeSet<String>,
) -> BTreeSet<String> {
    let mut redelivered = BTreeSet::new();
    while !ids.is_empty() {
        let delivery = next(jobs).await;
        let id = job_id(&delivery);
        assert!(ids.remove(&id), "{id} came twice");
        if delivery.redelivered {
            redelivered.insert(id);
        }
        delivery.lease.ack().await.unwrap();
    }
    redelivered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_that_gather_share_messages_and_come_once_each() {
    let vhost = rabbit::vhost().await;
    let mesh = connect(&vhost).await;
    let ids = enqueue_all(&mesh).await;
    within("the count of the queue", async {
        while messages(&vhost).await == 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    assert!(messages(&vhost).await <= JOBS / 4, "{} messages", messages(&vhost).await);
    let mut jobs = mesh.consume(&Lane::express(), 4).await.unwrap();
    assert!(acknowledge_all(&mut jobs, ids).await.is_empty());
    until_empty(&vhost).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_requeued_job_of_a_message_comes_again_before_the_others_are_settled() {
    let vhost = rabbit::vhost().await;
    let mesh = connect(&vhost).await;
    let ids = enqueue_all(&mesh).await;
    let mut jobs = mesh.consume(&Lane::express(), 50).await.unwrap();
    let mut held = Vec::new();
    for _ in 0..JOBS {
        held.push(next(&mut jobs).await);
    }
    let last = held.pop().unwrap();
    let id = job_id(&last);
    last.lease.requeue().await.unwrap();
    let again = next(&mut jobs).await;
    assert_eq!(job_id(&again), id);
    again.lease.ack().await.unwrap();
    assert_eq!(held.iter().map(job_id).chain([id]).collect::<BTreeSet<_>>(), ids);
    for delivery in held {
        delivery.lease.ack().await.unwrap();
    }
    until_empty(&vhost).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_of_a_dropped_consumer_come_again() {
    let vhost = rabbit::vhost().await;
    let mesh = connect(&vhost).await;
    let mut ids = enqueue_all(&mesh).await;
    let mut first = mesh.consume(&Lane::express(), 4).await.unwrap();
    for _ in 0..10 {
        let delivery = next(&mut first).await;
        ids.remove(&job_id(&delivery));
        delivery.lease.ack().await.unwrap();
    }
    drop(next(&mut first).await);
    drop(first);
    let mut second = mesh.consume(&Lane::express(), 4).await.unwrap();
    acknowledge_all(&mut second, ids).await;
    until_empty(&vhost).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redelivered_message_is_taken_apart() {
    let vhost = rabbit::vhost().await;
    let mesh = connect(&vhost).await;
    let ids = enqueue_all(&mesh).await;
    {
        // A worker that dies while it holds everything.
        let worker = connect(&vhost).await;
        let mut jobs = worker.consume(&Lane::express(), 50).await.unwrap();
        let mut held = Vec::new();
        for _ in 0..JOBS {
            held.push(next(&mut jobs).await);
        }
        let node = RabbitNode::shared().await;
        let close = ["close_all_connections", "--vhost", vhost.name(), "a test"];
        node.rabbitmqctl(&close).await;
        within("the loss", async {
            while held.iter().any(|delivery| delivery.lease.is_live()) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        worker.close(Duration::ZERO).await;
    }
    let mut jobs = mesh.consume(&Lane::express(), 50).await.unwrap();
    // Those that the first worker received again before it was closed may come in its messages.
    let redelivered = acknowledge_all(&mut jobs, ids.clone()).await;
    assert_eq!(redelivered, ids);
    until_empty(&vhost).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejected_job_of_a_message_becomes_a_dead_letter_alone() {
    let vhost = rabbit::vhost().await;
    let mesh = connect(&vhost).await;
    let mut others = enqueue_all(&mesh).await;
    others.remove("99");
    let mut dead = mesh.dead_letters().await.unwrap();
    let mut jobs = mesh.consume(&Lane::express(), 50).await.unwrap();
    let mut letter = None;
    while letter.is_none() || !others.is_empty() {
        tokio::select! {
            delivery = next(&mut jobs) => match job_id(&delivery) {
                // Once in the shared message, and again in the message of its own.
                id if id == "99" => delivery.lease.reject().await.unwrap(),
                id => {
                    assert!(others.remove(&id), "{id} came twice");
                    delivery.lease.ack().await.unwrap();
                }
            },
            dead = dead.next(), if letter.is_none() => letter = dead,
        }
    }
    let letter = letter.unwrap();
    assert_eq!((letter.job_id.as_str(), letter.reason.as_str()), ("99", "rejected"));
    letter.lease.ack().await.unwrap();
    until_empty(&vhost).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_letter_with_several_jobs_is_one_for_each() {
    let vhost = rabbit::vhost().await;
    let mesh = connect(&vhost).await;
    let mut ids = enqueue_all(&mesh).await;
    let mut dead = mesh.dead_letters().await.unwrap();
    let connection =
        Connection::connect(vhost.url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let mut raw = channel
        .basic_consume(
            QUEUE.into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await
        .unwrap();
    while !ids.is_empty() {
        tokio::select! {
            Some(message) = raw.next() => {
                let reject = BasicRejectOptions { requeue: false };
                message.unwrap().acker.reject(reject).await.unwrap();
            }
            Some(letter) = within("a dead letter", dead.next()) => {
                assert!(ids.remove(&letter.job_id), "{} came twice", letter.job_id);
                assert_eq!(JobEnvelope::decode(letter.body), Ok(job(&letter.job_id)));
                assert_eq!(letter.digest, job(&letter.job_id).digest);
                letter.lease.ack().await.unwrap();
            }
        }
    }
}
