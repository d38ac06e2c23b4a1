//! A soak: a mesh under half of the load that it can take, for as long as `SOLVEMESH_SOAK_MINUTES`
//! says, while its workers are killed and its broker is restarted. No job may be lost or answered
//! wrongly, and the memory of the gateways must stop growing.
//!
//! Skipped without the variable. `scripts/soak` sets it.

mod load;
mod memory;

use std::{
    env,
    process::ExitCode,
    time::{Duration, Instant},
};

use solvemesh_tests::{
    fleet::{Fleet, Plan},
    metrics::{self, Metrics},
    rabbit::RabbitNode,
};
use tokio::{
    runtime::Runtime,
    time::{interval_at, sleep},
};

use self::{
    load::{Load, Window},
    memory::Growth,
};

const MINUTES: &str = "SOLVEMESH_SOAK_MINUTES";

/// For how long the throughput is measured before the soak.
const MEASURING: Duration = Duration::from_secs(20);
/// Number of jobs in flight meanwhile.
const IN_FLIGHT: usize = 64;
/// Interval between two kills of a worker. They take turns.
const WORKER_KILLS: Duration = Duration::from_secs(60);
/// Interval between two restarts of the broker.
const BROKER_RESTARTS: Duration = Duration::from_secs(5 * 60);
/// Interval between two lines of the report.
const REPORTS: Duration = Duration::from_secs(60);
/// Jobs that gateways keep: few, so that their tables are full early in the soak.
const KEPT: [&str; 4] = ["--keep-jobs", "20000", "--keep-results", "2000"];

fn main() -> ExitCode {
    let Some(minutes) = env::var(MINUTES).ok() else {
        println!("soak: skipped, as {MINUTES} is not set (scripts/soak)");
        return ExitCode::SUCCESS;
    };
    let minutes: f64 = minutes.parse().unwrap_or_else(|_| panic!("{MINUTES} is {minutes:?}"));
    let passed = Runtime::new().expect("a runtime").block_on(soak(minutes));
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs the soak, and returns whether the mesh passed.
async fn soak(minutes: f64) -> bool {
    let node = RabbitNode::start().await;
    let gateway_flags = [&KEPT[..], &metrics::FLAGS].concat();
    let plan = Plan {
        gateway_flags: gateway_flags.into_iter().map(str::to_owned).collect(),
        ..Plan::default()
    };
    let mut fleet = Fleet::start(&node.amqp_url("/"), plan).await;
    let mut gateways = Vec::new();
    for gateway in &fleet.gateways {
        gateways.push(Metrics::of(&gateway.process).await);
    }
    let mut load = Load::at(fleet.doors(), IN_FLIGHT);
    load.start(f64::INFINITY);
    sleep(MEASURING).await;
    let Window { solved, .. } = load.window();
    #[expect(clippy::cast_precision_loss, reason = "a count of jobs")]
    let pace = solved as f64 / MEASURING.as_secs_f64() / 2.0;
    println!(
        "{solved} jobs in {MEASURING:?}: the soak has {pace:.0} jobs/s, for {minutes} minutes"
    );
    load.start(pace);

    let mut growth = Growth::default();
    let began = Instant::now();
    let end = began + Duration::from_secs_f64(minutes * 60.0);
    let [mut kills, mut restarts, mut reports] = [WORKER_KILLS, BROKER_RESTARTS, REPORTS]
        .map(|period| interval_at(tokio::time::Instant::now() + period, period));
    let mut killed = 0;
    while Instant::now() < end {
        tokio::select! {
            _ = kills.tick() => {
                fleet.replace_worker(killed % 2).await;
                killed += 1;
            }
            _ = restarts.tick() => {
                node.stop();
                node.restart().await;
                println!("         the broker was restarted");
            }
            _ = reports.tick() => {
                let mut bytes = Vec::new();
                for gateway in &gateways {
                    let scrape = gateway.scrape().await;
                    bytes.push(scrape.value("process_resident_memory_bytes").unwrap_or_default());
                }
                println!("{:>4} min {}, gateways {}", began.elapsed().as_secs() / 60, load.window(),
                    memory::shown(&bytes));
                growth.add(&bytes);
            }
            () = sleep(end.saturating_duration_since(Instant::now())) => {}
        }
    }
    let outcome = load.finish().await;
    println!("{outcome}; {killed} workers killed; memory of the gateways {growth}");
    outcome.passed() && growth.has_ended()
}
