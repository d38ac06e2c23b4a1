use std::time::Duration;

use super::{tls::TlsFiles, url::BrokerUrl};
use crate::Lane;

/// How to reach RabbitMQ, and how long and how much to wait there.
#[derive(Clone, Debug)]
pub struct AmqpConfig {
    /// The nodes of one cluster, each as `amqp://user:password@host:port/vhost`, or
    /// `amqps://…`; at least one. A connection begins at any of them and goes to the next
    /// one when it fails.
    pub urls: Vec<BrokerUrl>,
    /// The certificate and key files for `amqps://`. With any of them set, no URL may be
    /// `amqp://`.
    pub tls: TlsFiles,
    /// What the broker's operator sees as the connections' name.
    pub name: String,
    /// The arguments of queues and streams. Every process of a mesh needs the same:
    /// a broker refuses to declare a queue a second time with others.
    pub topology: Topology,
    /// The lanes to declare at the start, so that what the broker would refuse is told
    /// then; others are declared by their first use.
    pub lanes: Vec<Lane>,
    /// How often a sign of life is exchanged; twice this long without one is a lost
    /// connection. Whole seconds; what the URL says comes first.
    pub heartbeat: Duration,
    /// How long [`AmqpMesh::connect`](super::AmqpMesh::connect) waits.
    pub connect_timeout: Duration,
    /// How long to wait for the answer to a declaration, a new channel, a settlement.
    pub request_timeout: Duration,
    /// How long to wait for a publish to be confirmed.
    pub publish_timeout: Duration,
    /// How long storing or loading one thing in the bulk stream may take.
    pub bulk_timeout: Duration,
    /// After how long without a message a stream is attached anew: one whose leader has
    /// moved may have forgotten who reads it.
    pub stream_silence: Duration,
    /// How many publishes of jobs may await their confirms.
    pub in_flight: usize,
    /// The most bytes of an encoded job. RabbitMQ 4 takes 16 MiB unless configured
    /// otherwise.
    pub max_job_bytes: usize,
    /// How many entries wait in the outbox of the log; past it, `append` waits for
    /// room, and an entry whose caller stops waiting there is withdrawn.
    pub outbox_entries: usize,
    /// How many bytes of entries wait in the outbox.
    pub outbox_bytes: usize,
}

impl AmqpConfig {
    /// The defaults, for the broker at a URL, or the cluster at several with commas
    /// between them.
    pub fn new(urls: &str) -> Self {
        Self::at(BrokerUrl::list(urls))
    }

    /// The defaults, for the nodes of one cluster at these URLs.
    pub fn at(urls: Vec<BrokerUrl>) -> Self {
        Self {
            urls,
            tls: TlsFiles::default(),
            name: "solvemesh".to_owned(),
            topology: Topology::default(),
            lanes: Vec::new(),
            heartbeat: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(10),
            publish_timeout: Duration::from_secs(5),
            bulk_timeout: Duration::from_secs(60),
            stream_silence: Duration::from_secs(30),
            in_flight: 1024,
            max_job_bytes: 8 << 20,
            outbox_entries: 100_000,
            outbox_bytes: 64 << 20,
        }
    }
}

/// The limits that queues and streams are declared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// Jobs waiting in one lane; past it the broker refuses more. What workers have
    /// prefetched does not count.
    pub lane_length: u32,
    /// How long a worker may hold a job. RabbitMQ honours it from 3.12 on.
    pub consumer_timeout: Duration,
    /// How often a job is delivered again before it is dead.
    pub delivery_limit: u32,
    /// The results log.
    pub log: StreamLimits,
    /// What is stored in parts.
    pub bulk: StreamLimits,
    /// The cancels: kept longer than the longest deadline of a job.
    pub cancels: StreamLimits,
}

impl Default for Topology {
    fn default() -> Self {
        let week = "7D".to_owned();
        Self {
            lane_length: 100_000,
            consumer_timeout: Duration::from_secs(7 * 24 * 3600),
            delivery_limit: 200,
            log: StreamLimits {
                max_age: week.clone(),
                max_bytes: 10 << 30,
                segment_bytes: 64 << 20,
            },
            bulk: StreamLimits {
                max_age: week.clone(),
                max_bytes: 20 << 30,
                segment_bytes: 128 << 20,
            },
            cancels: StreamLimits { max_age: week, max_bytes: 256 << 20, segment_bytes: 8 << 20 },
        }
    }
}

/// How much a stream keeps. Whole segments expire: until one is full, nothing does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// A number and one of `Y`, `M`, `D`, `h`, `m`, `s`.
    pub max_age: String,
    /// Bytes of all segments.
    pub max_bytes: u64,
    /// Bytes of one segment.
    pub segment_bytes: u64,
}
