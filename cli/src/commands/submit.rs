use std::io::{self, Write};

use clap::{Args, builder::BoolishValueParser};
use solvemesh_client::{Client, v1::Job};

use crate::{
    args::{solve_options::SolveOptionArgs, submission::SubmissionArgs},
    commands::get::size,
    exit::{Exit, Failure},
    output::{report::warn, terminal::Terminal},
};

/// Arguments of `submit`.
#[derive(Args, Debug)]
pub(crate) struct SubmitArgs {
    #[command(flatten)]
    submission: SubmissionArgs,
    #[command(flatten)]
    alone: SolveOptionArgs,

    /// Check the model and the options without submitting a job
    ///
    /// No id is printed; the size of the model is printed to standard error.
    #[arg(long, env = "SOLVEMESH_VALIDATE_ONLY", value_parser = BoolishValueParser::new())]
    validate_only: bool,

    /// Keep the solver's log with the job, for `watch --log`
    #[arg(long, env = "SOLVEMESH_SOLVER_LOG", value_parser = BoolishValueParser::new())]
    log: bool,
}

/// Submits a model and prints the id of its job.
pub(crate) async fn submit(client: &Client, args: &SubmitArgs) -> Result<Exit, Failure> {
    let mut request = args.submission.request()?;
    args.alone.add_to(&mut request)?;
    request.validate_only = args.validate_only;
    request.options.get_or_insert_default().return_log = args.log;
    let submitted = args.submission.submit(client, request).await;
    let job = submitted.map_err(|failure| args.alone.explain(failure))?;
    let mut screen = Terminal::new(false);
    if let Some(description) = &job.description {
        warn(&description.warnings, &mut screen);
    }
    if args.validate_only {
        screen.say(&format!("{}: {}", args.submission.file(), valid(&job)));
    } else {
        writeln!(io::stdout(), "{}", job.job_id)?;
    }
    Ok(Exit::Done)
}

fn valid(job: &Job) -> String {
    let counts = job.description.as_ref().and_then(|description| description.size.as_ref());
    counts.map_or_else(|| "valid".into(), |counts| format!("valid: {}", size(counts)))
}
