//! `solvemesh-bench`: measures the throughput of a mesh, and the ceiling of its broker or solver
//! alone in the same run on the same machine. An absolute figure depends on the machine; the
//! ratio to the ceiling shows the overhead of the mesh.

mod broker;
mod ceiling;
mod flood;
mod rate;
mod sweep;

use clap::{Args, Parser, Subcommand};
use solvemesh_tests::{
    mesh::{Gateway, worker},
    rabbit::RabbitNode,
};

use crate::{rate::Rate, sweep::SweepArgs};

/// Measure a mesh against the limits of its parts, on a private RabbitMQ node
#[derive(Debug, Parser)]
struct Command {
    #[command(subcommand)]
    benchmark: Benchmark,
}

/// The benchmarks.
#[derive(Debug, Subcommand)]
enum Benchmark {
    /// Measure many small jobs, and the broker alone
    Jobs(JobArgs),
    /// Measure the operations of the broker that gateways and workers use
    Broker(BrokerArgs),
    /// Measure sweeps, and loops over the same scenarios
    Sweep(SweepArgs),
}

#[derive(Debug, Args)]
struct JobArgs {
    /// Run this many jobs per measurement
    #[arg(long, default_value_t = 20_000)]
    jobs: usize,

    /// Keep this many jobs in flight
    #[arg(long, default_value_t = 200)]
    in_flight: usize,

    /// Start this many worker processes
    #[arg(long, default_value_t = 2)]
    workers: usize,

    /// Repeat every measurement this many times and report the median
    #[arg(long, default_value_t = 3)]
    rounds: usize,
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
        Benchmark::Jobs(args) => args.run().await,
        Benchmark::Broker(args) => args.run().await,
        Benchmark::Sweep(args) => args.run().await,
    }
}

impl JobArgs {
    /// Runs the measurements and prints the results.
    async fn run(self) -> anyhow::Result<()> {
        let Self { jobs, in_flight, workers, rounds } = self;
        let node = RabbitNode::start().await;
        println!("{jobs} jobs, {in_flight} in flight, {workers} workers, median of {rounds}");

        let (mut echo, mut confirmed, mut solved) = (vec![], vec![], vec![]);
        for _ in 0..rounds {
            echo.push(ceiling::echo(node.vhost().await.url(), jobs, in_flight).await?);

            // Without a worker the jobs stay in their queue.
            let vhost = node.vhost().await;
            let broker = vhost.url();
            let gateway = Gateway::on(broker, &[]).await;
            confirmed.push(flood::submit(&gateway, jobs, in_flight).await?);
            drop(gateway);

            let vhost = node.vhost().await;
            let broker = vhost.url();
            let gateway = Gateway::on(broker, &[]).await;
            let _workers: Vec<_> = (0..workers).map(|_| worker(broker)).collect();
            // Warm-up: the workers start their solver processes.
            flood::solve(&gateway, workers * 16, workers * 16).await?;
            solved.push(flood::solve(&gateway, jobs, in_flight).await?);
        }

        let ceiling = Rate::median(echo);
        ceiling.print("broker alone: publish, echo to the log, read", None);
        Rate::median(confirmed).print("SubmitJob, confirmed by queue and log", Some(ceiling));
        Rate::median(solved).print("Wyndor solved, from request to answer", Some(ceiling));
        Ok(())
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
