use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use anyhow::Context as _;
use tokio::runtime::Runtime;

/// Runs a program on a tokio runtime of its own. When it returns, tasks that still run are
/// abandoned: after a second signal nothing is waited for, nor is a blocking DNS lookup ever.
///
/// # Errors
///
/// Those of the program, and of the start of the runtime.
pub fn block_on(program: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = Runtime::new().context("tokio")?;
    let outcome = runtime.block_on(program);
    runtime.shutdown_background();
    outcome
}

/// The exit code of a program. A failure is printed on standard error, after the program's
/// name, because the log may not have started.
pub fn exit_code(program: &str, outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error may be closed: then the exit code is all there is.
            let _ = writeln!(io::stderr(), "{program}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
