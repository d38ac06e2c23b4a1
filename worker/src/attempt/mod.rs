//! One job, from the moment it is taken until its slot lets go of it.

pub(crate) mod disposition;
pub(crate) mod monitor;
pub(crate) mod options;
pub(crate) mod payload;
pub(crate) mod warm_start;
pub(crate) mod watchdog;

use std::{sync::Arc, time::SystemTime};

use prost_types::Timestamp;
use solvemesh::{
    broker::v1::{AttemptStarted, JobEnvelope, log_entry::Kind},
    v1::{
        JobDescription, JobState, ScenarioRange, StartReport, StartStatus, Sweep, TerminationLimit,
    },
};
use solvemesh_broker::{Lane, Lease};
use solvemesh_model::sweep::Scenarios;
use tokio::task::spawn_blocking;

use crate::{
    attempt::{
        disposition::{Disposition, Ending, dispose, failure},
        monitor::{Sighting, Watch},
        options::{DeadlinePassed, Terms},
        payload::{NoModel, Work},
        warm_start::resumption,
    },
    context::Context,
    delivery::{
        held_job::{Introduction, Settlement},
        redelivery::Past,
    },
    log::writer::{Author, Confirm},
    process::{Death, SolverProcess},
    result::{Answer, conclude},
    slot::reject,
    sweep,
    sweep::TakenShare,
};

/// Up to this size, a solution is checked right here; a larger one on a thread for
/// what blocks.
const SMALL_MODEL: usize = 50_000;

/// Attempts a job, from the last solution of an attempt before if there is one. Telling its
/// end and settling its lease goes on by itself; returns as soon as the slot is free, and
/// tells whether the solver process is still good.
pub(crate) async fn attempt(
    context: &Arc<Context>,
    lane: &Lane,
    job: JobEnvelope,
    past: Past,
    lease: Lease,
    solver: &mut SolverProcess,
) -> bool {
    let author = Author::of_job(job.job_id.clone(), job.digest.clone());
    let running = Some(context.running.begin(&job.job_id));
    let description = job.description.clone().unwrap_or_default();
    let (submit_time, failed_attempts) = (job.submit_time, job.failed_attempts);
    let introduction = Some(Introduction { description: description.clone(), submit_time });
    let mut held =
        Settlement { context: Arc::clone(context), author, lease, introduction, running };

    if context.cancels.has(&job.job_id) {
        context.settle(held.end(JobState::Cancelled, None)).await;
        return true;
    }
    // One that has begun waits in no queue any more.
    let begun = || JobDescription { queue_deadline: None, ..description.clone() };
    let begun = past.begun.then(begun);
    let timed = begun.as_ref().unwrap_or(&description);
    let terms = match Terms::of(timed, &context.config, SystemTime::now()) {
        Ok(terms) => terms,
        Err(DeadlinePassed) => {
            let why = failure("DEADLINE_EXCEEDED", "the job's deadline passed in the queue");
            context.settle(held.end(JobState::Expired, Some(why))).await;
            return true;
        }
    };
    let job_id = held.author.job.clone();
    let opened = tokio::select! {
        opened = Work::open(context.mesh.as_ref(), job) => opened,
        () = context.cancels.wait(&job_id) => {
            context.settle(held.end(JobState::Cancelled, None)).await;
            return true;
        }
        () = context.kill.cancelled() => {
            context.settle(held.hand_back("the worker stops")).await;
            return true;
        }
    };
    let mut work = match opened {
        Ok(work) => work,
        Err(error) => {
            without_model(context, held, error).await;
            return true;
        }
    };

    let Past { incumbent, answered, .. } = past;
    held.author.begin_attempt();
    held.introduction = None;
    if let Some(sweep) = work.sweep.take() {
        return share(context, lane, held, work, sweep, answered, solver).await;
    }
    let resumption = incumbent.and_then(|incumbent| resumption(&work.model, incumbent));
    let start_objective = resumption.as_ref().map(|resumption| resumption.objective);
    tracing::info!(
        job = held.author.job, attempt = held.author.attempt, %lane, pid = solver.pid(),
        start_objective, "started"
    );
    // Nobody waits for its confirm: whatever is written after it is confirmed after it.
    let _ = tell_start(context, &mut held, description, submit_time, start_objective).await;

    let watch = Watch {
        config: &context.config,
        cancels: &context.cancels,
        kill: &context.kill,
        job: &job_id,
    };
    let tell = |kind| context.journal.write_if_idle(|| held.author.entry(kind));
    let own_start = resumption.map(|it| work.model.start.replace(it.start));
    let mut seen = watch.solve(solver, &mut work.model, &terms, tell).await;
    if let Some(own_start) = own_start {
        supersede(&mut seen, own_start.is_some(), start_objective);
        work.model.start = own_start;
    }

    let solver_is_good = seen.outcome.is_some();
    let max_attempts = context.config.max_attempts;
    let disposition = dispose(&seen.ending, seen.cancelled, failed_attempts, max_attempts);
    let lane = lane.clone();
    let settle = async move {
        for kind in std::mem::take(&mut seen.last) {
            held.context.journal.write(held.author.entry(kind)).await;
        }
        match disposition {
            Disposition::Succeed => tell_answer(held, JobState::Succeeded, work, seen, terms).await,
            Disposition::Cancel => tell_answer(held, JobState::Cancelled, work, seen, terms).await,
            Disposition::Fail(failure) => held.end(JobState::Failed, Some(failure)).await,
            Disposition::Retry(failure) => held.retry(failure, &lane, work.into_envelope()).await,
            Disposition::HandBack => held.hand_back("the worker stops").await,
        }
    };
    context.settle(settle).await;
    solver_is_good
}

/// Says of the job's own start that another one took its place.
fn supersede(seen: &mut Sighting, has_start: bool, objective: Option<f64>) {
    let Some(result) = seen.outcome.as_mut().and_then(|outcome| outcome.result.as_mut()) else {
        return;
    };
    let detail = "the best solution of an attempt before took its place".to_owned();
    let status = StartStatus::Superseded.into();
    result.start = has_start.then_some(StartReport { status, detail, objective });
}

/// The log has the start of an attempt.
async fn tell_start(
    context: &Context,
    held: &mut Settlement,
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

/// Attempts a share of a sweep. The whole of it begins an attempt of the job; a part of it
/// belongs to that.
async fn share(
    context: &Arc<Context>,
    lane: &Lane,
    mut held: Settlement,
    work: Work,
    sweep: Sweep,
    answered: Vec<ScenarioRange>,
    solver: &mut SolverProcess,
) -> bool {
    let Some(scenarios) = Scenarios::of(sweep, &work.model) else {
        context.settle(reject(held.author.job.clone(), held.lease)).await;
        return true;
    };
    let (model, envelope) = work.into_parts();
    let Author { job, attempt, .. } = &held.author;
    tracing::info!(job, attempt, %lane, pid = solver.pid(), "a share of a sweep started");
    let mut started = None;
    if envelope.scenarios.is_empty() {
        let description = envelope.description.clone().unwrap_or_default();
        let told = tell_start(context, &mut held, description, envelope.submit_time, None).await;
        started = Some(told);
    }
    let taken = TakenShare { held, envelope, scenarios, model, started, answered };
    sweep::attempt(context, lane, taken, solver).await
}

/// Settles a job whose model can't be had.
async fn without_model(context: &Context, held: Settlement, error: NoModel) {
    let job = held.author.job.clone();
    tracing::error!(job, cause = %error, "there is no model");
    match error {
        NoModel::Missing => context.settle(reject(job, held.lease)).await,
        NoModel::Lost(what) => {
            let why = failure("MODEL_LOST", format!("the job's model can't be read back: {what}"));
            context.settle(held.end(JobState::Failed, Some(why))).await;
        }
        NoModel::OutOfReach(error) => {
            context.settle(async move { held.hand_back(&error.to_string()).await }).await;
        }
    }
}

/// Checks what the solver found and tells it.
async fn tell_answer(held: Settlement, state: JobState, work: Work, seen: Sighting, terms: Terms) {
    let answer = answer(seen, terms);
    let concluded = if work.size() <= SMALL_MODEL {
        conclude(work.model, answer).map_err(|error| error.to_string())
    } else {
        match spawn_blocking(move || conclude(work.model, answer)).await {
            Ok(concluded) => concluded.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    };
    match concluded {
        Ok(conclusion) => held.conclude(state, conclusion).await,
        Err(error) => {
            let why = failure("SOLVER_ERROR", format!("the solution can't be checked: {error}"));
            held.end(JobState::Failed, Some(why)).await;
        }
    }
}

/// What the solver told at its end, or the best it told before it was stopped.
fn answer(seen: Sighting, terms: Terms) -> Answer {
    let answer = match (seen.outcome, &seen.ending) {
        (Some(outcome), _) => Answer::told(outcome, seen.incumbent),
        (None, ending) => {
            let why;
            let (limit, why) = match ending {
                Ending::Overran => (
                    TerminationLimit::Time,
                    "the solver did not end at its time limit and was stopped by force",
                ),
                Ending::Died(death @ Death::MemoryLimit(_)) => {
                    why = format!("the solver {death} and was stopped by force");
                    (TerminationLimit::Memory, why.as_str())
                }
                Ending::Died(_) => (
                    TerminationLimit::Interrupted,
                    "the solver died while the job was being cancelled",
                ),
                _ => (
                    TerminationLimit::Interrupted,
                    "the solver did not end when it was asked to and was stopped by force",
                ),
            };
            Answer::best_so_far(seen.incumbent, seen.bound, limit, why, seen.elapsed)
        }
    };
    let Terms { options, warnings, .. } = terms;
    answer.with_threads(options.threads).with_options(&options).with_warnings(warnings)
}
