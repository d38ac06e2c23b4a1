//! `solvemesh-gateway`: configuration, mesh, table, server, signals, drain.

use std::{
    io::{self, Write},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use clap::Parser;
use futures::FutureExt;
use solvemesh_broker::{AmqpConfig, AmqpMesh, Mesh};
use solvemesh_gateway::{
    config::{Args, Command},
    dead_letters, expiry,
    jobs::Jobs,
    lookups,
    server::serve,
    table::Table,
    watch,
};
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

#[cfg_attr(not(feature = "embedded"), path = "without_solvers.rs")]
mod embedded;

/// What the mesh has to send what waits in its outbox, at the end.
const CLOSE_GRACE: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match args.command {
        Some(Command::Solver) => embedded::be_solver(),
        None => Runtime::new().context("tokio").and_then(|runtime| {
            let ran = runtime.block_on(run(args));
            // Whoever asked twice does not wait for what is under way.
            runtime.shutdown_background();
            ran
        }),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The log may not have begun.
            let _ = writeln!(io::stderr(), "solvemesh-gateway: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> anyhow::Result<()> {
    solvemesh_telemetry::start(&args.logs).context("--log")?;
    let mut signals = Signals::listen().context("signals")?;
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("--listen {}", args.listen))?;
    let address = listener.local_addr()?;
    let policy = args.policy();

    let (mesh, solving) = match &args.amqp {
        Some(url) => (broker(url).await?, None),
        None => {
            let (mesh, solving) = embedded::start(&args)?;
            (mesh, Some(solving))
        }
    };
    let table = Table::follow(mesh.clone(), policy.kept).await.context("the results log")?;
    let jobs = Jobs::new(mesh.clone(), table, policy);

    // They end with the mesh alone.
    let mut chores = JoinSet::new();
    chores.spawn(dead_letters::run(mesh.clone()).map(|end| end.context("the dead letters")));
    chores.spawn(lookups::run(jobs.clone()).map(|end| end.context("the workers' questions")));
    chores.spawn(expiry::run(jobs.clone()).map(Ok));
    chores.spawn(watch::keep_pace(jobs.clone()).map(Ok));

    let stop = CancellationToken::new();
    let server = serve(listener, jobs, args.origins(), stop.clone(), args.drain_grace);
    tokio::pin!(server);
    println!("listening on {address}");
    std::io::stdout().flush()?;
    info!(%address, embedded = args.amqp.is_none(), "listening");

    tokio::select! {
        outcome = &mut server => return Ok(outcome?),
        Some(ended) = chores.join_next() => {
            ended??;
            anyhow::bail!("the mesh was closed");
        }
        () = signals.next() => stop.cancel(),
    }
    let drain = async {
        let served = server.await;
        if let Some(solving) = solving {
            solving.end().await;
        }
        mesh.close(CLOSE_GRACE).await;
        served
    };
    tokio::select! {
        served = drain => served?,
        () = signals.next() => {
            warn!("stopped at once by a second signal");
            return Ok(());
        }
    }
    info!("stopped");
    Ok(())
}

async fn broker(url: &str) -> anyhow::Result<Arc<dyn Mesh>> {
    let mut config = AmqpConfig::new(url);
    config.name = format!("solvemesh-gateway {}", std::process::id());
    Ok(Arc::new(AmqpMesh::connect(config).await.context("--amqp")?))
}

/// What asks the gateway to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Hears from now on: what comes before it is waited for is not lost.
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
