//! What runs inside a solver process, and the only place that knows a solver.
//!
//! A solver process is a worker's hand: it may be killed, and may crash, without harm
//! to the worker. It takes one task after the other from standard input and answers on
//! standard output ([`serve()`]); the messages are those of `solvemesh.solver.v1`.
//!
//! | solver | way | why |
//! | --- | --- | --- |
//! | HiGHS (and `AUTO`) | straight through highs-sys (`direct`, `highs/`) | good_lp has no ranged rows, no callbacks (progress, incumbents, interrupts), no duals of ranged rows, gaps of f32 only, one status for all limits and none for "infeasible or unbounded"; the `highs::Model` that it makes has lost the options, and a model of a million columns would be held three times |
//! | Clarabel, microlp, CBC, SCIP | through good_lp (`good_lp/`) | a solver is worth having where it costs a small file. CBC and SCIP need system libraries, and are cargo features |
//!
//! What a solver says about its own result is taken over (`termination.rs`); where it does
//! not hold, the model is solved once more (`doubts.rs`). The last word has the worker,
//! which checks every result outside of this process.

mod arrays;
mod direct;
mod doubts;
mod good_lp;
mod highs;
mod memory;
mod pipes;
mod polish;
mod proof;
mod report;
#[cfg(test)]
mod samples;
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

use std::io;

pub(crate) use memory::OUT_OF_MEMORY;
pub use serve::serve;

/// The lanes of those solvers of this program that not every worker has.
pub const OWN_LANES: &[&str] = &[
    #[cfg(feature = "cbc")]
    solvemesh_broker::Lane::CBC,
    #[cfg(feature = "scip")]
    solvemesh_broker::Lane::SCIP,
];

/// The whole of a solver process: serves standard input and output until the worker
/// closes them.
///
/// # Errors
///
/// See [`serve()`].
pub fn run() -> io::Result<()> {
    memory::end_without();
    let (commands, reports) = pipes::take()?;
    serve(commands, reports)
}
