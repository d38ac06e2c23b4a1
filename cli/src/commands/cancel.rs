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
    /// Id of the job
    #[arg(value_name = "JOB")]
    job: String,
}

/// Requests the cancellation of a job and prints its state after that: CANCELLED if it was
/// queued, RUNNING if a worker has to stop it first.
pub(crate) async fn cancel(client: &Client, args: &CancelArgs) -> Result<Exit, Failure> {
    let job = client.cancel(&args.job).await?;
    writeln!(io::stdout(), "{}", names::state(job.state()).unwrap_or("unknown"))?;
    Ok(Exit::Done)
}
