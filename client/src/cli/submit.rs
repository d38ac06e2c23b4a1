use std::io::{self, Write};

use clap::Args;
use solvemesh_client::Client;

use super::{
    exit::{Exit, Failure},
    report::warn,
    screen::Screen,
    submission::SubmissionArgs,
};

/// Arguments of `submit`.
#[derive(Args, Debug)]
pub(crate) struct SubmitArgs {
    #[command(flatten)]
    submission: SubmissionArgs,
}

/// Submits a model and prints the id of its job.
pub(crate) async fn submit(client: &Client, args: &SubmitArgs) -> Result<Exit, Failure> {
    let job = args.submission.submit(client).await?;
    if let Some(description) = &job.description {
        warn(&description.warnings, &mut Screen::new(false));
    }
    writeln!(io::stdout(), "{}", job.job_id)?;
    Ok(Exit::Done)
}
