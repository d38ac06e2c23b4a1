//! The command line as a whole: the global flags and the subcommands.

use std::{env, path::PathBuf};

use clap::{Arg, Args as _, CommandFactory, FromArgMatches, Parser, Subcommand};
use solvemesh_broker::exit_without_passwords;

use crate::{
    args::connection::ConnectionArgs,
    commands::{
        cancel::CancelArgs, capabilities::CapabilitiesArgs, demo::DemoArgs, doctor::DoctorArgs,
        get::GetArgs, list::ListArgs, mesh::MeshArgs, solve::SolveArgs, submit::SubmitArgs,
        usage::UsageArgs, watch::WatchArgs,
    },
    exit::{EXIT_CODES, Failure},
    sweep::SweepArgs,
};

/// The gateway of a mesh on this machine.
pub(crate) const DEFAULT_GATEWAY: &str = "http://127.0.0.1:50051";

/// Solve optimisation models on a mesh of workers
///
/// Results go to standard output, progress and messages to standard error. Every flag can
/// also be set by the environment variable that its help names; the flag takes precedence.
#[derive(Debug, Parser)]
#[command(name = "solvemesh", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Arguments {
    /// Connect to the gateway at this URL
    #[arg(
        long,
        env = "SOLVEMESH_GATEWAY",
        default_value = DEFAULT_GATEWAY,
        value_name = "URL",
        global = true
    )]
    pub(crate) gateway: String,

    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,

    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Arguments {
    /// Parses the command line and the environment, in which an empty variable counts as not
    /// set. Exits the process if they are invalid or ask for help.
    pub(crate) fn read() -> Self {
        let matches = without_empty_variables(Self::command()).try_get_matches();
        // The URL of a broker has a password, and clap quotes arguments in errors.
        matches
            .and_then(|matches| Self::from_arg_matches(&matches))
            .unwrap_or_else(|error| exit_without_passwords(&error))
    }
}

/// How to connect, by the environment alone: for driver mode, whose command line has no flags.
///
/// # Errors
///
/// If a variable is invalid.
pub(crate) fn connection_of_environment() -> Result<ConnectionArgs, Failure> {
    let command = ConnectionArgs::augment_args(clap::Command::new("solvemesh"));
    let matches = without_empty_variables(command).try_get_matches_from(["solvemesh"]);
    matches
        .and_then(|matches| ConnectionArgs::from_arg_matches(&matches))
        .map_err(|error| Failure::Usage(error.to_string()))
}

/// Detaches flags from environment variables that are empty, since clap would parse the empty
/// string as their value.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty =
        |arg: &Arg| arg.get_env().and_then(env::var_os).is_some_and(|value| value.is_empty());
    command
        .mut_args(|arg| if is_empty(&arg) { arg.env(None) } else { arg })
        .mut_subcommands(without_empty_variables)
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Submit a model, wait for the job to finish and print its result
    ///
    /// The first Ctrl-C cancels the job and waits for the best solution so far; the second exits
    /// without waiting.
    Solve(SolveArgs),
    /// Solve a model for many scenarios and print their results as they arrive
    ///
    /// The first Ctrl-C cancels the job and waits for the results so far; the second exits without
    /// waiting.
    Sweep(SweepArgs),
    /// Submit a model and print the id of its job, without waiting
    Submit(SubmitArgs),
    /// Wait for jobs to finish and print their results
    ///
    /// Works before, during and after the solve. Ctrl-C leaves the jobs running.
    Watch(WatchArgs),
    /// Print the current state of jobs, without waiting
    Get(GetArgs),
    /// List jobs, newest first
    List(ListArgs),
    /// Cancel a job; a running one stops with its best solution so far
    Cancel(CancelArgs),
    /// Print the state of the mesh: its lanes, workers and gateways
    ///
    /// The state is that of the gateway that responds, which is marked. A wait after ≈ is an
    /// estimate from the latest jobs of the lane. On a terminal, lines are cut off at its width.
    Mesh(MeshArgs),
    /// Check a gateway and, with --amqp, a broker, and print what is wrong and what to do
    ///
    /// Nothing is changed. Exits with 1 if there are errors, and with 0 if there are only warnings.
    Doctor(DoctorArgs),
    /// Print the solvers, options and limits of the mesh
    Capabilities(CapabilitiesArgs),
    /// Print the queued and running jobs, and the solver time of past days, by tenant and key
    ///
    /// A caller sees its own tenant, an admin all tenants. Days are in UTC.
    Usage(UsageArgs),
    /// Solve a small example and print its events as they arrive
    ///
    /// The example is the Wyndor Glass product mix: two products, three plants.
    Demo(DemoArgs),
    /// Write man pages and shell completions into a folder
    Generate {
        /// The folder; created if it does not exist
        folder: PathBuf,
    },
}
