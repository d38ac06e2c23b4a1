//! Confirmed submissions per second, beside a bare handler that awaits one confirm of one quorum
//! queue.

use std::{env, net::SocketAddr, process::Stdio};

use anyhow::Context as _;
use solvemesh_tests::{mesh::Gateway, processes};
use tokio::{
    io::BufReader,
    process::{Child, Command},
};

use crate::{
    load,
    report::{MESH, Report, Unit},
    suite::Bench,
};

/// How many submissions are in flight, and how many are measured.
const LOADS: [(usize, usize); 3] = [(1, 1_000), (50, 5_000), (200, 10_000)];

/// Measures a gateway without workers, so that the jobs stay in their queue. A virtual host per
/// round bounds the length of the queues.
pub(crate) async fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    for _ in 0..bench.rounds {
        let [mesh, bare] = [bench.node.vhost().await, bench.node.vhost().await];
        let gateway = Gateway::on(mesh.url(), &[]).await;
        let gateway_doors = load::connections(&[gateway.address]);
        let (_handler, address) = start_handler(bare.url()).await?;
        let handler_doors = load::connections(&[address]);
        let contestants = [(MESH, &gateway_doors), ("bare handler, one confirm", &handler_doors)];
        for (_, doors) in contestants {
            load::submit(doors, 100, 50).await?; // Warm-up.
        }
        for (in_flight, jobs) in LOADS {
            let measurement = format!("confirmed SubmitJob, {in_flight} in flight");
            for (name, doors) in contestants {
                let rate = load::submit(doors, bench.count(jobs, 50), in_flight).await?;
                report.add(&measurement, name, Unit::PerSecond, rate.per_second());
            }
        }
    }
    Ok(())
}

/// Starts the bare handler, which is this program again.
async fn start_handler(url: &str) -> anyhow::Result<(Child, SocketAddr)> {
    let mut child = Command::new(env::current_exe()?)
        .args(["bare-handler", "--amqp", url])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let output = child.stdout.take().context("no standard output")?;
    let line = processes::line(&mut BufReader::new(output)).await;
    let address = line.strip_prefix("listening on ").context("no address")?.parse()?;
    Ok((child, address))
}
