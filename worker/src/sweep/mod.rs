//! One worker's share of a sweep.
//!
//! It is solved in pieces, so that between two of them the worker can see what a scenario
//! costs. Where what is left would take others long enough to be worth it, it goes back into
//! the lane as several shares, for whoever is free; only once all of them are there, and the
//! answers so far in the log, is the delivery acked. So nothing is ever half shared, and a
//! worker that dies gives back one share, of which the next one solves what the log does not
//! have.
//!
//! A share whose solver died is tried again one scenario at a time, which tells the one
//! that it dies of. That one is answered with the failure, and the others go on.

mod check;
mod piece;
mod share;

use std::{sync::Arc, time::SystemTime};

use prost::Message;
use solvemesh::{
    broker::v1::{JobEnvelope, log_entry::Kind},
    solver::v1::ScenarioOutcome,
    v1::{JobDescription, JobState, LinearModel, ScenarioRange, ScenarioResult, ScenarioResults},
};
use solvemesh_broker::{Lane, MeshError};
use solvemesh_model::sweep::{Scenarios, fulfils};

use crate::{
    attempt::{
        disposition::failure,
        options::{DeadlinePassed, Terms},
    },
    context::Context,
    delivery::{held_job::Settlement, redelivery::has_ended},
    log::writer::Confirm,
    process::{Death, SolverProcess},
};
use check::Checker;
use piece::{Piece, PieceEnd};
use share::{Pace, Share};

/// The most bytes of answers in one entry of the log.
const ENTRY_BYTES: usize = 768 << 10;

/// A share that was taken from a lane.
#[derive(Debug)]
pub(crate) struct TakenShare {
    pub(crate) held: Settlement,
    /// As it came.
    pub(crate) envelope: JobEnvelope,
    pub(crate) scenarios: Scenarios,
    pub(crate) model: LinearModel,
    /// Of the entry that tells the start, if there is one.
    pub(crate) started: Option<Confirm>,
    /// Scenarios that the log has answers of already.
    pub(crate) answered: Vec<ScenarioRange>,
}

/// The check of answers broke off.
#[derive(Debug)]
struct Unchecked;

/// How the work on a share ended.
#[derive(Debug)]
enum End {
    /// All of it is answered, or in the lane again.
    Settled,
    /// A scenario was what the sweep was for, as far as is known here.
    Fulfilled,
    /// A cancel was heard.
    Cancelled,
    /// The job's deadline passed.
    Expired,
    /// The worker stops, or can't go on: another one is to solve the rest.
    HandBack(String),
}

/// Solves a share. Telling its end and settling its lease goes on by itself; returns as soon
/// as the slot is free, and tells whether the solver process is still good.
pub(crate) async fn attempt(
    context: &Arc<Context>,
    lane: &Lane,
    taken: TakenShare,
    solver: &mut SolverProcess,
) -> bool {
    let TakenShare { held, envelope, scenarios, model, started, answered } = taken;
    let mut description = envelope.description.clone().unwrap_or_default();
    // It has begun: its time in the queue counts no longer.
    description.queue_deadline = None;
    let mut work = Work {
        total: scenarios.count(),
        share: Share::of(&envelope.scenarios, i32::try_from(scenarios.count()).unwrap_or(i32::MAX))
            .without(&answered),
        checker: Some(Checker::new(
            model.clone(),
            scenarios.clone(),
            &description.options.clone().unwrap_or_default(),
        )),
        entries: model.variable_lower.len() + model.constraint_lower.len(),
        base: Some((model, scenarios)),
        context,
        lane,
        held,
        envelope,
        description,
        confirms: started.into_iter().collect(),
        fulfilled: false,
        solver_is_good: true,
    };
    let end = work.run(solver).await;
    let Work { held, confirms, solver_is_good, .. } = work;
    context.settle(settle(held, confirms, end)).await;
    solver_is_good
}

/// What is known of a share under way.
struct Work<'a> {
    context: &'a Arc<Context>,
    lane: &'a Lane,
    held: Settlement,
    envelope: JobEnvelope,
    description: JobDescription,
    /// How many scenarios the whole sweep has.
    total: usize,
    /// What is left.
    share: Share,
    /// Away while it is at work.
    checker: Option<Checker>,
    /// Variables and constraints.
    entries: usize,
    /// Until the solver process has it.
    base: Option<(LinearModel, Scenarios)>,
    /// Of the answers that were given to the log.
    confirms: Vec<Confirm>,
    fulfilled: bool,
    solver_is_good: bool,
}

impl Work<'_> {
    async fn run(&mut self, solver: &mut SolverProcess) -> End {
        // Its solver died before: one at a time, to find out of what.
        let careful = self.envelope.failed_attempts > 0;
        let mut pace = Pace::default();
        let (context, job) = (Arc::clone(self.context), self.held.author.job.clone());
        loop {
            if self.fulfilled {
                return End::Fulfilled;
            }
            if self.share.is_empty() {
                return End::Settled;
            }
            if context.cancels.has(&job) {
                return End::Cancelled;
            }
            if context.stop.is_cancelled() {
                return End::HandBack("the worker stops".to_owned());
            }
            let terms = match Terms::of(&self.description, &context.config, SystemTime::now()) {
                Ok(terms) => terms,
                Err(DeadlinePassed) => return End::Expired,
            };
            let shares = pace.shares(self.share.len(), self.total);
            if !careful && shares > 1 {
                self.give_away(shares).await;
                if self.share.is_empty() {
                    continue;
                }
            }
            let scenarios = self.share.take(if careful { 1 } else { pace.piece() });
            let count = scenarios.len();
            let mut piece = Piece::new(&context, &job, &terms, &scenarios);
            if let Err(death) = piece.give(solver, self.base.take(), self.entries, &scenarios).await
            {
                self.solver_is_good = false;
                return self.after_death(scenarios, careful, &death).await;
            }
            let ended = loop {
                match piece.next(solver).await {
                    PieceEnd::Outcomes(outcomes) => {
                        if let Err(Unchecked) = self.answer(outcomes).await {
                            // It goes on with what nobody would check.
                            self.solver_is_good = false;
                            return End::HandBack("answers can't be checked".to_owned());
                        }
                    }
                    ended => break ended,
                }
                if self.fulfilled {
                    solver.interrupt().await;
                }
            };
            let unanswered = Share::of_scenarios(piece.unanswered());
            match ended {
                PieceEnd::Outcomes(_) | PieceEnd::Done => {
                    if unanswered.len() == count && !piece.cancelled() && !self.fulfilled {
                        let what = "it answered no scenario, and says that it has".to_owned();
                        let death = Death::Garbled(what);
                        return self.after_death(unanswered, careful, &death).await;
                    }
                    pace.note(count - unanswered.len(), piece.elapsed());
                    let rest = std::mem::take(&mut self.share);
                    self.share = unanswered.and(rest);
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
                    return End::HandBack("the worker stops".to_owned());
                }
                PieceEnd::Died(death) => {
                    self.solver_is_good = false;
                    if piece.cancelled() {
                        return End::Cancelled;
                    }
                    return self.after_death(unanswered, careful, &death).await;
                }
            }
        }
    }

    /// Checks outcomes and gives the answers to the log.
    async fn answer(&mut self, outcomes: Vec<ScenarioOutcome>) -> Result<(), Unchecked> {
        let mut checker = self.checker.take().ok_or(Unchecked)?;
        // Arithmetic in proportion to the model: not in the way of other slots.
        let checking = tokio::task::spawn_blocking(move || {
            let results: Vec<_> =
                outcomes.into_iter().map(|outcome| checker.result(outcome)).collect();
            (checker, results)
        });
        let (checker, results) = checking.await.map_err(|_| Unchecked)?;
        self.checker = Some(checker);
        self.tell(results).await;
        Ok(())
    }

    async fn tell(&mut self, results: Vec<ScenarioResult>) {
        if let Some(sweep) = &self.description.sweep
            && let Some(stop) = &sweep.stop_on_first
        {
            self.fulfilled |= results.iter().any(|result| fulfils(stop, sweep.sense(), result));
        }
        for results in batches(results, ENTRY_BYTES) {
            let entry = self.held.author.entry(Kind::ScenarioResults(ScenarioResults { results }));
            self.confirms.push(self.context.journal.give(entry).await);
        }
    }

    /// Puts what is left into the lane in so many shares, as far as the broker takes them.
    async fn give_away(&mut self, shares: usize) {
        if self.confirmed().await.is_err() {
            return;
        }
        let mut parts = std::mem::take(&mut self.share).split(shares).into_iter();
        for part in parts.by_ref() {
            if let Err(error) = self.enqueue(&part, self.envelope.failed_attempts).await {
                let job = &self.held.author.job;
                tracing::info!(job, cause = %error, "a share stays here");
                self.share = part;
                break;
            }
        }
        self.share = parts.fold(std::mem::take(&mut self.share), Share::and);
    }

    /// Waits until the log has all that was given to it. Before others have a share it has
    /// the start, without which it would not know whose answers theirs are.
    async fn confirmed(&mut self) -> Result<(), MeshError> {
        for confirm in std::mem::take(&mut self.confirms) {
            confirm.wait().await?;
        }
        Ok(())
    }

    async fn enqueue(&self, share: &Share, failed_attempts: u32) -> Result<(), MeshError> {
        let mut envelope = self.envelope.clone();
        envelope.scenarios = share.to_wire();
        envelope.failed_attempts = failed_attempts;
        envelope.description = Some(self.description.clone());
        self.context.mesh.enqueue(self.lane, &envelope).await
    }

    /// The solver died at these scenarios: what is left goes back into the lane. One that it
    /// dies of again and again is answered.
    async fn after_death(&mut self, unanswered: Share, careful: bool, death: &Death) -> End {
        let job = self.held.author.job.clone();
        let mut failed_attempts = self.envelope.failed_attempts.saturating_add(1);
        tracing::warn!(job, failed_attempts, cause = %death, "the solver of a share died");
        let mut rest = std::mem::take(&mut self.share);
        let again = failed_attempts < self.context.config.max_attempts
            && !matches!(death, Death::MemoryLimit(_));
        if careful && !again {
            let checker = self.checker.iter();
            let failed = checker
                .flat_map(|checker| unanswered.scenarios().map(|it| checker.failed(it, death)));
            let failed = failed.collect();
            self.tell(failed).await;
            failed_attempts = 0;
        } else {
            // First what it died at, so that this is known soon.
            rest = unanswered.and(rest);
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
            Err(error) => End::HandBack(error.to_string()),
        }
    }
}

/// First the log has all answers, then the broker may forget the share.
async fn settle(held: Settlement, confirms: Vec<Confirm>, end: End) {
    for confirm in confirms {
        if let Err(error) = confirm.wait().await {
            return held.hand_back(&error.to_string()).await;
        }
    }
    match end {
        End::Settled => held.ack().await,
        // The log decides: it may have had another answer of that scenario before.
        End::Fulfilled if !has_ended(&held.context, &held.author.job).await => {
            held.hand_back("the sweep is not known to have ended").await;
        }
        End::Fulfilled => {
            // Others need not go on; if they are not told, their answers come too late.
            let job = &held.author.job;
            if let Err(error) = held.context.mesh.announce_cancel(job).await {
                tracing::info!(job, cause = %error, "the other shares are not told");
            }
            held.ack().await;
        }
        End::Cancelled => held.end(JobState::Cancelled, None).await,
        End::Expired => {
            let why = failure("DEADLINE_EXCEEDED", "the job's deadline passed");
            held.end(JobState::Expired, Some(why)).await;
        }
        End::HandBack(cause) => held.hand_back(&cause).await,
    }
}

/// Answers in batches of so many bytes at most. Of one that is larger by itself, values and
/// duals are left out.
fn batches(results: Vec<ScenarioResult>, most: usize) -> Vec<Vec<ScenarioResult>> {
    let mut batches: Vec<Vec<ScenarioResult>> = Vec::new();
    let mut left = 0;
    for mut result in results {
        if result.encoded_len() > most {
            (result.values, result.duals) = Default::default();
            result.detail = "its values are too large to be told: ask for fewer".to_owned();
        }
        let bytes = result.encoded_len() + 8;
        match batches.last_mut() {
            Some(batch) if bytes <= left => batch.push(result),
            _ => {
                left = most;
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
    fn batches_keep_to_their_size_and_their_order() {
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
