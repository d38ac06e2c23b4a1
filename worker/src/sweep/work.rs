//! The work on a share: piece by piece, with its answers, hand-offs and deaths of the solver.

use std::{ops::ControlFlow, sync::Arc, time::SystemTime};

use bytes::Bytes;
use solvemesh::{
    broker::v1::{JobEnvelope, log_entry::Kind},
    solver::v1::ScenarioOutcome,
    v1::{JobDescription, ScenarioResult, ScenarioResults},
};
use solvemesh_broker::{Lane, MeshError};
use solvemesh_model::sweep::meets_target;

use super::{
    ShareEnd, TakenShare,
    answers::{ENTRY_BYTES, batches},
    check::Checker,
    piece::{Piece, PieceEnd, PieceEvent},
    scenario_set::ScenarioSet,
    schedule::CostEstimate,
};
use crate::{
    attempt::options::{DeadlinePassed, EffectiveOptions},
    delivery::held_job::HeldJob,
    log::writer::Confirm,
    process::{Death, SolverProcess},
};

/// Maximum number of variables and constraints of a basis that goes with the shares that are queued.
/// It takes a byte for each, in every message.
const MAX_BASIS_ENTRIES: usize = 4 << 20;

/// The check of answers panicked or was aborted.
#[derive(Debug)]
struct Unchecked;

/// A share in progress.
pub(super) struct ShareWork<'a> {
    pub(super) held: HeldJob,
    /// Pending confirms of the entries that were appended for this share.
    pub(super) confirms: Vec<Confirm>,
    /// Whether the solver process can be used again.
    pub(super) solver_is_good: bool,
    lane: &'a Lane,
    envelope: JobEnvelope,
    description: JobDescription,
    /// Number of scenarios of the whole sweep.
    total: usize,
    /// The scenarios that are left.
    share: ScenarioSet,
    estimate: CostEstimate,
    /// `None` while it runs on a blocking thread.
    checker: Option<Checker>,
    /// Number of variables and constraints of the base.
    entries: usize,
    /// The encoded payload, until the solver process has it.
    payload: Option<Bytes>,
    /// Whether a scenario meets the target of the sweep.
    target_met: bool,
}

impl<'a> ShareWork<'a> {
    pub(super) fn new(lane: &'a Lane, taken: TakenShare) -> Self {
        let TakenShare { held, envelope, scenarios, payload, started, answered } = taken;
        let mut description = envelope.description.clone().unwrap_or_default();
        // The queue deadline applies only until the sweep has started, and not to shares that are
        // queued again.
        description.queue_expire_time = None;
        let total = scenarios.count();
        let count = i32::try_from(total).unwrap_or(i32::MAX);
        let answered = ScenarioSet::from_ranges(&answered, count);
        let options = description.options.clone().unwrap_or_default();
        Self {
            held,
            confirms: started.into_iter().collect(),
            solver_is_good: true,
            lane,
            total,
            share: ScenarioSet::of_envelope(&envelope.scenarios, count).difference(&answered),
            estimate: CostEstimate::default(),
            entries: payload.rows_and_columns(),
            payload: Some(payload.bytes),
            checker: Some(Checker::new(payload.model.into_inner(), scenarios, &options)),
            envelope,
            description,
            target_met: false,
        }
    }

    /// Works on the share until it ends.
    pub(super) async fn run(&mut self, solver: &mut SolverProcess) -> ShareEnd {
        loop {
            let effective = match self.may_continue() {
                Ok(effective) => effective,
                Err(end) => return end,
            };
            let shares = self.estimate.share_count(self.share.len(), self.total);
            if !self.is_one_by_one() && shares > 1 {
                self.hand_off(shares).await;
                if self.share.is_empty() {
                    continue;
                }
            }
            let size = if self.is_one_by_one() { 1 } else { self.estimate.piece_size() };
            let piece = self.share.take_first(size);
            if let ControlFlow::Break(end) = self.solve_piece(piece, &effective, solver).await {
                return end;
            }
        }
    }

    /// Whether the scenarios are solved one at a time. So they are after the death of a solver, to
    /// find the one at fault.
    fn is_one_by_one(&self) -> bool {
        self.envelope.failed_attempts > 0
    }

    /// The options of the next piece.
    ///
    /// # Errors
    ///
    /// How the work ends, if there must be no further piece.
    fn may_continue(&self) -> Result<EffectiveOptions, ShareEnd> {
        let context = &self.held.context;
        if self.target_met {
            return Err(ShareEnd::TargetMet);
        }
        if self.share.is_empty() {
            return Err(ShareEnd::Settled);
        }
        if context.cancels.contains(&self.held.entries.job) {
            return Err(ShareEnd::Cancelled);
        }
        if context.stop.is_cancelled() {
            return Err(ShareEnd::Requeue("the worker is stopping".to_owned()));
        }
        EffectiveOptions::of(&self.description, &context.config, SystemTime::now())
            .map_err(|DeadlinePassed| ShareEnd::Expired)
    }

    /// Solves some scenarios. Those that it leaves unsolved, without a death of the solver, return
    /// to the share. Breaks if the work ends.
    async fn solve_piece(
        &mut self,
        scenarios: ScenarioSet,
        effective: &EffectiveOptions,
        solver: &mut SolverProcess,
    ) -> ControlFlow<ShareEnd> {
        let (context, job) = (Arc::clone(&self.held.context), self.held.entries.job.clone());
        let mut piece = Piece::new(&context, &job, effective, &scenarios);
        let basis = &self.envelope.scenario_basis;
        let payload = self.payload.take().map(|payload| (payload, basis.clone()));
        let sent = piece.send(solver, payload, self.entries, &scenarios).await;
        let end = match sent {
            Ok(()) => self.answer_outcomes(&mut piece, solver).await,
            Err(death) => Ok(PieceEnd::Died(death)),
        };
        self.solver_is_good = matches!(end, Ok(PieceEnd::Done(_)));
        let unsolved = ScenarioSet::from_indices(piece.unsolved());
        ControlFlow::Break(match end {
            Ok(PieceEnd::Done(basis)) => {
                // Shares that are handed off start from the latest basis.
                if basis.is_some() && self.entries <= MAX_BASIS_ENTRIES {
                    self.envelope.scenario_basis = basis;
                }
                let solved = scenarios.len() - unsolved.len();
                // A solver that answers nothing would be sent the same piece for ever.
                if solved == 0 && !piece.is_cancelled() && !self.target_met {
                    let cause = "it reported its scenarios done without an answer".to_owned();
                    let death = Death::ProtocolError(cause);
                    return ControlFlow::Break(self.after_death(unsolved, &death).await);
                }
                self.estimate.record(solved, piece.elapsed());
                self.share = unsolved.union(std::mem::take(&mut self.share));
                if !piece.is_cancelled() {
                    return ControlFlow::Continue(());
                }
                ShareEnd::Cancelled
            }
            Ok(PieceEnd::KilledForCancel) => {
                self.held.context.config.metrics.solver_was_killed_for_cancel();
                ShareEnd::Cancelled
            }
            Ok(PieceEnd::KilledForDrain) => ShareEnd::Requeue("the worker is stopping".to_owned()),
            Ok(PieceEnd::Died(_)) if piece.is_cancelled() => ShareEnd::Cancelled,
            Ok(PieceEnd::Died(death)) => self.after_death(unsolved, &death).await,
            // The solver process is still busy with the piece, which is abandoned.
            Err(Unchecked) => ShareEnd::Requeue("the check of answers failed".to_owned()),
        })
    }

    /// Answers the scenarios of a piece as they are solved, until the piece ends.
    async fn answer_outcomes(
        &mut self,
        piece: &mut Piece<'_>,
        solver: &mut SolverProcess,
    ) -> Result<PieceEnd, Unchecked> {
        loop {
            match piece.next(solver).await {
                PieceEvent::Outcomes(outcomes) => self.answer(outcomes).await?,
                PieceEvent::Ended(end) => return Ok(end),
            }
            if self.target_met {
                solver.interrupt().await;
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
        self.held.context.config.metrics.scenarios_answered(&results);
        for results in batches(results, ENTRY_BYTES) {
            let kind = Kind::ScenarioResults(ScenarioResults { results });
            let entry = self.held.entries.build(kind);
            self.confirms.push(self.held.context.log_writer.append(entry).await);
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
                let job = &self.held.entries.job;
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
        envelope.scenarios = share.to_ranges();
        envelope.failed_attempts = failed_attempts;
        envelope.description = Some(self.description.clone());
        self.held.context.mesh.enqueue(self.lane, &envelope).await
    }

    /// Queues the rest of the share again after the solver died with `unsolved` scenarios of its
    /// piece. A single scenario that has caused the last allowed death is answered with the
    /// failure.
    async fn after_death(&mut self, unsolved: ScenarioSet, death: &Death) -> ShareEnd {
        self.held.context.config.metrics.solver_died(death);
        let job = &self.held.entries.job;
        let mut failed_attempts = self.envelope.failed_attempts.saturating_add(1);
        // The basis may be the cause: the next attempt starts from scratch.
        self.envelope.scenario_basis = None;
        tracing::warn!(job, failed_attempts, cause = %death, "solver of a sweep share died");
        let mut rest = std::mem::take(&mut self.share);
        // A memory limit is not retried: another attempt would reach it again.
        let retry = failed_attempts < self.held.context.config.max_attempts
            && !matches!(death, Death::MemoryLimit(_));
        if self.is_one_by_one() && !retry {
            let checker = self.checker.iter();
            let failed = checker
                .flat_map(|checker| unsolved.indices().map(|index| checker.failed(index, death)));
            let failed = failed.collect();
            self.log_answers(failed).await;
            // The scenario at fault is answered: the others start with all their attempts.
            failed_attempts = 0;
        } else {
            // One share, solved in ascending order: the scenarios at which the solver died, which
            // precede the rest, come first.
            rest = unsolved.union(rest);
        }
        if rest.is_empty() {
            return ShareEnd::Settled;
        }
        let enqueued = match self.confirmed().await {
            Ok(()) => self.enqueue(&rest, failed_attempts).await,
            Err(error) => Err(error),
        };
        match enqueued {
            Ok(()) => ShareEnd::Settled,
            Err(error) => ShareEnd::Requeue(error.to_string()),
        }
    }
}
