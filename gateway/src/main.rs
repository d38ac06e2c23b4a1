//! `solvemesh-gateway`: configuration, mesh, table, server, signals, drain.

use std::{future, io::Write, process::ExitCode, sync::Arc, time::Duration};

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
        None => Runtime::new().context("tokio").and_then(|runtime| {
            let ran = runtime.block_on(run(args));
            // Nothing that blocks, as the search for a broker's address, is waited for.
            runtime.shutdown_background();
            ran
        }),
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

    // They end with the mesh alone.
    let mut chores = JoinSet::new();
    let (mesh, solving): (Arc<dyn Mesh>, _) = match &args.amqp {
        Some(urls) => {
            let mesh = Arc::new(AmqpMesh::open(broker(urls, &args)?).context("--amqp")?);
            chores.spawn(refusal(mesh.clone()));
            (mesh, None)
        }
        None => {
            let (mesh, solving) = embedded::start(&args)?;
            (mesh, Some(solving))
        }
    };
    let table = Table::follow(mesh.clone(), policy.kept).await.context("the results log")?;
    let jobs = Jobs::new(mesh.clone(), table, policy);
    let ready = jobs.table.ready();

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
    // Nothing has been accepted before the log was read.
    mesh.close(if *ready.borrow() { CLOSE_GRACE } else { Duration::ZERO }).await;
    info!("stopped");
    Ok(())
}

/// How to reach the broker.
fn broker(urls: &str, args: &Args) -> anyhow::Result<AmqpConfig> {
    Ok(AmqpConfig {
        name: format!("solvemesh-gateway {}", std::process::id()),
        topology: args.topology.topology()?,
        lanes: args.lanes.clone(),
        ..AmqpConfig::new(urls)
    })
}

/// Ends only if the broker, once it is there, refuses what this gateway needs of it.
async fn refusal(mesh: Arc<AmqpMesh>) -> anyhow::Result<()> {
    mesh.connected().await.context("--amqp")?;
    future::pending().await
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
