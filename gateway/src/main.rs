//! The program `solvemesh-gateway`: composes configuration, mesh, table and server, and handles
//! signals.

mod embedded;

use std::{future, io::Write as _, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context;
use clap::CommandFactory as _;
use futures::FutureExt;
use prometheus_client::registry::Registry;
use solvemesh_broker::{AmqpConfig, AmqpMesh, BrokerUrls, CLOSE_GRACE, Mesh};
use solvemesh_daemon::{Metrics, Signals};
use solvemesh_gateway::{
    Args, Certificates, Command, Jobs, KeyCommand, Listener, NewKey, SnapshotFile, Table,
    check_exposure, close_slow_watchers, serve,
    tasks::{dead_letters, expiry, heartbeats, lookups},
};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::embedded::EmbeddedWorker;

fn main() -> ExitCode {
    let args: Args = solvemesh_broker::parse();
    let outcome = match &args.command {
        Some(Command::Solver) => embedded::run_solver(),
        Some(Command::Generate { folder }) => {
            solvemesh_daemon::write_manual(Args::command(), folder).context("generate")
        }
        Some(Command::Key { command: KeyCommand::New(key) }) => print_key(key),
        None => solvemesh_daemon::block_on(run(args)),
    };
    solvemesh_daemon::exit_code("solvemesh-gateway", outcome)
}

async fn run(args: Args) -> anyhow::Result<()> {
    let traces = solvemesh_daemon::start_log(&args.logs, "solvemesh-gateway")?;
    let mut signals = Signals::listen().context("signals")?;
    // Before anything is sent: an error in flags or files should show at once.
    let certificates = args.tls_files()?.map(Certificates::read).transpose()?;
    check_exposure(args.listen.ip(), certificates.is_some(), args.insecure)
        .with_context(|| format!("--listen {}", args.listen))?;
    solvemesh_daemon::raise_open_files();
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("--listen {}", args.listen))?;
    let address = listener.local_addr()?;
    let policy = args.policy();
    let access = args.access.open()?;
    if access.has_certificates() && args.tls_client_ca.is_none() {
        warn!("no --tls-client-ca: client certificates of --keys recognise nobody");
    }
    if args.trace_callers && !traces.are_exported() {
        warn!("no OTEL_EXPORTER_OTLP_ENDPOINT: --trace-callers has no effect");
    }

    let metrics_listener = args.metrics.listen().await?;
    let mut metrics = Metrics::of_process();

    // Background tasks, which run until the mesh is closed.
    let mut tasks = JoinSet::new();
    let (mesh, embedded_worker) = open_mesh(&args, &mut tasks, metrics.own())?;
    let snapshots = args.state_dir.clone().map(SnapshotFile::in_folder).transpose();
    let snapshots = snapshots.context("--state-dir")?;
    let table = Table::follow(mesh.clone(), policy.retention, snapshots);
    let jobs = Jobs::new(mesh.clone(), table.clone(), policy, args.name());
    jobs.register_metrics(metrics.own());
    if let Some(listener) = metrics_listener {
        let jobs = jobs.clone();
        tasks.spawn(metrics.serve(listener, move || jobs.not_ready()).map(Ok));
    }

    tasks.spawn(dead_letters::run(mesh.clone()).map(|end| end.context("dead letter task")));
    tasks.spawn(lookups::run(jobs.clone()).map(|end| end.context("lookup task")));
    tasks.spawn(heartbeats::run(jobs.clone()).map(|end| end.context("heartbeat task")));
    tasks.spawn(expiry::run(jobs.clone()).map(Ok));
    tasks.spawn(close_slow_watchers(jobs.clone()).map(Ok));

    tasks.spawn(access.clone().follow().map(Ok));
    let tls = certificates.is_some();
    let listener = Listener::new(listener, args.connection_limits(), certificates.clone());
    if let Some(certificates) = certificates {
        tasks.spawn(certificates.follow().map(Ok));
    }
    let stop = CancellationToken::new();
    let server = serve(listener, jobs, args.serve_config(access), stop.clone(), args.drain_grace);
    tokio::pin!(server);
    println!("listening on {address}");
    std::io::stdout().flush()?;
    info!(%address, tls, embedded = args.amqp.is_none(), "listening");

    tokio::select! {
        outcome = &mut server => return Ok(outcome?),
        Some(ended) = tasks.join_next() => {
            ended??;
            anyhow::bail!("the mesh was closed");
        }
        () = signals.next() => stop.cancel(),
    }
    let drain = async {
        let served = server.await;
        if let Some(worker) = embedded_worker {
            worker.stop().await;
        }
        table.save().await;
        // Before the log was read nothing has been accepted, so there is nothing to publish.
        let ready = *table.ready().borrow();
        mesh.close(if ready { CLOSE_GRACE } else { Duration::ZERO }).await;
        traces.shut_down().await;
        served
    };
    tokio::select! {
        served = drain => served?,
        () = signals.next() => {
            warn!("stopped immediately by a second signal");
            return Ok(());
        }
    }
    info!("stopped");
    Ok(())
}

/// Makes a key. The key alone goes to standard output, so that it can be captured without being
/// shown.
fn print_key(key: &NewKey) -> anyhow::Result<()> {
    let (key, line) = key.make().context("key new")?;
    eprintln!("add this line to the file of --keys; the key itself is stored nowhere:\n{line}\n");
    println!("{key}");
    Ok(())
}

/// Connects to the broker, registers the metrics of the mesh, and adds the task that fails if the broker refuses this gateway; without
/// `--amqp`, starts the embedded mesh and its worker.
///
/// # Errors
///
/// If flags are invalid or contradict each other. A broker that is down is not an error.
fn open_mesh(
    args: &Args,
    tasks: &mut JoinSet<anyhow::Result<()>>,
    metrics: &mut Registry,
) -> anyhow::Result<(Arc<dyn Mesh>, Option<EmbeddedWorker>)> {
    let Some(urls) = &args.amqp else {
        let (mesh, worker) = embedded::start(args, metrics)?;
        return Ok((mesh, Some(worker)));
    };
    // A job may be as old as its deadline when it finishes, and clients must then have as long
    // again to fetch its result before log and bulk store drop it.
    let max_age = args.topology.log_max_age.min(args.topology.bulk_max_age);
    anyhow::ensure!(
        args.max_total_time_limit.as_secs() <= max_age / 2,
        "--max-total-time-limit must be at most half of --log-max-age and of --bulk-max-age"
    );
    let mesh = Arc::new(AmqpMesh::open(broker_config(urls, args)?).context("--amqp")?);
    mesh.register_metrics(metrics);
    tasks.spawn(fail_if_refused(mesh.clone()));
    Ok((mesh, None))
}

/// The connection to the broker, and what to declare there.
///
/// # Errors
///
/// If the topology flags are invalid.
fn broker_config(urls: &BrokerUrls, args: &Args) -> anyhow::Result<AmqpConfig> {
    Ok(AmqpConfig {
        name: format!("solvemesh-gateway {}", std::process::id()),
        topology: args.topology.topology()?,
        lanes: args.lanes.clone(),
        tls: args.amqp_tls.files(),
        ..AmqpConfig::at(urls.to_vec())
    })
}

/// Fails if the broker refuses this gateway: its login, or its declarations of queues and streams.
/// Otherwise runs forever.
async fn fail_if_refused(mesh: Arc<AmqpMesh>) -> anyhow::Result<()> {
    mesh.connected().await.context("--amqp")?;
    future::pending().await
}
