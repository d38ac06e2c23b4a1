//! `solvemesh`: the command-line client of a mesh.

mod args;
mod command_line;
mod commands;
mod exit;
mod output;
mod sweep;

use std::process::ExitCode;

use solvemesh_client::Client;

use crate::{
    command_line::{Arguments, Command},
    commands::{
        cancel::cancel, capabilities::capabilities, demo::demo, get::get, list::list, solve::solve,
        submit::submit, watch::watch,
    },
    exit::{Exit, Failure},
    output::retry_messages::report_retry,
    sweep::sweep,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::read();
    run(&arguments).await.unwrap_or_else(|failure| failure.tell()).into()
}

async fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let client = Client::connect(&arguments.gateway)?.on_retry(report_retry);
    match &arguments.command {
        Command::Solve(args) => solve(&client, args).await,
        Command::Sweep(args) => sweep(&client, args).await,
        Command::Submit(args) => submit(&client, args).await,
        Command::Watch(args) => watch(&client, args).await,
        Command::Get(args) => get(&client, args).await,
        Command::List(args) => list(&client, args).await,
        Command::Cancel(args) => cancel(&client, args).await,
        Command::Capabilities(args) => capabilities(&client, args).await,
        Command::Demo(args) => demo(&client, args).await,
    }
}
