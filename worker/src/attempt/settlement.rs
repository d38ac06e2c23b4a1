//! The last phase of an attempt: finishes the job, retries it or requeues it.

use solvemesh::{
    failure_reason,
    v1::{JobState, SolveResult, Solver, TerminationLimit},
};
use solvemesh_broker::Lane;
use solvemesh_daemon::TRACES;
use tokio::task::spawn_blocking;
use tracing::info_span;

use crate::{
    attempt::{
        disposition::{Disposition, Ending},
        monitor::SolveObservation,
        opening::OpenedJob,
        options::EffectiveOptions,
        payload::Payload,
    },
    delivery::held_job::HeldJob,
    failure::failure,
    process::Death,
    result::{SolverResult, conclude},
};

/// Maximum size ([`Payload::size`]) of a model whose solution is checked on the async thread. Larger
/// checks would block the runtime and run on a blocking thread.
const SMALL_MODEL: usize = 50_000;

/// Logs the entries that are left, and does with the job what its disposition says.
pub(super) async fn settle(opened: OpenedJob, lane: Lane, mut observation: SolveObservation) {
    let OpenedJob { mut held, envelope, payload, effective } = opened;
    // The last progress and incumbents have to precede the final entry: gateways drop those of a
    // job that has finished.
    for kind in std::mem::take(&mut observation.unlogged) {
        held.log_unconfirmed(kind).await;
    }
    let disposition = Disposition::after(
        &observation.ending,
        observation.cancelled,
        envelope.failed_attempts,
        held.context.config.max_attempts,
    );
    let metrics = &held.context.config.metrics;
    metrics.attempt_ended(&lane, &observation.ending, &disposition);
    metrics.solved(&lane, solver_of(&observation, &effective), observation.elapsed);
    let state = match disposition {
        Disposition::Succeed => JobState::Succeeded,
        Disposition::Cancel => JobState::Cancelled,
        Disposition::Fail(failure) => return held.end(JobState::Failed, Some(failure)).await,
        Disposition::Retry(failure) => return held.retry(failure, &lane, envelope).await,
        Disposition::Requeue => return held.requeue("the worker is stopping").await,
    };
    finish(held, state, payload, solver_result(observation, effective)).await;
}

/// Checks the solver's answer against the model and finishes the job with the result.
async fn finish(held: HeldJob, state: JobState, payload: Payload, answer: SolverResult) {
    let verifying = info_span!(target: TRACES, parent: held.span(), "verify");
    let size = payload.size();
    let check = move || verifying.in_scope(|| conclude(payload.model.into_inner(), answer));
    let concluded = if size <= SMALL_MODEL {
        check().map_err(|error| error.to_string())
    } else {
        match spawn_blocking(check).await {
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
fn solver_result(observation: SolveObservation, effective: EffectiveOptions) -> SolverResult {
    let SolveObservation { ending, outcome, incumbent, bound, elapsed, .. } = observation;
    let result = match outcome {
        Some(outcome) => SolverResult::from_outcome(outcome, incumbent),
        None => {
            let (limit, why) = why_stopped(&ending);
            SolverResult::best_so_far(incumbent, bound, limit, &why, elapsed)
        }
    };
    let EffectiveOptions { options, warnings, .. } = effective;
    result.with_threads(options.threads).with_options(&options).with_warnings(warnings)
}

/// The solver that solved the model, or was to.
fn solver_of(observation: &SolveObservation, effective: &EffectiveOptions) -> Solver {
    let result = observation.outcome.as_ref().and_then(|outcome| outcome.result.as_ref());
    result.map_or(effective.options.solver(), SolveResult::solver)
}

/// Why a solver process that was killed or died reported no outcome: the limit that stopped it,
/// and a warning for the submitter.
fn why_stopped(ending: &Ending) -> (TerminationLimit, String) {
    match ending {
        Ending::Overran => (
            TerminationLimit::Time,
            "the solver did not stop at its time limit and was killed".to_owned(),
        ),
        Ending::Died(death @ Death::MemoryLimit(_)) => {
            (TerminationLimit::Memory, format!("the solver {death} and exited"))
        }
        Ending::Died(_) => (
            TerminationLimit::Interrupted,
            "the solver died while the job was being cancelled".to_owned(),
        ),
        Ending::Reported { .. } | Ending::KilledForCancel | Ending::KilledForDrain => (
            TerminationLimit::Interrupted,
            "the solver did not stop when it was asked to and was killed".to_owned(),
        ),
    }
}
