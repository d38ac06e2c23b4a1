//! The commands, a file each, and what they share: what is asked for (`arguments`,
//! `submission`, `alone`, `pack`), what happens meanwhile (`attend`, `follow`, `screen`,
//! `board`, `lines`, `setback`), and what is told at the end (`json`, `table`, `summary`,
//! `exit`).

mod alone;
mod arguments;
mod attend;
mod board;
mod cancel;
mod capabilities;
mod demo;
mod exit;
mod follow;
mod get;
mod json;
mod lines;
mod list;
mod names;
mod pack;
mod proofs;
mod report;
mod screen;
mod setback;
mod solve;
mod start;
mod submission;
mod submit;
mod summary;
mod sweep;
mod table;
mod text;
mod watch;

pub(crate) use arguments::{Arguments, Command};
pub(crate) use cancel::cancel;
pub(crate) use capabilities::capabilities;
pub(crate) use demo::demo;
pub(crate) use exit::{Exit, Failure};
pub(crate) use get::get;
pub(crate) use list::list;
pub(crate) use setback::tell_setback;
pub(crate) use solve::solve;
pub(crate) use submit::submit;
pub(crate) use sweep::sweep;
pub(crate) use watch::watch;
