//! The commands, one file each, and what they share: a job is submitted and watched
//! (`run_job`), its events are printed (`follow`).

pub(crate) mod cancel;
pub(crate) mod capabilities;
pub(crate) mod demo;
pub(crate) mod follow;
pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod run_job;
pub(crate) mod solve;
pub(crate) mod submit;
pub(crate) mod watch;
