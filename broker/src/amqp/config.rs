use std::time::Duration;

use super::{tls::TlsFiles, url::BrokerUrl};
use crate::Lane;

/// How to connect to RabbitMQ: addresses, timeouts, and bounds of what is in flight.
#[derive(Clone, Debug)]
pub struct AmqpConfig {
    /// The nodes of one cluster, each as `amqp://user:password@host:port/vhost`, or
    /// `amqps://…`; at least one. A connection starts at a random one and moves to the next
    /// when it fails.
    pub urls: Vec<BrokerUrl>,
    /// The certificate and key files for `amqps://`. With any of them set, no URL may be
    /// `amqp://`.
    pub tls: TlsFiles,
    /// The name of the connections, shown by the broker's management tools.
    pub name: String,
    /// The arguments of queues and streams. All processes of a mesh need the same: the broker
    /// refuses to declare an existing queue with others.
    pub topology: Topology,
    /// The lanes to declare at the start, so that a refusal of the broker is reported then. Other
    /// lanes are declared at their first use.
    pub lanes: Vec<Lane>,
    /// The heartbeat interval, in whole seconds. A connection without a heartbeat for twice this
    /// long is lost. A `heartbeat` parameter of the URL takes precedence.
    pub heartbeat: Duration,
    /// The timeout of [`AmqpMesh::connect`](super::AmqpMesh::connect).
    pub connect_timeout: Duration,
    /// The timeout of a single request: a declaration, a new channel, a settlement.
    pub request_timeout: Duration,
    /// The timeout for the confirm of a published message.
    pub publish_timeout: Duration,
    /// The timeout for storing or loading one object in the bulk stream.
    pub bulk_timeout: Duration,
    /// How long a stream may bring no message before its consumer is attached again. After a
    /// change of the stream's leader, the broker may have forgotten the consumer without closing
    /// its channel.
    pub stream_idle_timeout: Duration,
    /// The maximum number of jobs in flight: published and not yet confirmed.
    pub in_flight: usize,
    /// The maximum size of an encoded job, in bytes. RabbitMQ 4 accepts 16 MiB unless configured
    /// otherwise.
    pub max_job_bytes: usize,
    /// The maximum number of entries in the log's outbox. Above it, `append` waits for room, and
    /// an entry is withdrawn if its caller stops waiting.
    pub outbox_entries: usize,
    /// The maximum size of all entries in the outbox, in bytes.
    pub outbox_bytes: usize,
}

impl AmqpConfig {
    /// The defaults, for the broker at one URL or the cluster at several, separated by commas.
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
            stream_idle_timeout: Duration::from_secs(30),
            in_flight: 1024,
            max_job_bytes: 8 << 20,
            outbox_entries: 100_000,
            outbox_bytes: 64 << 20,
        }
    }
}

/// The limits with which queues and streams are declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// The maximum number of jobs queued in one lane; the broker rejects more. Jobs that workers
    /// have prefetched do not count.
    pub lane_length: u32,
    /// How long a worker may hold a job before the broker redelivers it. RabbitMQ honours it from
    /// 3.12 on.
    pub consumer_timeout: Duration,
    /// The maximum number of redeliveries of a job before it becomes a dead letter.
    pub delivery_limit: u32,
    /// The results log.
    pub log: StreamLimits,
    /// The bulk stream: models and solutions that are stored in parts.
    pub bulk: StreamLimits,
    /// The stream of cancels. A cancel must be kept for longer than the longest deadline of a job.
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

/// The retention of a stream. Only whole segments expire: nothing does until one is full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// The maximum age: a number and one of `Y`, `M`, `D`, `h`, `m`, `s`.
    pub max_age: String,
    /// The maximum size of all segments together, in bytes.
    pub max_bytes: u64,
    /// The size of one segment, in bytes.
    pub segment_bytes: u64,
}
