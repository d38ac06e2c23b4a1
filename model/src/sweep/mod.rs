//! Sweeps: which scenarios there are, what each changes in the base model, and in which
//! order to solve them. Pure functions.
//!
//! [`normalise_sweep`] validates a sweep against its base model and converts it to *normal form*:
//! parameters are given by index, and bounds of absolute value 1e20 or more are infinite.
//! [`Scenarios`] reads that form, [`Patched`] is the base model with the numbers of one
//! scenario at a time, and `order` sorts scenarios so that neighbours are similar.

mod normalise;
mod order;
mod patched;
mod results;
mod scenarios;
#[cfg(test)]
mod tests;

pub use normalise::normalise_sweep;
pub use patched::Patched;
pub use results::{meets_target, values_per_scenario};
pub use scenarios::{Change, Scenarios, Target, grid_points, grid_value};
