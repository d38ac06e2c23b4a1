//! The names and arguments of all queues and streams, and how they are declared.

use std::{sync::Arc, time::Duration};

use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};

use super::config::{StreamLimits, Topology};
use crate::{Lane, Rank};

/// The queue of dead letters, and its exchange.
pub(super) const DEAD_LETTERS: &str = "solvemesh.dead.v1";
const LOG: &str = "solvemesh.log.v1";
const BULK: &str = "solvemesh.bulk.v1";
const CANCELS: &str = "solvemesh.cancel.v1";
/// The exchange of heartbeats.
pub(super) const HEARTBEATS: &str = "solvemesh.heartbeat.v1";
/// The maximum number of heartbeats in a follower's queue; above it, the oldest are dropped.
const HEARTBEAT_LENGTH: u64 = 10_000;
/// The queue of lookups.
pub(super) const LOOKUP: &str = "solvemesh.lookup.v2";

/// The maximum time that a lookup stays in its queue.
pub(super) const LOOKUP_TTL: Duration = Duration::from_secs(10);
/// How long the queue of lookups exists without a consumer.
const LOOKUP_EXPIRES: Duration = Duration::from_secs(600);
/// The maximum number of queued lookups; above it, the oldest are dropped.
const LOOKUP_LENGTH: u64 = 10_000;
/// The maximum length of a queue's name, in bytes.
const NAME_BYTES: usize = 255;

/// A queue or stream to declare.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Queue {
    pub(super) name: String,
    pub(super) arguments: FieldTable,
    /// Whether it is bound to the exchange for dead letters.
    dead_letters: bool,
}

/// A queue or stream, and those that have to be declared before it.
#[derive(Clone, Debug)]
pub(super) struct Route(Arc<[Queue]>);

impl Route {
    /// The queues to declare, in order; the last one is that of the route.
    pub(super) fn queues(&self) -> &[Queue] {
        &self.0
    }

    /// The queue's name.
    pub(super) fn name(&self) -> &str {
        self.0.last().map_or("", |queue| queue.name.as_str())
    }
}

impl<const N: usize> From<[Queue; N]> for Route {
    fn from(queues: [Queue; N]) -> Self {
        Self(Arc::new(queues))
    }
}

/// The queues of a lane.
#[derive(Clone, Debug)]
pub(super) struct LaneQueues {
    /// By the index of their rank.
    ranks: [Route; 3],
    /// The queue by which workers show that they serve the lane.
    pub(super) served: Queue,
}

impl LaneQueues {
    pub(super) fn new(lane: &Lane, topology: &Topology) -> Self {
        let ranks = Rank::ALL.map(|rank| jobs(lane, rank, topology).into());
        Self { ranks, served: served(lane) }
    }

    /// The queue of a rank.
    pub(super) fn of(&self, rank: Rank) -> &Route {
        &self.ranks[rank.index()]
    }

    /// All queues to declare, in order.
    pub(super) fn all(&self) -> Vec<Queue> {
        let lanes = self.ranks.iter().filter_map(|route| route.queues().last().cloned());
        [dead_letters()].into_iter().chain(lanes).chain([self.served.clone()]).collect()
    }
}

/// The queue of a rank of a lane, after that of the dead letters. With at-least-once
/// dead-lettering, a dead letter stays in the lane's queue until the other queue exists.
fn jobs(lane: &Lane, rank: Rank, topology: &Topology) -> [Queue; 2] {
    [dead_letters(), lane_queue(lane, rank, topology)]
}

fn lane_queue(lane: &Lane, rank: Rank, topology: &Topology) -> Queue {
    // Without a suffix, the queue is that of versions without ranks.
    let suffix = match rank {
        Rank::First => ".first",
        Rank::Normal => "",
        Rank::Later => ".later",
    };
    Queue {
        name: format!("solvemesh.jobs.{lane}{suffix}.v1"),
        arguments: table([
            ("x-queue-type", text("quorum")),
            ("x-dead-letter-exchange", text(DEAD_LETTERS)),
            // At-least-once dead-lettering requires `reject-publish`, by which a full queue also
            // rejects new jobs instead of dropping old ones.
            ("x-dead-letter-strategy", text("at-least-once")),
            ("x-overflow", text("reject-publish")),
            ("x-max-length", number(topology.lane_length.into())),
            ("x-consumer-timeout", millis(topology.consumer_timeout)),
            ("x-delivery-limit", number(topology.delivery_limit.into())),
        ]),
        dead_letters: false,
    }
}

/// The queue by which workers show that they serve a lane. It stays empty; only its consumers
/// count. Those of the lane's queues don't: a busy worker has none there.
fn served(lane: &Lane) -> Queue {
    Queue {
        name: format!("solvemesh.served.{lane}.v1"),
        arguments: table([("x-queue-type", text("quorum")), ("x-max-length", number(1))]),
        dead_letters: false,
    }
}

/// The queue of dead letters. One gateway at a time consumes it.
pub(super) fn dead_letters() -> Queue {
    Queue {
        name: DEAD_LETTERS.to_owned(),
        arguments: table([
            ("x-queue-type", text("quorum")),
            ("x-single-active-consumer", AMQPValue::Boolean(true)),
        ]),
        dead_letters: true,
    }
}

/// The results log.
pub(super) fn log(topology: &Topology) -> Queue {
    stream(LOG, &topology.log)
}

/// The bulk stream: objects that are stored in parts.
pub(super) fn bulk(topology: &Topology) -> Queue {
    stream(BULK, &topology.bulk)
}

/// The stream of cancels.
pub(super) fn cancels(topology: &Topology) -> Queue {
    stream(CANCELS, &topology.cancels)
}

/// The queue of lookups. Its content is worthless after a few seconds; it is replicated only
/// because a queue of one node can't even be declared while that node is down.
pub(super) fn lookup() -> Queue {
    Queue {
        name: LOOKUP.to_owned(),
        arguments: table([
            ("x-queue-type", text("quorum")),
            ("x-message-ttl", millis(LOOKUP_TTL)),
            ("x-expires", millis(LOOKUP_EXPIRES)),
            ("x-max-length", number(LOOKUP_LENGTH)),
            ("x-overflow", text("drop-head")),
        ]),
        dead_letters: false,
    }
}

/// The queue that registers a process as connected by its existence, to be declared exclusive;
/// `None` for an id that is too long for a queue's name.
pub(super) fn presence_queue(id: &str) -> Option<Queue> {
    let name = format!("solvemesh.present.{id}.v1");
    let arguments = table([("x-queue-type", text("classic"))]);
    (name.len() <= NAME_BYTES).then_some(Queue { name, arguments, dead_letters: false })
}

/// The queue of one follower of heartbeats, to be declared exclusive; the broker names it.
pub(super) fn heartbeat_queue() -> Queue {
    Queue {
        name: String::new(),
        arguments: table([
            ("x-queue-type", text("classic")),
            ("x-max-length", number(HEARTBEAT_LENGTH)),
            ("x-overflow", text("drop-head")),
        ]),
        dead_letters: false,
    }
}

/// All queues and streams except those of processes and of other lanes.
pub(super) fn base(topology: &Topology, lanes: &[Lane]) -> Vec<Queue> {
    let others = [lookup(), log(topology), bulk(topology), cancels(topology)];
    // The queue of dead letters comes before the lanes.
    let lanes = lanes.iter().flat_map(|lane| {
        let ranks = Rank::ALL.map(|rank| lane_queue(lane, rank, topology));
        ranks.into_iter().chain([served(lane)])
    });
    [dead_letters()].into_iter().chain(others).chain(lanes).collect()
}

fn stream(name: &str, limits: &StreamLimits) -> Queue {
    Queue {
        name: name.to_owned(),
        arguments: table([
            ("x-queue-type", text("stream")),
            ("x-max-age", text(&limits.max_age)),
            ("x-max-length-bytes", number(limits.max_bytes)),
            ("x-stream-max-segment-size-bytes", number(limits.segment_bytes)),
        ]),
        dead_letters: false,
    }
}

pub(super) fn table<const N: usize>(pairs: [(&str, AMQPValue); N]) -> FieldTable {
    let mut table = FieldTable::default();
    for (key, value) in pairs {
        table.insert(key.into(), value);
    }
    table
}

pub(super) fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

pub(super) fn number(value: u64) -> AMQPValue {
    AMQPValue::LongLongInt(i64::try_from(value).unwrap_or(i64::MAX))
}

fn millis(time: Duration) -> AMQPValue {
    number(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

/// The argument that makes a declaration of a missing queue fail, in [`compare`]. It is one of
/// another type of queue. The broker compares only the arguments of the existing queue's type, and
/// creates no queue with an argument of another one.
fn obstacle(queue: &Queue) -> (&'static str, AMQPValue) {
    match queue.arguments.inner().get("x-queue-type") {
        Some(AMQPValue::LongString(kind)) if kind.as_bytes() == b"stream" => {
            ("x-delivery-limit", number(1))
        }
        _ => ("x-max-age", text("1D")),
    }
}

/// Checks that an existing queue has these arguments, and never creates one: if it does not exist,
/// or has other arguments, that is an error that closes the channel.
pub(super) async fn compare(channel: &Channel, queue: &Queue) -> lapin::Result<()> {
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let mut arguments = queue.arguments.clone();
    let (key, value) = obstacle(queue);
    arguments.insert(key.into(), value);
    channel.queue_declare(queue.name.as_str().into(), durable, arguments).await.map(drop)
}

/// Checks that a queue exists, and returns the number of messages that it had when the broker last
/// counted them. If it does not exist, that is an error that closes the channel.
pub(super) async fn find(channel: &Channel, queue: &Queue) -> lapin::Result<u32> {
    Ok(declare_passive(channel, &queue.name).await?.message_count())
}

/// The number of consumers of a queue. If it does not exist, that is an error that closes the
/// channel.
pub(super) async fn consumer_count(channel: &Channel, name: &str) -> lapin::Result<u32> {
    Ok(declare_passive(channel, name).await?.consumer_count())
}

/// Reads the state of a queue, without creating it. If it does not exist, that is an error that
/// closes the channel.
pub(super) async fn declare_passive(channel: &Channel, name: &str) -> lapin::Result<lapin::Queue> {
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(name.into(), passive, FieldTable::default()).await
}

/// Declares a queue. An existing one is left as it is; if it has other arguments, that is an error
/// that closes the channel.
pub(super) async fn declare(channel: &Channel, queue: &Queue) -> lapin::Result<()> {
    let name = || queue.name.as_str().into();
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(name(), durable, queue.arguments.clone()).await?;
    if queue.dead_letters {
        declare_fanout(channel, DEAD_LETTERS).await?;
        bind(channel, &queue.name, DEAD_LETTERS).await?;
    }
    Ok(())
}

/// Declares a durable fanout exchange.
pub(super) async fn declare_fanout(channel: &Channel, exchange: &str) -> lapin::Result<()> {
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let none = FieldTable::default();
    channel.exchange_declare(exchange.into(), ExchangeKind::Fanout, durable, none).await
}

/// Checks that a fanout exchange exists. If it does not, that is an error that closes the channel.
pub(super) async fn find_fanout(channel: &Channel, exchange: &str) -> lapin::Result<()> {
    let passive = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
    let none = FieldTable::default();
    channel.exchange_declare(exchange.into(), ExchangeKind::Fanout, passive, none).await
}

/// Binds a queue to a fanout exchange.
pub(super) async fn bind(channel: &Channel, queue: &str, exchange: &str) -> lapin::Result<()> {
    let (options, none) = (QueueBindOptions::default(), FieldTable::default());
    channel.queue_bind(queue.into(), exchange.into(), "".into(), options, none).await
}

/// Declares a queue that belongs to its connection and is deleted with it. If it belongs to another
/// connection, that is an error that closes the channel. Returns its name, which the broker chooses
/// if that of `queue` is empty.
pub(super) async fn declare_exclusive(channel: &Channel, queue: &Queue) -> lapin::Result<String> {
    let exclusive = QueueDeclareOptions {
        exclusive: true,
        auto_delete: true,
        ..QueueDeclareOptions::default()
    };
    let name = queue.name.as_str().into();
    let declared = channel.queue_declare(name, exclusive, queue.arguments.clone()).await?;
    Ok(declared.name().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_of_dead_letters_is_declared_before_the_lane() {
        let lane = "express".parse::<Lane>().expect("a lane");
        let [first, second] = jobs(&lane, Rank::Normal, &Topology::default());
        assert_eq!(first, dead_letters());
        assert_eq!(second.name, "solvemesh.jobs.express.v1");
        let [_, later] = jobs(&lane, Rank::Later, &Topology::default());
        assert_eq!(later.name, "solvemesh.jobs.express.later.v1");
        let arguments = second.arguments.inner();
        assert_eq!(arguments["x-dead-letter-exchange"], text(&first.name));
        assert_eq!(arguments["x-overflow"], text("reject-publish"));
    }

    #[test]
    fn streams_are_bounded_without_an_overflow_policy() {
        let topology = Topology::default();
        for stream in [log(&topology), bulk(&topology), cancels(&topology)] {
            let arguments = stream.arguments.inner();
            assert_eq!(arguments["x-queue-type"], text("stream"));
            assert!(arguments.contains_key("x-max-age"));
            assert!(arguments.contains_key("x-max-length-bytes"));
            // The broker would refuse it for a stream.
            assert!(!arguments.contains_key("x-overflow"));
        }
    }

    #[test]
    fn an_id_that_is_too_long_for_a_queue_name_is_not_registered() {
        let name = |id: &str| presence_queue(id).map(|queue| queue.name);
        assert_eq!(name("a").as_deref(), Some("solvemesh.present.a.v1"));
        assert!(name(&"x".repeat(234)).is_some_and(|name| name.len() == NAME_BYTES));
        assert_eq!(name(&"x".repeat(235)), None);
    }
}
