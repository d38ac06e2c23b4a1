//! The confinement of a solver process: what it may not do once it has started.
//!
//! A solver is a large program in C++ that works on models from outside. A model that exploits an
//! error in it must gain nothing: no files, no network, no other programs or processes. So the
//! process gives up these rights itself, after its libraries are loaded and before it reads its
//! first task. Two mechanisms of Linux are used, neither of which needs privileges:
//!
//! - Landlock (`landlock.rs`) denies files by path, TCP, and signals to other processes;
//! - seccomp (`seccomp.rs`) denies system calls, among them those that Landlock does not cover.
//!
//! A kernel may lack either. The process then solves all the same, and its worker logs what is
//! missing: it reads it in the report that the process is ready.

#[cfg(target_os = "linux")]
mod landlock;
#[cfg(target_os = "linux")]
mod seccomp;
#[cfg(all(test, target_os = "linux"))]
mod tests;

use solvemesh::solver::v1::{Barrier, BarrierState, Confinement};

/// Confines this process, for good.
///
/// Only the calling thread is confined, and the threads that it starts from then on: to be called
/// before there are others.
#[cfg(target_os = "linux")]
pub(crate) fn confine() -> Confinement {
    forbid_core_dumps();
    // Landlock first: its system calls are denied afterwards.
    let landlock = landlock::restrict();
    let seccomp = seccomp::restrict();
    Confinement { landlock: Some(landlock), seccomp: Some(seccomp) }
}

/// Does nothing: Landlock and seccomp exist on Linux alone.
#[cfg(not(target_os = "linux"))]
pub(crate) fn confine() -> Confinement {
    let missing = || Some(barrier(BarrierState::Missing, "it exists on Linux alone"));
    Confinement { landlock: missing(), seccomp: missing() }
}

/// Keeps the models in this process from core files, and from other processes of the same user,
/// which could attach to it as debuggers.
#[cfg(target_os = "linux")]
fn forbid_core_dumps() {
    // Fails only for other values.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

fn barrier(state: BarrierState, detail: impl Into<String>) -> Barrier {
    Barrier { state: state.into(), detail: detail.into() }
}
