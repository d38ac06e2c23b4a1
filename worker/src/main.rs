//! `solvemesh-worker`: configuration, mesh, worker, signals, drain.

mod args;

use std::{
    io::{self, Write},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use solvemesh_broker::{AmqpMesh, Mesh};
use solvemesh_worker::{Worker, solver};
use tokio::{
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
};

use crate::args::{Args, Command};

/// What the mesh has to send what waits in its outbox, at the end.
const CLOSE_GRACE: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let args: Args = solvemesh_broker::parse();
    let outcome = match args.command {
        Some(Command::Solver) => solver::run().context("the solver process"),
        None => Runtime::new().context("tokio").and_then(|runtime| {
            let ran = runtime.block_on(run(&args));
            // Whoever asked twice does not wait for what is under way.
            runtime.shutdown_background();
            ran
        }),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The log may not have begun, and standard error may be closed.
            let _ = writeln!(io::stderr(), "solvemesh-worker: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> anyhow::Result<()> {
    solvemesh_telemetry::start(&args.logs).context("--log")?;
    let mut signals = Signals::listen().context("signals")?;
    let config = args.config();
    let amqp = args.broker(&config)?;
    let mesh = Arc::new(AmqpMesh::open(amqp).context("--amqp")?);
    tokio::select! {
        connected = mesh.connected() => connected.context("--amqp")?,
        () = signals.next() => return Ok(()),
    }
    let worker = Worker::start(mesh.clone(), config);

    signals.next().await;
    let drain = async {
        worker.drain(args.drain_grace()).await;
        mesh.close(CLOSE_GRACE).await;
    };
    tokio::select! {
        () = drain => tracing::info!("stopped"),
        () = signals.next() => tracing::warn!(cause = "a second signal", "stopped at once"),
    }
    Ok(())
}

/// What asks the worker to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for SIGTERM or SIGINT.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
