//! Times of whole tasks with tiny models, printed:
//!
//! ```sh
//! cargo test --release --workspace --lib tests::times -- --ignored --nocapture
//! ```

use std::{hint::black_box, io::sink, sync::atomic::AtomicBool, time::Instant};

use prost::Message as _;
use solvemesh::{
    broker::v1::JobPayload,
    solver::v1::{SolveTask, solver_report::Kind},
    v1::{LinearModel, ObjectiveSense, SolveOptions, Solver, VariableKind},
};
use solvemesh_testkit::models::with_kinds;

use crate::{
    highs_solver::HighsSolver,
    report::Reports,
    samples::{dense, wyndor},
    task,
};

/// Number of tasks of which the median time is printed.
const TASKS: usize = 2_000;

/// The median time of a task, in microseconds, by the way of a served one: decode, solve, send the
/// outcome, clear.
fn median_micros(model: &LinearModel, options: &SolveOptions) -> f64 {
    let payload = JobPayload::from(model.clone()).encode_to_vec();
    let reports = Reports::new(sink());
    let mut highs_solver = HighsSolver::default();
    let never = AtomicBool::new(false);
    let mut once = || {
        let task = SolveTask {
            task: 1,
            payload: payload.clone().into(),
            options: Some(options.clone()),
            start: None,
        };
        let started = Instant::now();
        let outcome = task::solve(&mut highs_solver, &reports, task, &never).unwrap();
        reports.send(1, Kind::Outcome(black_box(outcome))).unwrap();
        highs_solver.clear();
        started.elapsed()
    };
    let mut times: Vec<_> = (0..TASKS).map(|_| once()).collect();
    times.sort_unstable();
    times[TASKS / 2].as_secs_f64() * 1e6
}

/// A covering LP with `rows` rows and twice as many columns.
fn covering(rows: usize) -> LinearModel {
    let columns = 2 * rows;
    let number = |row: usize, column: usize| ((7 * row + 3 * column) % 11) as f64;
    let costs: Vec<f64> = (0..columns).map(|column| 5.0 + number(3, column)).collect();
    let lines: Vec<Vec<f64>> =
        (0..rows).map(|row| (0..columns).map(|column| number(row, column)).collect()).collect();
    let rows: Vec<_> = lines
        .iter()
        .enumerate()
        .map(|(row, line)| (10.0 + row as f64, line.as_slice(), f64::INFINITY))
        .collect();
    dense(ObjectiveSense::Minimize, &costs, &rows)
}

#[test]
#[ignore = "prints times"]
fn times_of_tiny_models() {
    let mip = with_kinds(wyndor(), &[VariableKind::Integer; 2]);
    let models = [
        ("wyndor", wyndor()),
        ("wyndor, integers", mip),
        ("4x8", covering(4)),
        ("16x32", covering(16)),
    ];
    for (name, model) in models {
        for solver in [Solver::Highs, Solver::Auto, Solver::Microlp] {
            let options = SolveOptions { solver: solver.into(), ..SolveOptions::default() };
            let micros = median_micros(&model, &options);
            println!("{name:>16} {:<14} {micros:7.1} us", solver.as_str_name());
        }
    }
}
