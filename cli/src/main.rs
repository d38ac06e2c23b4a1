//! `solvemesh`: the command-line client of a mesh.

mod ampl;
mod args;
mod command_line;
mod commands;
mod doctor;
mod exit;
mod output;
mod sweep;

use std::{env, process::ExitCode};

use clap::CommandFactory as _;
use solvemesh_client::Client;

use crate::{
    ampl::Invocation,
    command_line::{Arguments, Command},
    commands::{
        cancel::cancel, capabilities::capabilities, demo::demo, doctor::doctor, get::get,
        list::list, mesh::mesh, solve::solve, submit::submit, usage::usage, watch::watch,
    },
    exit::{Exit, Failure},
    output::retry_messages::report_retry,
    sweep::sweep,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let exit = match Invocation::of(env::args_os()) {
        Some(invocation) => drive(invocation).await,
        None => run(&Arguments::read()).await,
    };
    exit.unwrap_or_else(|failure| failure.tell()).into()
}

async fn drive(invocation: Invocation) -> Result<Exit, Failure> {
    match invocation {
        Invocation::Version => ampl::print_version()?,
        Invocation::Keywords => ampl::print_keywords()?,
        Invocation::Solve { stub, options } => return ampl::solve(&stub, &options).await,
    }
    Ok(Exit::Done)
}

async fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let connect = || {
        let options = arguments.connection.options()?;
        let client = Client::connect_with(&arguments.gateway, &options)?;
        Ok::<_, Failure>(client.on_retry(report_retry))
    };
    match &arguments.command {
        Command::Solve(args) => solve(&connect()?, args).await,
        Command::Sweep(args) => sweep(&connect()?, args).await,
        Command::Submit(args) => submit(&connect()?, args).await,
        Command::Watch(args) => watch(&connect()?, args).await,
        Command::Get(args) => get(&connect()?, args).await,
        Command::List(args) => list(&connect()?, args).await,
        Command::Cancel(args) => cancel(&connect()?, args).await,
        Command::Mesh(args) => mesh(&connect()?, args).await,
        Command::Capabilities(args) => capabilities(&connect()?, args).await,
        Command::Doctor(args) => doctor(&connect()?, args).await,
        Command::Usage(args) => usage(&connect()?, args).await,
        Command::Demo(args) => demo(&connect()?, args).await,
        Command::Generate { folder } => {
            solvemesh_daemon::write_manual(Arguments::command(), folder)?;
            Ok(Exit::Done)
        }
    }
}
