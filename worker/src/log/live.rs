//! How a solve goes, as far as the log is to have it.

use solvemesh::{
    broker::v1::log_entry::Kind,
    solver::v1::{Incumbent, LogText},
    v1::{LinearModel, Progress, SolveOptions},
};
use tokio::time::Instant;

use crate::{
    config::WorkerConfig,
    log::{incumbents::Incumbents, progress::Pace, solver_log::LogLines},
};

/// What a solve under way has told so far, and what of it the log does not have yet.
#[derive(Debug)]
pub(crate) struct Live {
    pace: Pace,
    incumbents: Incumbents,
    lines: LogLines,
}

impl Live {
    /// Of a solve that begins now.
    pub(crate) fn new(now: Instant, config: &WorkerConfig, options: &SolveOptions) -> Self {
        Self {
            pace: Pace::new(now, config.progress_interval, config.heartbeat),
            incumbents: Incumbents::new(now, options.incumbents.clone().unwrap_or_default()),
            lines: LogLines::default(),
        }
    }

    /// The solver told how far it is.
    pub(crate) fn report(&mut self, progress: Progress) {
        self.pace.report(progress);
    }

    /// The solver found a better solution of this model.
    pub(crate) fn improve(&mut self, now: Instant, model: &LinearModel, incumbent: Incumbent) {
        self.pace.improve(&incumbent);
        self.incumbents.improve(now, model, incumbent, self.pace.bound());
    }

    /// The solver wrote into its log.
    pub(crate) fn write(&mut self, now: Instant, text: &LogText) {
        self.lines.write(now, text);
    }

    /// When there will be something to tell, if nothing else happens.
    pub(crate) fn due(&self) -> Instant {
        let others = [self.incumbents.due(), self.lines.due()];
        others.into_iter().flatten().fold(self.pace.due(), Instant::min)
    }

    /// Tells what is due now. What `tell` does not take is told after another interval,
    /// except for progress, which will be another then.
    pub(crate) fn tell(
        &mut self,
        now: Instant,
        model: &LinearModel,
        tell: &mut impl FnMut(Kind) -> bool,
    ) {
        if self.incumbents.due().is_some_and(|due| due <= now)
            && let Some(incumbent) = self.incumbents.latest(model)
        {
            if tell(Kind::Incumbent(incumbent)) {
                self.incumbents.told(now);
            } else {
                self.incumbents.postpone(now);
            }
        }
        if self.lines.due().is_some_and(|due| due <= now) {
            if tell(Kind::Log(self.lines.batch())) {
                self.lines.told();
            } else {
                self.lines.postpone(now);
            }
        }
        if let Some(progress) = self.pace.tell(now) {
            tell(Kind::Progress(progress));
        }
    }

    /// All that was not told, at the end of the solve: its last progress is the last of it.
    pub(crate) fn rest(&mut self, now: Instant, model: &LinearModel) -> Vec<Kind> {
        let mut rest = Vec::new();
        if self.incumbents.due().is_some() {
            rest.extend(self.incumbents.latest(model).map(Kind::Incumbent));
            self.incumbents.told(now);
        }
        self.lines.end();
        if self.lines.due().is_some() {
            rest.push(Kind::Log(self.lines.batch()));
            self.lines.told();
        }
        rest.extend(self.pace.last(now).map(Kind::Progress));
        rest
    }

    /// Whether there is a solution.
    pub(crate) fn has_incumbent(&self) -> bool {
        self.incumbents.best().is_some()
    }

    /// The best bound and the best solution that the solver has told.
    pub(crate) fn into_best(self) -> (Option<f64>, Option<Incumbent>) {
        (self.pace.bound(), self.incumbents.into_best())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_taken_is_told_later_and_once() {
        let (now, model) = (Instant::now(), LinearModel::default());
        let mut live = Live::new(now, &WorkerConfig::default(), &SolveOptions::default());
        live.improve(now, &model, Incumbent::default());
        live.write(now, &LogText { text: "line\n".repeat(10_000), omitted: 0 });
        assert_eq!(live.due(), now);
        let mut asked = 0;
        let mut refuse = |_| {
            asked += 1;
            false
        };
        live.tell(now, &model, &mut refuse);
        assert!(live.due() > now, "not asked again at once");
        assert_eq!(asked, 2);
        let rest = live.rest(now, &model);
        assert!(matches!(rest[..], [Kind::Incumbent(_), Kind::Log(_)]), "{rest:?}");
        assert!(live.rest(now, &model).is_empty());
    }
}
