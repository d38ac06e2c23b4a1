//! The mesh between gateways and workers: lanes of jobs, the results log, and bulk storage
//! for models and solutions that are too large for one message.
//!
//! The trait [`Mesh`] is the interface. [`memory`] implements it within one process, [`amqp`]
//! over RabbitMQ; only [`amqp`] depends on lapin. Both pass the same tests, so code above the
//! trait behaves the same with either.

use std::time::Duration;

pub mod amqp;
mod args;
mod backoff;
mod bounded_set;
mod bulk;
mod delivery;
mod entry;
mod lane;
pub mod memory;
mod mesh;
mod rank;

pub use amqp::{
    AmqpConfig, AmqpMesh, BrokerUrl, Identity, InvalidUrl, StreamLimits, TlsFiles, Topology,
};
pub use args::{BrokerUrls, SegmentTooLarge, TlsArgs, TopologyArgs, exit_without_passwords, parse};
pub use backoff::Backoff;
pub use bounded_set::BoundedSet;
pub use bulk::BulkObject;
pub use delivery::{
    DeadLetter, Delivery, Lease, LeaseLost, Lookup, LookupReply, Payload, SendAnswer, Settle,
};
pub use entry::entry;
pub use lane::{InvalidLane, Lane};
pub use memory::{MemoryConfig, MemoryMesh};
pub use mesh::{
    CancelEvent, Consumer, Health, LogMessage, LogStart, MAX_ENTRY_BYTES, MAX_PART_BYTES, Mesh,
    MeshError, Stop,
};
pub use rank::Rank;

/// The time between two heartbeats of a worker or a gateway. People look at what they say, so it is
/// short; but not so short that a process on a busy machine misses two of them.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);

/// How long a program waits at shutdown for the broker to confirm the entries in its outbox.
pub const CLOSE_GRACE: Duration = Duration::from_secs(5);

/// The version of job envelopes that this crate writes, and the only one that it reads. Later
/// ones stay in their queue, for workers that can read them. Version 3 is that of a message with
/// several envelopes, so the next one of envelopes is 4.
pub const ENVELOPE_VERSION: u32 = 2;

/// The maximum number of jobs that share a message of a queue. The limits of a queue, and the
/// prefetch of its consumers, count messages.
pub const MAX_JOBS_IN_MESSAGE: usize = 64;

/// The version of the queues of lanes: 2 has one for each rank. Workers send it in their heartbeats,
/// because a gateway of a later version queues jobs where older workers do not look for them.
pub const LANE_VERSION: u32 = 2;

/// The version of log batches, cancel notices, heartbeats and lookups that this crate writes, and
/// the latest that it reads.
pub const FORMAT_VERSION: u32 = 1;
