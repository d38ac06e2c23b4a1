//! `solvemesh-gateway`: configuration, mesh, table, server, signals, drain.

use std::{io::Write, process::ExitCode, sync::Arc, time::Duration};

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
};
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

#[cfg_attr(not(feature = "embedded"), path = "without_solvers.rs")]
mod embedded;

/// What the mesh has to send what waits in its outbox, at the end.
const CLOSE_GRACE: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match args.command {
        Some(Command::Solver) => embedded::be_solver(),
        None => Runtime::new().context("tokio").and_then(|runtime| runtime.block_on(run(args))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The log may not have begun.
            let _ = writeln!(std::io::stderr(), "solvemesh-gateway: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> anyhow::Result<()> {
    solvemesh_telemetry::start(&args.logs).context("--log")?;
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("--listen {}", args.listen))?;
    let address = listener.local_addr()?;
    let policy = args.policy();

    let (mesh, solving) = match &args.amqp {
        Some(urls) => (broker(urls, &args).await?, None),
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

    let stop = CancellationToken::new();
    let server = serve(listener, jobs, args.origins(), stop.clone(), args.drain_grace);
    tokio::pin!(server);
    println!("listening on {address}");
    std::io::stdout().flush()?;
    info!(%address, embedded = args.amqp.is_none(), "listening");

    tokio::select! {
        outcome = &mut server => outcome?,
        Some(ended) = chores.join_next() => {
            ended??;
            anyhow::bail!("the mesh was closed");
        }
        () = stop_signal() => {
            stop.cancel();
            tokio::select! {
                outcome = &mut server => outcome?,
                () = stop_signal() => {
                    warn!("stopped at once by a second signal");
                    return Ok(());
                }
            }
        }
    }
    if let Some(solving) = solving {
        solving.end().await;
    }
    mesh.close(CLOSE_GRACE).await;
    info!("stopped");
    Ok(())
}

async fn broker(urls: &str, args: &Args) -> anyhow::Result<Arc<dyn Mesh>> {
    let config = AmqpConfig {
        name: format!("solvemesh-gateway {}", std::process::id()),
        topology: args.topology.topology()?,
        lanes: args.lanes.clone(),
        ..AmqpConfig::new(urls)
    };
    Ok(Arc::new(AmqpMesh::connect(config).await.context("--amqp")?))
}

/// Returns with the next SIGTERM or SIGINT.
async fn stop_signal() {
    let (Ok(mut term), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        error!("signals can't be heard");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
}
