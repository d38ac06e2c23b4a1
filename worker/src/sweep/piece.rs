//! Some scenarios in a solver process, watched until it ends one way or another.

use std::{collections::BTreeSet, time::Duration};

use solvemesh::{
    solver::v1::{ScenarioOutcome, SweepTask, solver_report::Kind},
    v1::LinearModel,
};
use solvemesh_model::sweep::Scenarios;
use tokio::time::{Instant, sleep_until};

use super::share::Share;
use crate::{
    attempt::{options::Terms, watchdog::Patience},
    context::Context,
    process::{Death, SolverProcess},
};

/// The longest time that a solver process holds an outcome back, with room.
const HELD_BACK: Duration = Duration::from_secs(1);

/// Some scenarios in a solver process.
pub(super) struct Piece<'a> {
    context: &'a Context,
    job: &'a str,
    terms: &'a Terms,
    unanswered: BTreeSet<i32>,
    began: Instant,
    cancelled: bool,
    /// At its end the process is killed.
    patience: Patience,
}

/// What comes next of a piece: outcomes, or its end.
#[derive(Debug)]
pub(super) enum PieceEnd {
    /// No end: some scenarios were solved.
    Outcomes(Vec<ScenarioOutcome>),
    /// The solver process has nothing more to tell.
    Done,
    /// It was asked to end for a cancel, did not, and was killed.
    KilledForCancel,
    /// It was killed because the worker had to end.
    KilledForDrain,
    /// It died.
    Died(Death),
}

impl<'a> Piece<'a> {
    pub(super) fn new(
        context: &'a Context,
        job: &'a str,
        terms: &'a Terms,
        scenarios: &Share,
    ) -> Self {
        let now = Instant::now();
        Self {
            context,
            job,
            terms,
            unanswered: scenarios.scenarios().collect(),
            began: now,
            cancelled: false,
            patience: Patience::new(now, patience(context, terms)),
        }
    }

    /// Gives it to a solver process, with the base where that does not have it.
    pub(super) async fn give(
        &mut self,
        solver: &mut SolverProcess,
        base: Option<(LinearModel, Scenarios)>,
        entries: usize,
        scenarios: &Share,
    ) -> Result<(), Death> {
        let mut task = SweepTask { scenarios: scenarios.to_wire(), ..SweepTask::default() };
        if let Some((model, scenarios)) = base {
            task.model = Some(model);
            task.sweep = Some(scenarios.sweep().clone());
            task.options = Some(self.terms.options.clone());
        }
        let memory_limit = self.terms.options.memory_limit_bytes;
        let to_read = self.context.config.start_timeout;
        solver.give_scenarios(task, entries, memory_limit, to_read).await?;
        self.began = Instant::now();
        self.patience = Patience::new(self.began, patience(self.context, self.terms));
        Ok(())
    }

    /// What comes next.
    pub(super) async fn next(&mut self, solver: &mut SolverProcess) -> PieceEnd {
        let context = self.context;
        loop {
            let look_at = self.patience.wait(Instant::now());
            tokio::select! {
                biased;
                () = context.kill.cancelled() => {
                    solver.kill().await;
                    return PieceEnd::KilledForDrain;
                }
                () = context.cancels.wait(self.job), if !self.cancelled => {
                    self.cancelled = true;
                    solver.interrupt().await;
                    self.patience.shorten(Instant::now(), context.config.cancel_grace);
                }
                // What was told is heard before it is asked whether it comes too late.
                report = solver.report() => match report {
                    Ok(Kind::Scenarios(batch)) => {
                        if !self.cancelled {
                            let patience = patience(context, self.terms);
                            self.patience = Patience::new(Instant::now(), patience);
                        }
                        let mut outcomes = batch.outcomes;
                        // What was not asked for is no answer.
                        outcomes.retain(|outcome| self.unanswered.remove(&outcome.index));
                        return PieceEnd::Outcomes(outcomes);
                    }
                    Ok(Kind::ScenariosDone(_)) => return PieceEnd::Done,
                    Ok(Kind::Progress(_)) => {}
                    Ok(Kind::Incumbent(_) | Kind::Log(_) | Kind::Outcome(_) | Kind::Ready(_)) => {
                        solver.kill().await;
                        let what = "it told of what it was not asked".to_owned();
                        return PieceEnd::Died(Death::Garbled(what));
                    }
                    Err(death) => return PieceEnd::Died(death),
                },
                () = sleep_until(look_at) => {}
            }
            let now = Instant::now();
            self.patience.look(now);
            if self.patience.is_over(now) {
                solver.kill().await;
                return if self.cancelled {
                    PieceEnd::KilledForCancel
                } else {
                    PieceEnd::Died(Death::Mute)
                };
            }
        }
    }

    /// The scenarios that it did not answer.
    pub(super) fn unanswered(&self) -> impl Iterator<Item = i32> {
        self.unanswered.iter().copied()
    }

    /// Whether a cancel was heard meanwhile.
    pub(super) fn cancelled(&self) -> bool {
        self.cancelled
    }

    /// How long it has taken.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}

/// How long no scenario may end.
fn patience(context: &Context, terms: &Terms) -> Duration {
    let limit = terms.time_limit;
    limit.saturating_add(context.config.overrun.of(limit)).saturating_add(HELD_BACK)
}
