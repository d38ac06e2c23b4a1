use clap::{Args, builder::BoolishValueParser};

/// How the end of a job is told.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct ReportArgs {
    /// Print one JSON object a job, on a line of its own
    #[arg(long, env = "SOLVEMESH_JSON", value_parser = BoolishValueParser::new())]
    pub(crate) json: bool,

    /// Show variables and duals that are zero too
    #[arg(long, env = "SOLVEMESH_ALL", value_parser = BoolishValueParser::new())]
    pub(crate) all: bool,

    /// Print every event as a line on standard error
    #[arg(short, long, env = "SOLVEMESH_VERBOSE", value_parser = BoolishValueParser::new())]
    pub(crate) verbose: bool,
}

/// What is told of how a solve goes.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct LiveArgs {
    /// Print every better solution as a line on standard error
    #[arg(long, env = "SOLVEMESH_INCUMBENTS", value_parser = BoolishValueParser::new())]
    pub(crate) incumbents: bool,

    /// Print the solver's log on standard error, where the job keeps one
    #[arg(long, env = "SOLVEMESH_SOLVER_LOG", value_parser = BoolishValueParser::new())]
    pub(crate) log: bool,
}

/// Whether to print JSON.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct JsonArgs {
    /// Print one JSON object a job, on a line of its own
    #[arg(long, env = "SOLVEMESH_JSON", value_parser = BoolishValueParser::new())]
    pub(crate) json: bool,
}
