//! The flags that every process of a mesh shares: what its queues and streams are
//! declared with.

use std::time::Duration;

use clap::Args;

use crate::{StreamLimits, Topology};

/// The largest segment that RabbitMQ takes.
const MAX_SEGMENT_BYTES: u64 = 3_000_000_000;
/// The most bytes of a stream, so that the number is one for RabbitMQ too.
const MAX_STREAM_BYTES: u64 = 1 << 50;
/// The longest time, ten years.
const MAX_SECONDS: u64 = 10 * 365 * DAY;
const DAY: u64 = 24 * 3600;

/// What queues and streams are declared with. A broker refuses to declare one a second
/// time with other values: all processes of a mesh need the same.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct TopologyArgs {
    /// How many jobs wait in a lane; past it, submissions are refused. The same for all
    /// processes of a mesh, as are the following
    #[arg(long, env = "SOLVEMESH_QUEUE_LENGTH", value_name = "N", default_value_t = 100_000,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub queue_length: u32,

    /// How long a worker may hold a job, in seconds; RabbitMQ honours it from 3.12 on
    #[arg(long, env = "SOLVEMESH_CONSUMER_TIMEOUT", value_name = "SECONDS", default_value_t = 7 * DAY,
          value_parser = clap::value_parser!(u64).range(1..=MAX_SECONDS))]
    pub consumer_timeout: u64,

    /// How many bytes the results log keeps at most
    #[arg(long, env = "SOLVEMESH_LOG_MAX_BYTES", value_name = "N", default_value_t = 10 << 30,
          value_parser = clap::value_parser!(u64).range(1..=MAX_STREAM_BYTES))]
    pub log_max_bytes: u64,

    /// How long the results log keeps what it has, in seconds
    #[arg(long, env = "SOLVEMESH_LOG_MAX_AGE", value_name = "SECONDS", default_value_t = 7 * DAY,
          value_parser = clap::value_parser!(u64).range(1..=MAX_SECONDS))]
    pub log_max_age: u64,

    /// The bytes of one segment of the results log: only whole segments expire
    #[arg(long, env = "SOLVEMESH_LOG_SEGMENT_BYTES", value_name = "N", default_value_t = 64 << 20,
          value_parser = clap::value_parser!(u64).range(1..=MAX_SEGMENT_BYTES))]
    pub log_segment_bytes: u64,

    /// As --log-max-bytes, for models and solutions that are too large for a message
    #[arg(long, env = "SOLVEMESH_BULK_MAX_BYTES", value_name = "N", default_value_t = 20 << 30,
          value_parser = clap::value_parser!(u64).range(1..=MAX_STREAM_BYTES))]
    pub bulk_max_bytes: u64,

    /// As --log-max-age, for models and solutions that are too large for a message
    #[arg(long, env = "SOLVEMESH_BULK_MAX_AGE", value_name = "SECONDS", default_value_t = 7 * DAY,
          value_parser = clap::value_parser!(u64).range(1..=MAX_SECONDS))]
    pub bulk_max_age: u64,

    /// As --log-segment-bytes, for models and solutions that are too large for a message
    #[arg(long, env = "SOLVEMESH_BULK_SEGMENT_BYTES", value_name = "N", default_value_t = 128 << 20,
          value_parser = clap::value_parser!(u64).range(1..=MAX_SEGMENT_BYTES))]
    pub bulk_segment_bytes: u64,
}

/// A stream drops whole segments: with few of them it would drop too much at once.
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
    /// What to declare.
    ///
    /// # Errors
    ///
    /// When a segment is larger than a quarter of what its stream may keep.
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

/// An age as RabbitMQ reads it. It compares texts: each age has one.
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

    fn read(line: &[&str]) -> Result<TopologyArgs, clap::Error> {
        Ok(Program::try_parse_from([&["p"], line].concat())?.topology)
    }

    #[test]
    fn without_flags_the_topology_is_the_default() {
        Program::command().debug_assert();
        assert_eq!(read(&[]).expect("no flags").topology(), Ok(Topology::default()));
    }

    #[test]
    fn a_segment_that_is_larger_than_its_stream_is_refused_by_name() {
        for stream in ["log", "bulk"] {
            let flag = format!("--{stream}-max-bytes");
            let refused = read(&[&flag, "1000"]).expect("a number").topology();
            let error = refused.expect_err("the default segment is larger").to_string();
            assert!(error.contains(&flag), "{error}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        for bad in [["--queue-length", "0"], ["--log-max-age", "0"], ["--log-max-bytes", "-1"]] {
            assert!(read(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn each_age_has_one_text() {
        assert_eq!([age(7 * DAY), age(DAY), age(3600)], ["7D", "1D", "3600s"]);
    }
}
