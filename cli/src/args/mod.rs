//! Flags that several commands share, and the readers and writers of the files that they name.

pub(crate) mod compress;
pub(crate) mod connection;
pub(crate) mod input;
mod model_out;
pub(crate) mod output;
pub(crate) mod solve_options;
pub(crate) mod start_solution;
pub(crate) mod submission;
pub(crate) mod values;
