//! Results of real solves, as a worker reports them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod claims;
mod conclude;
mod proofs;

use std::{io, thread};

use solvemesh::{
    solver::v1::{Outcome, SolveTask, SolverCommand, SolverReport, solver_command, solver_report},
    v1::{LinearModel, SolveOptions},
};
use solvemesh_solver::{frame, serve};

/// Solves a model as a solver process does, in a thread of this process.
fn solve_with(model: LinearModel, options: SolveOptions) -> Outcome {
    let (commands, mut worker) = io::pipe().unwrap();
    let (mut reports, solver) = io::pipe().unwrap();
    let served = thread::spawn(move || serve(commands, solver));
    let task = SolveTask { task: 1, model: Some(model), options: Some(options) };
    let command = SolverCommand { kind: Some(solver_command::Kind::Solve(task)) };
    frame::write(&mut worker, &command).unwrap();
    let outcome = loop {
        let report: SolverReport = frame::read(&mut reports).unwrap().unwrap();
        if let Some(solver_report::Kind::Outcome(outcome)) = report.kind {
            break outcome;
        }
    };
    drop(worker);
    served.join().unwrap().unwrap();
    outcome
}
