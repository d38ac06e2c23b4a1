//! Why a solver process died, independent of how the worker noticed it.

use std::{fmt, os::unix::process::ExitStatusExt, process::ExitStatus};

use solvemesh::failure_reason;
use solvemesh_solver::OUT_OF_MEMORY;

/// The signal that the kernel sends to a process when memory runs out.
const SIGKILL: i32 = rustix::process::Signal::KILL.as_raw();

/// Why a solver process died, other than by a kill for a cancel, a drain or an overrun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Death {
    /// It exited with this code.
    Exit(i32),
    /// It was killed by this signal.
    Signal(i32),
    /// An allocation failed under its memory limit of this many bytes, and it exited.
    MemoryLimit(u64),
    /// It violated the protocol and was killed. The text says how.
    ProtocolError(String),
    /// It did not read its task within the timeout and was killed.
    TaskNotRead,
    /// It read its task and reported nothing until after its time limit; it was killed.
    Silent,
}

impl Death {
    /// Classifies an exit status, given the memory limit that the process ran under.
    pub(super) fn of(status: ExitStatus, memory_limit: Option<u64>) -> Self {
        match (status.signal(), status.code(), memory_limit) {
            (Some(signal), ..) => Self::Signal(signal),
            (None, Some(OUT_OF_MEMORY), Some(bytes)) => Self::MemoryLimit(bytes),
            (None, code, _) => Self::Exit(code.unwrap_or(-1)),
        }
    }

    /// All that [`reason`](Self::reason) returns.
    pub(crate) const REASONS: [&'static str; 4] = [
        failure_reason::SOLVER_OUT_OF_MEMORY,
        failure_reason::SOLVER_CRASHED,
        failure_reason::SOLVER_ERROR,
        failure_reason::SOLVER_HUNG,
    ];

    /// The reason in the job's failure: a stable identifier of the public API.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            // The worker did not send this SIGKILL, so most likely the kernel's OOM killer did.
            Self::Signal(SIGKILL) | Self::Exit(OUT_OF_MEMORY) | Self::MemoryLimit(_) => {
                failure_reason::SOLVER_OUT_OF_MEMORY
            }
            Self::Signal(_) | Self::Exit(_) => failure_reason::SOLVER_CRASHED,
            Self::ProtocolError(_) => failure_reason::SOLVER_ERROR,
            Self::TaskNotRead | Self::Silent => failure_reason::SOLVER_HUNG,
        }
    }
}

/// The text completes "the solver process died: …", that of `MemoryLimit` also "the solver …".
impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MemoryLimit(bytes) => write!(f, "needed more than its limit of {bytes} bytes"),
            // No memory limit was set, so it was the system that refused the allocation.
            Self::Exit(OUT_OF_MEMORY) => f.write_str("was refused memory by the system"),
            Self::Exit(101) => f.write_str("exited with code 101 (it panicked)"),
            Self::Exit(code) => write!(f, "exited with code {code}"),
            Self::Signal(signal) => {
                // The standard library knows the names: "signal: 11 (SIGSEGV)".
                let status = ExitStatus::from_raw(*signal).to_string();
                f.write_str(&status.replacen("signal:", "killed by signal", 1))?;
                if *signal == SIGKILL {
                    f.write_str(", as the kernel does when memory runs out")?;
                }
                Ok(())
            }
            Self::ProtocolError(how) => f.write_str(how),
            Self::TaskNotRead => f.write_str("did not read its task in time"),
            Self::Silent => f.write_str("reported nothing until long after its time limit"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_death_is_displayed_with_exit_code_or_signal_name() {
        assert_eq!(Death::Signal(11).to_string(), "killed by signal 11 (SIGSEGV)");
        assert_eq!(Death::Exit(3).to_string(), "exited with code 3");
        assert_eq!(Death::Signal(64).to_string(), "killed by signal 64");
    }

    #[test]
    fn a_sigkill_of_unknown_origin_counts_as_out_of_memory() {
        let death = |raw| Death::of(ExitStatus::from_raw(raw), Some(1));
        assert_eq!(death(9).reason(), "SOLVER_OUT_OF_MEMORY");
        assert_eq!(death(11).reason(), "SOLVER_CRASHED");
        assert_eq!(death(3 << 8), Death::Exit(3));
    }

    #[test]
    fn an_exit_for_memory_is_a_memory_limit_only_if_one_was_set() {
        let refused = ExitStatus::from_raw(OUT_OF_MEMORY << 8);
        assert_eq!(Death::of(refused, Some(7)), Death::MemoryLimit(7));
        assert_eq!(Death::of(refused, None), Death::Exit(OUT_OF_MEMORY));
        assert_eq!(Death::of(refused, None).reason(), "SOLVER_OUT_OF_MEMORY");
        assert_eq!(Death::of(ExitStatus::from_raw(9), Some(7)), Death::Signal(9));
    }
}
