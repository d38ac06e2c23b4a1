use std::time::Duration;

use futures::future::OptionFuture;
use solvemesh_client::{
    Assembly, Client, Error, Outcome, Update, Watch,
    v1::{JobDescription, JobEvent, JobEventKind, QueuePosition, ScenarioResult, job_event::Kind},
};
use tokio::{
    select,
    time::{Instant, Interval, MissedTickBehavior, interval},
};

use crate::{
    commands::queue_poll::QueuePoll,
    exit::Failure,
    output::{
        progress_line::ProgressLine,
        queue::{self, JobsAhead},
        retry_messages,
        terminal::Terminal,
    },
};

/// The interval at which the progress line is redrawn.
const REDRAW_INTERVAL: Duration = Duration::from_millis(200);

/// An update of a job that goes to standard output.
#[expect(clippy::large_enum_variant, reason = "every value is matched at once, none is stored")]
pub(crate) enum JobUpdate {
    /// The job is queued, with this description.
    Queued { job_id: String, description: JobDescription },
    /// Results of scenarios of a sweep.
    Answers { job_id: String, results: Vec<ScenarioResult> },
    /// The job finished.
    Ended(Outcome),
}

/// Watches jobs until they finish, and prints progress and events on the way.
pub(crate) struct Follow {
    /// Where progress, events and messages are printed.
    pub(crate) screen: Terminal,
    watch: Watch,
    assembly: Assembly,
    board: ProgressLine,
    since: Instant,
    ticks: Interval,
    /// The URL of the gateway.
    url: String,
    /// The jobs that have not finished.
    pending: Vec<String>,
    /// Whether any event was received, so that a lost stream is reported as lost and not as a
    /// mesh that does not respond.
    served: bool,
    /// Requests the position of a single job while it is queued, if it is shown.
    queue_poll: Option<QueuePoll>,
    jobs_ahead: JobsAhead,
}

impl Follow {
    pub(crate) fn new(client: &Client, job_ids: &[String], screen: Terminal) -> Self {
        let mut ticks = interval(REDRAW_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut kinds = vec![
            JobEventKind::Progress,
            JobEventKind::CancelRequested,
            JobEventKind::SolutionPart,
            JobEventKind::AttemptFailed,
            JobEventKind::ScenarioResults,
        ];
        if screen.shows_incumbents() {
            kinds.push(JobEventKind::Incumbent);
        }
        if screen.shows_log() {
            kinds.push(JobEventKind::Log);
        }
        let queue_poll = match job_ids {
            [job_id] if screen.shows_progress() || screen.is_verbose() => {
                Some(QueuePoll::new(client, job_id))
            }
            _ => None,
        };
        Self {
            watch: client.watch(job_ids, "").kinds(kinds),
            assembly: Assembly::default(),
            board: ProgressLine::new(job_ids),
            since: Instant::now(),
            ticks,
            url: client.url().to_owned(),
            pending: job_ids.to_vec(),
            served: false,
            queue_poll,
            jobs_ahead: JobsAhead::default(),
            screen,
        }
    }

    /// Waits for the next job to finish; `None` when all have. Cancel safe: no event is lost
    /// when the future is dropped before it is ready.
    pub(crate) async fn next(&mut self) -> Result<Option<Outcome>, Failure> {
        loop {
            match self.news().await? {
                Some(JobUpdate::Ended(outcome)) => return Ok(Some(outcome)),
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    /// Waits for the next update; `None` when all jobs have finished. Cancel safe, as
    /// [`next`](Self::next).
    pub(crate) async fn news(&mut self) -> Result<Option<JobUpdate>, Failure> {
        // Before the first event, so that the progress line appears even for the fastest job.
        self.draw();
        loop {
            select! {
                update = self.watch.update() => match update {
                    None => return Ok(None),
                    Some(Ok(update)) => if let Some(news) = self.take(update)? {
                        return Ok(Some(news));
                    },
                    Some(Err(error)) => {
                        // A rejected watch would be rejected again.
                        if !matches!(error, Error::Rejected(_)) {
                            self.screen.say(&self.again());
                        }
                        return Err(error.into());
                    }
                },
                Some(position) = OptionFuture::from(self.queue_poll.as_mut().map(QueuePoll::next)),
                    if self.board.is_queued() => self.ranked(position),
                _ = self.ticks.tick() => self.draw(),
            }
        }
    }

    /// Shows the place of the queued job in its lane.
    fn ranked(&mut self, position: Option<QueuePosition>) {
        self.board.set_position(position);
        if let Some(position) = position
            && self.screen.is_verbose()
            && self.jobs_ahead.has_changed(&position)
        {
            let job_ids = self.pending.join(" ");
            self.screen.say(&format!("{job_ids} queued, {}", queue::text(&position)));
        }
    }

    fn draw(&mut self) {
        if self.screen.shows_progress() {
            self.screen.draw(&self.board.line(self.since.elapsed()));
        }
    }

    /// A hint with the command that watches the unfinished jobs again.
    pub(crate) fn again(&self) -> String {
        format!("to watch again: solvemesh --gateway {} watch {}", self.url, self.pending.join(" "))
    }

    fn take(&mut self, update: Update) -> Result<Option<JobUpdate>, Failure> {
        match update {
            Update::Event(event) => return self.event(event),
            Update::Lost { cause, remaining_budget } if self.served => {
                self.screen.say(&retry_messages::lost(&cause, remaining_budget));
            }
            Update::Lost { cause, remaining_budget } => {
                self.screen.say(&retry_messages::unanswered(&cause, remaining_budget));
            }
            Update::Restored => self.screen.say("event stream restored"),
        }
        Ok(None)
    }

    fn event(&mut self, event: JobEvent) -> Result<Option<JobUpdate>, Failure> {
        self.served = true;
        self.screen.event(&event)?;
        self.board.add(&event);
        if let Some(poll) = self.queue_poll.as_mut().filter(|_| !self.board.is_queued()) {
            poll.forget();
        }
        let JobEvent { job_id, kind, .. } = event;
        match kind {
            Some(Kind::Queued(queued)) => {
                let description = queued.description.unwrap_or_default();
                Ok(Some(JobUpdate::Queued { job_id, description }))
            }
            Some(Kind::ScenarioResults(answers)) => {
                self.screen.clear();
                Ok(Some(JobUpdate::Answers { job_id, results: answers.results }))
            }
            kind => {
                let event = JobEvent { job_id, kind, ..event };
                let outcome = self.assembly.add(event).map_err(Error::from)?;
                if let Some(outcome) = &outcome {
                    self.pending.retain(|job| *job != outcome.job_id);
                    self.screen.clear();
                }
                Ok(outcome.map(JobUpdate::Ended))
            }
        }
    }
}
