//! One attempt of a job: from the accepted delivery until its slot is free again.

pub(crate) mod disposition;
pub(crate) mod monitor;
pub(crate) mod options;
pub(crate) mod payload;
pub(crate) mod warm_start;
pub(crate) mod watchdog;

use std::{sync::Arc, time::SystemTime};

use prost_types::Timestamp;
use solvemesh::{
    broker::v1::{AttemptStarted, JobEnvelope, ScenarioRange, log_entry::Kind},
    failure_reason,
    solver::v1::SolveTask,
    v1::{JobDescription, JobState, StartReport, StartStatus, Sweep, TerminationLimit},
};
use solvemesh_broker::{Lane, Lease};
use solvemesh_model::sweep::Scenarios;
use tokio::task::spawn_blocking;

use crate::{
    attempt::{
        disposition::{Disposition, Ending, dispose, failure},
        monitor::{SolveMonitor, SolveObservation},
        options::{DeadlinePassed, EffectiveOptions},
        payload::{NoPayload, Payload},
        warm_start::warm_start,
    },
    context::Context,
    delivery::{
        held_job::{HeldJob, JobHeader},
        redelivery::PriorAttempts,
    },
    log::writer::{Confirm, EntryWriter},
    process::{Death, SolverProcess},
    result::{SolverResult, conclude},
    slot::reject,
    sweep,
    sweep::TakenShare,
};

/// Maximum size ([`Payload::size`]) of a model whose solution is checked on the async thread. Larger
/// checks would block the runtime and run on a blocking thread.
const SMALL_MODEL: usize = 50_000;

/// Attempts a job, starting from the last solution of an earlier attempt if there is one.
///
/// Returns as soon as the slot is free, with whether the solver process can be used again.
/// Writing the result and settling the lease continue in a task of [`Context::settle`].
pub(crate) async fn attempt(
    context: &Arc<Context>,
    lane: &Lane,
    job: JobEnvelope,
    past: PriorAttempts,
    lease: Lease,
    solver: &mut SolverProcess,
) -> bool {
    let author = EntryWriter::of_job(job.job_id.clone(), job.digest.clone());
    let running = Some(context.running.begin(&job.job_id));
    let description = job.description.clone().unwrap_or_default();
    let (submit_time, failed_attempts) = (job.submit_time, job.failed_attempts);
    let introduction = Some(JobHeader { description: description.clone(), submit_time });
    let mut held = HeldJob { context: Arc::clone(context), author, lease, introduction, running };

    if context.cancels.has(&job.job_id) {
        context.settle(held.end(JobState::Cancelled, None)).await;
        return true;
    }
    // The queue deadline applies only until the first attempt has started.
    let without_queue_deadline =
        || JobDescription { queue_expire_time: None, ..description.clone() };
    let has_started = past.has_started.then(without_queue_deadline);
    let effective = has_started.as_ref().unwrap_or(&description);
    let terms = match EffectiveOptions::of(effective, &context.config, SystemTime::now()) {
        Ok(terms) => terms,
        Err(DeadlinePassed) => {
            let why = failure(
                failure_reason::DEADLINE_EXCEEDED,
                "the job's deadline passed in the queue",
            );
            context.settle(held.end(JobState::Expired, Some(why))).await;
            return true;
        }
    };
    let job_id = held.author.job.clone();
    let loaded = tokio::select! {
        loaded = Payload::load(context.mesh.as_ref(), &job) => loaded,
        () = context.cancels.wait(&job_id) => {
            context.settle(held.end(JobState::Cancelled, None)).await;
            return true;
        }
        () = context.kill.cancelled() => {
            context.settle(held.requeue("the worker is stopping")).await;
            return true;
        }
    };
    let mut payload = match loaded {
        Ok(payload) => payload,
        Err(error) => {
            settle_without_payload(context, held, error).await;
            return true;
        }
    };

    let PriorAttempts { incumbent, answered, .. } = past;
    held.author.begin_attempt();
    // `AttemptStarted` carries the description, so the final entry need not repeat it.
    held.introduction = None;
    if let Some(sweep) = payload.sweep.take() {
        let share = (job, payload, sweep);
        return attempt_share(context, lane, held, share, answered, solver).await;
    }
    let warm_start = incumbent.and_then(|incumbent| warm_start(&payload.model, incumbent));
    let start_objective = warm_start.as_ref().map(|warm_start| warm_start.objective);
    tracing::info!(
        job = held.author.job, attempt = held.author.attempt, %lane, pid = solver.pid(),
        start_objective, "attempt started"
    );
    // No need to wait for this confirm: entries are ordered, and the delivery is acknowledged
    // only after the confirm of a later one.
    let _ = log_start(context, &mut held, description, submit_time, start_objective).await;

    let try_log = |kind| context.journal.write_if_idle(|| held.author.entry(kind));
    // The solution of an earlier attempt replaces the submitted start for this solve only: a retry
    // queues the payload as submitted.
    let task = SolveTask {
        // Moved, not cloned: nothing else keeps the bytes of a large payload during the solve.
        payload: std::mem::take(&mut payload.bytes),
        options: Some(terms.options.clone()),
        start: warm_start.map(|it| it.start),
        ..SolveTask::default()
    };
    let watch = SolveMonitor {
        config: &context.config,
        cancels: &context.cancels,
        kill: &context.kill,
        job: &job_id,
        payload: &payload,
        terms: &terms,
    };
    let mut seen = watch.solve(solver, task, try_log).await;
    if start_objective.is_some() {
        report_start_superseded(&mut seen, payload.start.is_some(), start_objective);
    }

    let solver_is_good = seen.outcome.is_some();
    let max_attempts = context.config.max_attempts;
    let disposition = dispose(&seen.ending, seen.cancelled, failed_attempts, max_attempts);
    let lane = lane.clone();
    let settle = async move {
        // The last progress and incumbents have to precede the final entry.
        for kind in std::mem::take(&mut seen.last) {
            held.context.journal.write(held.author.entry(kind)).await;
        }
        match disposition {
            Disposition::Succeed => finish(held, JobState::Succeeded, payload, seen, terms).await,
            Disposition::Cancel => finish(held, JobState::Cancelled, payload, seen, terms).await,
            Disposition::Fail(failure) => held.end(JobState::Failed, Some(failure)).await,
            Disposition::Retry(failure) => held.retry(failure, &lane, job).await,
            Disposition::Requeue => held.requeue("the worker is stopping").await,
        }
    };
    context.settle(settle).await;
    solver_is_good
}

/// Replaces the solver's report about the start, which was not the job's own: reports the own
/// start, if there is one, as superseded.
fn report_start_superseded(seen: &mut SolveObservation, has_start: bool, objective: Option<f64>) {
    let Some(result) = seen.outcome.as_mut().and_then(|outcome| outcome.result.as_mut()) else {
        return;
    };
    let detail = "replaced by the best solution of an earlier attempt".to_owned();
    let status = StartStatus::Superseded.into();
    result.start_report = has_start.then_some(StartReport { status, detail, objective });
}

/// Writes the `AttemptStarted` entry; returns its confirm without waiting for it.
async fn log_start(
    context: &Context,
    held: &mut HeldJob,
    description: JobDescription,
    submit_time: Option<Timestamp>,
    start_objective: Option<f64>,
) -> Confirm {
    let started = AttemptStarted {
        worker: context.config.name.clone(),
        description: Some(description),
        submit_time,
        worker_id: context.id.clone(),
        start_objective,
    };
    context.journal.give(held.author.entry(Kind::Started(started))).await
}

/// Attempts a share of a sweep. An envelope without a list of scenarios is the whole sweep, and
/// starts an attempt of the job; any other share is part of that attempt and logs no start.
async fn attempt_share(
    context: &Arc<Context>,
    lane: &Lane,
    mut held: HeldJob,
    (envelope, payload, sweep): (JobEnvelope, Payload, Sweep),
    answered: Vec<ScenarioRange>,
    solver: &mut SolverProcess,
) -> bool {
    let Some(scenarios) = Scenarios::of(sweep, &payload.model) else {
        context.settle(reject(held.author.job.clone(), held.lease)).await;
        return true;
    };
    let EntryWriter { job, attempt, .. } = &held.author;
    tracing::info!(job, attempt, %lane, pid = solver.pid(), "sweep share started");
    let mut started = None;
    if envelope.scenarios.is_empty() {
        let description = envelope.description.clone().unwrap_or_default();
        let confirm = log_start(context, &mut held, description, envelope.submit_time, None).await;
        started = Some(confirm);
    }
    let taken = TakenShare { held, envelope, scenarios, payload, started, answered };
    sweep::attempt(context, lane, taken, solver).await
}

/// Settles a job whose model cannot be loaded: rejected if the message is malformed, failed if
/// the model is lost for good, requeued if another try may succeed.
async fn settle_without_payload(context: &Context, held: HeldJob, error: NoPayload) {
    let job = held.author.job.clone();
    tracing::error!(job, cause = %error, "cannot load the model");
    match error {
        NoPayload::Missing => context.settle(reject(job, held.lease)).await,
        NoPayload::Lost(cause) => {
            let why = failure(
                failure_reason::MODEL_LOST,
                format!("cannot load the job's model: {cause}"),
            );
            context.settle(held.end(JobState::Failed, Some(why))).await;
        }
        NoPayload::Unavailable(error) => {
            context.settle(async move { held.requeue(&error.to_string()).await }).await;
        }
    }
}

/// Checks the solver's answer against the model and finishes the job with the result.
async fn finish(
    held: HeldJob,
    state: JobState,
    payload: Payload,
    seen: SolveObservation,
    terms: EffectiveOptions,
) {
    let answer = answer(seen, terms);
    let concluded = if payload.size() <= SMALL_MODEL {
        conclude(payload.model.into_inner(), answer).map_err(|error| error.to_string())
    } else {
        match spawn_blocking(move || conclude(payload.model.into_inner(), answer)).await {
            Ok(concluded) => concluded.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    };
    match concluded {
        Ok(conclusion) => held.conclude(state, conclusion).await,
        Err(error) => {
            let why = failure(
                failure_reason::SOLVER_ERROR,
                format!("cannot check the solution: {error}"),
            );
            held.end(JobState::Failed, Some(why)).await;
        }
    }
}

/// The solver's outcome, or the best solution that it reported before it was killed or died.
fn answer(seen: SolveObservation, terms: EffectiveOptions) -> SolverResult {
    let answer = match (seen.outcome, &seen.ending) {
        (Some(outcome), _) => SolverResult::from_outcome(outcome, seen.incumbent),
        (None, ending) => {
            let why;
            let (limit, why) = match ending {
                Ending::Overran => (
                    TerminationLimit::Time,
                    "the solver did not stop at its time limit and was killed",
                ),
                Ending::Died(death @ Death::MemoryLimit(_)) => {
                    why = format!("the solver {death} and exited");
                    (TerminationLimit::Memory, why.as_str())
                }
                Ending::Died(_) => (
                    TerminationLimit::Interrupted,
                    "the solver died while the job was being cancelled",
                ),
                _ => (
                    TerminationLimit::Interrupted,
                    "the solver did not stop when it was asked to and was killed",
                ),
            };
            SolverResult::best_so_far(seen.incumbent, seen.bound, limit, why, seen.elapsed)
        }
    };
    let EffectiveOptions { options, warnings, .. } = terms;
    answer.with_threads(options.threads).with_options(&options).with_warnings(warnings)
}
