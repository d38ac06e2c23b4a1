use clap::{Args, builder::BoolishValueParser};

/// Flags for the output of a finished job.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct ReportArgs {
    /// Print results as JSON, one object per line
    #[arg(long, env = "SOLVEMESH_JSON", value_parser = BoolishValueParser::new())]
    pub(crate) json: bool,

    /// Include variables and constraints at zero in tables
    #[arg(long, env = "SOLVEMESH_ALL", value_parser = BoolishValueParser::new())]
    pub(crate) all: bool,

    /// Print every event to standard error
    #[arg(short, long, env = "SOLVEMESH_VERBOSE", value_parser = BoolishValueParser::new())]
    pub(crate) verbose: bool,
}

/// Flags for the output of a running solve.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct LiveArgs {
    /// Print every improved solution to standard error
    #[arg(long, env = "SOLVEMESH_INCUMBENTS", value_parser = BoolishValueParser::new())]
    pub(crate) incumbents: bool,

    /// Print the solver's log to standard error
    ///
    /// `watch` has a log to print only if the job was submitted with --log.
    #[arg(long, env = "SOLVEMESH_SOLVER_LOG", value_parser = BoolishValueParser::new())]
    pub(crate) log: bool,
}

/// The flag `--json` of commands that have no other output flags.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct JsonArgs {
    /// Print JSON, one object per line
    #[arg(long, env = "SOLVEMESH_JSON", value_parser = BoolishValueParser::new())]
    pub(crate) json: bool,
}
