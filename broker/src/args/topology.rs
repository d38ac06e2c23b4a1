//! The flags for the arguments of queues and streams, which all processes of a mesh share.

use std::time::Duration;

use clap::Args;

use crate::{StreamLimits, Topology};

/// The largest segment that RabbitMQ accepts, in bytes.
const MAX_SEGMENT_BYTES: u64 = 3_000_000_000;
/// The maximum size of a stream, in bytes: well within the signed 64-bit integers of AMQP.
const MAX_STREAM_BYTES: u64 = 1 << 50;
/// The maximum of all durations: ten years, in seconds.
const MAX_SECONDS: u64 = 10 * 365 * DAY;
const DAY: u64 = 24 * 3600;

/// The arguments of queues and streams. All processes of a mesh need the same values: the
/// broker refuses to declare an existing queue or stream with others.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct TopologyArgs {
    /// Refuse submissions to a lane in which this number of jobs waits. As with all flags for
    /// queues and streams, every process of a mesh needs the same value
    #[arg(long, env = "SOLVEMESH_QUEUE_LENGTH", value_name = "N", default_value_t = 100_000,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub queue_length: u32,

    /// Redeliver a job that a worker has held for this many seconds (RabbitMQ 3.12 or later)
    #[arg(long, env = "SOLVEMESH_CONSUMER_TIMEOUT", value_name = "SECONDS", default_value_t = 7 * DAY,
          value_parser = clap::value_parser!(u64).range(1..=MAX_SECONDS))]
    pub consumer_timeout: u64,

    /// Keep at most this many bytes of the results log
    #[arg(long, env = "SOLVEMESH_LOG_MAX_BYTES", value_name = "N", default_value_t = 10 << 30,
          value_parser = clap::value_parser!(u64).range(1..=MAX_STREAM_BYTES))]
    pub log_max_bytes: u64,

    /// Keep entries of the results log for this many seconds
    #[arg(long, env = "SOLVEMESH_LOG_MAX_AGE", value_name = "SECONDS", default_value_t = 7 * DAY,
          value_parser = clap::value_parser!(u64).range(1..=MAX_SECONDS))]
    pub log_max_age: u64,

    /// Split the results log into segments of this many bytes; only whole segments expire
    #[arg(long, env = "SOLVEMESH_LOG_SEGMENT_BYTES", value_name = "N", default_value_t = 64 << 20,
          value_parser = clap::value_parser!(u64).range(1..=MAX_SEGMENT_BYTES))]
    pub log_segment_bytes: u64,

    /// Keep at most this many bytes of models and solutions that are too large for a message
    #[arg(long, env = "SOLVEMESH_BULK_MAX_BYTES", value_name = "N", default_value_t = 20 << 30,
          value_parser = clap::value_parser!(u64).range(1..=MAX_STREAM_BYTES))]
    pub bulk_max_bytes: u64,

    /// Keep models and solutions that are too large for a message for this many seconds
    #[arg(long, env = "SOLVEMESH_BULK_MAX_AGE", value_name = "SECONDS", default_value_t = 7 * DAY,
          value_parser = clap::value_parser!(u64).range(1..=MAX_SECONDS))]
    pub bulk_max_age: u64,

    /// Split the stream of such models and solutions into segments of this many bytes
    #[arg(long, env = "SOLVEMESH_BULK_SEGMENT_BYTES", value_name = "N", default_value_t = 128 << 20,
          value_parser = clap::value_parser!(u64).range(1..=MAX_SEGMENT_BYTES))]
    pub bulk_segment_bytes: u64,
}

/// A segment is too large for its stream. A stream is truncated by whole segments, so with few
/// of them it would lose too much at once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "--{stream}-segment-bytes {segment} is more than a quarter of --{stream}-max-bytes {whole}"
)]
pub struct SegmentTooLarge {
    stream: &'static str,
    segment: u64,
    whole: u64,
}

impl TopologyArgs {
    /// The topology to declare.
    ///
    /// # Errors
    ///
    /// When a segment is larger than a quarter of its stream's maximum size.
    pub fn topology(&self) -> Result<Topology, SegmentTooLarge> {
        let log = limits("log", self.log_max_age, self.log_max_bytes, self.log_segment_bytes)?;
        let bulk = limits("bulk", self.bulk_max_age, self.bulk_max_bytes, self.bulk_segment_bytes)?;
        Ok(Topology {
            lane_length: self.queue_length,
            consumer_timeout: Duration::from_secs(self.consumer_timeout),
            log,
            bulk,
            ..Topology::default()
        })
    }
}

fn limits(
    stream: &'static str,
    seconds: u64,
    max_bytes: u64,
    segment_bytes: u64,
) -> Result<StreamLimits, SegmentTooLarge> {
    if segment_bytes > max_bytes / 4 {
        return Err(SegmentTooLarge { stream, segment: segment_bytes, whole: max_bytes });
    }
    Ok(StreamLimits { max_age: age(seconds), max_bytes, segment_bytes })
}

/// Formats an age for RabbitMQ. RabbitMQ compares ages of an existing stream as text, so equal
/// ages must have equal texts.
fn age(seconds: u64) -> String {
    if seconds.is_multiple_of(DAY) { format!("{}D", seconds / DAY) } else { format!("{seconds}s") }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        topology: TopologyArgs,
    }

    fn parse(line: &[&str]) -> Result<TopologyArgs, clap::Error> {
        Ok(Program::try_parse_from([&["p"], line].concat())?.topology)
    }

    #[test]
    fn without_flags_the_topology_is_the_default() {
        Program::command().debug_assert();
        assert_eq!(parse(&[]).expect("no flags").topology(), Ok(Topology::default()));
    }

    #[test]
    fn a_segment_that_is_too_large_is_refused_with_the_name_of_the_flag() {
        for stream in ["log", "bulk"] {
            let flag = format!("--{stream}-max-bytes");
            let refused = parse(&[&flag, "1000"]).expect("a number").topology();
            let error = refused.expect_err("the default segment is larger").to_string();
            assert!(error.contains(&flag), "{error}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        for bad in [["--queue-length", "0"], ["--log-max-age", "0"], ["--log-max-bytes", "-1"]] {
            assert!(parse(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn equal_ages_have_equal_texts() {
        assert_eq!([age(7 * DAY), age(DAY), age(3600)], ["7D", "1D", "3600s"]);
    }
}
