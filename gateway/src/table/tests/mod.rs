#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fold;
mod logs;
mod retention;
mod snapshot;
mod sweep;
