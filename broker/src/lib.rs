//! The mesh between gateways and workers: lanes of jobs, the results log, and what
//! is too large for either.
//!
//! [`Mesh`] is the seam. [`memory`] keeps everything in one process; [`amqp`] keeps
//! it in RabbitMQ and is the only place that knows lapin. What lies above the seam
//! can't tell them apart.

pub mod amqp;
mod args;
mod broker_args;
mod bulk;
mod command_line;
mod delivery;
mod lane;
pub mod memory;
mod mesh;

pub use amqp::{
    AmqpConfig, AmqpMesh, BrokerUrl, Identity, InvalidUrl, StreamLimits, TlsFiles, Topology,
};
pub use args::{SegmentTooLarge, TopologyArgs};
pub use broker_args::{BrokerUrls, TlsArgs};
pub use command_line::parse;
pub use delivery::{
    Answer, DeadLetter, Delivery, Lease, LeaseLost, Payload, Question, Reply, Settle,
};
pub use lane::{InvalidLane, Lane};
pub use memory::{MemoryConfig, MemoryMesh};
pub use mesh::{
    CancelNews, Consumer, Health, LogMessage, LogStart, MAX_ENTRY_BYTES, MAX_PART_BYTES, Mesh,
    MeshError, Stop,
};

/// The version of envelopes, log batches, questions and answers that this crate
/// writes, and the latest that it reads.
pub const FORMAT_VERSION: u32 = 1;
