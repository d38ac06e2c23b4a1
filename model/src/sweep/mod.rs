//! Sweeps: which scenarios there are, what each changes in the base model, and in which
//! order neighbours lie. Pure.
//!
//! [`settle()`] holds a sweep against the model that it is of. What it returns is in *normal
//! form*: parameters are told by index, bounds whose absolute value is 1e20 or more are
//! infinite. [`Scenarios`] reads that form, [`Patched`] is the model of one scenario after
//! another, and `order` says which scenario to solve after which.

mod order;
mod patched;
mod report;
mod scenarios;
mod settle;
mod stop;
#[cfg(test)]
mod tests;

pub use patched::Patched;
pub use report::numbers_told;
pub use scenarios::{Change, Scenarios, Target};
pub use settle::settle;
pub use stop::fulfils;
