//! The names and arguments of everything in the broker.

use std::{sync::Arc, time::Duration};

use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};

use super::config::{StreamLimits, Topology};
use crate::Lane;

const DEAD: &str = "solvemesh.dead.v1";
const LOG: &str = "solvemesh.log.v1";
const BULK: &str = "solvemesh.bulk.v1";
const CANCELS: &str = "solvemesh.cancel.v1";
/// The queue of questions.
pub(super) const LOOKUP: &str = "solvemesh.lookup.v2";

/// How long a question waits for someone to take it, at most.
pub(super) const QUESTION_TTL: Duration = Duration::from_secs(10);
/// How long the queue of questions stays when nobody takes them.
const LOOKUP_EXPIRES: Duration = Duration::from_secs(600);
/// How many questions wait; past it, the oldest go.
const LOOKUP_LENGTH: u64 = 10_000;
/// The most bytes of a queue's name.
const NAME_BYTES: usize = 255;

/// A queue or stream, as it is to be declared.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Queue {
    pub(super) name: String,
    pub(super) arguments: FieldTable,
    /// Whether it takes the dead letters.
    dead_letters: bool,
}

/// A queue or stream, and what has to be declared before it.
#[derive(Clone, Debug)]
pub(super) struct Route(Arc<[Queue]>);

impl Route {
    /// What to declare, in order; the queue itself comes last.
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

/// The queue of a lane. The route for its dead letters has to be there before it:
/// a letter that finds none stays where it is.
pub(super) fn jobs(lane: &Lane, topology: &Topology) -> [Queue; 2] {
    [dead(), lane_queue(lane, topology)]
}

fn lane_queue(lane: &Lane, topology: &Topology) -> Queue {
    Queue {
        name: format!("solvemesh.jobs.{lane}.v1"),
        arguments: table([
            ("x-queue-type", text("quorum")),
            ("x-dead-letter-exchange", text(DEAD)),
            ("x-dead-letter-strategy", text("at-least-once")),
            ("x-overflow", text("reject-publish")),
            ("x-max-length", number(topology.lane_length.into())),
            ("x-consumer-timeout", millis(topology.consumer_timeout)),
            ("x-delivery-limit", number(topology.delivery_limit.into())),
        ]),
        dead_letters: false,
    }
}

/// The queue of the dead letters.
pub(super) fn dead() -> Queue {
    Queue {
        name: DEAD.to_owned(),
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

/// The stream of what is stored in parts.
pub(super) fn bulk(topology: &Topology) -> Queue {
    stream(BULK, &topology.bulk)
}

/// The stream of cancels.
pub(super) fn cancels(topology: &Topology) -> Queue {
    stream(CANCELS, &topology.cancels)
}

/// The queue of questions. Replicated, as a queue of one node can't even be declared
/// while that node is down; what is in it is worth nothing after a few seconds.
pub(super) fn lookup() -> Queue {
    Queue {
        name: LOOKUP.to_owned(),
        arguments: table([
            ("x-queue-type", text("quorum")),
            ("x-message-ttl", millis(QUESTION_TTL)),
            ("x-expires", millis(LOOKUP_EXPIRES)),
            ("x-max-length", number(LOOKUP_LENGTH)),
            ("x-overflow", text("drop-head")),
        ]),
        dead_letters: false,
    }
}

/// The queue whose being there makes a process present, to be declared exclusive;
/// nothing for an id that is too long for a queue's name.
pub(super) fn present(id: &str) -> Option<Queue> {
    let name = format!("solvemesh.present.{id}.v1");
    let arguments = table([("x-queue-type", text("classic"))]);
    (name.len() <= NAME_BYTES).then_some(Queue { name, arguments, dead_letters: false })
}

/// Everything but the presences and the lanes that are not known yet.
pub(super) fn base(topology: &Topology, lanes: &[Lane]) -> Vec<Queue> {
    let others = [lookup(), log(topology), bulk(topology), cancels(topology)];
    // The dead letters' route comes before the lanes.
    let lanes = lanes.iter().map(|lane| lane_queue(lane, topology));
    [dead()].into_iter().chain(others).chain(lanes).collect()
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

/// Looks whether a queue is there, and how many messages it had when the broker last
/// counted them; an error that closes the channel if it is not.
pub(super) async fn find(channel: &Channel, queue: &Queue) -> lapin::Result<u32> {
    Ok(look(channel, &queue.name).await?.message_count())
}

/// How many consumers a queue has; an error that closes the channel if it is not there.
pub(super) async fn consumers(channel: &Channel, name: &str) -> lapin::Result<u32> {
    Ok(look(channel, name).await?.consumer_count())
}

async fn look(channel: &Channel, name: &str) -> lapin::Result<lapin::Queue> {
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(name.into(), passive, FieldTable::default()).await
}

/// Declares a queue. One that is there already stays as it is; with other arguments
/// that is an error that closes the channel.
pub(super) async fn declare(channel: &Channel, queue: &Queue) -> lapin::Result<()> {
    let name = || queue.name.as_str().into();
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(name(), durable, queue.arguments.clone()).await?;
    if queue.dead_letters {
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let none = FieldTable::default;
        channel.exchange_declare(DEAD.into(), ExchangeKind::Fanout, durable, none()).await?;
        let bind = QueueBindOptions::default();
        channel.queue_bind(name(), DEAD.into(), "".into(), bind, none()).await?;
    }
    Ok(())
}

/// Declares a queue that is the connection's own and gone with it. One that is
/// another's is an error that closes the channel.
pub(super) async fn declare_exclusive(channel: &Channel, queue: &Queue) -> lapin::Result<()> {
    let exclusive = QueueDeclareOptions {
        exclusive: true,
        auto_delete: true,
        ..QueueDeclareOptions::default()
    };
    let name = queue.name.as_str().into();
    channel.queue_declare(name, exclusive, queue.arguments.clone()).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dead_letters_route_comes_before_the_lane() {
        let lane = "express".parse::<Lane>().expect("a lane");
        let [first, second] = jobs(&lane, &Topology::default());
        assert_eq!(first, dead());
        assert_eq!(second.name, "solvemesh.jobs.express.v1");
        let arguments = second.arguments.inner();
        assert_eq!(arguments["x-dead-letter-exchange"], text(&first.name));
        assert_eq!(arguments["x-overflow"], text("reject-publish"));
    }

    #[test]
    fn streams_have_bounds_but_no_overflow_which_the_broker_would_refuse() {
        let topology = Topology::default();
        for stream in [log(&topology), bulk(&topology), cancels(&topology)] {
            let arguments = stream.arguments.inner();
            assert_eq!(arguments["x-queue-type"], text("stream"));
            assert!(arguments.contains_key("x-max-age"));
            assert!(arguments.contains_key("x-max-length-bytes"));
            assert!(!arguments.contains_key("x-overflow"));
        }
    }

    #[test]
    fn an_id_that_no_queue_can_be_named_for_has_no_presence() {
        let name = |id: &str| present(id).map(|queue| queue.name);
        assert_eq!(name("a").as_deref(), Some("solvemesh.present.a.v1"));
        assert!(name(&"x".repeat(234)).is_some_and(|name| name.len() == NAME_BYTES));
        assert_eq!(name(&"x".repeat(235)), None);
    }
}
