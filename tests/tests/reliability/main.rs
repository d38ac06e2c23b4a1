//! The fault suite: real gateways, real workers and a real RabbitMQ, broken on purpose
//! under load, one fault after the other. After each, the whole history is checked.
//!
//! Arguments: a part of the names of the faults to try; `--list` names all of them. With
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

/// All faults, in the order of their trials.
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
        let row = attempt(fault, arguments.scale);
        println!("reliability: {row}");
        report.add(row);
    }
    println!("{report}");
    if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Tries one fault. Whatever happens to it, the others are tried too.
fn attempt(fault: Fault, scale: Scale) -> Row {
    let begun = Instant::now();
    let row = Arc::new(Mutex::new(Row::of(fault.name)));
    let written = Arc::clone(&row);
    let trying = thread::Builder::new().name(fault.name.to_owned()).spawn(move || {
        Runtime::new().expect("a runtime").block_on(async {
            let mut trying = pin!(tried(fault, scale, &written));
            // Not dropped before the panic, so that the logs of its processes are shown.
            let ended = time::timeout(fault.limit, &mut trying).await;
            assert!(ended.is_ok(), "it takes longer than {:?}", fault.limit);
        });
    });
    let ended = trying.expect("a thread").join();
    let mut row = row.lock().unwrap_or_else(PoisonError::into_inner).clone();
    row.passed = ended.is_ok();
    row.took = begun.elapsed();
    row
}

/// Breaks something, and checks what became of it.
///
/// # Panics
///
/// When something is wrong, while the processes are still there to show their logs.
async fn tried(fault: Fault, scale: Scale, row: &Mutex<Row>) {
    let trial = (fault.body)(scale).await;
    let verdict = trial.verdict().await;
    row.lock().unwrap_or_else(PoisonError::into_inner).figures = Some(verdict.figures.clone());
    assert!(verdict.violations.is_empty(), "violations:\n{verdict}");
}
