use std::io::{self, Write};

use clap::Args;
use solvemesh_client::Client;

use crate::{
    exit::{Exit, Failure},
    output::names,
};

/// Arguments of `cancel`.
#[derive(Args, Debug)]
pub(crate) struct CancelArgs {
    /// The job
    #[arg(value_name = "JOB")]
    job: String,
}

/// Asks to end a job, and prints the state it is in then.
pub(crate) async fn cancel(client: &Client, args: &CancelArgs) -> Result<Exit, Failure> {
    let job = client.cancel(&args.job).await?;
    writeln!(io::stdout(), "{}", names::state(job.state()).unwrap_or("unknown"))?;
    Ok(Exit::Done)
}
