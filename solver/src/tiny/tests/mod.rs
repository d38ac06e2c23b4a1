//! The fast path beside HiGHS, on models with known answers and on random ones.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod known;
mod random;

use std::sync::atomic::AtomicBool;

use prost::Message as _;
use solvemesh::{
    broker::v1::JobPayload,
    solver::v1::{Outcome, SolveTask},
    v1::{LinearModel, SolveOptions, Solver, Termination},
};

use crate::{highs_solver::HighsSolver, report::Reports, samples::Pipe, task};

/// Solves a model by the whole path of a task, with the solver that is requested.
fn solve(highs_solver: &mut HighsSolver, model: &LinearModel, solver: Solver) -> Outcome {
    let options = SolveOptions { solver: solver.into(), ..SolveOptions::default() };
    let payload = JobPayload::from(model.clone()).encode_to_vec().into();
    let task = SolveTask { task: 1, payload, options: Some(options), start: None };
    let reports = Reports::new(Pipe::default());
    let outcome = task::solve(highs_solver, &reports, task, &AtomicBool::new(false)).unwrap();
    highs_solver.clear();
    outcome
}

/// The solver that an outcome is from.
fn solved_by(outcome: &Outcome) -> Solver {
    outcome.result.as_ref().unwrap().solver()
}

fn termination(outcome: &Outcome) -> &Termination {
    outcome.result.as_ref().unwrap().termination.as_ref().unwrap()
}
