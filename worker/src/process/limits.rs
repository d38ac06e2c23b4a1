//! What a solver process may use of the machine.

use std::io;

/// Makes a solver process the first choice of the kernel's OOM killer, before its worker.
pub(super) fn raise_oom_score(pid: u32) {
    if let Err(error) = std::fs::write(format!("/proc/{pid}/oom_score_adj"), "900") {
        tracing::debug!(pid, cause = %error, "cannot set the out-of-memory score");
    }
}

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
