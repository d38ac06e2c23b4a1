//! Tests of whole tasks with the real solvers, in this process.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod duals;
mod limits;
mod microlp;
mod others;
mod sensitivity;
mod serving;
mod starts;
mod times;
mod unbounded;

use std::{sync::atomic::AtomicBool, time::Duration};

use prost::Message as _;
use solvemesh::{
    broker::v1::JobPayload,
    solver::v1::{Outcome, SolveTask, SolverReport},
    v1::{LinearModel, SolveOptions, Termination, TerminationReason as Reason},
};

use solvemesh_testkit::models::with_kinds;

use super::{
    highs_solver::HighsSolver,
    report::{Reports, duration},
    samples::Pipe,
    task,
};

/// Solves a model. Returns the outcome and the reports before it.
fn solve_by(
    highs_solver: &mut HighsSolver,
    job: impl Into<JobPayload>,
    options: SolveOptions,
    interrupt: &AtomicBool,
) -> (Outcome, Vec<SolverReport>) {
    let pipe = Pipe::default();
    let outcome = solve_into(&Reports::new(pipe.clone()), highs_solver, job, options, interrupt);
    (outcome, pipe.reports())
}

fn solve_into(
    reports: &Reports,
    highs_solver: &mut HighsSolver,
    job: impl Into<JobPayload>,
    options: SolveOptions,
    interrupt: &AtomicBool,
) -> Outcome {
    let task = SolveTask {
        task: 7,
        payload: job.into().encode_to_vec().into(),
        options: Some(options),
        start: None,
    };
    let outcome = task::solve(highs_solver, reports, task, interrupt).unwrap();
    highs_solver.clear();
    outcome
}

fn solve_with(job: impl Into<JobPayload>, options: SolveOptions) -> Outcome {
    solve_by(&mut HighsSolver::default(), job, options, &AtomicBool::new(false)).0
}

pub(super) fn solve(model: LinearModel) -> Outcome {
    solve_with(model, SolveOptions::default())
}

pub(super) fn termination(outcome: &Outcome) -> &Termination {
    outcome.result.as_ref().unwrap().termination.as_ref().unwrap()
}

fn reason(outcome: &Outcome) -> Reason {
    termination(outcome).reason()
}

fn time_limit(limit: Duration) -> SolveOptions {
    SolveOptions { time_limit: duration(limit), ..SolveOptions::default() }
}

#[track_caller]
pub(super) fn assert_optimal(outcome: &Outcome, objective: f64, values: &[f64]) {
    assert_eq!(reason(outcome), Reason::Optimal, "{:?}", termination(outcome));
    assert_close(&[termination(outcome).objective.unwrap()], &[objective]);
    assert_close(&outcome.values, values);
}

#[track_caller]
fn assert_close(found: &[f64], expected: &[f64]) {
    let close = |(found, expected): (&f64, &f64)| (found - expected).abs() <= 1e-6;
    let same = found.len() == expected.len() && found.iter().zip(expected).all(close);
    assert!(same, "{found:?} instead of {expected:?}");
}
