//! The memory limit of a solver process.

use std::io;

/// Sets the `RLIMIT_DATA` of a solver process to `limit` bytes, or without one to the hard limit,
/// which the process has inherited from this one. It counts private writable memory, whether
/// touched or not, and no code.
#[cfg(target_os = "linux")]
pub(super) fn set_memory_limit(pid: u32, limit: Option<u64>) -> io::Result<()> {
    use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
    let maximum = getrlimit(Resource::Data).maximum;
    let current = match (limit, maximum) {
        (Some(limit), Some(maximum)) => Some(limit.min(maximum)),
        (limit, maximum) => limit.or(maximum),
    };
    prlimit(Some(pid), Resource::Data, Rlimit { current, maximum })?;
    Ok(())
}

/// Fails: memory limits are supported on Linux alone.
#[cfg(not(target_os = "linux"))]
pub(super) fn set_memory_limit(_: u32, _: Option<u64>) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
