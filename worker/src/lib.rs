//! The worker of a mesh: takes jobs, has each solved in a solver process of its own,
//! and writes what happens into the results log.
//!
//! A worker is a supervisor. It links a solver, and never calls it: [`solver::serve`]
//! runs in a process that a slot starts, watches and, if need be, kills. So whatever
//! a solver does to its process costs one attempt of one job.
//!
//! From the outside in: [`Worker`] owns the tasks; a slot owns a solver process and
//! takes jobs; an attempt leads a job from its lease to its end; the supervision of a
//! solve tells how that ended; the disposition, a pure function, says what becomes of
//! the job; the settlement makes the log have it before the broker forgets it.

mod attempt;
mod backoff;
mod cancels;
mod conclusion;
mod config;
mod context;
mod disposition;
mod frame;
mod incumbents;
mod intake;
mod journal;
mod judgement;
mod live;
mod log_lines;
mod parts;
mod patience;
mod process;
mod progress;
mod proofs;
mod ranges;
mod redelivery;
mod resumption;
mod settlement;
mod slot;
pub mod solver;
mod supervision;
mod supervisor;
mod sweep;
mod terms;
mod work;

pub use config::{InvalidSlots, Overrun, Slots, SolverCommandLine, WorkerConfig};
pub use supervisor::Worker;
