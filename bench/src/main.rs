//! `solvemesh-bench`: measures the throughput of a mesh, and the ceiling of its broker or solver
//! alone in the same run on the same machine. An absolute figure depends on the machine; the
//! ratio to the ceiling shows the overhead of the mesh.

mod bare;
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
    what: What,
}

/// The benchmarks.
#[derive(Debug, Subcommand)]
enum What {
    /// Measure many small jobs, and the broker alone
    Jobs(JobArgs),
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

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Command::parse().what {
        What::Jobs(args) => args.run().await,
        What::Sweep(args) => args.run().await,
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
