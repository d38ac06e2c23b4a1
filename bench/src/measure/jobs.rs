//! Small jobs per second, from request to checked answer, and the CPU time that each costs.

use std::net::SocketAddr;

use solvemesh_tests::clients::Doors;

use crate::{
    ceiling, load,
    mesh::{BenchMesh, WORKERS},
    peers::{Peer, Peers},
    report::{MESH, Report, Unit},
    suite::Bench,
    usage,
};

const RATE: &str = "small jobs, 200 in flight, 2 workers";
const CPU: &str = "CPU per small job";
const IN_FLIGHT: usize = 200;

/// Process ids by what they do.
type Processes = [(&'static str, Vec<u32>); 5];

/// Measures the mesh, the echo through the broker, and the peers.
pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let vhost = bench.node.vhost().await;
    let mesh = BenchMesh::start(vhost.url(), &[]).await?;
    let processes = processes(bench, &mesh).await?;
    let jobs = bench.count(10_000, 200);
    let peers = match bench.peers(report, "peers of small jobs") {
        Some(peers) => Some(Stacks::start(bench, peers).await?),
        None => None,
    };
    for _ in 0..bench.rounds {
        flood(&mesh, &processes, jobs, report).await?;
        let watched = load::watch(&mesh.doors, jobs, IN_FLIGHT).await?.per_second();
        report.add(RATE, "mesh, SubmitJob and WatchResults", Unit::PerSecond, watched);
        // A virtual host of its own, because it reads the stream from its beginning.
        let empty = bench.node.vhost().await;
        let echo = ceiling::echo(empty.url(), jobs, IN_FLIGHT).await?.per_second();
        report.add(RATE, "ceiling: echo through the broker", Unit::PerSecond, echo);
        if let Some(peers) = &peers {
            peers.round(bench, report).await?;
        }
    }
    Ok(())
}

/// The processes of a mesh by their kind, and this one.
async fn processes(bench: &Bench, mesh: &BenchMesh) -> anyhow::Result<Processes> {
    Ok([
        ("RabbitMQ", vec![bench.broker_process().await?]),
        ("gateway", vec![mesh.gateway.process.id()]),
        ("workers", mesh.worker_processes()),
        ("solver processes", mesh.solver_processes()),
        ("load generator", vec![std::process::id()]),
    ])
}

/// One round of the mesh, with the CPU time of its processes.
async fn flood(
    mesh: &BenchMesh,
    processes: &Processes,
    jobs: usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut before = Vec::new();
    for (_, ids) in processes {
        before.push(usage::cpu_times(ids)?);
    }
    let rate = load::solve(&mesh.doors, jobs, IN_FLIGHT).await?;
    report.add(RATE, MESH, Unit::PerSecond, rate.per_second());
    for ((name, ids), before) in processes.iter().zip(before) {
        let used = usage::cpu_times(ids)?.saturating_sub(before);
        report.add(CPU, name, Unit::Microseconds, used.as_secs_f64() * 1e6 / jobs as f64);
    }
    Ok(())
}

/// The running peers.
struct Stacks<'a> {
    peers: &'a Peers,
    grpc: Vec<Peer>,
    grpc_doors: Doors,
    /// The virtual hosts of Celery and of the web form.
    urls: [String; 2],
    web: Peer,
    /// Kept running.
    _workers: Vec<Peer>,
}

impl<'a> Stacks<'a> {
    async fn start(bench: &Bench, peers: &'a Peers) -> anyhow::Result<Self> {
        let descriptors = concat!(env!("CARGO_MANIFEST_DIR"), "/../proto/solvemesh.v1.binpb");
        let mut grpc = Vec::new();
        for _ in 0..WORKERS {
            grpc.push(peers.start("grpc_server.py", &[descriptors, "0"]).await?);
        }
        let ports = grpc.iter().map(Peer::port).collect::<anyhow::Result<Vec<u16>>>()?;
        let addresses: Vec<_> =
            ports.into_iter().map(|port| SocketAddr::from(([127, 0, 0, 1], port))).collect();
        let grpc_doors = load::connections(&addresses);
        load::solve(&grpc_doors, 64, 64).await?; // Warm-up.

        let [celery, web] = [bench.node.vhost().await, bench.node.vhost().await];
        let urls = [celery, web].map(|vhost| vhost.url().to_owned());
        let mut workers = vec![peers.start_celery(&urls[0], WORKERS).await?];
        for _ in 0..WORKERS {
            workers.push(peers.start("web_worker.py", &[&urls[1]]).await?);
        }
        let web = peers.start("web_server.py", &[&urls[1]]).await?;
        Ok(Self { peers, grpc, grpc_doors, urls, web, _workers: workers })
    }

    /// One round of each peer.
    async fn round(&self, bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
        let in_flight = IN_FLIGHT.to_string();

        let jobs = bench.count(10_000, 100);
        let processes = self.grpc.iter().map(Peer::id).collect::<anyhow::Result<Vec<u32>>>()?;
        let before = usage::cpu_times(&processes)?;
        let rate = load::solve(&self.grpc_doors, jobs, IN_FLIGHT).await?.per_second();
        report.add(RATE, "Python gRPC server and highspy", Unit::PerSecond, rate);
        let used = usage::cpu_times(&processes)?.saturating_sub(before);
        let used = used.as_secs_f64() * 1e6 / jobs as f64;
        report.add(CPU, "Python gRPC server and highspy", Unit::Microseconds, used);

        let [celery, web] = &self.urls;
        let jobs = bench.count(2_000, 50);
        let seconds =
            self.peers.run("celery_client.py", &[&jobs.to_string(), &in_flight], celery).await?;
        per_second(report, "Celery and highspy", jobs, &seconds);

        let (port, jobs) = (self.web.port()?.to_string(), bench.count(400, 10));
        let arguments = [port.as_str(), &jobs.to_string(), &in_flight];
        let seconds = self.peers.run("web_client.py", &arguments, web).await?;
        per_second(report, "web form, pika, Pyomo and GLPK", jobs, &seconds);
        Ok(())
    }
}

/// Adds the rate of a client that printed its seconds.
fn per_second(report: &mut Report, contestant: &str, jobs: usize, seconds: &[f64]) {
    let seconds = seconds.first().copied().unwrap_or(f64::NAN);
    report.add(RATE, contestant, Unit::PerSecond, jobs as f64 / seconds);
}
