//! What the connections to the broker do, for Prometheus.

use std::{fmt, time::Instant};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{
        MetricType, counter::Counter, family::Family, gauge::ConstGauge, histogram::Histogram,
    },
    registry::Registry,
};

use super::{
    connection::{ConnectionHandle, ConnectionState},
    outbox::Outbox,
};

/// Upper bounds of the buckets of publish times, in seconds.
const PUBLISH_BUCKETS: [f64; 13] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What is counted. Clones share the counters.
#[derive(Clone, Debug)]
pub(super) struct BrokerMetrics {
    reconnects: Family<ConnectionLabel, Counter>,
    publish_seconds: Histogram,
}

/// Which of the two connections.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConnectionLabel {
    connection: &'static str,
}

impl Default for BrokerMetrics {
    fn default() -> Self {
        let publish_seconds = Histogram::new(PUBLISH_BUCKETS);
        Self { reconnects: Family::default(), publish_seconds }
    }
}

impl BrokerMetrics {
    /// Counts that a connection was established again. `purpose` is that of the connection.
    pub(super) fn reconnected(&self, purpose: &'static str) {
        self.reconnects.get_or_create(&ConnectionLabel { connection: purpose }).inc();
    }

    /// Adds the time since `start` until a message was confirmed.
    pub(super) fn confirmed(&self, start: Instant) {
        self.publish_seconds.observe(start.elapsed().as_secs_f64());
    }

    /// Registers what was counted, and the state of the connections and of the outbox.
    pub(super) fn register(
        &self,
        connections: [(&'static str, ConnectionHandle); 2],
        outbox: Outbox,
        registry: &mut Registry,
    ) {
        for (connection, _) in &connections {
            // So that the first one is an increase.
            drop(self.reconnects.get_or_create(&ConnectionLabel { connection }));
        }
        registry.register(
            "broker_reconnects",
            "How often a connection to the broker was established again",
            self.reconnects.clone(),
        );
        registry.register(
            "publish_seconds",
            "Time from the request to publish a message to the confirm of the broker",
            self.publish_seconds.clone(),
        );
        registry.register_collector(Box::new(Current { connections, outbox }));
    }
}

/// What is read at each scrape.
#[derive(Debug)]
struct Current {
    connections: [(&'static str, ConnectionHandle); 2],
    outbox: Outbox,
}

impl Collector for Current {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut connected = encoder.encode_descriptor(
            "broker_connected",
            "Whether a connection to the broker is established: 1 or 0",
            None,
            MetricType::Gauge,
        )?;
        for (connection, handle) in &self.connections {
            let state = handle.subscribe();
            let is_connected = matches!(&*state.borrow(), ConnectionState::Connected(_));
            let label = ConnectionLabel { connection };
            ConstGauge::new(i64::from(is_connected)).encode(connected.encode_family(&label)?)?;
        }
        let backlog = self.outbox.backlog();
        let entries = encoder.encode_descriptor(
            "outbox_entries",
            "Entries of the results log that the broker has not confirmed yet",
            None,
            MetricType::Gauge,
        )?;
        ConstGauge::new(backlog.entries as u64).encode(entries)?;
        let age = encoder.encode_descriptor(
            "outbox_age_seconds",
            "How long the oldest of them has waited; 0 if there is none",
            None,
            MetricType::Gauge,
        )?;
        let age_seconds = backlog.oldest.map_or(0.0, |since| since.elapsed().as_secs_f64());
        ConstGauge::new(age_seconds).encode(age)
    }
}
