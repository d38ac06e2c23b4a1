use std::time::Duration;

use solvemesh_client::{
    Assembly, Client, Error, Outcome, Update, Watch,
    v1::{Event, JobDescription, ScenarioResult, event::Kind},
};
use tokio::{
    select,
    time::{Instant, Interval, MissedTickBehavior, interval},
};

use crate::{
    exit::Failure,
    output::{progress_line::Board, setback, terminal::Screen},
};

/// How often the line of progress is drawn.
const DRAWING: Duration = Duration::from_millis(200);

/// What is told of jobs as data.
#[expect(clippy::large_enum_variant, reason = "it is taken apart where it is made")]
pub(crate) enum News {
    /// A job was accepted.
    Queued { job_id: String, description: JobDescription },
    /// Scenarios of a sweep were answered.
    Answers { job_id: String, results: Vec<ScenarioResult> },
    /// A job ended.
    Ended(Outcome),
}

/// Follows jobs to their ends, and tells on the way.
pub(crate) struct Follow {
    /// Where to tell.
    pub(crate) screen: Screen,
    watch: Watch,
    assembly: Assembly,
    board: Board,
    since: Instant,
    ticks: Interval,
    /// The address of the gateway.
    url: String,
    /// The jobs whose ends were not seen.
    pending: Vec<String>,
    /// Whether an event was seen.
    served: bool,
}

impl Follow {
    pub(crate) fn new(client: &Client, job_ids: &[String], screen: Screen) -> Self {
        let mut ticks = interval(DRAWING);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut watch = client.watch(job_ids, "");
        if !screen.shows_incumbents() {
            watch = watch.skip_incumbents();
        }
        if !screen.shows_log() {
            watch = watch.skip_log();
        }
        Self {
            watch,
            assembly: Assembly::default(),
            board: Board::new(job_ids),
            since: Instant::now(),
            ticks,
            url: client.url().to_owned(),
            pending: job_ids.to_vec(),
            served: false,
            screen,
        }
    }

    /// The next job to end; `None` once all have. Nothing is lost when the future is
    /// dropped before it is ready.
    pub(crate) async fn next(&mut self) -> Result<Option<Outcome>, Failure> {
        loop {
            match self.news().await? {
                Some(News::Ended(outcome)) => return Ok(Some(outcome)),
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    /// The next to be told; `None` once all jobs have ended. Nothing is lost when the future
    /// is dropped before it is ready.
    pub(crate) async fn news(&mut self) -> Result<Option<News>, Failure> {
        // The line stands there from the first moment on, however fast the jobs end.
        self.draw();
        loop {
            select! {
                update = self.watch.update() => match update {
                    None => return Ok(None),
                    Some(Ok(update)) => if let Some(news) = self.take(update)? {
                        return Ok(Some(news));
                    },
                    Some(Err(error)) => {
                        if !matches!(error, Error::Rejected(_)) {
                            self.screen.say(&self.again());
                        }
                        return Err(error.into());
                    }
                },
                _ = self.ticks.tick() => self.draw(),
            }
        }
    }

    fn draw(&mut self) {
        if self.screen.shows_progress() {
            self.screen.draw(&self.board.line(self.since.elapsed()));
        }
    }

    /// How to follow the jobs that have not ended once more.
    pub(crate) fn again(&self) -> String {
        format!("to watch again: solvemesh --gateway {} watch {}", self.url, self.pending.join(" "))
    }

    fn take(&mut self, update: Update) -> Result<Option<News>, Failure> {
        match update {
            Update::Event(event) => return self.event(event),
            Update::Lost { cause, patience } if self.served => {
                self.screen.say(&setback::lost(&cause, patience));
            }
            Update::Lost { cause, patience } => {
                self.screen.say(&setback::unanswered(&cause, patience));
            }
            Update::Restored => self.screen.say("the stream of events is back"),
        }
        Ok(None)
    }

    fn event(&mut self, event: Event) -> Result<Option<News>, Failure> {
        self.served = true;
        self.screen.event(&event)?;
        self.board.add(&event);
        let Event { job_id, kind, .. } = event;
        match kind {
            Some(Kind::Queued(queued)) => {
                let description = queued.description.unwrap_or_default();
                Ok(Some(News::Queued { job_id, description }))
            }
            Some(Kind::ScenarioResults(answers)) => {
                self.screen.clear();
                Ok(Some(News::Answers { job_id, results: answers.results }))
            }
            kind => {
                let event = Event { job_id, kind, ..event };
                let outcome = self.assembly.add(event).map_err(Error::from)?;
                if let Some(outcome) = &outcome {
                    self.pending.retain(|job| *job != outcome.job_id);
                    self.screen.clear();
                }
                Ok(outcome.map(News::Ended))
            }
        }
    }
}
