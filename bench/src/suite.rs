//! `solvemesh-bench all`: every measurement in one run, and one table of the results.

use std::{fs, future::Future, path::PathBuf, pin::Pin, time::Duration};

use anyhow::{Context as _, ensure};
use clap::{Args, ValueEnum};
use solvemesh_tests::rabbit::RabbitNode;
use tokio::time::timeout;

use crate::{machine::Machine, measure, peers::Peers, report::Report};

/// Arguments of `all`.
#[derive(Debug, Args)]
pub(crate) struct SuiteArgs {
    /// Repeat every measurement this many times, its contestants by turns
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,

    /// Make only these measurements [default: all]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    only: Vec<Measurement>,

    /// Write the results as JSON to this file too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Check in one round with tiny numbers that every measurement works
    #[arg(long)]
    smoke: bool,

    /// Read real models from this folder; see CONTRIBUTING.md
    #[arg(long, env = "SOLVEMESH_INSTANCES", value_name = "FOLDER")]
    instances: Option<PathBuf>,
}

/// The measurements, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Measurement {
    /// Small jobs per second and their CPU time, beside other stacks
    Jobs,
    /// Confirmed submissions per second, beside a bare handler
    Submit,
    /// Latency of one job at a time, beside a round trip through the broker
    Latency,
    /// The mesh in one process, beside the solver process alone
    Embedded,
    /// A large model file, beside highspy
    Large,
    /// Start of a gateway with a long log, beside a raw read of the log
    Replay,
    /// Memory of a gateway per finished job
    Memory,
    /// Memory and fan-out of open watchers
    Watchers,
    /// Real models, beside highspy
    Models,
    /// Sweeps of real models, beside cold solves one by one
    Sweeps,
    /// A tenant with few jobs beside one with many; TLS and keys, beside none
    Tenants,
}

/// What all measurements use.
pub(crate) struct Bench {
    /// The broker of all contestants.
    pub(crate) node: RabbitNode,
    /// How often each contestant runs.
    pub(crate) rounds: usize,
    /// The peers in Python, if they are installed.
    pub(crate) peers: Option<Peers>,
    /// The folder of real models, if there is one.
    pub(crate) instances: Option<PathBuf>,
    smoke: bool,
}

impl Bench {
    /// A number of items: `full`, or `smoke` if this is only a check that everything works.
    pub(crate) fn count(&self, full: usize, smoke: usize) -> usize {
        if self.smoke { smoke } else { full }
    }

    /// How long a measurement may take: much longer than on a busy machine, so that a contestant
    /// that hangs does not hang the run.
    fn time_limit(&self) -> Duration {
        Duration::from_secs(600 * self.rounds.max(2) as u64)
    }

    /// The peers; without them, notes in the report what is not measured.
    pub(crate) fn peers(&self, report: &mut Report, what: &str) -> Option<&Peers> {
        if self.peers.is_none() {
            report.skip(&format!("{what}: no virtual environment; scripts/setup bench makes it"));
        }
        self.peers.as_ref()
    }

    /// The process id of the broker.
    pub(crate) async fn broker_process(&self) -> anyhow::Result<u32> {
        // Erlang prints the text in quotes.
        let id = self.node.eval("os:getpid().").await;
        id.trim().trim_matches('"').parse().context("the process id of RabbitMQ")
    }
}

impl SuiteArgs {
    /// Makes the measurements and prints the table. A measurement that fails is reported at the
    /// end, so that it does not cost the others.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let rounds = if self.smoke { 1 } else { self.rounds.max(1) };
        let node = RabbitNode::start().await;
        let (peers, instances) = (Peers::find(), self.instances);
        let bench = Bench { node, rounds, peers, instances, smoke: self.smoke };
        let machine = bench.machine().await;
        let mut report = Report::default();
        let mut failed = Vec::new();
        let limit = bench.time_limit();
        for &measurement in Measurement::value_variants() {
            if !self.only.is_empty() && !self.only.contains(&measurement) {
                continue;
            }
            eprintln!("measuring {measurement:?}");
            let run = timeout(limit, measurement.run(&bench, &mut report));
            if let Err(error) = run.await.context("it took too long").flatten() {
                eprintln!("{measurement:?} failed: {error:#}");
                failed.push(format!("{measurement:?}"));
            }
            // After each, so that a run that is interrupted leaves what it has measured.
            if let Some(file) = &self.json {
                let text = serde_json::to_string_pretty(&report.json(&machine, rounds))?;
                fs::write(file, text + "\n").with_context(|| file.display().to_string())?;
            }
        }
        println!("{machine}\nrounds: {rounds}\n\n{}", report.table());
        ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
        Ok(())
    }
}

impl Bench {
    async fn machine(&self) -> Machine {
        let versions = r#"io:format("~s ~s~n",
            [element(2, application:get_key(rabbit, vsn)), erlang:system_info(otp_release)])."#;
        // The first line is what was printed, the last the value of the expression.
        let printed = self.node.eval(versions).await;
        let line = printed.lines().next().unwrap_or_default();
        let (rabbitmq, erlang) = line.split_once(' ').unwrap_or((line, "unknown"));
        Machine::inspect(rabbitmq.to_owned(), erlang.to_owned(), self.peers.as_ref())
    }
}

impl Measurement {
    /// Boxed, because the futures of the measurements are large.
    fn run<'a>(
        self,
        bench: &'a Bench,
        report: &'a mut Report,
    ) -> Pin<Box<dyn Future<Output = anyhow::Result<()>> + 'a>> {
        match self {
            Self::Jobs => Box::pin(measure::jobs::measure(bench, report)),
            Self::Submit => Box::pin(measure::submit::measure(bench, report)),
            Self::Latency => Box::pin(measure::latency::measure(bench, report)),
            Self::Embedded => Box::pin(measure::embedded::measure(bench, report)),
            Self::Large => Box::pin(measure::large::measure(bench, report)),
            Self::Replay => Box::pin(measure::replay::measure(bench, report)),
            Self::Memory => Box::pin(measure::memory::measure(bench, report)),
            Self::Watchers => Box::pin(measure::watchers::measure(bench, report)),
            Self::Models => Box::pin(measure::models::measure(bench, report)),
            Self::Sweeps => Box::pin(measure::sweeps::measure(bench, report)),
            Self::Tenants => Box::pin(measure::tenants::measure(bench, report)),
        }
    }
}
