//! The solver process, and the only crate that links a solver.
//!
//! A worker runs this in a process of its own, so that a crash or a kill costs one attempt of
//! one job and never the worker. The process gives up all rights that a solve does not need
//! (`confine/`). The process reads one task after another from standard input
//! and writes its reports to standard output ([`serve()`]); the messages are those of
//! `solvemesh.solver.v1`, framed as in [`solvemesh::frame`]. The crate uses no async runtime and
//! no broker.
//!
//! | solver | way | why |
//! | --- | --- | --- |
//! | own simplex method (`AUTO`, tiny LPs) | `tiny/` | HiGHS takes a hundred times as long for a model of a few numbers; what is not proven goes to HiGHS |
//! | HiGHS (and `AUTO`) | directly through highs-sys (`highs_solver.rs`, `highs/`) | good_lp has no ranged rows, no callbacks (progress, incumbents, interrupts), no duals of ranged rows, gaps of f32 only, one status for all limits and none for "infeasible or unbounded"; the `highs::Model` that it builds has lost the options, and a model of a million columns would be in memory three times |
//! | Clarabel, microlp, CBC, SCIP | through good_lp (`good_lp/`) | each of them costs only one small file. CBC and SCIP need system libraries, so they are cargo features |
//!
//! A solver's status is translated as it is (`termination.rs`) and then checked against the
//! model; if the check fails, the model is solved a second time (`second_solve.rs`). The worker makes
//! the final check of every result, outside of this process.

mod arrays;
mod confine;
mod good_lp;
mod highs;
mod highs_solver;
mod memory;
mod pipes;
mod polish;
mod proof;
mod report;
#[cfg(test)]
mod samples;
mod second_solve;
mod sensitivity;
mod serve;
mod settings;
mod start;
mod subset;
mod sweep;
mod task;
mod termination;
#[cfg(test)]
mod tests;
mod tiny;
mod unbounded;
mod warm_lp;

use std::io;

pub use memory::{Allocator, OUT_OF_MEMORY, SOLVER_PROCESS};
pub use serve::serve;
pub use warm_lp::{WarmLp, WarmLpError};

/// Runs a solver process: serves standard input and output until the worker closes them.
///
/// The program must have [`Allocator`] as its global allocator.
///
/// # Errors
///
/// See [`serve()`]; and if HiGHS, as a shared library of the system, is not of the series that this
/// crate supports.
pub fn run() -> io::Result<()> {
    highs::check_series()?;
    memory::exit_on_failed_allocation();
    memory::raise_oom_score();
    let (commands, reports) = pipes::take()?;
    let confinement = confine::confine();
    serve(commands, reports, confinement)
}
