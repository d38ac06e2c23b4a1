//! Tests of the results of real solves.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod claims;
mod conclude;
mod proofs;

use std::{io, thread};

use prost::Message as _;
use solvemesh::{
    broker::v1::JobPayload,
    frame,
    solver::v1::{
        Confinement, Outcome, SolveTask, SolverCommand, SolverReport, solver_command, solver_report,
    },
    v1::SolveOptions,
};
use solvemesh_solver::serve;

/// Solves a model like a solver process, in a thread of this process.
fn solve_with(job: impl Into<JobPayload>, options: SolveOptions) -> Outcome {
    let (commands, mut worker) = io::pipe().unwrap();
    let (mut reports, solver) = io::pipe().unwrap();
    let served = thread::spawn(move || serve(commands, solver, Confinement::default()));
    let payload = job.into().encode_to_vec().into();
    let task = SolveTask { task: 1, payload, options: Some(options), start: None };
    let command = SolverCommand { kind: Some(solver_command::Kind::Solve(task)) };
    frame::write(&mut worker, &command).unwrap();
    let outcome = loop {
        let report: SolverReport =
            frame::read(&mut reports, frame::MAX_FRAME_BYTES).unwrap().unwrap();
        if let Some(solver_report::Kind::Outcome(outcome)) = report.kind {
            break outcome;
        }
    };
    drop(worker);
    served.join().unwrap().unwrap();
    outcome
}
