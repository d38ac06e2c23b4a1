//! The standard pipes of a solver process, for the protocol alone.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, AsRawFd},
};

/// Takes over standard input and output. What any library prints on standard output
/// from now on (parts of HiGHS do, whatever they are told) goes to standard error.
///
/// # Errors
///
/// When one of the pipes is closed.
pub(super) fn take() -> io::Result<(File, File)> {
    let stdin = io::stdin().as_fd().try_clone_to_owned()?;
    let stdout = io::stdout().as_fd().try_clone_to_owned()?;
    let (from, to) = (io::stderr().as_raw_fd(), io::stdout().as_raw_fd());
    // SAFETY: both are descriptors of this process; no Rust object owns standard output.
    if unsafe { libc::dup2(from, to) } == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok((stdin.into(), stdout.into()))
}
