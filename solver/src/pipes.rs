//! Standard input and output of a solver process, reserved for the protocol.

use std::{fs::File, io, os::fd::AsFd};

/// Takes over standard input and output, and redirects standard output to standard error.
///
/// Some libraries print to standard output (parts of HiGHS do, whatever its options say), which
/// would corrupt the protocol.
///
/// # Errors
///
/// When one of the standard streams is closed.
pub(super) fn take() -> io::Result<(File, File)> {
    let stdin = io::stdin().as_fd().try_clone_to_owned()?;
    let stdout = io::stdout().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdout(io::stderr())?;
    Ok((stdin.into(), stdout.into()))
}
