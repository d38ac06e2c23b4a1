//! One attempt of a job: from the accepted delivery until its slot is free again.
//!
//! Its phases: [`open`] the job, begin the attempt, have the solver work, [`settle`] the job.
//! The last one runs in a task of its own.

pub(crate) mod disposition;
mod incumbent_events;
pub(crate) mod monitor;
mod opening;
pub(crate) mod options;
pub(crate) mod payload;
pub(crate) mod run;
mod settlement;
mod warm_start;
pub(crate) mod watchdog;

use std::sync::Arc;

use solvemesh::{
    broker::v1::{JobEnvelope, LastIncumbent, ScenarioRange},
    solver::v1::SolveTask,
    v1::{StartReport, StartStatus, Sweep},
};
use solvemesh_broker::{Lane, Lease};
use solvemesh_daemon::TRACES;
use solvemesh_model::sweep::Scenarios;
use tracing::{Instrument as _, info_span};

use crate::{
    attempt::{
        monitor::{SolveMonitor, SolveObservation},
        opening::{OpenedJob, open},
        settlement::settle,
        warm_start::WarmStart,
    },
    context::Context,
    delivery::{held_job::HeldJob, lookup::PriorAttempts},
    job_limit::AttemptEnd,
    log::writer::EntryBuilder,
    process::SolverProcess,
    sweep::{TakenShare, solve_share},
};

/// Maximum size, in bytes, of a payload whose solve may be short.
const MAX_SHORT_PAYLOAD: usize = 64 << 10;

/// A job that a slot has accepted.
#[derive(Debug)]
pub(crate) struct AcceptedJob {
    pub(crate) envelope: JobEnvelope,
    /// What the log contains about earlier attempts.
    pub(crate) prior: PriorAttempts,
    pub(crate) lease: Lease,
}

/// Attempts a job, starting from the last solution of an earlier attempt if there is one.
///
/// Returns as soon as the slot is free, with what the attempt has left of it.
/// Writing the result and settling the lease continue in a task of [`Context::settle`].
pub(crate) async fn solve_job(
    context: &Arc<Context>,
    lane: &Lane,
    accepted: AcceptedJob,
    solver: &mut SolverProcess,
) -> AttemptEnd {
    let AcceptedJob { envelope, prior, lease } = accepted;
    let held = HeldJob::new(Arc::clone(context), &envelope, lease);
    let Some(mut opened) = open(held, envelope, prior.has_started).await else {
        return AttemptEnd::NotStarted;
    };
    if let Some(sweep) = opened.payload.sweep.take() {
        // Boxed: its future is far larger than that of a single solve, which would be as large.
        return Box::pin(begin_share(context, lane, opened, (sweep, prior.answered), solver)).await;
    }
    let warm_start = begin(&mut opened, prior.incumbent, lane, solver.pid()).await;
    let observation = run_solver(&mut opened, warm_start, solver).await;
    let solver_is_good = observation.outcome.is_some();
    context.settle(settle(opened, lane.clone(), observation)).await;
    AttemptEnd::with_solver(solver_is_good)
}

/// Begins an attempt that is no sweep. Returns the last incumbent as its start.
async fn begin(
    opened: &mut OpenedJob,
    incumbent: Option<LastIncumbent>,
    lane: &Lane,
    pid: u32,
) -> Option<WarmStart> {
    let OpenedJob { held, payload, .. } = opened;
    let warm_start =
        incumbent.and_then(|incumbent| WarmStart::from_incumbent(&payload.model, incumbent));
    let start_objective = warm_start.as_ref().map(|warm_start| warm_start.objective);
    held.begin_attempt(start_objective);
    let trace = held.trace();
    let EntryBuilder { job, attempt, .. } = &held.entries;
    tracing::info!(job, attempt, %lane, pid, start_objective, trace, "attempt started");
    if payload.bytes.len() > MAX_SHORT_PAYLOAD {
        // Sending it to the solver process takes a while, and so will the solve. No need to wait
        // for the confirm: entries are ordered, and the delivery is acknowledged only after the
        // confirm of a later one.
        let _ = held.log_start().await;
    }
    warm_start
}

/// Has the solver process solve the model, and logs what it reports meanwhile.
///
/// A warm start replaces the submitted one. The log belongs to the job and not to the attempt: it
/// already has this incumbent, and the result is that of the last attempt alone. From any other
/// start, watchers would see worse incumbents after better ones, and an attempt that reaches a
/// limit would finish the job with a worse solution than the log has. It replaces the start in
/// this solve only: a retry queues the payload as submitted, and looks up the last incumbent again.
async fn run_solver(
    opened: &mut OpenedJob,
    warm_start: Option<WarmStart>,
    solver: &mut SolverProcess,
) -> SolveObservation {
    let start_objective = warm_start.as_ref().map(|warm_start| warm_start.objective);
    let task = solve_task(opened, warm_start);
    let context = Arc::clone(&opened.held.context);
    let job = opened.held.entries.job.clone();
    let monitor = SolveMonitor::of(&context, &job, &opened.payload, &opened.effective);
    let solving = info_span!(target: TRACES, parent: opened.held.span(), "solve");
    let solve = monitor.solve(solver, task, &mut opened.held).instrument(solving);
    let mut observation = solve.await;
    if start_objective.is_some() {
        report_start_superseded(&mut observation, opened.payload.start.is_some(), start_objective);
    }
    observation
}

/// The task for the solver process; takes the encoded payload.
fn solve_task(opened: &mut OpenedJob, warm_start: Option<WarmStart>) -> SolveTask {
    SolveTask {
        // Moved, not cloned: nothing else keeps the bytes of a large payload during the solve.
        payload: std::mem::take(&mut opened.payload.bytes),
        options: Some(opened.effective.options.clone()),
        start: warm_start.map(|warm_start| warm_start.start),
        ..SolveTask::default()
    }
}

/// Replaces the solver's report about the start, which was not the job's own: reports the own
/// start, if there is one, as superseded.
fn report_start_superseded(
    observation: &mut SolveObservation,
    has_start: bool,
    objective: Option<f64>,
) {
    let outcome = observation.outcome.as_mut();
    let Some(result) = outcome.and_then(|outcome| outcome.result.as_mut()) else { return };
    let detail = "replaced by the best solution of an earlier attempt".to_owned();
    let status = StartStatus::Superseded.into();
    result.start_report = has_start.then_some(StartReport { status, detail, objective });
}

/// Begins and solves a share of a sweep, of which the log has answers already. An envelope without
/// a list of scenarios is the whole sweep, and starts an attempt of the job; any other share is
/// part of that attempt and logs no start.
async fn begin_share(
    context: &Arc<Context>,
    lane: &Lane,
    opened: OpenedJob,
    (sweep, answered): (Sweep, Vec<ScenarioRange>),
    solver: &mut SolverProcess,
) -> AttemptEnd {
    let OpenedJob { mut held, envelope, payload, .. } = opened;
    let is_whole = envelope.scenarios.is_empty();
    if is_whole {
        held.begin_attempt(None)
    } else {
        held.begin_share()
    }
    let Some(scenarios) = Scenarios::of(sweep, &payload.model) else {
        context.settle(held.reject()).await;
        return AttemptEnd::NotStarted;
    };
    let trace = held.trace();
    let EntryBuilder { job, attempt, .. } = &held.entries;
    tracing::info!(job, attempt, %lane, pid = solver.pid(), trace, "sweep share started");
    let started = held.log_start().await;
    let taken = TakenShare { held, envelope, scenarios, payload, started, answered };
    AttemptEnd::with_solver(solve_share(lane, taken, solver).await)
}
