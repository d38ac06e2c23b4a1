//! The behaviour of every mesh: tests that run against each implementation.

use std::{collections::BTreeSet, future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::join_all;
use prost::Message as _;
use solvemesh::{
    broker::v1::{Heartbeat, JobEnvelope, LogEntry, LookupRequest, LookupResponse},
    v1::JobDescription,
};
use solvemesh_broker::{
    BulkObject, CancelEvent, Consumer, DeadLetter, Delivery, ENVELOPE_VERSION, FORMAT_VERSION,
    Lane, LogMessage, LogStart, Lookup, MAX_ENTRY_BYTES, MAX_PART_BYTES, Mesh, MeshError, Payload,
    Rank,
};
use tokio::{sync::mpsc, task::AbortHandle, time};

/// A timeout that is longer than any step takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Declares the tests of this module for the mesh that an expression creates.
macro_rules! tests_of {
    ($mesh:expr) => {
        tests_of! { $mesh;
            jobs_are_delivered_in_order_and_deleted_once_acked
            a_requeued_job_is_redelivered
            a_rejected_job_becomes_a_dead_letter
            a_job_of_a_later_format_is_identified_by_its_id
            a_consumer_holds_at_most_its_prefetch_unsettled
            a_stopped_consumer_requeues_what_was_not_received
            a_consumer_dropped_at_any_moment_requeues_everything
            entries_are_read_in_the_order_of_the_calls
            entries_of_many_callers_keep_each_callers_order
            reading_starts_at_any_offset
            any_message_of_the_log_can_be_read_again
            an_entry_that_is_too_large_is_refused
            stored_parts_are_loaded_unchanged
            a_reference_that_does_not_match_is_gone
            a_late_follower_receives_earlier_cancels
            every_follower_receives_the_heartbeats_sent_from_then_on
            concurrent_lookups_get_their_own_answers
            an_unanswered_lookup_times_out_and_is_dropped
            a_lookup_goes_to_a_consumer_that_has_not_stopped
            a_registered_worker_is_connected
            a_lane_is_served_while_it_has_a_consumer
            ranks_take_turns
            a_job_that_arrives_meanwhile_passes_those_of_later_ranks
            a_busy_consumer_leaves_jobs_of_other_ranks_to_others
            a_consumer_with_a_prefetch_receives_all_ranks
            a_closed_mesh_ends_its_consumers_and_refuses_calls
        }
    };
    ($mesh:expr; $($name:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                $crate::behaviour::$name(std::sync::Arc::new($mesh.await)).await;
            }
        )*
    };
}
pub(crate) use tests_of;

pub(crate) async fn jobs_are_delivered_in_order_and_deleted_once_acked(mesh: Arc<dyn Mesh>) {
    let mut jobs = mesh.consume(&lane(), 2).await.unwrap();
    for id in ["a", "b", "c"] {
        mesh.enqueue(&lane(), &job(id)).await.unwrap();
    }
    for id in ["a", "b", "c"] {
        let delivery = next(&mut jobs).await;
        assert_eq!(delivery.payload, Payload::Job(Box::new(job(id))));
        assert!(!delivery.redelivered);
        delivery.lease.ack().await.unwrap();
    }
    drop(jobs);
    let mut others = mesh.consume(&lane(), 2).await.unwrap();
    mesh.enqueue(&lane(), &job("d")).await.unwrap();
    assert_eq!(job_id(&next(&mut others).await), "d");
}

pub(crate) async fn a_requeued_job_is_redelivered(mesh: Arc<dyn Mesh>) {
    mesh.enqueue(&lane(), &job("a")).await.unwrap();
    let mut jobs = mesh.consume(&lane(), 1).await.unwrap();
    next(&mut jobs).await.lease.requeue().await.unwrap();
    let again = next(&mut jobs).await;
    assert_eq!(job_id(&again), "a");
    assert!(again.redelivered);
    again.lease.ack().await.unwrap();
}

pub(crate) async fn a_rejected_job_becomes_a_dead_letter(mesh: Arc<dyn Mesh>) {
    let mut dead = mesh.dead_letters().await.unwrap();
    mesh.enqueue(&lane(), &job("a")).await.unwrap();
    let mut jobs = mesh.consume(&lane(), 1).await.unwrap();
    next(&mut jobs).await.lease.reject().await.unwrap();
    let DeadLetter { job_id, digest, reason, body, lease } =
        within("a dead letter", dead.next()).await.unwrap();
    assert_eq!((job_id.as_str(), reason.as_str()), ("a", "rejected"));
    assert_eq!(digest, job("a").digest);
    assert_eq!(JobEnvelope::decode(body), Ok(job("a")));
    lease.ack().await.unwrap();
}

pub(crate) async fn a_job_of_a_later_format_is_identified_by_its_id(mesh: Arc<dyn Mesh>) {
    // The version after that is the one of a message with several jobs.
    let version = ENVELOPE_VERSION + 2;
    mesh.enqueue(&lane(), &JobEnvelope { version, ..job("a") }).await.unwrap();
    let mut jobs = mesh.consume(&lane(), 1).await.unwrap();
    let delivery = next(&mut jobs).await;
    assert_eq!(delivery.payload, Payload::UnsupportedVersion { version, job_id: "a".to_owned() });
}

pub(crate) async fn a_consumer_holds_at_most_its_prefetch_unsettled(mesh: Arc<dyn Mesh>) {
    for id in ["a", "b", "c"] {
        mesh.enqueue(&lane(), &job(id)).await.unwrap();
    }
    let mut first = mesh.consume(&lane(), 2).await.unwrap();
    let held = [next(&mut first).await, next(&mut first).await];
    let mut other = mesh.consume(&lane(), 1).await.unwrap();
    assert_eq!(job_id(&next(&mut other).await), "c");
    assert!(time::timeout(Duration::from_millis(100), first.next()).await.is_err());
    drop(held);
}

pub(crate) async fn a_stopped_consumer_requeues_what_was_not_received(mesh: Arc<dyn Mesh>) {
    for id in ["a", "b", "c", "d"] {
        mesh.enqueue(&lane(), &job(id)).await.unwrap();
    }
    let mut stopped = mesh.consume(&lane(), 4).await.unwrap();
    let (held, dropped) = (next(&mut stopped).await, next(&mut stopped).await);
    drop(dropped);
    stopped.stop();
    assert!(within("the end", stopped.next()).await.is_none());
    let mut other = mesh.consume(&lane(), 4).await.unwrap();
    let mut redelivered = BTreeSet::new();
    while redelivered.len() < 3 {
        let delivery = next(&mut other).await;
        redelivered.insert(job_id(&delivery));
        delivery.lease.ack().await.unwrap();
    }
    assert_eq!(redelivered, ["b", "c", "d"].map(str::to_owned).into());
    assert!(held.lease.is_live());
    held.lease.ack().await.unwrap();
}

pub(crate) async fn a_consumer_dropped_at_any_moment_requeues_everything(mesh: Arc<dyn Mesh>) {
    let mut all: BTreeSet<_> = (0..20).map(|n| n.to_string()).collect();
    for id in &all {
        mesh.enqueue(&lane(), &job(id)).await.unwrap();
    }
    for n in 0..40 {
        let jobs = mesh.consume(&lane(), 20).await.unwrap();
        time::sleep(Duration::from_micros(50 * n)).await;
        drop(jobs);
    }
    let mut jobs = mesh.consume(&lane(), 20).await.unwrap();
    while !all.is_empty() {
        let delivery = next(&mut jobs).await;
        assert!(all.remove(&job_id(&delivery)));
        delivery.lease.ack().await.unwrap();
    }
}

pub(crate) async fn entries_are_read_in_the_order_of_the_calls(mesh: Arc<dyn Mesh>) {
    let mut log = mesh.follow_log(LogStart::First).await.unwrap();
    let ids: Vec<_> = (0..2000).map(|n| n.to_string()).collect();
    let appended = join_all(ids.iter().map(|id| mesh.append(entry(id)))).await;
    assert!(appended.iter().all(Result::is_ok));
    assert_eq!(entries(&mut log, ids.len()).await, ids);
}

pub(crate) async fn entries_of_many_callers_keep_each_callers_order(mesh: Arc<dyn Mesh>) {
    let callers = (0..50).map(|caller| {
        let mesh = Arc::clone(&mesh);
        tokio::spawn(async move {
            for n in 0..20 {
                mesh.append(entry(&format!("{caller} {n}"))).await.unwrap();
            }
        })
    });
    join_all(callers).await;
    let mut log = mesh.follow_log(LogStart::First).await.unwrap();
    let mut seen = vec![0; 50];
    for id in entries(&mut log, 1000).await {
        let (caller, n) = id.split_once(' ').unwrap();
        let caller: usize = caller.parse().unwrap();
        assert_eq!(n.parse::<usize>().unwrap(), seen[caller]);
        seen[caller] += 1;
    }
    assert_eq!(seen, [20; 50]);
}

pub(crate) async fn reading_starts_at_any_offset(mesh: Arc<dyn Mesh>) {
    for n in 0..5 {
        mesh.append(entry(&n.to_string())).await.unwrap();
    }
    let mut log = mesh.follow_log(LogStart::First).await.unwrap();
    let mut offsets = Vec::new();
    while offsets.len() < 5 {
        offsets.push(within("a message", log.recv()).await.unwrap().offset);
    }
    assert!(offsets.is_sorted_by(|one, other| one < other));
    let mut rest = mesh.follow_log(LogStart::Offset(offsets[3])).await.unwrap();
    assert_eq!(within("a message", rest.recv()).await.unwrap().offset, offsets[3]);
    let mut end = mesh.follow_log(LogStart::Offset(offsets[4] + 1)).await.unwrap();
    mesh.append(entry("5")).await.unwrap();
    assert_eq!(entries(&mut rest, 2).await, ["4", "5"]);
    assert_eq!(entries(&mut end, 1).await, ["5"]);
}

pub(crate) async fn any_message_of_the_log_can_be_read_again(mesh: Arc<dyn Mesh>) {
    assert_eq!(within("an answer", mesh.log_start()).await, Ok(None), "it is empty");
    let ids: Vec<_> = (0..100).map(|n| n.to_string()).collect();
    join_all(ids.iter().map(|id| mesh.append(entry(id)))).await;
    mesh.append(entry("alone")).await.unwrap();
    let mut log = mesh.follow_log(LogStart::First).await.unwrap();
    let mut messages = Vec::new();
    while messages.iter().map(entries_of).sum::<usize>() < 101 {
        messages.push(within("a message", log.recv()).await.unwrap());
    }
    let sizes = messages.iter().map(|message| message.bytes);
    let encoded = messages.iter().map(|message| message.batch.as_ref().unwrap().encoded_len());
    assert!(sizes.eq(encoded));
    assert_eq!(within("an answer", mesh.log_start()).await, Ok(Some(messages[0].offset)));

    let many = messages.iter().cycle().take(100);
    let read = join_all(many.clone().map(|message| mesh.read_log(message.offset))).await;
    assert!(read.iter().zip(many).all(|(read, message)| read.as_ref() == Ok(message)));
    let beyond = within("an answer", mesh.read_log(messages.last().unwrap().offset + 1)).await;
    assert!(matches!(beyond, Err(MeshError::Unavailable(_))), "{beyond:?}");
}

fn entries_of(message: &LogMessage) -> usize {
    message.batch.as_ref().unwrap().entries.len()
}

pub(crate) async fn an_entry_that_is_too_large_is_refused(mesh: Arc<dyn Mesh>) {
    let large = entry(&"x".repeat(MAX_ENTRY_BYTES));
    let refused = mesh.append(large).await;
    assert!(matches!(refused, Err(MeshError::TooLarge { limit: MAX_ENTRY_BYTES, .. })));
    mesh.append(entry(&"x".repeat(MAX_ENTRY_BYTES - 100))).await.unwrap();
}

pub(crate) async fn stored_parts_are_loaded_unchanged(mesh: Arc<dyn Mesh>) {
    let parts: Vec<_> = (0..5).map(|n| Bytes::from(vec![n; MAX_PART_BYTES])).collect();
    let small = vec![Bytes::from_static(b"small")];
    // Stored at the same time, so that their messages are interleaved in the stream.
    let (large, others) = tokio::join!(
        mesh.store(BulkObject::new(parts.clone())),
        join_all((0..5).map(|_| mesh.store(BulkObject::new(small.clone())))),
    );
    assert_eq!(within("loading", mesh.load(&large.unwrap())).await, Ok(parts));
    for other in others {
        assert_eq!(within("loading", mesh.load(&other.unwrap())).await, Ok(small.clone()));
    }
    let too_large =
        mesh.store(BulkObject::new(vec![Bytes::from(vec![0; MAX_PART_BYTES + 1])])).await;
    assert!(matches!(too_large, Err(MeshError::TooLarge { .. })));
    let nothing = mesh.store(BulkObject::new(Vec::new())).await.unwrap();
    assert_eq!(mesh.load(&nothing).await, Ok(Vec::new()));
}

pub(crate) async fn a_reference_that_does_not_match_is_gone(mesh: Arc<dyn Mesh>) {
    let parts = vec![Bytes::from_static(b"one"), Bytes::from_static(b"two")];
    let stored = mesh.store(BulkObject::new(parts)).await.unwrap();
    let mut other = stored.clone();
    other.id = "another".to_owned();
    assert!(matches!(within("loading", mesh.load(&other)).await, Err(MeshError::Gone(_))));
    let mut changed = stored;
    changed.digest = vec![0; 32];
    assert!(matches!(within("loading", mesh.load(&changed)).await, Err(MeshError::Gone(_))));
}

pub(crate) async fn a_late_follower_receives_earlier_cancels(mesh: Arc<dyn Mesh>) {
    let mut early = mesh.follow_cancels().await.unwrap();
    assert_eq!(next_event(&mut early).await, CancelEvent::CaughtUp);
    for job in ["a", "b"] {
        mesh.announce_cancel(job).await.unwrap();
        assert_eq!(next_event(&mut early).await, CancelEvent::Cancel(job.to_owned()));
    }
    let mut late = mesh.follow_cancels().await.unwrap();
    for job in ["a", "b"] {
        assert_eq!(next_event(&mut late).await, CancelEvent::Cancel(job.to_owned()));
    }
    assert_eq!(next_event(&mut late).await, CancelEvent::CaughtUp);
    mesh.announce_cancel("c").await.unwrap();
    for cancels in [&mut early, &mut late] {
        assert_eq!(next_event(cancels).await, CancelEvent::Cancel("c".to_owned()));
    }
}

/// The next item of a follower of cancels.
pub(crate) async fn next_event(cancels: &mut mpsc::Receiver<CancelEvent>) -> CancelEvent {
    within("an item", cancels.recv()).await.expect("the stream continues")
}

pub(crate) async fn every_follower_receives_the_heartbeats_sent_from_then_on(mesh: Arc<dyn Mesh>) {
    let mut early = mesh.follow_heartbeats().await.unwrap();
    let first = first_heartbeat(&mesh, &mut early, 0).await;
    let sent = first + 1000;
    mesh.send_heartbeat(heartbeat(sent)).await.unwrap();
    let mut received = vec![first];
    while received.last() != Some(&sent) {
        let next = within("a heartbeat", early.recv()).await.expect("it goes on");
        received.push(next.process_id.parse().unwrap());
    }
    assert!(received.is_sorted_by(|a, b| a < b), "in order, none twice: {received:?}");

    let mut late = mesh.follow_heartbeats().await.unwrap();
    let first = first_heartbeat(&mesh, &mut late, sent + 1).await;
    assert!(first > sent, "a late follower gets no old ones");
}

fn heartbeat(number: u32) -> Heartbeat {
    Heartbeat { process_id: number.to_string(), ..Heartbeat::default() }
}

/// Sends heartbeats with numbers from `from` on until a follower receives one, and returns its
/// number. A follower attaches in the background, so it may miss some.
pub(crate) async fn first_heartbeat(
    mesh: &Arc<dyn Mesh>,
    follower: &mut mpsc::Receiver<Heartbeat>,
    from: u32,
) -> u32 {
    let send = async {
        for number in from.. {
            // Fails during an outage.
            let _ = mesh.send_heartbeat(heartbeat(number)).await;
            time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        first = within("a heartbeat", follower.recv()) => {
            first.expect("it goes on").process_id.parse().unwrap()
        }
        () = send => unreachable!("it never ends"),
    }
}

pub(crate) async fn concurrent_lookups_get_their_own_answers(mesh: Arc<dyn Mesh>) {
    let mut gateways = Vec::new();
    for _ in 0..2 {
        gateways.push(answer_all(mesh.consume_lookups().await.unwrap()));
    }
    let ids: Vec<_> = (0..200).map(|n| n.to_string()).collect();
    let answers = join_all(ids.iter().map(|id| mesh.lookup(lookup_request(id), TIMEOUT))).await;
    for (id, answered) in ids.iter().zip(answers) {
        assert_eq!(answered, Ok(answer(id)));
    }
    gateways.iter().for_each(AbortHandle::abort);
}

pub(crate) async fn an_unanswered_lookup_times_out_and_is_dropped(mesh: Arc<dyn Mesh>) {
    let timeout = Duration::from_secs(1);
    let ask = async |id| {
        let start = time::Instant::now();
        let refused = mesh.lookup(lookup_request(id), timeout).await;
        assert!(matches!(refused, Err(MeshError::Unavailable(_))), "{refused:?}");
        assert!(start.elapsed() < timeout + Duration::from_secs(5));
    };
    ask("to nobody").await;
    // The broker starts its clock later than the caller, so a consumer that starts at once may
    // still receive the first lookup.
    time::sleep(timeout).await;
    let mut lookups = mesh.consume_lookups().await.unwrap();
    let ignored = async {
        let Lookup { request, reply } = next_lookup(&mut lookups).await;
        assert_eq!(request, lookup_request("ignored"));
        drop(reply);
    };
    tokio::join!(ask("ignored"), ignored);
    // An answer after the timeout is ignored.
    let (_, late) = tokio::join!(ask("late"), next_lookup(&mut lookups));
    late.reply.send(answer("late")).await;
    let (answered, ()) = tokio::join!(mesh.lookup(lookup_request("answered"), TIMEOUT), async {
        let received = next_lookup(&mut lookups).await;
        received.reply.send(answer(&received.request.job_id)).await;
    });
    assert_eq!(answered, Ok(answer("answered")));
}

pub(crate) async fn a_lookup_goes_to_a_consumer_that_has_not_stopped(mesh: Arc<dyn Mesh>) {
    let mut stopped = mesh.consume_lookups().await.unwrap();
    let (answered, ()) = tokio::join!(mesh.lookup(lookup_request("received"), TIMEOUT), async {
        let received = next_lookup(&mut stopped).await;
        stopped.stop();
        assert!(within("the end", stopped.next()).await.is_none());
        received.reply.send(answer("received")).await;
    });
    assert_eq!(answered, Ok(answer("received")), "it was received before the stop");
    // There is no consumer for this one at first.
    let (answered, gateway) =
        tokio::join!(mesh.lookup(lookup_request("waiting"), TIMEOUT), async {
            answer_all(mesh.consume_lookups().await.unwrap())
        });
    assert_eq!(answered, Ok(answer("waiting")));
    gateway.abort();
}

pub(crate) async fn ranks_take_turns(mesh: Arc<dyn Mesh>) {
    let waiting = [(Rank::Later, 2), (Rank::Normal, 5), (Rank::First, 1)];
    for (rank, count) in waiting {
        for number in 0..count {
            mesh.enqueue(&lane(), &ranked(&format!("{rank:?} {number}"), rank)).await.unwrap();
        }
    }
    let mut jobs = mesh.consume(&lane(), 1).await.unwrap();
    let mut taken = Vec::new();
    for _ in 0..8 {
        let delivery = next(&mut jobs).await;
        taken.push(delivery.payload.job_id().to_owned());
        delivery.lease.ack().await.unwrap();
    }
    // After a few jobs of one rank, there is one of the next.
    let expected = [
        "First 0", "Normal 0", "Normal 1", "Normal 2", "Later 0", "Normal 3", "Normal 4", "Later 1",
    ];
    assert_eq!(taken, expected);
}

pub(crate) async fn a_job_that_arrives_meanwhile_passes_those_of_later_ranks(mesh: Arc<dyn Mesh>) {
    for id in ["a", "b", "c"] {
        mesh.enqueue(&lane(), &ranked(id, Rank::Later)).await.unwrap();
    }
    let mut jobs = mesh.consume(&lane(), 1).await.unwrap();
    let first = next(&mut jobs).await;
    mesh.enqueue(&lane(), &ranked("new", Rank::First)).await.unwrap();
    first.lease.ack().await.unwrap();
    for expected in ["new", "b", "c"] {
        let delivery = next(&mut jobs).await;
        assert_eq!((delivery.payload.job_id(), delivery.redelivered), (expected, false));
        delivery.lease.ack().await.unwrap();
    }
}

pub(crate) async fn a_busy_consumer_leaves_jobs_of_other_ranks_to_others(mesh: Arc<dyn Mesh>) {
    let mut busy = mesh.consume(&lane(), 1).await.unwrap();
    mesh.enqueue(&lane(), &ranked("long", Rank::Normal)).await.unwrap();
    let long = next(&mut busy).await;
    for rank in Rank::ALL {
        mesh.enqueue(&lane(), &ranked(&format!("{rank:?}"), rank)).await.unwrap();
    }
    let mut idle = mesh.consume(&lane(), 1).await.unwrap();
    let mut taken = BTreeSet::new();
    for _ in Rank::ALL {
        let delivery = next(&mut idle).await;
        taken.insert(delivery.payload.job_id().to_owned());
        delivery.lease.ack().await.unwrap();
    }
    assert_eq!(taken, Rank::ALL.map(|rank| format!("{rank:?}")).into());
    // Jobs that arrive after the busy one has finished come to both.
    drop(idle);
    long.lease.ack().await.unwrap();
    for rank in Rank::ALL {
        mesh.enqueue(&lane(), &ranked("later", rank)).await.unwrap();
        next(&mut busy).await.lease.ack().await.unwrap();
    }
}

pub(crate) async fn a_consumer_with_a_prefetch_receives_all_ranks(mesh: Arc<dyn Mesh>) {
    let mut jobs = mesh.consume(&lane(), 4).await.unwrap();
    for number in 0..12 {
        let rank = Rank::ALL[number % 3];
        mesh.enqueue(&lane(), &ranked(&number.to_string(), rank)).await.unwrap();
    }
    let mut taken = BTreeSet::new();
    for _ in 0..12 {
        let delivery = next(&mut jobs).await;
        taken.insert(delivery.payload.job_id().to_owned());
        delivery.lease.ack().await.unwrap();
    }
    assert_eq!(taken, (0..12).map(|number| number.to_string()).collect());
}

pub(crate) async fn a_lane_is_served_while_it_has_a_consumer(mesh: Arc<dyn Mesh>) {
    let other: Lane = "other".parse().unwrap();
    assert_eq!(mesh.is_served(&lane()).await, Ok(false));
    let mut jobs = mesh.consume(&lane(), 1).await.unwrap();
    let served = async |wanted| {
        while mesh.is_served(&lane()).await != Ok(wanted) {
            tokio::task::yield_now().await;
        }
    };
    within("the consumer to be seen", served(true)).await;
    assert_eq!(mesh.is_served(&other).await, Ok(false));
    // A consumer that is busy still counts.
    mesh.enqueue(&lane(), &job("a")).await.unwrap();
    let busy = next(&mut jobs).await;
    assert_eq!(mesh.is_served(&lane()).await, Ok(true));
    busy.lease.ack().await.unwrap();
    drop(jobs);
    within("the end of the consumer to be seen", served(false)).await;
}

pub(crate) async fn a_registered_worker_is_connected(mesh: Arc<dyn Mesh>) {
    assert_eq!(mesh.is_worker_connected("a").await, Ok(false));
    mesh.register_worker("a").await.unwrap();
    mesh.register_worker("a").await.unwrap();
    assert_eq!(mesh.is_worker_connected("a").await, Ok(true));
    assert_eq!(mesh.is_worker_connected("b").await, Ok(false));
    assert_eq!(mesh.is_worker_connected(&"x".repeat(1000)).await, Ok(false));
}

pub(crate) async fn a_closed_mesh_ends_its_consumers_and_refuses_calls(mesh: Arc<dyn Mesh>) {
    let mut jobs = mesh.consume(&lane(), 1).await.unwrap();
    let mut log = mesh.follow_log(LogStart::First).await.unwrap();
    let mut lookups = mesh.consume_lookups().await.unwrap();
    let closing = async {
        // Received but never answered.
        let held = next_lookup(&mut lookups).await;
        within("closing", mesh.close(Duration::from_secs(5))).await;
        held
    };
    let (outcome, held) = tokio::join!(mesh.lookup(lookup_request("held"), TIMEOUT), closing);
    assert_eq!(outcome, Err(MeshError::Closed));
    drop(held);
    assert!(within("the end", lookups.next()).await.is_none());
    assert!(within("the end", jobs.next()).await.is_none());
    assert!(within("the end", log.recv()).await.is_none());
    assert_eq!(mesh.enqueue(&lane(), &job("a")).await, Err(MeshError::Closed));
    assert_eq!(mesh.append(entry("a")).await, Err(MeshError::Closed));
    assert!(mesh.consume(&lane(), 1).await.is_err());
    assert_eq!(mesh.lookup(lookup_request("a"), TIMEOUT).await, Err(MeshError::Closed));
    assert!(matches!(mesh.consume_lookups().await, Err(MeshError::Closed)));
    assert_eq!(mesh.register_worker("a").await, Err(MeshError::Closed));
    assert_eq!(mesh.is_worker_connected("a").await, Err(MeshError::Closed));
}

pub(crate) fn lane() -> Lane {
    "express".parse().unwrap()
}

/// A job of a rank.
fn ranked(id: &str, rank: Rank) -> JobEnvelope {
    let mut description = JobDescription::default();
    description.set_rank(rank.into());
    JobEnvelope { description: Some(description), ..job(id) }
}

pub(crate) fn job(id: &str) -> JobEnvelope {
    JobEnvelope {
        version: ENVELOPE_VERSION,
        job_id: id.to_owned(),
        digest: vec![7; 32],
        ..JobEnvelope::default()
    }
}

pub(crate) fn entry(job_id: &str) -> LogEntry {
    LogEntry { job_id: job_id.to_owned(), ..LogEntry::default() }
}

pub(crate) fn job_id(delivery: &Delivery) -> String {
    match &delivery.payload {
        Payload::Job(job) => job.job_id.clone(),
        other => panic!("no job: {other:?}"),
    }
}

pub(crate) fn lookup_request(job_id: &str) -> LookupRequest {
    LookupRequest { version: FORMAT_VERSION, job_id: job_id.to_owned() }
}

/// The answer to the lookup of a job.
pub(crate) fn answer(job_id: &str) -> LookupResponse {
    LookupResponse {
        version: FORMAT_VERSION,
        attempt_id: format!("the attempt at {job_id}"),
        ..LookupResponse::default()
    }
}

/// Answers all lookups until it is aborted.
pub(crate) fn answer_all(mut lookups: Consumer<Lookup>) -> AbortHandle {
    let answering = async move {
        while let Some(Lookup { request, reply }) = lookups.next().await {
            reply.send(answer(&request.job_id)).await;
        }
    };
    tokio::spawn(answering).abort_handle()
}

pub(crate) async fn next_lookup(lookups: &mut Consumer<Lookup>) -> Lookup {
    within("a lookup", lookups.next()).await.expect("the consumer has not ended")
}

pub(crate) async fn next(jobs: &mut Consumer<Delivery>) -> Delivery {
    within("a job", jobs.next()).await.expect("the consumer has not ended")
}

/// The job ids of the next `count` entries.
pub(crate) async fn entries(log: &mut mpsc::Receiver<LogMessage>, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    while ids.len() < count {
        let message = within("a message", log.recv()).await.expect("the log continues");
        ids.extend(message.batch.unwrap().entries.into_iter().map(|entry| entry.job_id));
    }
    ids
}

/// Awaits a future; a timeout fails the test.
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    time::timeout(TIMEOUT, future).await.unwrap_or_else(|_| panic!("timed out: {what}"))
}
