use std::{io, pin::pin};

use clap::Args;
use solvemesh_client::{Client, v1::ScenarioResult};
use tokio::signal::ctrl_c;

use crate::{
    args::output::{LiveArgs, ReportArgs},
    args::{solve_options::SolveOptionArgs, submission::SubmissionArgs},
    commands::run_job::{ResultSink, run_job},
    exit::{Exit, Failure},
    output::{report::report, terminal::Terminal},
};

/// Arguments of `solve`.
#[derive(Args, Debug)]
pub(crate) struct SolveArgs {
    #[command(flatten)]
    submission: SubmissionArgs,
    #[command(flatten)]
    alone: SolveOptionArgs,
    #[command(flatten)]
    report: ReportArgs,
    #[command(flatten)]
    live: LiveArgs,
}

/// Discards the data of a running job: a single solve has no output before its result.
struct Discard;

impl ResultSink for Discard {
    fn answers(&mut self, _: &[ScenarioResult]) -> io::Result<()> {
        Ok(())
    }
}

/// Submits a model, waits for its job and prints the result. The first Ctrl-C cancels the job
/// and waits for the best solution so far; the second exits without waiting.
pub(crate) async fn solve(client: &Client, args: &SolveArgs) -> Result<Exit, Failure> {
    let screen = Terminal::new(args.report.verbose).telling(args.live);
    // Ctrl-C is handled only after this, so that it still ends a process that waits for input.
    let mut request = args.submission.request()?;
    args.alone.add_to(&mut request)?;
    request.options.get_or_insert_default().return_log = args.live.log;
    let interrupt = pin!(ctrl_c());
    let ended = run_job(client, &args.submission, request, screen, interrupt, &mut Discard).await;
    match ended.map_err(|failure| args.alone.explain(failure))? {
        Some((outcome, mut screen)) => Ok(report(&outcome, args.report, &mut screen)?),
        None => Ok(Exit::Interrupted),
    }
}
