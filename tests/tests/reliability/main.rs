//! The fault suite: injects one fault after the other into real gateways, real workers and a
//! real RabbitMQ under load. After each, the whole history is checked.
//!
//! Arguments: parts of the names of the faults to run; `--list` lists all names. With
//! `SOLVEMESH_RELIABILITY_SCALE` above 1 there are more jobs and more rounds.

mod arguments;
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
    pin::pin,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Instant,
};

use solvemesh_tests::trial::{Fault, Scale};
use tokio::{runtime::Runtime, time};

use self::{
    arguments::Arguments,
    report::{Report, Row},
};

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
    let arguments = Arguments::read();
    let chosen = faults().into_iter().filter(|fault| arguments.wants(fault.name));
    if arguments.list {
        chosen.for_each(|fault| println!("{}: test", fault.name));
        return ExitCode::SUCCESS;
    }
    let mut report = Report::default();
    for fault in chosen {
        println!("reliability: {} …", fault.name);
        let row = run(fault, arguments.scale);
        println!("reliability: {row}");
        report.add(row);
    }
    println!("{report}");
    if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one fault, on a thread of its own so that a panic does not stop the others.
fn run(fault: Fault, scale: Scale) -> Row {
    let started = Instant::now();
    let row = Arc::new(Mutex::new(Row::of(fault.name)));
    let written = Arc::clone(&row);
    let running = thread::Builder::new().name(fault.name.to_owned()).spawn(move || {
        Runtime::new().expect("a runtime").block_on(async {
            let mut trial = pin!(run_and_check(fault, scale, &written));
            // By reference, so that the panic drops it: only then do processes print their logs.
            let ended = time::timeout(fault.limit, &mut trial).await;
            assert!(ended.is_ok(), "timed out after {:?}", fault.limit);
        });
    });
    let ended = running.expect("a thread").join();
    let mut row = row.lock().unwrap_or_else(PoisonError::into_inner).clone();
    row.passed = ended.is_ok();
    row.took = started.elapsed();
    row
}

/// Injects a fault, and checks the history.
///
/// # Panics
///
/// On a violation, while the processes still exist, so that they print their logs.
async fn run_and_check(fault: Fault, scale: Scale, row: &Mutex<Row>) {
    let trial = (fault.body)(scale).await;
    let verdict = trial.verdict().await;
    row.lock().unwrap_or_else(PoisonError::into_inner).figures = Some(verdict.figures.clone());
    assert!(verdict.violations.is_empty(), "violations:\n{verdict}");
}
