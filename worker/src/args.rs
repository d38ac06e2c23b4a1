//! The command line of `solvemesh-worker`; each flag is an environment variable too.

use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};
use solvemesh::{seconds, seconds_or_zero};
use solvemesh_broker::{AmqpConfig, BrokerUrls, TlsArgs, TopologyArgs};
use solvemesh_daemon::LogArgs;
use solvemesh_worker::{Overrun, Slots, WorkerConfig};

/// Takes optimisation jobs from a mesh and solves them
#[derive(Debug, Parser)]
#[command(name = "solvemesh-worker", version, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// The broker: amqp://USER:PASSWORD@HOST:PORT/VHOST, or amqps://… with TLS; of a
    /// cluster, several nodes with commas between them
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

    /// How many jobs of each lane are solved at once, as in express=1,standard=4; by
    /// default express=1 and as many of the standard lane as there are cores
    #[arg(long, env = "SOLVEMESH_SLOTS", value_name = "LANE=N,…")]
    slots: Option<Slots>,

    /// Tells this worker from others; by default made of the host and the process
    #[arg(long, env = "SOLVEMESH_NAME")]
    name: Option<String>,

    /// How many attempts of a job may die in the solver before the job fails
    #[arg(long, env = "SOLVEMESH_MAX_ATTEMPTS", value_name = "N", default_value_t = 3,
          value_parser = clap::value_parser!(u32).range(1..=100))]
    max_attempts: u32,

    /// The most threads of a job; slots × threads should not exceed the cores
    #[arg(long, env = "SOLVEMESH_THREADS_PER_JOB", value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads_per_job: u32,

    /// The most memory that a solver process may allocate for a job, in MiB, whatever that
    /// asks for; no cap by default
    #[arg(long, env = "SOLVEMESH_MEMORY_PER_JOB", value_name = "MIB",
          value_parser = clap::value_parser!(u64).range(16..=1 << 30))]
    memory_per_job: Option<u64>,

    /// The time limit of a job that has none, and the most that any job gets
    #[arg(long, env = "SOLVEMESH_LONGEST_SOLVE", value_name = "SECONDS", default_value = "86400",
          value_parser = seconds)]
    longest_solve: Duration,

    /// How long past its time limit, and a tenth of it, a solver may go on before it
    /// is killed
    #[arg(long, env = "SOLVEMESH_OVERRUN_GRACE", value_name = "SECONDS", default_value = "5",
          value_parser = seconds_or_zero)]
    overrun_grace: Duration,

    /// How long running solves have to end on SIGTERM before their jobs are handed back
    #[arg(long, env = "SOLVEMESH_DRAIN_GRACE", value_name = "SECONDS", default_value = "30",
          value_parser = seconds_or_zero)]
    pub(crate) drain_grace: Duration,

    #[command(flatten)]
    pub(crate) logs: LogArgs,
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum Command {
    /// Be a solver process: tasks on standard input, reports on standard output. A
    /// worker starts these itself
    Solver,
}

impl Args {
    /// How the worker is to work.
    pub(crate) fn config(&self) -> WorkerConfig {
        let defaults = WorkerConfig::default();
        WorkerConfig {
            name: self.name.clone().unwrap_or_else(default_name),
            slots: self.slots.clone().unwrap_or(defaults.slots),
            max_attempts: self.max_attempts,
            threads_per_job: self.threads_per_job,
            memory_per_job: self.memory_per_job.map(|mib| mib << 20),
            longest_solve: self.longest_solve,
            overrun: Overrun { fixed: self.overrun_grace, ..defaults.overrun },
            ..WorkerConfig::default()
        }
    }

    /// How to reach the broker, and what to declare there for these slots.
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

/// "host-123".
fn default_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() { "worker" } else { host.trim() };
    format!("{host}-{}", std::process::id())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use clap::CommandFactory;

    use super::*;

    const URL: &str = "amqp://guest:secret@localhost:5672/%2f";

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn flags_become_the_configuration() {
        let line =
            ["w", "--amqp", URL, "--slots", "express=2", "--overrun-grace", "1", "--name", "me"];
        let args = Args::try_parse_from(line).unwrap();
        let config = args.config();
        assert_eq!(config.slots, "express=2".parse().unwrap());
        assert_eq!(config.overrun.fixed, Duration::from_secs(1));
        assert_eq!(config.name, "me");
        let broker = args.broker(&config).unwrap();
        assert_eq!(broker.urls, [URL.into()]);
        assert_eq!(broker.lanes, ["express".parse().unwrap()]);
    }

    #[test]
    fn a_solver_process_needs_no_broker() {
        assert!(Args::try_parse_from(["w", "solver"]).is_ok());
        // It has the environment of its worker, but not its flags.
        assert!(Args::try_parse_from(["w", "--amqp-cert", "c", "solver"]).is_ok());
    }

    #[test]
    fn the_password_is_not_printed() {
        let args = Args::try_parse_from(["w", "--amqp", URL]).unwrap();
        assert!(!format!("{args:?}").contains("secret"));
        let broker = args.broker(&args.config()).unwrap();
        assert!(!format!("{broker:?}").contains("secret"));
        let bad = Args::try_parse_from(["w", "--amqp", "amqp://guest:secret@[bad"]).unwrap_err();
        assert!(!format!("{bad} {bad:?}").contains("secret"));
    }
}
