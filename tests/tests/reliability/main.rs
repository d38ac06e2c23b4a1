//! The fault suite: injects one fault after the other into real gateways, real workers and a
//! real RabbitMQ under load. After each, the whole history is checked.
//!
//! Takes the arguments of the usual test harness (`--list`, `--exact`, `--skip`, parts of names).
//! With `SOLVEMESH_RELIABILITY_SCALE` above 1 there are more jobs and more rounds.

mod broker;
mod chance;
mod cluster;
mod entries;
mod gateways;
mod jobs;
mod limits;
mod listing;
mod log;
mod network;
mod patience;
mod poison;
mod races;
mod refusal;
mod report;
mod restart;
mod shutdown;
mod solvers;
mod workers;

use std::{
    env,
    pin::pin,
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use libtest_mimic::{Arguments, Trial};
use solvemesh_tests::trial::{Fault, Scale};
use tokio::{runtime::Runtime, time};

use self::report::Report;

/// All faults, in the order in which they run.
fn faults() -> Vec<Fault> {
    [
        workers::FAULTS,
        solvers::FAULTS,
        gateways::FAULTS,
        shutdown::FAULTS,
        races::FAULTS,
        broker::FAULTS,
        patience::FAULTS,
        network::FAULTS,
        poison::FAULTS,
        limits::FAULTS,
        log::FAULTS,
        restart::FAULTS,
        cluster::FAULTS,
    ]
    .concat()
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // One after the other: each fault loads the machine by itself, and is timed.
    arguments.test_threads = Some(1);
    let scale = scale();
    let report = Arc::new(Mutex::new(Report::default()));
    let trials = faults().into_iter().map(|fault| {
        let report = Arc::clone(&report);
        Trial::test(fault.name, move || {
            run(fault, scale, &report);
            Ok(())
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    if !arguments.list {
        println!("{}", lock(&report));
    }
    conclusion.exit_code()
}

/// The scale in `SOLVEMESH_RELIABILITY_SCALE`, 1 by default.
fn scale() -> Scale {
    let value = env::var("SOLVEMESH_RELIABILITY_SCALE").ok();
    let scale = value.map_or(1.0, |text| text.parse().expect("SOLVEMESH_RELIABILITY_SCALE"));
    assert!(scale > 0.0 && scale <= 1000.0, "SOLVEMESH_RELIABILITY_SCALE is {scale}");
    Scale(scale)
}

/// Injects a fault, checks the history, and adds a row to the report.
///
/// # Panics
///
/// If the fault takes longer than its limit, or on a violation. The row is in the report then too.
fn run(fault: Fault, scale: Scale, report: &Mutex<Report>) {
    lock(report).begin(fault.name);
    let started = Instant::now();
    Runtime::new().expect("a runtime").block_on(async {
        let mut trial = pin!(run_and_check(fault, scale, report));
        // By reference, so that the panic drops it: only then do processes print their logs.
        let ended = time::timeout(fault.limit, &mut trial).await;
        assert!(ended.is_ok(), "timed out after {:?}", fault.limit);
    });
    let mut report = lock(report);
    report.pass(started.elapsed());
    println!("{}", report.current());
}

/// Injects a fault, and checks the history.
///
/// # Panics
///
/// On a violation, while the processes still exist, so that they print their logs.
async fn run_and_check(fault: Fault, scale: Scale, report: &Mutex<Report>) {
    let trial = (fault.body)(scale).await;
    let verdict = trial.verdict().await;
    lock(report).set_figures(verdict.figures.clone());
    assert!(verdict.violations.is_empty(), "violations:\n{verdict}");
}

fn lock(report: &Mutex<Report>) -> MutexGuard<'_, Report> {
    report.lock().unwrap_or_else(PoisonError::into_inner)
}
