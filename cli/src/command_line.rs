//! The command line as a whole: the global flags and the commands.

use std::env;

use clap::{Arg, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::{
    commands::{
        cancel::CancelArgs, capabilities::CapabilitiesArgs, demo::DemoArgs, get::GetArgs,
        list::ListArgs, solve::SolveArgs, submit::SubmitArgs, watch::WatchArgs,
    },
    exit::EXIT_CODES,
    sweep::SweepArgs,
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
