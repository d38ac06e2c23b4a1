//! Buffers the reports of a running solve, and decides which of them are logged and when.

use solvemesh::{
    broker::v1::log_entry::Kind,
    solver::v1::{Incumbent, LogText},
    v1::{LinearModel, Progress, SolveOptions},
};
use tokio::time::Instant;

use crate::{
    config::WorkerConfig,
    log::{incumbents::Incumbents, progress::ProgressThrottle, solver_log::LogLines},
};

/// The reports of a running solve: progress, incumbents and solver log.
#[derive(Debug)]
pub(crate) struct LiveLog {
    progress: ProgressThrottle,
    incumbents: Incumbents,
    lines: LogLines,
}

impl LiveLog {
    /// For a solve that starts now.
    pub(crate) fn new(now: Instant, config: &WorkerConfig, options: &SolveOptions) -> Self {
        Self {
            progress: ProgressThrottle::new(now, config.progress_interval, config.heartbeat),
            incumbents: Incumbents::new(now, options.incumbents.clone().unwrap_or_default())
                .with_omitted_names(options.omit_names),
            lines: LogLines::default(),
        }
    }

    /// Records a progress report.
    pub(crate) fn record_progress(&mut self, progress: Progress) {
        self.progress.record(progress);
    }

    /// Records a solution that the solver found for this model.
    pub(crate) fn record_incumbent(
        &mut self,
        now: Instant,
        model: &LinearModel,
        incumbent: Incumbent,
    ) {
        self.progress.record_incumbent(&incumbent);
        self.incumbents.record(now, model, incumbent, self.progress.bound());
    }

    /// Records text of the solver's log.
    pub(crate) fn record_text(&mut self, now: Instant, text: &LogText) {
        self.lines.record(now, text);
    }

    /// When the next entry is due, if no more reports are received.
    pub(crate) fn due(&self) -> Instant {
        let others = [self.incumbents.due(), self.lines.due()];
        others.into_iter().flatten().fold(self.progress.due(), Instant::min)
    }

    /// Offers the entries that are due to `try_log`. Incumbents and log lines that it does not
    /// accept are offered again after an interval. Progress is dropped: there will be a later one.
    pub(crate) fn log_due(
        &mut self,
        now: Instant,
        model: &LinearModel,
        try_log: &mut impl FnMut(Kind) -> bool,
    ) {
        if self.incumbents.due().is_some_and(|due| due <= now)
            && let Some(incumbent) = self.incumbents.latest(model)
        {
            if try_log(Kind::Incumbent(incumbent)) {
                self.incumbents.mark_logged(now);
            } else {
                self.incumbents.postpone(now);
            }
        }
        if self.lines.due().is_some_and(|due| due <= now) {
            if try_log(Kind::Log(self.lines.batch())) {
                self.lines.clear();
            } else {
                self.lines.postpone(now);
            }
        }
        if let Some(progress) = self.progress.take_due(now) {
            try_log(Kind::Progress(progress));
        }
    }

    /// Takes the entries that have not been logged, at the end of the solve. The final progress
    /// is the last of them.
    pub(crate) fn take_rest(&mut self, now: Instant, model: &LinearModel) -> Vec<Kind> {
        let mut rest = Vec::new();
        if self.incumbents.due().is_some() {
            rest.extend(self.incumbents.latest(model).map(Kind::Incumbent));
            self.incumbents.mark_logged(now);
        }
        self.lines.end_line();
        if self.lines.due().is_some() {
            rest.push(Kind::Log(self.lines.batch()));
            self.lines.clear();
        }
        rest.extend(self.progress.take_last(now).map(Kind::Progress));
        rest
    }

    /// Whether the solver has reported a solution.
    pub(crate) fn has_incumbent(&self) -> bool {
        self.incumbents.best().is_some()
    }

    /// The latest bound and the best solution that the solver has reported.
    pub(crate) fn into_best(self) -> (Option<f64>, Option<Incumbent>) {
        (self.progress.bound(), self.incumbents.into_best())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_that_are_refused_are_offered_again_once() {
        let (now, model) = (Instant::now(), LinearModel::default());
        let mut live = LiveLog::new(now, &WorkerConfig::default(), &SolveOptions::default());
        live.record_incumbent(now, &model, Incumbent::default());
        live.record_text(now, &LogText { text: "line\n".repeat(10_000), omitted: 0 });
        assert_eq!(live.due(), now);
        let mut offered = 0;
        let mut refuse = |_| {
            offered += 1;
            false
        };
        live.log_due(now, &model, &mut refuse);
        assert!(live.due() > now, "not offered again at once");
        assert_eq!(offered, 2);
        let rest = live.take_rest(now, &model);
        assert!(matches!(rest[..], [Kind::Incumbent(_), Kind::Log(_)]), "{rest:?}");
        assert!(live.take_rest(now, &model).is_empty());
    }
}
