//! Solves a share of a sweep: the scenarios of the sweep that one worker has taken.
//!
//! A share is solved in pieces. Between two pieces the worker measures the cost of a scenario and
//! decides whether the rest is enough work to be handed off. If so, the rest goes back into the
//! lane as several shares, for any free worker. The delivery is acknowledged only after the broker
//! has confirmed all these shares and the log all answers so far. So no scenario gets lost, and
//! the death of a worker requeues one share, of which the next worker solves the scenarios that
//! have no answer in the log.
//!
//! A share whose solver died is retried one scenario at a time, to find the scenario at fault.
//! That one is answered with the failure, and the others continue.

mod answers;
mod check;
mod piece;
mod scenario_set;
mod schedule;
mod work;

use solvemesh::{
    broker::v1::{JobEnvelope, ScenarioRange},
    failure_reason,
    v1::JobState,
};
use solvemesh_broker::Lane;
use solvemesh_model::sweep::Scenarios;

use crate::{
    attempt::payload::Payload,
    delivery::{held_job::HeldJob, lookup::has_ended},
    failure::failure,
    log::writer::Confirm,
    process::SolverProcess,
};
use work::ShareWork;

/// A share that was taken from a lane.
#[derive(Debug)]
pub(crate) struct TakenShare {
    pub(crate) held: HeldJob,
    /// The envelope as received.
    pub(crate) envelope: JobEnvelope,
    pub(crate) scenarios: Scenarios,
    pub(crate) payload: Payload,
    /// Pending confirm of the `AttemptStarted` entry, if this share has logged one.
    pub(crate) started: Option<Confirm>,
    /// Scenarios that have an answer in the log already.
    pub(crate) answered: Vec<ScenarioRange>,
}

/// How the work on a share ended.
#[derive(Debug)]
enum ShareEnd {
    /// Every scenario is answered or queued again.
    Settled,
    /// A scenario meets the target of the sweep, by the check of this worker.
    TargetMet,
    /// The job was cancelled.
    Cancelled,
    /// The job's deadline passed.
    Expired,
    /// This worker stops or failed: requeue the delivery, for the scenarios that are left.
    Requeue(String),
}

/// Solves a share. Returns as soon as the slot is free, with whether the solver process can be
/// used again. Settling the share continues in a task of [`crate::context::Context::settle`].
pub(crate) async fn solve_share(
    lane: &Lane,
    taken: TakenShare,
    solver: &mut SolverProcess,
) -> bool {
    let mut work = ShareWork::new(lane, taken);
    let end = work.run(solver).await;
    let ShareWork { held, confirms, solver_is_good, .. } = work;
    let context = held.context.clone();
    context.settle(settle(held, confirms, end)).await;
    solver_is_good
}

/// Settles a share, after the log has confirmed all its answers. Before that the delivery must not
/// be acknowledged: it is what brings back the scenarios whose answers are lost with this worker.
async fn settle(held: HeldJob, confirms: Vec<Confirm>, end: ShareEnd) {
    for confirm in confirms {
        if let Err(error) = confirm.wait().await {
            return held.requeue(&error.to_string()).await;
        }
    }
    match end {
        ShareEnd::Settled => held.ack().await,
        // The log decides: an earlier answer to that scenario may not meet the target, and then
        // the sweep continues.
        ShareEnd::TargetMet if !has_ended(&held.context, &held.entries.job).await => {
            held.requeue("no confirmation that the sweep has finished").await;
        }
        ShareEnd::TargetMet => {
            // Stops the workers of other shares. This only saves work: the job has finished, so
            // their answers are ignored.
            let job = &held.entries.job;
            if let Err(error) = held.context.mesh.announce_cancel(job).await {
                tracing::info!(job, cause = %error, "cannot stop other sweep shares");
            }
            held.ack().await;
        }
        ShareEnd::Cancelled => held.end(JobState::Cancelled, None).await,
        ShareEnd::Expired => {
            let why = failure(failure_reason::DEADLINE_EXCEEDED, "the job's deadline passed");
            held.end(JobState::Expired, Some(why)).await;
        }
        ShareEnd::Requeue(cause) => held.requeue(&cause).await,
    }
}
