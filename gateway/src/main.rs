//! `solvemesh-gateway`: configuration, mesh, table, server, signals, drain.

use std::{
    future,
    io::{self, Write},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use futures::FutureExt;
use solvemesh_broker::{AmqpConfig, AmqpMesh, BrokerUrls, Mesh};
use solvemesh_gateway::{
    config::{Args, Command},
    dead_letters, expiry,
    jobs::Jobs,
    lookups,
    server::serve,
    table::{SnapshotFile, Table},
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
    let args: Args = solvemesh_broker::parse();
    let outcome = match args.command {
        Some(Command::Solver) => embedded::be_solver(),
        None => Runtime::new().context("tokio").and_then(|runtime| {
            let ran = runtime.block_on(run(args));
            // Whoever asked twice does not wait for what is under way, nor anyone for what
            // blocks, as the search for a broker's address.
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

    // They end with the mesh alone.
    let mut chores = JoinSet::new();
    let (mesh, solving): (Arc<dyn Mesh>, _) = match &args.amqp {
        Some(urls) => {
            // A job may be as old as its deadline before it ends, and then be asked for.
            let kept = args.topology.log_max_age.min(args.topology.bulk_max_age);
            anyhow::ensure!(
                args.max_deadline.as_secs() <= kept / 2,
                "--max-deadline is more than half of what --log-max-age and --bulk-max-age keep"
            );
            let mesh = Arc::new(AmqpMesh::open(broker(urls, &args)?).context("--amqp")?);
            chores.spawn(refusal(mesh.clone()));
            (mesh, None)
        }
        None => {
            let (mesh, solving) = embedded::start(&args)?;
            (mesh, Some(solving))
        }
    };
    let snapshots = args.state_dir.clone().map(SnapshotFile::in_folder).transpose();
    let snapshots = snapshots.context("--state-dir")?;
    let table = Table::follow(mesh.clone(), policy.kept, snapshots);
    let jobs = Jobs::new(mesh.clone(), table.clone(), policy);

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
        table.save().await;
        // Nothing has been accepted before the log was read.
        let ready = *table.ready().borrow();
        mesh.close(if ready { CLOSE_GRACE } else { Duration::ZERO }).await;
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

/// How to reach the broker.
fn broker(urls: &BrokerUrls, args: &Args) -> anyhow::Result<AmqpConfig> {
    Ok(AmqpConfig {
        name: format!("solvemesh-gateway {}", std::process::id()),
        topology: args.topology.topology()?,
        lanes: args.lanes.clone(),
        tls: args.tls.files(),
        ..AmqpConfig::at(urls.to_vec())
    })
}

/// Ends only if the broker, once it is there, refuses what this gateway needs of it.
async fn refusal(mesh: Arc<AmqpMesh>) -> anyhow::Result<()> {
    mesh.connected().await.context("--amqp")?;
    future::pending().await
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
