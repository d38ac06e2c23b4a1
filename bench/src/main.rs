//! `solvemesh-bench`: what a mesh does a second, beside what its broker alone could do
//! in the same run on the same machine. A figure of one machine says little; the ratio
//! to the ceiling says how much the mesh costs.

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

/// Measures a mesh beside its ceilings, on a RabbitMQ of its own
#[derive(Debug, Parser)]
struct Command {
    #[command(subcommand)]
    what: What,
}

/// What is measured.
#[derive(Debug, Subcommand)]
enum What {
    /// Many small jobs, beside a broker alone
    Jobs(JobArgs),
    /// Sweeps, beside loops over the same scenarios
    Sweep(SweepArgs),
}

#[derive(Debug, Args)]
struct JobArgs {
    /// How many jobs each measurement takes
    #[arg(long, default_value_t = 20_000)]
    jobs: usize,

    /// How many are under way at once
    #[arg(long, default_value_t = 200)]
    in_flight: usize,

    /// How many worker processes there are
    #[arg(long, default_value_t = 2)]
    workers: usize,

    /// How often all is measured; the median counts
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
    /// Measures, and prints.
    async fn run(self) -> anyhow::Result<()> {
        let Self { jobs, in_flight, workers, rounds } = self;
        let node = RabbitNode::start().await;
        println!("{jobs} jobs, {in_flight} under way, {workers} workers, median of {rounds}");

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
            // The workers' solver processes are up once a job is through.
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
