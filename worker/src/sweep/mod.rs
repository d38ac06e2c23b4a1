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

mod check;
mod piece;
mod share;

use std::{sync::Arc, time::SystemTime};

use bytes::Bytes;
use prost::Message;
use solvemesh::{
    broker::v1::{JobEnvelope, ScenarioRange, log_entry::Kind},
    failure_reason,
    solver::v1::ScenarioOutcome,
    v1::{JobDescription, JobState, ScenarioResult, ScenarioResults},
};
use solvemesh_broker::{Lane, MeshError};
use solvemesh_model::sweep::{Scenarios, meets_target};

use crate::{
    attempt::{
        disposition::failure,
        options::{DeadlinePassed, EffectiveOptions},
        payload::Payload,
    },
    context::Context,
    delivery::{held_job::HeldJob, redelivery::has_ended},
    log::writer::Confirm,
    process::{Death, SolverProcess},
};
use check::Checker;
use piece::{Piece, PieceEnd};
use share::{CostEstimate, ScenarioSet};

/// Maximum size, in bytes, of the answers in one entry of the log.
const ENTRY_BYTES: usize = 768 << 10;

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

/// The check of answers panicked or was aborted.
#[derive(Debug)]
struct Unchecked;

/// How the work on a share ended.
#[derive(Debug)]
enum End {
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
/// used again. Settling the share continues in a task of [`Context::settle`].
pub(crate) async fn attempt(
    context: &Arc<Context>,
    lane: &Lane,
    taken: TakenShare,
    solver: &mut SolverProcess,
) -> bool {
    let TakenShare { held, envelope, scenarios, payload, started, answered } = taken;
    let mut description = envelope.description.clone().unwrap_or_default();
    // The queue deadline applies only until the sweep has started, and not to shares that are
    // queued again.
    description.queue_expire_time = None;
    let mut work = Work {
        total: scenarios.count(),
        share: ScenarioSet::of(
            &envelope.scenarios,
            i32::try_from(scenarios.count()).unwrap_or(i32::MAX),
        )
        .without(&answered),
        entries: payload.rows_and_columns(),
        payload: Some(payload.bytes),
        checker: Some(Checker::new(
            payload.model.into_inner(),
            scenarios,
            &description.options.clone().unwrap_or_default(),
        )),
        context,
        lane,
        held,
        envelope,
        description,
        confirms: started.into_iter().collect(),
        target_met: false,
        solver_is_good: true,
    };
    let end = work.run(solver).await;
    let Work { held, confirms, solver_is_good, .. } = work;
    context.settle(settle(held, confirms, end)).await;
    solver_is_good
}

/// A share in progress.
struct Work<'a> {
    context: &'a Arc<Context>,
    lane: &'a Lane,
    held: HeldJob,
    envelope: JobEnvelope,
    description: JobDescription,
    /// Number of scenarios of the whole sweep.
    total: usize,
    /// The scenarios that are left.
    share: ScenarioSet,
    /// `None` while it runs on a blocking thread.
    checker: Option<Checker>,
    /// Number of variables and constraints of the base.
    entries: usize,
    /// The encoded payload, until the solver process has it.
    payload: Option<Bytes>,
    /// Pending confirms of the entries that were appended for this share.
    confirms: Vec<Confirm>,
    /// Whether a scenario meets the target of the sweep.
    target_met: bool,
    solver_is_good: bool,
}

impl Work<'_> {
    async fn run(&mut self, solver: &mut SolverProcess) -> End {
        // After the death of a solver: one scenario at a time, to find the one at fault.
        let one_by_one = self.envelope.failed_attempts > 0;
        let mut pace = CostEstimate::default();
        let (context, job) = (Arc::clone(self.context), self.held.author.job.clone());
        loop {
            if self.target_met {
                return End::TargetMet;
            }
            if self.share.is_empty() {
                return End::Settled;
            }
            if context.cancels.has(&job) {
                return End::Cancelled;
            }
            if context.stop.is_cancelled() {
                return End::Requeue("the worker is stopping".to_owned());
            }
            let terms =
                match EffectiveOptions::of(&self.description, &context.config, SystemTime::now()) {
                    Ok(terms) => terms,
                    Err(DeadlinePassed) => return End::Expired,
                };
            let shares = pace.shares(self.share.len(), self.total);
            if !one_by_one && shares > 1 {
                self.hand_off(shares).await;
                if self.share.is_empty() {
                    continue;
                }
            }
            let scenarios = self.share.take(if one_by_one { 1 } else { pace.piece() });
            let count = scenarios.len();
            let mut piece = Piece::new(&context, &job, &terms, &scenarios);
            if let Err(death) =
                piece.send(solver, self.payload.take(), self.entries, &scenarios).await
            {
                self.solver_is_good = false;
                return self.after_death(scenarios, one_by_one, &death).await;
            }
            let ended = loop {
                match piece.next(solver).await {
                    PieceEnd::Outcomes(outcomes) => {
                        if let Err(Unchecked) = self.answer(outcomes).await {
                            // The solver process is still busy with a piece that is abandoned.
                            self.solver_is_good = false;
                            return End::Requeue("the check of answers failed".to_owned());
                        }
                    }
                    ended => break ended,
                }
                if self.target_met {
                    solver.interrupt().await;
                }
            };
            let unanswered = ScenarioSet::of_scenarios(piece.unanswered());
            match ended {
                PieceEnd::Outcomes(_) | PieceEnd::Done => {
                    // A solver that answers nothing would be sent the same piece for ever.
                    if unanswered.len() == count && !piece.cancelled() && !self.target_met {
                        let cause = "it reported its scenarios done without an answer".to_owned();
                        let death = Death::ProtocolError(cause);
                        return self.after_death(unanswered, one_by_one, &death).await;
                    }
                    pace.note(count - unanswered.len(), piece.elapsed());
                    let rest = std::mem::take(&mut self.share);
                    self.share = unanswered.union(rest);
                    if piece.cancelled() {
                        return End::Cancelled;
                    }
                }
                PieceEnd::KilledForCancel => {
                    self.solver_is_good = false;
                    return End::Cancelled;
                }
                PieceEnd::KilledForDrain => {
                    self.solver_is_good = false;
                    return End::Requeue("the worker is stopping".to_owned());
                }
                PieceEnd::Died(death) => {
                    self.solver_is_good = false;
                    if piece.cancelled() {
                        return End::Cancelled;
                    }
                    return self.after_death(unanswered, one_by_one, &death).await;
                }
            }
        }
    }

    /// Checks outcomes and logs them as answers.
    async fn answer(&mut self, outcomes: Vec<ScenarioOutcome>) -> Result<(), Unchecked> {
        let mut checker = self.checker.take().ok_or(Unchecked)?;
        // The cost of a check grows with the model, so it must not block the async threads of
        // other slots.
        let checking = tokio::task::spawn_blocking(move || {
            let results: Vec<_> =
                outcomes.into_iter().map(|outcome| checker.result(outcome)).collect();
            (checker, results)
        });
        let (checker, results) = checking.await.map_err(|_| Unchecked)?;
        self.checker = Some(checker);
        self.log_answers(results).await;
        Ok(())
    }

    /// Logs answers without waiting for their confirms, and notes whether one meets the target.
    async fn log_answers(&mut self, results: Vec<ScenarioResult>) {
        if let Some(sweep) = &self.description.sweep
            && let Some(stop) = &sweep.stop_on_first
        {
            self.target_met |=
                results.iter().any(|result| meets_target(stop, sweep.sense(), result));
        }
        for results in batches(results, ENTRY_BYTES) {
            let entry = self.held.author.entry(Kind::ScenarioResults(ScenarioResults { results }));
            self.confirms.push(self.context.journal.give(entry).await);
        }
    }

    /// Queues the scenarios that are left as `shares` shares. What the broker does not accept
    /// stays here.
    async fn hand_off(&mut self, shares: usize) {
        if self.confirmed().await.is_err() {
            return;
        }
        let mut parts = std::mem::take(&mut self.share).split(shares).into_iter();
        for part in parts.by_ref() {
            if let Err(error) = self.enqueue(&part, self.envelope.failed_attempts).await {
                let job = &self.held.author.job;
                tracing::info!(job, cause = %error, "cannot hand off a sweep share");
                self.share = part;
                break;
            }
        }
        self.share = parts.fold(std::mem::take(&mut self.share), ScenarioSet::union);
    }

    /// Waits until the log has confirmed every entry so far. Required before a share is queued:
    /// without the `AttemptStarted` entry before them, answers of other workers would belong to no
    /// attempt.
    async fn confirmed(&mut self) -> Result<(), MeshError> {
        for confirm in std::mem::take(&mut self.confirms) {
            confirm.wait().await?;
        }
        Ok(())
    }

    async fn enqueue(&self, share: &ScenarioSet, failed_attempts: u32) -> Result<(), MeshError> {
        let mut envelope = self.envelope.clone();
        envelope.scenarios = share.to_wire();
        envelope.failed_attempts = failed_attempts;
        envelope.description = Some(self.description.clone());
        self.context.mesh.enqueue(self.lane, &envelope).await
    }

    /// Queues the rest of the share again after the solver died at `unanswered`. A single scenario
    /// that has caused the last allowed death is answered with the failure.
    async fn after_death(
        &mut self,
        unanswered: ScenarioSet,
        one_by_one: bool,
        death: &Death,
    ) -> End {
        let job = self.held.author.job.clone();
        let mut failed_attempts = self.envelope.failed_attempts.saturating_add(1);
        tracing::warn!(job, failed_attempts, cause = %death, "solver of a sweep share died");
        let mut rest = std::mem::take(&mut self.share);
        // A memory limit is not retried: another attempt would reach it again.
        let retry = failed_attempts < self.context.config.max_attempts
            && !matches!(death, Death::MemoryLimit(_));
        if one_by_one && !retry {
            let checker = self.checker.iter();
            let failed = checker
                .flat_map(|checker| unanswered.scenarios().map(|it| checker.failed(it, death)));
            let failed = failed.collect();
            self.log_answers(failed).await;
            // The scenario at fault is answered: the others start with all their attempts.
            failed_attempts = 0;
        } else {
            // One share, solved in ascending order: the scenarios at which the solver died, which
            // precede the rest, come first.
            rest = unanswered.union(rest);
        }
        if rest.is_empty() {
            return End::Settled;
        }
        let enqueued = match self.confirmed().await {
            Ok(()) => self.enqueue(&rest, failed_attempts).await,
            Err(error) => Err(error),
        };
        match enqueued {
            Ok(()) => End::Settled,
            Err(error) => End::Requeue(error.to_string()),
        }
    }
}

/// Settles a share, after the log has confirmed all its answers.
async fn settle(held: HeldJob, confirms: Vec<Confirm>, end: End) {
    for confirm in confirms {
        if let Err(error) = confirm.wait().await {
            return held.requeue(&error.to_string()).await;
        }
    }
    match end {
        End::Settled => held.ack().await,
        // The log decides: an earlier answer to that scenario may not meet the target, and then
        // the sweep continues.
        End::TargetMet if !has_ended(&held.context, &held.author.job).await => {
            held.requeue("no confirmation that the sweep has finished").await;
        }
        End::TargetMet => {
            // Stops the workers of other shares. This only saves work: the job has finished, so
            // their answers are ignored.
            let job = &held.author.job;
            if let Err(error) = held.context.mesh.announce_cancel(job).await {
                tracing::info!(job, cause = %error, "cannot stop other sweep shares");
            }
            held.ack().await;
        }
        End::Cancelled => held.end(JobState::Cancelled, None).await,
        End::Expired => {
            let why = failure(failure_reason::DEADLINE_EXCEEDED, "the job's deadline passed");
            held.end(JobState::Expired, Some(why)).await;
        }
        End::Requeue(cause) => held.requeue(&cause).await,
    }
}

/// Splits answers into batches of at most `limit` bytes. An answer that is larger by itself loses
/// its values and duals.
fn batches(results: Vec<ScenarioResult>, limit: usize) -> Vec<Vec<ScenarioResult>> {
    let mut batches: Vec<Vec<ScenarioResult>> = Vec::new();
    let mut left = 0;
    for mut result in results {
        if result.encoded_len() > limit {
            (result.values, result.duals) = Default::default();
            result.detail = "its values are too large for a report; request fewer".to_owned();
        }
        // With room for the tag and the length of the answer in the entry.
        let bytes = result.encoded_len() + 8;
        match batches.last_mut() {
            Some(batch) if bytes <= left => batch.push(result),
            _ => {
                left = limit;
                batches.push(vec![result]);
            }
        }
        left = left.saturating_sub(bytes);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_keep_the_size_limit_and_the_order() {
        let result = |index, values: usize| ScenarioResult {
            index,
            values: vec![1.0; values],
            ..ScenarioResult::default()
        };
        let results = vec![result(0, 4), result(1, 4), result(2, 4), result(3, 100)];
        let batches = batches(results, 120);
        let indices: Vec<Vec<i32>> =
            batches.iter().map(|batch| batch.iter().map(|result| result.index).collect()).collect();
        assert_eq!(indices, [vec![0, 1], vec![2, 3]]);
        let last = &batches[1][1];
        assert!(last.values.is_empty() && last.detail.contains("too large"));
    }
}
