//! What is read at each scrape: the live jobs, the table, the log, the watch streams.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeLabelSet, EncodeMetric},
    metrics::{MetricType, gauge::ConstGauge},
};

use crate::jobs::{Jobs, MeshCounts};

/// Reads the state of a gateway at each scrape.
pub(crate) struct MeshCollector(Jobs);

impl MeshCollector {
    /// The collector of a gateway.
    pub(crate) fn new(jobs: Jobs) -> Self {
        Self(jobs)
    }
}

impl fmt::Debug for MeshCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MeshCollector").finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LaneState {
    lane: String,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Lane {
    lane: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Part {
    what: &'static str,
}

impl Collector for MeshCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let MeshCounts { ready, watchers, lanes, memory, log_lag, log_growth, growth_limit } =
            self.0.counts();
        let now = SystemTime::now();
        gauge(
            &mut encoder,
            "ready",
            "Whether the gateway is connected to the broker and has read the log: 1 or 0",
            i64::from(ready),
        )?;
        gauge(&mut encoder, "watchers", "Open watch streams", watchers as u64)?;
        let jobs = lanes.iter().flat_map(|lane| {
            [("queued", lane.queued), ("running", lane.running)]
                .map(|(state, count)| (LaneState { lane: lane.name.clone(), state }, count as u64))
        });
        gauges(&mut encoder, "jobs", "Live jobs of the mesh, by lane and state", jobs)?;
        let waits = lanes.iter().map(|lane| {
            let submitted = lane.oldest_submitted;
            let wait = submitted.and_then(|time| now.duration_since(time).ok()).unwrap_or_default();
            (Lane { lane: lane.name.clone() }, wait.as_secs_f64())
        });
        gauges(
            &mut encoder,
            "oldest_wait_seconds",
            "How long the oldest queued job of a lane has waited; 0 if there is none",
            waits,
        )?;
        let memory = memory.map(|(what, bytes)| (Part { what }, bytes as u64));
        gauges(
            &mut encoder,
            "table_bytes",
            "About how much memory jobs take in this gateway: live ones, finished ones, and of \
             these the ones with results",
            memory.into_iter(),
        )?;
        gauge(
            &mut encoder,
            "log_lag_seconds",
            "Time from the writing of the latest log entry to its arrival at this gateway",
            log_lag.map_or(0.0, |lag: Duration| lag.as_secs_f64()),
        )?;
        gauge(
            &mut encoder,
            "log_growth_bytes",
            "How much the results log has grown since the start of the oldest live job",
            log_growth,
        )?;
        gauge(
            &mut encoder,
            "log_growth_limit_bytes",
            "At which log_growth_bytes submissions are refused",
            growth_limit,
        )
    }
}

fn gauge<N: EncodeGaugeValue>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: N,
) -> fmt::Result
where
    ConstGauge<N>: EncodeMetric,
{
    ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
}

fn gauges<L: EncodeLabelSet, N: EncodeGaugeValue>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl Iterator<Item = (L, N)>,
) -> fmt::Result
where
    ConstGauge<N>: EncodeMetric,
{
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in values {
        ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}
