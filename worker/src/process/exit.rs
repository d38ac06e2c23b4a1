//! What a solver process died of, told apart from how it was noticed.

use std::{fmt, os::unix::process::ExitStatusExt, process::ExitStatus};

use solvemesh_solver::OUT_OF_MEMORY;

/// What a solver process died of, when nobody here stopped it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Death {
    /// It ended by itself.
    Exit(i32),
    /// A signal ended it.
    Signal(i32),
    /// It was refused memory, over its limit of so many bytes.
    MemoryLimit(u64),
    /// It lived, but what it wrote made no sense; it was killed.
    Garbled(String),
    /// It lived, but did not take its task; it was killed.
    Deaf,
    /// It took its task and told nothing, not even at its time limit; it was killed.
    Mute,
}

impl Death {
    /// What a process died of that ended so under this memory limit.
    pub(super) fn of(status: ExitStatus, memory_limit: Option<u64>) -> Self {
        match (status.signal(), status.code(), memory_limit) {
            (Some(signal), ..) => Self::Signal(signal),
            (None, Some(OUT_OF_MEMORY), Some(bytes)) => Self::MemoryLimit(bytes),
            (None, code, _) => Self::Exit(code.unwrap_or(-1)),
        }
    }

    /// The reason that a job's failure carries: a stable name of the contract.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            // Nobody here sent it: on a machine that is short of memory, the kernel did.
            Self::Signal(libc::SIGKILL) | Self::Exit(OUT_OF_MEMORY) | Self::MemoryLimit(_) => {
                "SOLVER_OUT_OF_MEMORY"
            }
            Self::Signal(_) | Self::Exit(_) => "SOLVER_CRASHED",
            Self::Garbled(_) => "SOLVER_ERROR",
            Self::Deaf | Self::Mute => "SOLVER_HUNG",
        }
    }
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MemoryLimit(bytes) => write!(f, "needed more than its limit of {bytes} bytes"),
            Self::Exit(OUT_OF_MEMORY) => f.write_str("was refused memory by the system"),
            Self::Exit(101) => f.write_str("exited with code 101 (it panicked)"),
            Self::Exit(code) => write!(f, "exited with code {code}"),
            Self::Signal(signal) => {
                write!(f, "killed by signal {signal}")?;
                if let Some(name) = name(*signal) {
                    write!(f, " ({name})")?;
                }
                if *signal == libc::SIGKILL {
                    f.write_str(", as the kernel does when memory runs out")?;
                }
                Ok(())
            }
            Self::Garbled(what) => f.write_str(what),
            Self::Deaf => f.write_str("did not take its task in time"),
            Self::Mute => f.write_str("told nothing until long after its time limit"),
        }
    }
}

/// The names of the signals that end solvers.
fn name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGHUP => "SIGHUP",
        libc::SIGILL => "SIGILL",
        libc::SIGINT => "SIGINT",
        libc::SIGKILL => "SIGKILL",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGTERM => "SIGTERM",
        libc::SIGXCPU => "SIGXCPU",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_death_says_what_happened() {
        assert_eq!(Death::Signal(11).to_string(), "killed by signal 11 (SIGSEGV)");
        assert_eq!(Death::Exit(3).to_string(), "exited with code 3");
        assert_eq!(Death::Signal(64).to_string(), "killed by signal 64");
    }

    #[test]
    fn a_kill_that_nobody_here_sent_counts_as_want_of_memory() {
        let death = |raw| Death::of(ExitStatus::from_raw(raw), Some(1));
        assert_eq!(death(9).reason(), "SOLVER_OUT_OF_MEMORY");
        assert_eq!(death(11).reason(), "SOLVER_CRASHED");
        assert_eq!(death(3 << 8), Death::Exit(3));
    }

    #[test]
    fn memory_that_is_refused_is_told_from_memory_that_is_taken_away() {
        let refused = ExitStatus::from_raw(OUT_OF_MEMORY << 8);
        assert_eq!(Death::of(refused, Some(7)), Death::MemoryLimit(7));
        assert_eq!(Death::of(refused, None), Death::Exit(OUT_OF_MEMORY));
        assert_eq!(Death::of(refused, None).reason(), "SOLVER_OUT_OF_MEMORY");
        assert_eq!(Death::of(ExitStatus::from_raw(9), Some(7)), Death::Signal(9));
    }
}
