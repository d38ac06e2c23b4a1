//! The command line: every flag is an environment variable too.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::Parser;
use solvemesh::{seconds, seconds_or_zero};
use solvemesh_broker::{BrokerUrls, Lane, MemoryConfig, TlsArgs, TopologyArgs};
use solvemesh_daemon::LogArgs;

use crate::{api::server::Origins, policy::Policy, table::Kept};

/// The gateway of solvemesh: gRPC and gRPC-Web in front, RabbitMQ and workers behind
#[derive(Clone, Debug, Parser)]
#[command(name = "solvemesh-gateway", version, args_conflicts_with_subcommands = true)]
pub struct Args {
    /// Where to listen for gRPC and gRPC-Web
    #[arg(long, env = "SOLVEMESH_LISTEN", default_value = "127.0.0.1:50051", value_name = "ADDR")]
    pub listen: SocketAddr,

    /// The RabbitMQ to use, amqp://user:password@host:port/vhost, or amqps://… with TLS; of
    /// a cluster, several nodes with commas between them. Without one the gateway solves in
    /// its own process, and jobs end with it
    #[arg(long, env = "SOLVEMESH_AMQP", hide_env_values = true, value_name = "URL,…")]
    pub amqp: Option<BrokerUrls>,

    /// The certificates and keys for amqps://
    #[command(flatten)]
    pub tls: TlsArgs,

    /// What queues and streams are declared with, with --amqp
    #[command(flatten)]
    pub topology: TopologyArgs,

    /// Embedded only: how many jobs of each lane are solved at once
    /// [default: express=1, standard=as many as there are cores]
    #[arg(long, env = "SOLVEMESH_SLOTS", value_name = "LANE=N,…")]
    pub slots: Option<String>,

    /// The lanes that a job can wait in
    #[arg(
        long,
        env = "SOLVEMESH_LANES",
        default_values_t = default_lanes(),
        value_delimiter = ',',
        value_name = "LANE,…"
    )]
    pub lanes: Vec<Lane>,

    /// The largest request, in bytes
    #[arg(long, env = "SOLVEMESH_MAX_MESSAGE_BYTES", default_value_t = 64 << 20)]
    pub max_message_bytes: usize,

    /// The largest model after decompression, in bytes
    #[arg(long, env = "SOLVEMESH_MAX_MODEL_BYTES", default_value_t = 512 << 20)]
    pub max_model_bytes: usize,

    /// The most variables of a model
    #[arg(long, env = "SOLVEMESH_MAX_VARIABLES", default_value_t = 5_000_000)]
    pub max_variables: usize,

    /// The most constraints of a model
    #[arg(long, env = "SOLVEMESH_MAX_CONSTRAINTS", default_value_t = 5_000_000)]
    pub max_constraints: usize,

    /// The most non-zero coefficients of a model
    #[arg(long, env = "SOLVEMESH_MAX_NONZEROS", default_value_t = 50_000_000)]
    pub max_nonzeros: usize,

    /// The time limit of a job that names none, in seconds
    #[arg(long, env = "SOLVEMESH_DEFAULT_TIME_LIMIT", default_value = "600", value_parser = seconds)]
    pub default_time_limit: Duration,

    /// The longest time limit, in seconds
    #[arg(long, env = "SOLVEMESH_MAX_TIME_LIMIT", default_value = "43200", value_parser = seconds)]
    pub max_time_limit: Duration,

    /// The longest deadline, and that of a job that names none, in seconds
    #[arg(long, env = "SOLVEMESH_MAX_DEADLINE", default_value = "86400", value_parser = seconds)]
    pub max_deadline: Duration,

    /// The most jobs that are queued or running
    #[arg(long, env = "SOLVEMESH_MAX_LIVE_JOBS", default_value_t = 100_000)]
    pub max_live_jobs: usize,

    /// The most open streams of WatchResults
    #[arg(long, env = "SOLVEMESH_MAX_WATCHERS", default_value_t = 10_000)]
    pub max_watchers: usize,

    /// The most jobs in one WatchResults
    #[arg(long, env = "SOLVEMESH_MAX_JOBS_PER_WATCH", default_value_t = 1_000)]
    pub max_jobs_per_watch: usize,

    /// The most scenarios of a sweep
    #[arg(long, env = "SOLVEMESH_MAX_SCENARIOS", default_value_t = 200_000)]
    pub max_scenarios: usize,

    /// The most requests under way, streams not counted
    #[arg(long, env = "SOLVEMESH_MAX_REQUESTS", default_value_t = 4_096)]
    pub max_requests: usize,

    /// The most bytes of memory of jobs that are queued or running, about
    #[arg(long, env = "SOLVEMESH_MAX_LIVE_BYTES", default_value_t = 1 << 30)]
    pub max_live_bytes: usize,

    /// How many ended jobs are remembered
    #[arg(long, env = "SOLVEMESH_KEEP_JOBS", default_value_t = 250_000)]
    pub keep_jobs: usize,

    /// How many bytes of ended jobs are kept in memory, about
    #[arg(long, env = "SOLVEMESH_KEEP_BYTES", default_value_t = 1 << 30)]
    pub keep_bytes: usize,

    /// For how many seconds after its end a job is remembered
    #[arg(long, env = "SOLVEMESH_KEEP_AGE", default_value = "604800", value_parser = seconds)]
    pub keep_age: Duration,

    /// Of how many ended jobs the results are kept in memory; others are read again from
    /// the log when they are asked for
    #[arg(long, env = "SOLVEMESH_KEEP_RESULTS", default_value_t = 25_000)]
    pub keep_results: usize,

    /// How many bytes of ended jobs with their results are kept in memory, about
    #[arg(long, env = "SOLVEMESH_KEEP_RESULT_BYTES", default_value_t = 256 << 20)]
    pub keep_result_bytes: usize,

    /// For how many seconds after its end a job's result is kept in memory
    #[arg(long, env = "SOLVEMESH_KEEP_RESULT_AGE", default_value = "3600", value_parser = seconds)]
    pub keep_result_age: Duration,

    /// Where to keep snapshots of the job table, so that a restart reads only what came
    /// after; without one it reads the whole log
    #[arg(long, env = "SOLVEMESH_STATE_DIR", value_name = "FOLDER")]
    pub state_dir: Option<PathBuf>,

    /// After how many seconds a silent stream carries a heartbeat
    #[arg(long, env = "SOLVEMESH_HEARTBEAT", default_value = "15", value_parser = seconds)]
    pub heartbeat: Duration,

    /// After how many seconds in which its client takes nothing a WatchResults is cut
    #[arg(
        long,
        env = "SOLVEMESH_WATCHER_PATIENCE",
        default_value = "120",
        value_parser = seconds,
        value_name = "SECONDS"
    )]
    pub watcher_patience: Duration,

    /// How many seconds a request waits for the broker
    #[arg(long, env = "SOLVEMESH_PATIENCE", default_value = "10", value_parser = seconds)]
    pub patience: Duration,

    /// How many seconds requests have to finish after SIGTERM
    #[arg(long, env = "SOLVEMESH_DRAIN_GRACE", value_name = "SECONDS", default_value = "20",
          value_parser = seconds_or_zero)]
    pub drain_grace: Duration,

    /// Origins of web pages that may call: scheme, host and port; without any, all
    /// may
    #[arg(long, env = "SOLVEMESH_ALLOW_ORIGIN", value_delimiter = ',', value_name = "ORIGIN,…")]
    pub allow_origin: Vec<http::HeaderValue>,

    /// How to log
    #[command(flatten)]
    pub logs: LogArgs,

    /// What to do instead of serving
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What else this binary does.
#[derive(Clone, Copy, Debug, clap::Subcommand)]
pub enum Command {
    /// Be a solver process of the embedded mesh
    #[command(hide = true)]
    Solver,
}

impl Args {
    /// What the gateway allows.
    pub fn policy(&self) -> Policy {
        Policy {
            max_message_bytes: self.max_message_bytes,
            model: solvemesh_model::Limits {
                max_model_bytes: self.max_model_bytes,
                max_variables: self.max_variables,
                max_constraints: self.max_constraints,
                max_nonzeros: self.max_nonzeros,
            },
            default_time_limit: self.default_time_limit.min(self.max_time_limit),
            max_time_limit: self.max_time_limit,
            max_deadline: self.max_deadline,
            max_live_jobs: self.max_live_jobs,
            max_watchers: self.max_watchers,
            max_jobs_per_watch: self.max_jobs_per_watch,
            max_scenarios: self.max_scenarios,
            max_requests: self.max_requests,
            max_live_bytes: self.max_live_bytes,
            log_bytes: self.log_bytes(),
            kept: Kept {
                jobs: self.keep_jobs,
                bytes: self.keep_bytes,
                age: self.keep_age,
                results: self.keep_results,
                result_bytes: self.keep_result_bytes,
                result_age: self.keep_result_age,
            },
            lanes: self.lanes.clone(),
            heartbeat: self.heartbeat,
            watcher_patience: self.watcher_patience,
            patience: self.patience,
            ephemeral: self.amqp.is_none(),
        }
    }

    /// How many bytes the log keeps.
    fn log_bytes(&self) -> u64 {
        match self.amqp {
            Some(_) => self.topology.log_max_bytes,
            None => MemoryConfig::default().log_bytes as u64,
        }
    }

    /// Which web pages may call.
    pub fn origins(&self) -> Origins {
        match self.allow_origin.as_slice() {
            [] => Origins::Any,
            origins => Origins::These(origins.to_vec()),
        }
    }
}

fn default_lanes() -> Vec<Lane> {
    [Lane::EXPRESS, Lane::STANDARD].into_iter().filter_map(|name| name.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_hold_together() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_password_is_not_printed() {
        let url = "amqps://user:sesame@host/%2f";
        let args = Args::try_parse_from(["g", "--amqp", url]).unwrap();
        assert!(!format!("{args:?}").contains("sesame"));
        let bad = Args::try_parse_from(["g", "--amqp", "amqp://user:sesame@[bad"]).unwrap_err();
        assert!(!format!("{bad} {bad:?}").contains("sesame"));
    }

    #[test]
    fn every_flag_is_an_environment_variable_too() {
        for arg in Args::command().get_arguments() {
            let Some(flag) = arg.get_long().filter(|flag| !matches!(*flag, "help" | "version"))
            else {
                continue;
            };
            let expected = format!("SOLVEMESH_{}", flag.to_uppercase().replace('-', "_"));
            assert_eq!(arg.get_env().and_then(|env| env.to_str()), Some(expected.as_str()));
        }
    }
}
