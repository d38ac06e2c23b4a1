//! `solvemesh-bench`: measures a mesh beside the limits of its parts and beside other stacks, in
//! the same run on the same machine. An absolute figure depends on the machine; the ratios show
//! the overhead, or the gain, of the mesh.

mod amqp;
mod bare;
mod broker;
mod ceiling;
mod direct;
mod files;
mod load;
mod machine;
mod measure;
mod mesh;
mod mps;
mod peers;
mod rate;
mod real_sweep;
mod report;
mod statistics;
mod suite;
mod sweep;
mod usage;

use clap::{Args, Parser, Subcommand};
use solvemesh_tests::rabbit::RabbitNode;

use crate::{bare::BareArgs, suite::SuiteArgs, sweep::SweepArgs};

/// Measure a mesh against the limits of its parts, on a private RabbitMQ node
#[derive(Debug, Parser)]
struct Command {
    #[command(subcommand)]
    benchmark: Benchmark,
}

/// The benchmarks.
#[derive(Debug, Subcommand)]
enum Benchmark {
    /// Make all measurements, beside ceilings and other stacks, and print one table
    All(SuiteArgs),
    /// Measure the operations of the broker that gateways and workers use
    Broker(BrokerArgs),
    /// Measure sweeps, and loops over the same scenarios
    Sweep(SweepArgs),
    /// Serve SubmitJob with one confirm; `all` starts this itself
    #[command(hide = true)]
    BareHandler(BareArgs),
}

#[derive(Debug, Args)]
struct BrokerArgs {
    /// Send this many messages per measurement
    #[arg(long, default_value_t = 20_000)]
    messages: usize,

    /// Keep these numbers of messages in flight, one measurement for each
    #[arg(long, value_delimiter = ',', default_value = "1,50,200,1000")]
    in_flight: Vec<usize>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Command::parse().benchmark {
        Benchmark::All(args) => args.run().await,
        Benchmark::Broker(args) => args.run().await,
        Benchmark::Sweep(args) => args.run().await,
        Benchmark::BareHandler(args) => args.run().await,
    }
}

impl BrokerArgs {
    /// Runs the measurements and prints the results.
    async fn run(self) -> anyhow::Result<()> {
        let node = RabbitNode::start().await;
        for in_flight in self.in_flight {
            println!("{} messages, {in_flight} in flight", self.messages);
            let vhost = node.vhost().await;
            let rates = broker::measure(vhost.url(), self.messages, in_flight).await?;
            rates.enqueue.print("jobs, confirmed by their queue", None);
            rates.append.print("log entries, confirmed by the log", None);
            rates.follow.print("log entries, read from the beginning", None);
            rates.consume.print("jobs, consumed and acknowledged", None);
        }
        Ok(())
    }
}
