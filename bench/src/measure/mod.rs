//! The measurements of `all`, each in a file: its contestants take turns in every round, so that
//! noise of the machine hits all of them.

pub(crate) mod embedded;
pub(crate) mod jobs;
pub(crate) mod large;
pub(crate) mod latency;
pub(crate) mod memory;
pub(crate) mod models;
pub(crate) mod replay;
pub(crate) mod submit;
pub(crate) mod sweeps;
pub(crate) mod tenants;
pub(crate) mod watchers;
