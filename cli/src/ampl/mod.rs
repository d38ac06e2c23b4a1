//! Driver mode: the program as a solver of AMPL, as which Pyomo and JuMP call it too.
//!
//! `solvemesh STUB -AMPL [KEY=VALUE ...]` reads the model in `STUB.nl`, solves it on the mesh and
//! writes the answer to `STUB.sol`. Options are also read from the environment variable
//! `solvemesh_options`. See D. M. Gay, "Hooking Your Solver to AMPL" (1997), and `docs/ampl.md`.

mod driver;
mod invocation;
mod keywords;
mod message;
mod names;
mod request;
mod settings;
pub(crate) mod sol;
mod words;

pub(crate) use self::{
    driver::solve,
    invocation::Invocation,
    message::{code, lines},
};

use std::io::{self, Write};

/// The name and version, as AMPL and Pyomo ask for them.
pub(crate) const VERSION: &str = concat!("solvemesh ", env!("CARGO_PKG_VERSION"));

/// Prints the version.
pub(crate) fn print_version() -> io::Result<()> {
    writeln!(io::stdout(), "{VERSION}")
}

/// Prints all keywords of options.
pub(crate) fn print_keywords() -> io::Result<()> {
    keywords::print(&mut io::stdout().lock())
}
