//! `solvemesh`: the command line of a mesh.

mod cli;

use std::process::ExitCode;

use solvemesh_client::Client;

use cli::{Arguments, Command, Exit, Failure};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::read();
    run(&arguments).await.unwrap_or_else(|failure| failure.tell()).into()
}

async fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let client = Client::connect(&arguments.gateway)?.on_setback(cli::tell_setback);
    match &arguments.command {
        Command::Solve(args) => cli::solve(&client, args).await,
        Command::Sweep(args) => cli::sweep(&client, args).await,
        Command::Submit(args) => cli::submit(&client, args).await,
        Command::Watch(args) => cli::watch(&client, args).await,
        Command::Get(args) => cli::get(&client, args).await,
        Command::List(args) => cli::list(&client, args).await,
        Command::Cancel(args) => cli::cancel(&client, args).await,
        Command::Capabilities(args) => cli::capabilities(&client, args).await,
        Command::Demo(args) => cli::demo(&client, args).await,
    }
}
