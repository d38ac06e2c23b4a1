//! The mesh over RabbitMQ: the behaviour of every mesh, also when the broker is killed, closes
//! connections, or is short of memory.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::behaviour::{
    answer, answer_all, entries, entry, first_heartbeat, job, job_id, lane, lookup_request, next,
    next_event, next_lookup, tests_of, within,
};
use bytes::Bytes;
use futures::{StreamExt as _, future::join_all};
use lapin::{
    BasicProperties, Connection, ConnectionProperties,
    options::{BasicConsumeOptions, BasicPublishOptions},
    types::FieldTable,
};
use prost::Message as _;
use solvemesh::broker::v1::{LookupRequest, LookupResponse};
use solvemesh_broker::{
    AmqpConfig, AmqpMesh, BulkObject, CancelEvent, ENVELOPE_VERSION, Health, Lane, LogStart,
    MAX_PART_BYTES, Mesh, MeshError,
};
use solvemesh_testkit::proxy::Proxy;
use solvemesh_testkit::rabbit::{self, RabbitNode, Vhost};
use tokio::time;

const LOOKUP: &str = "solvemesh.lookup.v2";
/// A timeout that is longer than any answer takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

tests_of!(async { connect(&rabbit::vhost().await).await });

async fn connect(vhost: &Vhost) -> AmqpMesh {
    AmqpMesh::connect(config(vhost.url())).await.unwrap()
}

fn config(url: &str) -> AmqpConfig {
    AmqpConfig { publish_timeout: Duration::from_secs(3), ..AmqpConfig::new(url) }
}

async fn ctl(vhost: &Vhost, command: &[&str]) -> String {
    let node = RabbitNode::shared().await;
    node.rabbitmqctl(&[&["-p", vhost.name()], command].concat()).await
}

/// Closes all connections of a virtual host.
async fn cut(vhost: &Vhost) {
    ctl(vhost, &["close_all_connections", "--vhost", vhost.name(), "a test"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_the_unroutable_messages_are_reported() {
    let vhost = rabbit::vhost().await;
    let mesh = connect(&vhost).await;
    let lost: Lane = "lost".parse().unwrap();
    for lane in [&lane(), &lost] {
        mesh.enqueue(lane, &job("first")).await.unwrap();
    }
    ctl(&vhost, &["delete_queue", "solvemesh.jobs.lost.v1"]).await;

    let enqueued = join_all((0..1000).map(|n| {
        let lane = if n % 3 == 0 { lost.clone() } else { lane() };
        let mesh = &mesh;
        async move { (n, mesh.enqueue(&lane, &job(&n.to_string())).await) }
    }))
    .await;
    let mut safe = BTreeSet::new();
    for (n, outcome) in enqueued {
        match outcome {
            Ok(()) => {
                safe.insert((n % 3 == 0, n.to_string()));
            }
            Err(MeshError::Unroutable(_)) => assert_eq!(n % 3, 0, "{n} had a queue"),
            Err(other) => panic!("{n}: {other}"),
        }
    }
    let unroutable = 1000 - safe.len();
    assert!(unroutable > 0);

    // The next message to the queue declares it again.
    mesh.enqueue(&lost, &job("last")).await.unwrap();
    safe.extend([(false, "first".to_owned()), (true, "last".to_owned())]);
    let mut found = BTreeSet::new();
    for (is_lost, lane) in [(false, lane()), (true, lost)] {
        let mut jobs = mesh.consume(&lane, 100).await.unwrap();
        while safe.iter().any(|(l, id)| *l == is_lost && !found.contains(&(*l, id.clone()))) {
            let delivery = next(&mut jobs).await;
            assert!(found.insert((is_lost, job_id(&delivery))));
            delivery.lease.ack().await.unwrap();
        }
        let empty = tokio::time::timeout(Duration::from_millis(200), jobs.next()).await;
        assert!(empty.is_err(), "a job that was reported as unroutable");
    }
    assert_eq!(found, safe);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_lane_refuses_jobs_and_drops_none() {
    let vhost = rabbit::vhost().await;
    let mut config = config(vhost.url());
    config.topology.lane_length = 5;
    let mesh = AmqpMesh::connect(config).await.unwrap();
    let mut safe = 0;
    let refused = loop {
        match mesh.enqueue(&lane(), &job(&safe.to_string())).await {
            Ok(()) => safe += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, MeshError::Full(lane()));
    assert!(safe >= 5);
    let mut jobs = mesh.consume(&lane(), 100).await.unwrap();
    for n in 0..safe {
        let delivery = next(&mut jobs).await;
        assert_eq!(job_id(&delivery), n.to_string());
        delivery.lease.ack().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues_with_other_arguments_are_refused() {
    let vhost = rabbit::vhost().await;
    let _mesh = connect(&vhost).await;
    let mut other = config(vhost.url());
    other.topology.log.max_age = "1D".to_owned();
    let refused = within("an answer", AmqpMesh::connect(other)).await;
    assert!(matches!(refused, Err(MeshError::Refused(_))), "{refused:?}");
    assert!(refused.unwrap_err().to_string().contains("x-max-age"), "it names the argument");

    let mut other = config(vhost.url());
    other.topology.lane_length = 7;
    let other = AmqpMesh::connect(other).await.unwrap();
    let _jobs = other.consume(&lane(), 1).await.unwrap();
    let mut third = config(vhost.url());
    third.topology.lane_length = 8;
    let third = AmqpMesh::connect(third).await.unwrap();
    assert!(matches!(third.consume(&lane(), 1).await, Err(MeshError::Refused(_))));
    assert!(matches!(third.enqueue(&lane(), &job("a")).await, Err(MeshError::Refused(_))));
    let mut fourth = config(vhost.url());
    fourth.lanes = vec![lane()];
    let refused = within("an answer", AmqpMesh::connect(fourth)).await;
    assert!(matches!(refused, Err(MeshError::Refused(_))), "{refused:?}");
    let nowhere = config(&vhost.url().replace("test-", "no-"));
    let refused = within("an answer", AmqpMesh::connect(nowhere)).await;
    assert!(matches!(refused, Err(MeshError::Refused(_))), "{refused:?}");
    let nobody = config(&vhost.url().replace("guest:guest", "guest:wrong"));
    let refused = within("an answer", AmqpMesh::connect(nobody)).await;
    assert!(matches!(refused, Err(MeshError::Refused(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_down_is_skipped() {
    let vhost = rabbit::vhost().await;
    // Bound but not listening, so connections are refused and no one else gets the port.
    let held = tokio::net::TcpSocket::new_v4().unwrap();
    held.bind((std::net::Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let down = format!("amqp://guest:guest@{}/%2f", held.local_addr().unwrap());
    for urls in [[vhost.url(), &down], [&down, vhost.url()]] {
        let mesh = AmqpMesh::connect(config(&urls.join(", "))).await.unwrap();
        mesh.enqueue(&lane(), &job("a")).await.unwrap();
    }
    let nowhere = AmqpMesh::connect(AmqpConfig { urls: Vec::new(), ..config(vhost.url()) }).await;
    assert!(matches!(nowhere, Err(MeshError::Configuration(_))), "{nowhere:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn truncated_parts_and_entries_are_gone() {
    let vhost = rabbit::vhost().await;
    let mut config = config(vhost.url());
    config.topology.log.max_bytes = 2 << 20;
    config.topology.log.segment_bytes = 1 << 20;
    config.topology.bulk.max_bytes = 2 << 20;
    config.topology.bulk.segment_bytes = 1 << 20;
    let mesh = AmqpMesh::connect(config).await.unwrap();
    let parts = |n| vec![Bytes::from(vec![n; MAX_PART_BYTES])];
    let first = mesh.store(BulkObject::new(parts(0))).await.unwrap();
    let mut last = first.clone();
    for n in 1..12 {
        last = mesh.store(BulkObject::new(parts(n))).await.unwrap();
    }
    assert_eq!(mesh.load(&last).await, Ok(parts(11)));
    // The broker truncates asynchronously, so poll for it.
    let truncated = async {
        loop {
            match mesh.load(&first).await {
                Ok(_) => time::sleep(Duration::from_millis(50)).await,
                Err(gone) => return gone,
            }
        }
    };
    let gone = within("truncation", truncated).await;
    assert!(matches!(gone, MeshError::Gone(_)), "{gone:?}");

    let mut log = mesh.follow_log(LogStart::First).await.unwrap();
    mesh.append(entry(&"x".repeat(800 << 10))).await.unwrap();
    let first = within("a message", log.recv()).await.unwrap();
    assert_eq!(mesh.log_start().await, Ok(Some(first.offset)));
    let mut last = first.clone();
    for _ in 0..12 {
        mesh.append(entry(&"x".repeat(800 << 10))).await.unwrap();
        last = within("a message", log.recv()).await.unwrap();
    }
    let truncated = async {
        loop {
            match mesh.log_start().await.unwrap() {
                Some(begins) if begins > first.offset => return begins,
                _ => time::sleep(Duration::from_millis(50)).await,
            }
        }
    };
    let begins = within("truncation", truncated).await;
    // The last segment is kept, which may contain only the last message.
    assert!(begins <= last.offset);
    assert_eq!(mesh.read_log(begins).await.unwrap().bytes, first.bytes);
    assert_eq!(mesh.read_log(last.offset).await, Ok(last));
    let gone = within("reading", mesh.read_log(first.offset)).await;
    assert!(matches!(gone, Err(MeshError::Gone(_))), "{gone:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumers_and_followers_survive_closed_connections() {
    let vhost = rabbit::vhost().await;
    let mesh = connect(&vhost).await;
    let mut jobs = mesh.consume(&lane(), 10).await.unwrap();
    let mut log = mesh.follow_log(LogStart::First).await.unwrap();
    let mut cancels = mesh.follow_cancels().await.unwrap();
    let mesh: Arc<dyn Mesh> = Arc::new(mesh);
    let mut heartbeats = mesh.follow_heartbeats().await.unwrap();
    let before = first_heartbeat(&mesh, &mut heartbeats, 0).await;
    for n in 0..3 {
        mesh.enqueue(&lane(), &job(&n.to_string())).await.unwrap();
    }
    mesh.append(entry("before")).await.unwrap();
    assert_eq!(next_event(&mut cancels).await, CancelEvent::CaughtUp);
    mesh.announce_cancel("before").await.unwrap();
    assert_eq!(entries(&mut log, 1).await, ["before"]);
    assert_eq!(next_event(&mut cancels).await, CancelEvent::Cancel("before".to_owned()));
    let held = next(&mut jobs).await;
    assert_eq!(job_id(&held), "0");
    assert!(held.lease.is_live());

    cut(&vhost).await;

    // All three are redelivered; the old lease is lost.
    let mut redelivered_of = BTreeMap::new();
    while redelivered_of.len() < 3 || !redelivered_of.values().all(|redelivered| *redelivered) {
        let delivery = next(&mut jobs).await;
        let (id, redelivered) = (job_id(&delivery), delivery.redelivered);
        let live = delivery.lease.is_live();
        if delivery.lease.ack().await.is_ok() {
            assert!(live);
            redelivered_of.insert(id, redelivered);
        }
    }
    assert!(!held.lease.is_live());
    assert!(held.lease.ack().await.is_err());
    mesh.append(entry("after")).await.unwrap();
    assert_eq!(entries(&mut log, 1).await, ["after"]);
    assert_eq!(next_event(&mut cancels).await, CancelEvent::ConnectionLost);
    assert_eq!(next_event(&mut cancels).await, CancelEvent::CaughtUp);
    within("publishing again", async { while mesh.announce_cancel("after").await.is_err() {} })
        .await;
    assert_eq!(next_event(&mut cancels).await, CancelEvent::Cancel("after".to_owned()));
    // What was sent before may still be in the channel.
    let mut number = before;
    while number < 10_000 {
        number = first_heartbeat(&mesh, &mut heartbeats, 10_000).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_connection_is_detected_and_re_established_once_the_network_recovers() {
    let vhost = rabbit::vhost().await;
    let (host, name) = vhost.url().split_once('@').unwrap().1.split_once('/').unwrap();
    let path = Proxy::to(host.parse().unwrap()).await;
    let url = format!("amqp://guest:guest@{}/{name}?heartbeat=2", path.address());
    // A short timeout of attempts to connect, so that it reconnects soon.
    let request_timeout = Duration::from_secs(5);
    let mesh = AmqpMesh::connect(AmqpConfig { request_timeout, ..config(&url) }).await.unwrap();
    let mut jobs = mesh.consume(&lane(), 10).await.unwrap();
    let mut log = mesh.follow_log(LogStart::First).await.unwrap();
    let mut cancels = mesh.follow_cancels().await.unwrap();
    assert_eq!(next_event(&mut cancels).await, CancelEvent::CaughtUp);
    mesh.enqueue(&lane(), &job("held")).await.unwrap();
    let held = next(&mut jobs).await;
    let mut health = mesh.health();

    let start = Instant::now();
    path.silence();
    let unknown = async {
        let outcome = mesh.enqueue(&lane(), &job("unknown")).await;
        assert_eq!(outcome, Err(MeshError::OutcomeUnknown));
        assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    };
    let detected = async {
        let lost = |health: &Health| matches!(health, Health::Disconnected { .. });
        within("the loss", health.wait_for(lost)).await.unwrap();
        assert!(start.elapsed() < Duration::from_secs(7), "{:?}", start.elapsed());
    };
    tokio::join!(unknown, detected);
    // The consuming connection is lost too.
    assert_eq!(next_event(&mut cancels).await, CancelEvent::ConnectionLost);
    assert!(!held.lease.is_live());
    let appending = mesh.append(entry("during"));
    let recovery = async {
        path.heal();
        within("the reconnect", health.wait_for(|health| *health == Health::Ready)).await.unwrap();
    };
    let (appended, ()) = tokio::join!(within("appending", appending), recovery);
    appended.unwrap();
    assert_eq!(entries(&mut log, 1).await, ["during"]);
    assert_eq!(next_event(&mut cancels).await, CancelEvent::CaughtUp);
    mesh.enqueue(&lane(), &job("after")).await.unwrap();
    let mut received = BTreeSet::new();
    while !received.contains("held") || !received.contains("after") {
        let delivery = next(&mut jobs).await;
        received.insert(job_id(&delivery));
        let _ = delivery.lease.ack().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_attached_again_after_silence_brings_each_message_once() {
    let vhost = rabbit::vhost().await;
    let stream_idle_timeout = Duration::from_millis(50);
    let mesh =
        AmqpMesh::connect(AmqpConfig { stream_idle_timeout, ..config(vhost.url()) }).await.unwrap();
    let mut log = mesh.follow_log(LogStart::First).await.unwrap();
    let mut cancels = mesh.follow_cancels().await.unwrap();
    assert_eq!(next_event(&mut cancels).await, CancelEvent::CaughtUp);
    for number in 0..20 {
        let id = number.to_string();
        // Sometimes before it is attached again, and sometimes after.
        time::sleep(Duration::from_millis(13 * number)).await;
        mesh.append(entry(&id)).await.unwrap();
        mesh.announce_cancel(&id).await.unwrap();
        assert_eq!(entries(&mut log, 1).await, std::slice::from_ref(&id));
        assert_eq!(next_event(&mut cancels).await, CancelEvent::Cancel(id));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lookups_are_answered_again_after_closed_connections() {
    let vhost = rabbit::vhost().await;
    let (worker, gateway) = tokio::join!(connect(&vhost), connect(&vhost));
    let answering = answer_all(gateway.consume_lookups().await.unwrap());
    assert_eq!(worker.lookup(lookup_request("before"), TIMEOUT).await, Ok(answer("before")));

    // One of these may be lost: the gateway acked it just before its connection was closed.
    let mut cutting = std::pin::pin!(cut(&vhost));
    let mut lookup_count = 0;
    loop {
        let id = lookup_count.to_string();
        tokio::select! {
            () = &mut cutting => break,
            answered = worker.lookup(lookup_request(&id), Duration::from_secs(1)) => {
                match answered {
                    Ok(answered) => assert_eq!(answered, answer(&id)),
                    Err(error) => assert!(matches!(error, MeshError::Unavailable(_)), "{error}"),
                }
                lookup_count += 1;
            }
        }
    }
    assert!(lookup_count > 0);
    let after = async {
        while worker.lookup(lookup_request("after"), Duration::from_secs(1)).await
            != Ok(answer("after"))
        {}
    };
    within("an answer again", after).await;
    answering.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lookup_is_sent_again_over_the_next_connection() {
    let vhost = rabbit::vhost().await;
    let mesh = connect(&vhost).await;
    let mut lookups = mesh.consume_lookups().await.unwrap();
    let asking = mesh.lookup(lookup_request("a"), TIMEOUT);
    let answering = async {
        let lost = next_lookup(&mut lookups).await;
        cut(&vhost).await;
        let again = next_lookup(&mut lookups).await;
        assert_eq!(again.request, lost.request);
        // Over a channel that is closed.
        lost.reply.send(answer("lost")).await;
        again.reply.send(answer("a")).await;
    };
    let (answered, ()) = tokio::join!(asking, answering);
    assert_eq!(answered, Ok(answer("a")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn undecodable_lookups_and_answers_are_skipped() {
    let vhost = rabbit::vhost().await;
    let mesh = connect(&vhost).await;
    let other = Connection::connect(vhost.url(), ConnectionProperties::default()).await.unwrap();
    let channel = other.create_channel().await.unwrap();
    let publish = async |queue: &str, properties: BasicProperties, body: Vec<u8>| {
        let options = BasicPublishOptions::default();
        channel.basic_publish("".into(), queue.into(), options, &body, properties).await.unwrap();
    };
    let to_nowhere = || BasicProperties::default().with_reply_to("nowhere".into());
    let version = ENVELOPE_VERSION + 1;
    let later = LookupRequest { version, ..lookup_request("later") };
    publish(LOOKUP, to_nowhere(), vec![0xff]).await;
    publish(LOOKUP, to_nowhere(), later.encode_to_vec()).await;
    publish(LOOKUP, BasicProperties::default(), lookup_request("no reply address").encode_to_vec())
        .await;
    publish(LOOKUP, to_nowhere(), lookup_request("readable").encode_to_vec()).await;
    let mut lookups = mesh.consume_lookups().await.unwrap();
    let first = next_lookup(&mut lookups).await;
    assert_eq!(first.request, lookup_request("readable"));
    first.reply.send(answer("to nowhere")).await;
    drop(lookups);

    // Now the other connection acts as a gateway.
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let mut incoming = channel
        .basic_consume(LOOKUP.into(), "".into(), options, FieldTable::default())
        .await
        .unwrap();
    let answering = async {
        let lookup = within("a lookup", incoming.next()).await.unwrap().unwrap();
        let to = lookup.properties.reply_to().clone().unwrap();
        let number = lookup.properties.correlation_id().clone().unwrap();
        let of = |number| BasicProperties::default().with_correlation_id(number);
        let later = LookupResponse { version, ..answer("later") };
        let ours = answer("a").encode_to_vec();
        publish(to.as_str(), of(number.clone()), vec![0xff]).await;
        publish(to.as_str(), of(number.clone()), later.encode_to_vec()).await;
        publish(to.as_str(), of("none".into()), answer("to none").encode_to_vec()).await;
        publish(to.as_str(), of("0".into()), answer("to another").encode_to_vec()).await;
        publish(to.as_str(), of(number), ours).await;
    };
    let (answered, ()) = tokio::join!(mesh.lookup(lookup_request("a"), TIMEOUT), answering);
    assert_eq!(answered, Ok(answer("a")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_is_registered_as_long_as_it_is_connected() {
    let vhost = rabbit::vhost().await;
    let (worker, other) = tokio::join!(connect(&vhost), connect(&vhost));
    assert_eq!(other.is_worker_connected("w").await, Ok(false));
    worker.register_worker("w").await.unwrap();
    assert_eq!(other.is_worker_connected("w").await, Ok(true));
    assert_eq!(worker.is_worker_connected("w").await, Ok(true));

    // A queue that was declared again has another process id in the broker.
    let queue = || ctl(&vhost, &["list_queues", "--no-table-headers", "name", "pid"]);
    let presence = |queues: String| {
        queues.lines().find(|line| line.starts_with("solvemesh.present.w.v1")).map(str::to_owned)
    };
    let before = presence(queue().await).unwrap();
    cut(&vhost).await;
    let again = async { while presence(queue().await).is_none_or(|now| now == before) {} };
    within("the new registration", again).await;
    let seen = async { while other.is_worker_connected("w").await != Ok(true) {} };
    within("the reconnect of the other mesh", seen).await;

    worker.close(Duration::from_secs(5)).await;
    let gone = async { while other.is_worker_connected("w").await != Ok(false) {} };
    time::timeout(Duration::from_secs(5), gone).await.expect("the broker notices soon");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mesh_that_is_opened_while_its_broker_is_down_connects_later() {
    let node = RabbitNode::start().await;
    node.kill9();
    let mesh = AmqpMesh::open(config(&node.amqp_url("/"))).unwrap();
    assert!(matches!(*mesh.health().borrow(), Health::Disconnected { .. }));
    let refused = mesh.enqueue(&lane(), &job("refused")).await;
    assert!(matches!(refused, Err(MeshError::Unavailable(_))), "{refused:?}");
    let connected = time::timeout(Duration::from_secs(1), mesh.connected()).await;
    assert!(connected.is_err(), "{connected:?}");
    let mut log = mesh.follow_log(LogStart::First).await.unwrap();
    let (appended, ()) = tokio::join!(mesh.append(entry("waits")), node.restart());
    appended.unwrap();
    assert_eq!(entries(&mut log, 1).await, ["waits"]);
    within("the connections", mesh.connected()).await.unwrap();
    mesh.enqueue(&lane(), &job("a")).await.unwrap();
    let mut jobs = mesh.consume(&lane(), 1).await.unwrap();
    assert_eq!(job_id(&next(&mut jobs).await), "a");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_broker_loses_no_confirmed_entry_and_no_job() {
    let node = RabbitNode::start().await;
    let mesh = Arc::new(AmqpMesh::connect(config(&node.amqp_url("/"))).await.unwrap());
    let mut log = mesh.follow_log(LogStart::First).await.unwrap();
    let mut health = mesh.health();
    mesh.enqueue(&lane(), &job("kept")).await.unwrap();

    let writers: Vec<_> = (0..20)
        .map(|writer| {
            let mesh = Arc::clone(&mesh);
            tokio::spawn(async move {
                for n in 0..200 {
                    mesh.append(entry(&format!("{writer} {n}"))).await.unwrap();
                }
            })
        })
        .collect();
    let mut read = entries(&mut log, 100).await;
    node.kill9();
    let lost = |health: &Health| matches!(health, Health::Disconnected { .. });
    within("the loss", health.wait_for(lost)).await.unwrap();
    let start = Instant::now();
    let refused = mesh.enqueue(&lane(), &job("refused")).await;
    // The publishing connection may notice the loss last.
    assert!(
        matches!(refused, Err(MeshError::Unavailable(_) | MeshError::OutcomeUnknown)),
        "{refused:?}"
    );
    assert!(start.elapsed() < Duration::from_secs(10));
    // The caller stops waiting, but its entry stays in the outbox.
    let abandoned = tokio::time::timeout(Duration::ZERO, mesh.append(entry("abandoned"))).await;
    assert!(abandoned.is_err());
    node.restart().await;
    for writer in writers {
        within("a writer", writer).await.unwrap();
    }
    within("the reconnect", health.wait_for(|health| *health == Health::Ready)).await.unwrap();

    // A batch may be in the log twice, but in order: the entries of each writer repeat only earlier
    // ones, and all are there.
    mesh.append(entry("end")).await.unwrap();
    while read.last().is_none_or(|last| last != "end") {
        read.extend(entries(&mut log, 1).await);
    }
    assert!(read.contains(&"abandoned".to_owned()));
    let mut again = mesh.follow_log(LogStart::First).await.unwrap();
    assert_eq!(entries(&mut again, read.len()).await, read, "the same when read from the start");
    let mut next_of = [0; 20];
    for id in &read {
        if let Some((writer, n)) = id.split_once(' ') {
            let next: &mut usize = &mut next_of[writer.parse::<usize>().unwrap()];
            let n: usize = n.parse().unwrap();
            assert!(n <= *next, "{id} before {next}");
            *next = (*next).max(n + 1);
        }
    }
    assert_eq!(next_of, [200; 20]);
    let mut jobs = mesh.consume(&lane(), 1).await.unwrap();
    assert_eq!(job_id(&next(&mut jobs).await), "kept");
    mesh.close(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_short_of_memory_refuses_within_the_timeout_and_recovers() {
    let node = RabbitNode::start().await;
    let mesh = AmqpMesh::connect(config(&node.amqp_url("/"))).await.unwrap();
    let mut health = mesh.health();
    mesh.enqueue(&lane(), &job("before")).await.unwrap();
    node.rabbitmqctl(&["set_vm_memory_high_watermark", "absolute", "1MB"]).await;

    // The broker reports the alarm only to a connection that publishes.
    let start = Instant::now();
    let unknown = mesh.enqueue(&lane(), &job("unknown")).await;
    assert!(
        matches!(unknown, Err(MeshError::OutcomeUnknown | MeshError::Blocked(_))),
        "{unknown:?}"
    );
    let blocked = |health: &Health| matches!(health, Health::Blocked { .. });
    within("the alarm", health.wait_for(blocked)).await.unwrap();
    let refused = mesh.enqueue(&lane(), &job("refused")).await;
    assert!(matches!(refused, Err(MeshError::Blocked(_))), "{refused:?}");
    assert!(start.elapsed() < Duration::from_secs(10));
    let timeout = Duration::from_millis(200);
    let refused = mesh.lookup(lookup_request("refused"), timeout).await;
    assert!(matches!(refused, Err(MeshError::Blocked(_))), "{refused:?}");
    assert_eq!(mesh.is_worker_connected("w").await, Ok(false));
    // Consuming still works.
    let mut jobs = mesh.consume(&lane(), 10).await.unwrap();
    let delivery = next(&mut jobs).await;
    assert_eq!(job_id(&delivery), "before");
    delivery.lease.ack().await.unwrap();
    // An entry waits in the outbox.
    let waiting = tokio::time::timeout(Duration::from_secs(4), mesh.append(entry("waiting"))).await;
    assert!(waiting.is_err());

    node.rabbitmqctl(&["set_vm_memory_high_watermark", "0.4"]).await;
    within("the alarm's end", health.wait_for(|health| *health == Health::Ready)).await.unwrap();
    mesh.enqueue(&lane(), &job("after")).await.unwrap();
    mesh.append(entry("after")).await.unwrap();
    let mut log = mesh.follow_log(LogStart::First).await.unwrap();
    assert_eq!(entries(&mut log, 2).await, ["waiting", "after"], "each once");
    let mut arrived = Vec::new();
    while arrived.last().is_none_or(|last| last != "after") {
        let delivery = next(&mut jobs).await;
        arrived.push(job_id(&delivery));
        delivery.lease.ack().await.unwrap();
    }
    assert!(!arrived.contains(&"refused".to_owned()));
}
