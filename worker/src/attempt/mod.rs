//! One attempt of a job: from the accepted delivery until its slot is free again.
//!
//! Its phases: [`open`] the job, begin the attempt, have the solver work, [`settle`] the job.
//! The last one runs in a task of its own.

pub(crate) mod disposition;
pub(crate) mod monitor;
mod opening;
pub(crate) mod options;
pub(crate) mod payload;
mod settlement;
mod warm_start;
pub(crate) mod watchdog;

use std::sync::Arc;

use solvemesh::{
    broker::v1::{AttemptStarted, JobEnvelope, LastIncumbent, ScenarioRange, log_entry::Kind},
    solver::v1::SolveTask,
    v1::{StartReport, StartStatus, Sweep},
};
use solvemesh_broker::{Lane, Lease};
use solvemesh_model::sweep::Scenarios;

use crate::{
    attempt::{
        monitor::{SolveMonitor, SolveObservation},
        opening::{OpenedJob, open},
        settlement::settle,
        warm_start::WarmStart,
    },
    context::Context,
    delivery::{held_job::HeldJob, lookup::PriorAttempts},
    log::writer::{Confirm, EntryBuilder},
    process::SolverProcess,
    sweep::{TakenShare, solve_share},
};

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
/// Returns as soon as the slot is free, with whether the solver process can be used again.
/// Writing the result and settling the lease continue in a task of [`Context::settle`].
pub(crate) async fn solve_job(
    context: &Arc<Context>,
    lane: &Lane,
    accepted: AcceptedJob,
    solver: &mut SolverProcess,
) -> bool {
    let AcceptedJob { envelope, prior, lease } = accepted;
    let held = HeldJob::new(Arc::clone(context), &envelope, lease);
    let Some(mut opened) = open(held, envelope, prior.has_started).await else {
        return true;
    };
    opened.held.begin_attempt();
    if let Some(sweep) = opened.payload.sweep.take() {
        return begin_share(context, lane, opened, (sweep, prior.answered), solver).await;
    }
    let warm_start = begin(&mut opened, prior.incumbent, lane, solver.pid()).await;
    let observation = run_solver(&mut opened, warm_start, solver).await;
    let solver_is_good = observation.outcome.is_some();
    context.settle(settle(opened, lane.clone(), observation)).await;
    solver_is_good
}

/// Logs the start of an attempt that is no sweep. Returns the last incumbent as its start.
async fn begin(
    opened: &mut OpenedJob,
    incumbent: Option<LastIncumbent>,
    lane: &Lane,
    pid: u32,
) -> Option<WarmStart> {
    let OpenedJob { held, envelope, payload, .. } = opened;
    let warm_start =
        incumbent.and_then(|incumbent| WarmStart::from_incumbent(&payload.model, incumbent));
    let start_objective = warm_start.as_ref().map(|warm_start| warm_start.objective);
    let EntryBuilder { job, attempt, .. } = &held.entries;
    tracing::info!(job, attempt, %lane, pid, start_objective, "attempt started");
    // No need to wait for this confirm: entries are ordered, and the delivery is acknowledged
    // only after the confirm of a later one.
    let _ = log_start(held, envelope, start_objective).await;
    warm_start
}

/// Has the solver process solve the model, and logs what it reports meanwhile.
///
/// A warm start replaces the submitted one. The log belongs to the job and not to the attempt: it
/// already has this incumbent, and the result is that of the last attempt alone. From any other
/// start, watchers would see worse incumbents after better ones, and an attempt that reaches a
/// limit would finish the job with a worse solution than the log has. It replaces the start in
/// this solve only: a retry queues the payload as submitted, and looks up the last incumbent anew.
async fn run_solver(
    opened: &mut OpenedJob,
    warm_start: Option<WarmStart>,
    solver: &mut SolverProcess,
) -> SolveObservation {
    let OpenedJob { held, payload, effective, .. } = opened;
    let context = Arc::clone(&held.context);
    let job = held.entries.job.clone();
    let start_objective = warm_start.as_ref().map(|warm_start| warm_start.objective);
    let task = SolveTask {
        // Moved, not cloned: nothing else keeps the bytes of a large payload during the solve.
        payload: std::mem::take(&mut payload.bytes),
        options: Some(effective.options.clone()),
        start: warm_start.map(|warm_start| warm_start.start),
        ..SolveTask::default()
    };
    let monitor = SolveMonitor {
        config: &context.config,
        cancels: &context.cancels,
        kill: &context.kill,
        job: &job,
        payload,
        effective,
    };
    let try_log = |kind| context.log_writer.try_append(|| held.entries.build(kind));
    let mut observation = monitor.solve(solver, task, try_log).await;
    if start_objective.is_some() {
        report_start_superseded(&mut observation, payload.start.is_some(), start_objective);
    }
    observation
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

/// Appends the `AttemptStarted` entry; returns its confirm without waiting for it.
async fn log_start(
    held: &mut HeldJob,
    envelope: &JobEnvelope,
    start_objective: Option<f64>,
) -> Confirm {
    let context = Arc::clone(&held.context);
    let started = AttemptStarted {
        worker: context.config.name.clone(),
        description: Some(envelope.description.clone().unwrap_or_default()),
        submit_time: envelope.submit_time,
        worker_id: context.id.clone(),
        start_objective,
    };
    context.log_writer.append(held.entries.build(Kind::Started(started))).await
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
) -> bool {
    let OpenedJob { mut held, envelope, payload, .. } = opened;
    let Some(scenarios) = Scenarios::of(sweep, &payload.model) else {
        context.settle(held.reject()).await;
        return true;
    };
    let EntryBuilder { job, attempt, .. } = &held.entries;
    tracing::info!(job, attempt, %lane, pid = solver.pid(), "sweep share started");
    let mut started = None;
    if envelope.scenarios.is_empty() {
        started = Some(log_start(&mut held, &envelope, None).await);
    }
    let taken = TakenShare { held, envelope, scenarios, payload, started, answered };
    solve_share(lane, taken, solver).await
}
