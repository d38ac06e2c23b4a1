//! The standard pipes of a solver process, for the protocol alone.

use std::{fs::File, io, os::fd::AsFd};

/// Takes over standard input and output. What any library prints on standard output
/// from now on (parts of HiGHS do, whatever they are told) goes to standard error.
///
/// # Errors
///
/// When one of the pipes is closed.
pub(super) fn take() -> io::Result<(File, File)> {
    let stdin = io::stdin().as_fd().try_clone_to_owned()?;
    let stdout = io::stdout().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdout(io::stderr())?;
    Ok((stdin.into(), stdout.into()))
}
