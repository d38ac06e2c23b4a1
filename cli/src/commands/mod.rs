//! The subcommands, one file each. `run_job` (submit a job and wait for its result), `follow`
//! (watch jobs and print their events) and `queue_poll` (the place of a queued job) are shared by
//! several.

pub(crate) mod cancel;
pub(crate) mod capabilities;
pub(crate) mod demo;
pub(crate) mod doctor;
mod export;
pub(crate) mod follow;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod mesh;
pub(crate) mod queue_poll;
pub(crate) mod run_job;
pub(crate) mod solve;
pub(crate) mod submit;
pub(crate) mod usage;
pub(crate) mod watch;
