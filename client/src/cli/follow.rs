use std::time::Duration;

use solvemesh_client::{Assembly, Client, Outcome, Watch};
use tokio::{
    select,
    time::{Instant, Interval, MissedTickBehavior, interval},
};

use super::{board::Board, exit::Failure, screen::Screen};

/// How often the line of progress is drawn.
const DRAWING: Duration = Duration::from_millis(200);

/// Follows jobs to their ends, and tells on the way.
pub(super) struct Follow {
    /// Where to tell.
    pub(super) screen: Screen,
    watch: Watch,
    assembly: Assembly,
    board: Board,
    since: Instant,
    ticks: Interval,
}

impl Follow {
    pub(super) fn new(client: &Client, job_ids: &[String], screen: Screen) -> Self {
        let mut ticks = interval(DRAWING);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            watch: client.watch(job_ids, ""),
            assembly: Assembly::default(),
            board: Board::new(job_ids),
            since: Instant::now(),
            ticks,
            screen,
        }
    }

    /// The next job to end; `None` once all have. Nothing is lost when the future is
    /// dropped before it is ready.
    pub(super) async fn next(&mut self) -> Result<Option<Outcome>, Failure> {
        loop {
            select! {
                event = self.watch.next() => {
                    let Some(event) = event.transpose()? else { return Ok(None) };
                    self.screen.event(&event)?;
                    self.board.add(&event);
                    let outcome = self.assembly.add(event).map_err(solvemesh_client::Error::from)?;
                    if outcome.is_some() {
                        self.screen.clear();
                        return Ok(outcome);
                    }
                }
                _ = self.ticks.tick(), if self.screen.shows_progress() => {
                    self.screen.draw(&self.board.line(self.since.elapsed()));
                }
            }
        }
    }
}
