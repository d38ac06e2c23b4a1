//! Standard input and output of a solver process, reserved for the protocol.

use std::{fs::File, io, os::fd::AsFd};

/// Closes all files but the standard streams, takes over standard input and output, and redirects
/// standard output to standard error.
///
/// Some libraries print to standard output (parts of HiGHS do, whatever its options say), which
/// would corrupt the protocol.
///
/// # Errors
///
/// When one of the standard streams is closed.
pub(super) fn take() -> io::Result<(File, File)> {
    close_inherited();
    let stdin = io::stdin().as_fd().try_clone_to_owned()?;
    let stdout = io::stdout().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdout(io::stderr())?;
    Ok((stdin.into(), stdout.into()))
}

/// Closes what this process has inherited beside the standard streams: the worker's own files are not
/// inherited, but those may be that the worker was started with. To be called before this process
/// has opened any.
fn close_inherited() {
    #[cfg(target_os = "linux")]
    // SAFETY: as this process has opened nothing yet, no file of its own is closed. Kernels before
    // 5.9 refuse the call, and nothing is closed.
    unsafe {
        libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0);
    }
}
