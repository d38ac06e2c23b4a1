use std::pin::pin;

use clap::Args;
use solvemesh_client::Client;
use tokio::{select, signal::ctrl_c};

use super::{
    arguments::{LiveArgs, ReportArgs},
    exit::{Exit, Failure},
    follow::Follow,
    report::report,
    screen::Screen,
};

/// Arguments of `watch`.
#[derive(Args, Debug)]
pub(crate) struct WatchArgs {
    /// The jobs; with several, the highest of their exit codes is returned
    #[arg(value_name = "JOB", required = true)]
    jobs: Vec<String>,
    #[command(flatten)]
    report: ReportArgs,
    #[command(flatten)]
    live: LiveArgs,
}

/// Follows jobs to their ends and tells each as it comes. Ctrl-C leaves them alone.
pub(crate) async fn watch(client: &Client, args: &WatchArgs) -> Result<Exit, Failure> {
    let screen = Screen::new(args.report.verbose).telling(args.live);
    let mut follow = Follow::new(client, &args.jobs, screen);
    let mut interrupt = pin!(ctrl_c());
    let mut exit = Exit::Done;
    loop {
        select! {
            outcome = follow.next() => {
                let Some(outcome) = outcome? else { return Ok(exit) };
                exit = exit.max(report(&outcome, args.report, &mut follow.screen)?);
            }
            _ = &mut interrupt => {
                follow.screen.say(&format!("left; {}", follow.again()));
                return Ok(Exit::Left);
            }
        }
    }
}
