//! The worker of a mesh: consumes jobs, has each solved in a separate solver process, and logs
//! progress and results.
//!
//! A worker is a supervisor. It never calls a solver: `solvemesh_solver` runs in a process
//! that a slot starts, monitors and, where necessary, kills. A crash of the solver costs one
//! attempt of one job.
//!
//! | module | holds |
//! | --- | --- |
//! | [`Worker`] (`supervisor`) | the tasks of a worker: start, drain |
//! | `slot` | one solver process, and one job after another for it |
//! | `job_limit` | how many jobs a slot takes, and what it does after each |
//! | `delivery` | a job from its lease to its acknowledgement: intake, duplicates, cancellation |
//! | `attempt` | one attempt: effective options, warm start, supervision, disposition |
//! | `process` | the solver process: pipes, limits, why it exited |
//! | `sweep` | the scenarios of a sweep, shared among workers |
//! | `result` | a solver's answer, checked and turned into the result of a job |
//! | `heartbeat`, `busy_slots` | what gateways are to know of this worker |
//! | `log` | entries of the results log: progress, incumbents, solver log |
//! | `metrics` | what Prometheus is to know of this worker |

mod attempt;
mod busy_slots;
mod config;
mod context;
mod delivery;
mod failure;
mod heartbeat;
mod job_limit;
mod log;
mod metrics;
mod process;
mod result;
mod slot;
mod supervisor;
mod sweep;

pub use config::{InvalidSlots, OWN_LANES, Overrun, Slots, SolverCommandLine, WorkerConfig};
pub use job_limit::JobLimit;
pub use metrics::Metrics;
pub use supervisor::Worker;
