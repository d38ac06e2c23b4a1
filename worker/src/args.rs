//! The command line of `solvemesh-worker`; each flag is an environment variable too.

use std::{path::PathBuf, time::Duration};

use anyhow::Context;
use clap::{Parser, Subcommand, builder::BoolishValueParser};
use solvemesh::{seconds, seconds_or_zero};
use solvemesh_broker::{AmqpConfig, BrokerUrls, TlsArgs, TopologyArgs};
use solvemesh_daemon::{LogArgs, MetricsArgs};
use solvemesh_worker::{JobLimit, Overrun, Slots, WorkerConfig};

/// Consume optimisation jobs from a mesh and solve them
#[derive(Debug, Parser)]
#[command(name = "solvemesh-worker", version, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// Use this broker: amqp://USER:PASSWORD@HOST:PORT/VHOST, or amqps://… with TLS; for a
    /// cluster, several nodes separated by commas
    #[arg(
        long,
        env = "SOLVEMESH_AMQP",
        hide_env_values = true,
        value_name = "URL,…",
        required = true
    )]
    pub(crate) amqp: Option<BrokerUrls>,

    #[command(flatten)]
    tls: TlsArgs,

    #[command(flatten)]
    topology: TopologyArgs,

    /// Solve this number of jobs of each lane at once, as in express=1,standard=4 [default:
    /// express=1,standard=CORES]
    #[arg(long, env = "SOLVEMESH_SLOTS", value_name = "LANE=N,…")]
    slots: Option<Slots>,

    /// Take one job, work on it and exit; with one slot, of the lane standard unless --slots names
    /// another
    #[arg(long, env = "SOLVEMESH_ONCE", value_parser = BoolishValueParser::new())]
    once: bool,

    /// With --once, exit without a job after this number of seconds [default: no limit]
    #[arg(long, env = "SOLVEMESH_ONCE_WAIT", value_name = "SECONDS", requires = "once",
          value_parser = seconds)]
    once_wait: Option<Duration>,

    /// Identify this worker by this name in logs and jobs [default: HOST-PID]
    #[arg(long, env = "SOLVEMESH_NAME")]
    name: Option<String>,

    /// Fail a job once this number of its attempts have died in the solver
    #[arg(long, env = "SOLVEMESH_MAX_ATTEMPTS", value_name = "N", default_value_t = 3,
          value_parser = clap::value_parser!(u32).range(1..=100))]
    max_attempts: u32,

    /// Limit a job to this number of threads; slots × threads should not exceed the cores
    #[arg(long, env = "SOLVEMESH_THREADS_PER_JOB", value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads_per_job: u32,

    /// Limit a solver process to this memory, in MiB, whatever its job requests [default: no limit]
    #[arg(long, env = "SOLVEMESH_MEMORY_PER_JOB", value_name = "MIB",
          value_parser = clap::value_parser!(u64).range(16..=1 << 30))]
    memory_per_job: Option<u64>,

    /// Limit the solve time of a job to this number of seconds; also for jobs without a time limit
    #[arg(long, env = "SOLVEMESH_MAX_SOLVE_TIME", value_name = "SECONDS", default_value = "86400",
          value_parser = seconds)]
    max_solve_time: Duration,

    /// Kill a solver this number of seconds after 110 % of its time limit
    #[arg(long, env = "SOLVEMESH_OVERRUN_GRACE", value_name = "SECONDS", default_value = "5",
          value_parser = seconds_or_zero)]
    overrun_grace: Duration,

    /// On SIGTERM, requeue the jobs that are still running after this number of seconds
    #[arg(long, env = "SOLVEMESH_DRAIN_GRACE", value_name = "SECONDS", default_value = "30",
          value_parser = seconds_or_zero)]
    pub(crate) drain_grace: Duration,

    #[command(flatten)]
    pub(crate) metrics: MetricsArgs,

    #[command(flatten)]
    pub(crate) logs: LogArgs,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a solver process: tasks on standard input, reports on standard output. Workers start
    /// these themselves
    Solver,
    /// Write man pages and shell completions into a folder
    Generate {
        /// The folder; created if it does not exist
        folder: PathBuf,
    },
}

impl Args {
    /// The worker's configuration. What has no flag keeps its default.
    ///
    /// # Errors
    ///
    /// If `--slots` has more than one slot, with `--once`.
    pub(crate) fn config(&self) -> anyhow::Result<WorkerConfig> {
        let defaults = WorkerConfig::default();
        let (job_limit, default_slots) = match self.once {
            true => (JobLimit::One { wait: self.once_wait }, Slots::one()),
            false => (JobLimit::Unlimited, defaults.slots),
        };
        let slots = self.slots.clone().unwrap_or(default_slots);
        anyhow::ensure!(
            !self.once || slots.total() == 1,
            "--slots: a worker with --once has one slot, of one lane; found {}",
            slots.total()
        );
        Ok(WorkerConfig {
            name: self.name.clone().unwrap_or_else(solvemesh_daemon::process_name),
            slots,
            job_limit,
            max_attempts: self.max_attempts,
            threads_per_job: self.threads_per_job,
            memory_per_job: self.memory_per_job.map(|mib| mib << 20),
            max_solve_time: self.max_solve_time,
            overrun: Overrun { fixed: self.overrun_grace, ..defaults.overrun },
            ..WorkerConfig::default()
        })
    }

    /// The connection to the broker, and the lanes to declare there: those of the worker's slots.
    ///
    /// # Errors
    ///
    /// If `--amqp` is missing or the topology flags are invalid.
    pub(crate) fn broker(&self, worker: &WorkerConfig) -> anyhow::Result<AmqpConfig> {
        let urls = self.amqp.as_ref().context("--amqp is missing")?;
        Ok(AmqpConfig {
            name: format!("solvemesh-worker {}", worker.name),
            topology: self.topology.topology()?,
            lanes: worker.slots.iter().map(|(lane, _)| lane.clone()).collect(),
            tls: self.tls.files(),
            ..AmqpConfig::at(urls.to_vec())
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use clap::CommandFactory;

    use super::*;

    const URL: &str = "amqp://guest:secret@localhost:5672/%2f";

    #[test]
    fn the_command_line_is_valid() {
        Args::command().debug_assert();
    }

    #[test]
    fn flags_become_the_configuration() {
        let line =
            ["w", "--amqp", URL, "--slots", "express=2", "--overrun-grace", "1", "--name", "me"];
        let args = Args::try_parse_from(line).unwrap();
        let config = args.config().unwrap();
        assert_eq!(config.slots, "express=2".parse().unwrap());
        assert_eq!(config.overrun.fixed, Duration::from_secs(1));
        assert_eq!(config.name, "me");
        let broker = args.broker(&config).unwrap();
        assert_eq!(broker.urls, [URL.into()]);
        assert_eq!(broker.lanes, ["express".parse().unwrap()]);
    }

    #[test]
    fn a_worker_for_one_job_has_one_slot() {
        let config = |flags: &[&str]| {
            Args::try_parse_from([&["w", "--amqp", URL][..], flags].concat()).unwrap().config()
        };
        let standard = config(&["--once"]).unwrap();
        assert_eq!(standard.job_limit, JobLimit::One { wait: None });
        assert_eq!(standard.slots, Slots::one());
        let express =
            config(&["--once", "--once-wait", "0.5", "--slots", "express=1,standard=0"]).unwrap();
        let wait = Some(Duration::from_millis(500));
        assert_eq!(express.job_limit, JobLimit::One { wait });
        assert_eq!(express.slots, "express=1".parse().unwrap());
        for slots in ["standard=2", "express=1,standard=1"] {
            let refused = config(&["--once", "--slots", slots]).unwrap_err().to_string();
            assert!(refused.starts_with("--slots: ") && refused.contains("found 2"), "{refused}");
        }
        assert!(Args::try_parse_from(["w", "--amqp", URL, "--once-wait", "1"]).is_err());
    }

    #[test]
    fn a_solver_process_needs_no_broker() {
        assert!(Args::try_parse_from(["w", "solver"]).is_ok());
        // A solver process inherits environment variables of the worker, so flags may be set.
        assert!(Args::try_parse_from(["w", "--amqp-cert", "c", "solver"]).is_ok());
    }

    #[test]
    fn the_password_is_not_printed() {
        let args = Args::try_parse_from(["w", "--amqp", URL]).unwrap();
        assert!(!format!("{args:?}").contains("secret"));
        let broker = args.broker(&args.config().unwrap()).unwrap();
        assert!(!format!("{broker:?}").contains("secret"));
        let bad = Args::try_parse_from(["w", "--amqp", "amqp://guest:secret@[bad"]).unwrap_err();
        assert!(!format!("{bad} {bad:?}").contains("secret"));
    }
}
