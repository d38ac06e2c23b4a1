//! The reasons of `solvemesh.v1.Failure`. They are part of the contract: a name never changes.

/// The solver process exited or was killed by a signal.
pub const SOLVER_CRASHED: &str = "SOLVER_CRASHED";
/// The solver process was killed because the machine had no memory left, or its allocation
/// failed.
pub const SOLVER_OUT_OF_MEMORY: &str = "SOLVER_OUT_OF_MEMORY";
/// The solver process stopped reporting and was killed.
pub const SOLVER_HUNG: &str = "SOLVER_HUNG";
/// The solver reported an error, or something that is not a valid report.
pub const SOLVER_ERROR: &str = "SOLVER_ERROR";
/// The job's message cannot be read.
pub const UNREADABLE_JOB: &str = "UNREADABLE_JOB";
/// The job was not finished by its expiry time, or not started by its queue expiry time.
pub const DEADLINE_EXCEEDED: &str = "DEADLINE_EXCEEDED";
/// The job was delivered to workers more often than the broker allows.
pub const DELIVERY_LIMIT: &str = "DELIVERY_LIMIT";
/// The broker dropped the job for another reason.
pub const GIVEN_UP: &str = "GIVEN_UP";
/// The job's model is no longer in the bulk store.
pub const MODEL_LOST: &str = "MODEL_LOST";
