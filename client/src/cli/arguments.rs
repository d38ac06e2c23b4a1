use std::env;

use clap::{
    Arg, Args, CommandFactory, FromArgMatches, Parser, Subcommand, builder::BoolishValueParser,
};

use super::{
    cancel::CancelArgs, capabilities::CapabilitiesArgs, demo::DemoArgs, exit::EXIT_CODES,
    get::GetArgs, list::ListArgs, solve::SolveArgs, submit::SubmitArgs, sweep::SweepArgs,
    watch::WatchArgs,
};

/// Solve optimisation models on a mesh of workers
///
/// Data goes to standard output, everything else to standard error. Each flag can
/// also be given as the environment variable that its help names.
#[derive(Debug, Parser)]
#[command(name = "solvemesh", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Arguments {
    /// A gateway of the mesh
    #[arg(
        long,
        env = "SOLVEMESH_GATEWAY",
        default_value = "http://127.0.0.1:50051",
        value_name = "URL",
        global = true
    )]
    pub(crate) gateway: String,

    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Arguments {
    /// Reads the command line and the environment, where an empty variable counts as
    /// none. Ends the program when they ask for what can't be, or for help.
    pub(crate) fn read() -> Self {
        let matches = without_empty_variables(Self::command()).get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty =
        |arg: &Arg| arg.get_env().and_then(env::var_os).is_some_and(|value| value.is_empty());
    command
        .mut_args(|arg| if is_empty(&arg) { arg.env(None) } else { arg })
        .mut_subcommands(without_empty_variables)
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Submit a model, wait for its job to end, print the solution
    Solve(SolveArgs),
    /// Solve a model once for each of many scenarios, print the answers as they come
    Sweep(SweepArgs),
    /// Submit a model and print the id of its job
    Submit(SubmitArgs),
    /// Wait for jobs to end and print their solutions
    Watch(WatchArgs),
    /// Print what is known of jobs now
    Get(GetArgs),
    /// List jobs, the latest first
    List(ListArgs),
    /// End a queued job; stop a running one with the best solution it has
    Cancel(CancelArgs),
    /// Print what the mesh can do: solvers, options, limits
    Capabilities(CapabilitiesArgs),
    /// Solve the Wyndor Glass product mix and show the events as they come
    Demo(DemoArgs),
}

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
