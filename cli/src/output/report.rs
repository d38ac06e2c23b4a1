use std::io::{self, BufWriter, Write};

use solvemesh_client::Outcome;

use crate::{
    args::output::ReportArgs,
    exit::Exit,
    output::{json, table, terminal::Terminal, text::printable},
};

/// Prints the outcome of a job to standard output and its warnings to standard error. Returns
/// the exit code for it.
pub(crate) fn report(
    outcome: &Outcome,
    args: ReportArgs,
    screen: &mut Terminal,
) -> io::Result<Exit> {
    if let Some(termination) = outcome.termination() {
        warn(&termination.warnings, screen);
    }
    let mut out = BufWriter::new(io::stdout().lock());
    if args.json {
        json::write_outcome(&mut out, outcome)?;
    } else {
        table::write_outcome(&mut out, outcome, args.all)?;
    }
    out.flush()?;
    Ok(Exit::of_outcome(outcome))
}

/// Prints warnings to standard error.
pub(crate) fn warn(warnings: &[String], screen: &mut Terminal) {
    for warning in warnings {
        screen.say(&format!("warning: {}", printable(warning)));
    }
}
