//! The program `solvemesh-worker`: runs a worker until a signal, or until it has done what it may,
//! then drains it; or, with the subcommand `solver`, a solver process.

mod args;

use std::{process::ExitCode, sync::Arc};

use anyhow::Context;
use clap::CommandFactory as _;
use solvemesh_broker::{AmqpMesh, CLOSE_GRACE, Mesh};
use solvemesh_daemon::{Metrics, Signals};
use solvemesh_worker::Worker;
use tokio_util::sync::CancellationToken;

use crate::args::{Args, Command};

/// This program is also the solver process, which has to exit when an allocation fails.
#[global_allocator]
static ALLOCATOR: solvemesh_solver::Allocator = solvemesh_solver::Allocator;

fn main() -> ExitCode {
    let args: Args = solvemesh_broker::parse();
    let outcome = match &args.command {
        Some(Command::Solver) => solvemesh_solver::run().context("the solver process"),
        Some(Command::Generate { folder }) => {
            solvemesh_daemon::write_manual(Args::command(), folder).context("generate")
        }
        None => solvemesh_daemon::block_on(run(&args)),
    };
    solvemesh_daemon::exit_code("solvemesh-worker", outcome)
}

async fn run(args: &Args) -> anyhow::Result<()> {
    let traces = solvemesh_daemon::start_log(&args.logs, "solvemesh-worker")?;
    let mut signals = Signals::listen().context("signals")?;
    let config = args.config()?;
    let amqp = args.broker(&config)?;
    let mesh = Arc::new(AmqpMesh::open(amqp).context("--amqp")?);
    let draining = CancellationToken::new();
    if let Some(listener) = args.metrics.listen().await? {
        let mut metrics = Metrics::of_process();
        config.metrics.register(metrics.own());
        mesh.register_metrics(metrics.own());
        // Until the process ends: a drain is watched, too.
        tokio::spawn(metrics.serve(listener, not_ready(&mesh, draining.clone())));
    }
    tokio::select! {
        connected = mesh.connected() => connected.context("--amqp")?,
        () = signals.next() => return Ok(()),
    }
    let worker = Worker::start(mesh.clone(), config);

    tokio::select! {
        () = worker.finished() => {}
        () = signals.next() => {}
    }
    draining.cancel();
    let drain = async {
        worker.drain(args.drain_grace).await;
        mesh.close(CLOSE_GRACE).await;
        traces.shut_down().await;
    };
    tokio::select! {
        () = drain => tracing::info!("stopped"),
        () = signals.next() => tracing::warn!(cause = "second signal", "stopped without drain"),
    }
    Ok(())
}

/// Why the worker takes no jobs now, for `/readyz`.
fn not_ready(
    mesh: &AmqpMesh,
    draining: CancellationToken,
) -> impl Fn() -> Option<String> + Send + Sync + 'static {
    let health = mesh.health();
    move || {
        let draining = draining.is_cancelled().then(|| "this worker is draining".to_owned());
        draining.or_else(|| health.borrow().problem())
    }
}
