//! One solve in a solver process, watched until it ends one way or another.

use std::time::Duration;

use solvemesh::{
    broker::v1::log_entry,
    solver::v1::{Incumbent, Outcome, solver_report::Kind},
    v1::LinearModel,
};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::{
    attempt::{disposition::Ending, options::Terms, watchdog::Patience},
    config::WorkerConfig,
    delivery::cancels::Cancels,
    log::live::Live,
    process::{Death, SolverProcess},
};

/// What stands around a solve.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch<'a> {
    pub(crate) config: &'a WorkerConfig,
    pub(crate) cancels: &'a Cancels,
    /// Cancelled when the worker has no time left.
    pub(crate) kill: &'a CancellationToken,
    pub(crate) job: &'a str,
}

/// What was seen of a solve.
#[derive(Debug)]
pub(crate) struct Sighting {
    /// How it ended.
    pub(crate) ending: Ending,
    /// What the solver told at its end, if it did; the process can then take another
    /// task, and else is dead.
    pub(crate) outcome: Option<Outcome>,
    /// The best solution it told before.
    pub(crate) incumbent: Option<Incumbent>,
    /// The best bound it told before.
    pub(crate) bound: Option<f64>,
    /// Whether a cancel was heard meanwhile.
    pub(crate) cancelled: bool,
    /// How long it took.
    pub(crate) elapsed: Duration,
    /// What the log is to have before its end.
    pub(crate) last: Vec<log_entry::Kind>,
}

impl Watch<'_> {
    /// Has a model solved. `tell` gets what the log is to have of how it goes, and says
    /// whether it has taken it.
    ///
    /// The solver is given its time limit and asked to end on a cancel. Where it
    /// does not, it is killed, and what it told until then is what there is; one that
    /// told nothing at all hung.
    pub(crate) async fn solve(
        self,
        process: &mut SolverProcess,
        model: &mut LinearModel,
        terms: &Terms,
        tell: impl FnMut(log_entry::Kind) -> bool,
    ) -> Sighting {
        let began = Instant::now();
        let mut seen = Sighting {
            ending: Ending::KilledForDrain,
            outcome: None,
            incumbent: None,
            bound: None,
            cancelled: false,
            elapsed: Duration::ZERO,
            last: Vec::new(),
        };
        let mut live = Live::new(began, self.config, &terms.options);
        tokio::select! {
            ending = self.watch(process, model, terms, tell, &mut live, &mut seen) => {
                seen.ending = ending;
            }
            () = self.kill.cancelled() => process.kill().await,
        }
        seen.elapsed = began.elapsed();
        seen.last = live.rest(Instant::now(), model);
        (seen.bound, seen.incumbent) = live.into_best();
        seen
    }

    async fn watch(
        self,
        process: &mut SolverProcess,
        model: &mut LinearModel,
        terms: &Terms,
        mut tell: impl FnMut(log_entry::Kind) -> bool,
        live: &mut Live,
        seen: &mut Sighting,
    ) -> Ending {
        let config = self.config;
        let give = process.give(model, terms.options.clone(), config.start_timeout);
        let cancelled = async {
            self.cancels.wait(self.job).await;
            sleep(config.cancel_grace).await;
        };
        tokio::select! {
            given = give => if let Err(death) = given {
                return Ending::Died(death);
            },
            () = cancelled => {
                seen.cancelled = true;
                process.kill().await;
                return Ending::KilledForCancel;
            }
        }
        let began = Instant::now();
        *live = Live::new(began, config, &terms.options);
        let limit = terms.time_limit;
        let mut patience = Patience::new(began, limit.saturating_add(config.overrun.of(limit)));
        let mut cancel = std::pin::pin!(self.cancels.wait(self.job));
        let mut mute = true;
        loop {
            let wake_at = patience.wait(Instant::now()).min(live.due());
            tokio::select! {
                biased;
                // What was told is heard before it is asked whether it comes too late.
                report = process.report() => match report {
                    Ok(Kind::Progress(progress)) => {
                        mute = false;
                        live.report(progress);
                    }
                    Ok(Kind::Incumbent(incumbent)) => {
                        mute = false;
                        live.improve(Instant::now(), model, incumbent);
                    }
                    Ok(Kind::Log(text)) => {
                        mute = false;
                        live.write(Instant::now(), &text);
                    }
                    Ok(Kind::Outcome(outcome)) => {
                        let Some(ending) = told(&outcome, live.has_incumbent()) else {
                            process.kill().await;
                            let what = "it told of an end, and not of which".to_owned();
                            return Ending::Died(Death::Garbled(what));
                        };
                        seen.outcome = Some(outcome);
                        return ending;
                    }
                    Ok(Kind::Ready(_) | Kind::Scenarios(_) | Kind::ScenariosDone(_)) => {
                        process.kill().await;
                        let what = "it told of what it was not asked".to_owned();
                        return Ending::Died(Death::Garbled(what));
                    }
                    Err(death) => return Ending::Died(death),
                },
                () = &mut cancel, if !seen.cancelled => {
                    seen.cancelled = true;
                    process.interrupt().await;
                    patience.shorten(Instant::now(), config.cancel_grace);
                }
                () = sleep_until(wake_at) => {}
            }
            let now = Instant::now();
            patience.look(now);
            if patience.is_over(now) {
                process.kill().await;
                return match (seen.cancelled, mute) {
                    (true, _) => Ending::KilledForCancel,
                    (false, true) => Ending::Died(Death::Mute),
                    (false, false) => Ending::Overran,
                };
            }
            live.tell(now, model, &mut tell);
        }
    }
}

/// How a solve ended by the solver's own account; `None` where it does not tell.
fn told(outcome: &Outcome, incumbent: bool) -> Option<Ending> {
    let termination = outcome.result.as_ref()?.termination.as_ref()?;
    Some(Ending::Told {
        reason: termination.reason(),
        solution: incumbent || !outcome.values.is_empty(),
        detail: termination.detail.clone(),
    })
}
