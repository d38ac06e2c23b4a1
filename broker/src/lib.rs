//! The mesh between gateways and workers: lanes of jobs, the results log, and what
//! is too large for either.
//!
//! [`Mesh`] is the seam. [`memory`] keeps everything in one process; [`amqp`] keeps
//! it in RabbitMQ and is the only place that knows lapin. What lies above the seam
//! can't tell them apart.

use std::time::Duration;

pub mod amqp;
mod args;
mod bulk;
mod delivery;
mod lane;
pub mod memory;
mod mesh;

pub use amqp::{
    AmqpConfig, AmqpMesh, BrokerUrl, Identity, InvalidUrl, StreamLimits, TlsFiles, Topology,
};
pub use args::{BrokerUrls, SegmentTooLarge, TlsArgs, TopologyArgs, parse};
pub use delivery::{
    Answer, DeadLetter, Delivery, Lease, LeaseLost, Payload, Question, Reply, Settle,
};
pub use lane::{InvalidLane, Lane};
pub use memory::{MemoryConfig, MemoryMesh};
pub use mesh::{
    CancelNews, Consumer, Health, LogMessage, LogStart, MAX_ENTRY_BYTES, MAX_PART_BYTES, Mesh,
    MeshError, Stop,
};

/// How long a program that stops waits for the broker to confirm what is in its outbox.
pub const CLOSE_GRACE: Duration = Duration::from_secs(5);

/// The version of envelopes, log batches, questions and answers that this crate
/// writes, and the latest that it reads.
pub const FORMAT_VERSION: u32 = 1;
