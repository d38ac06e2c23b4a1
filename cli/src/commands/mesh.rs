use std::{
    io::{self, Write},
    pin::pin,
    time::Duration,
};

use clap::{Args, builder::BoolishValueParser};
use solvemesh_client::{Client, Code, Error, MeshUpdate, MeshWatch, v1::MeshState};
use tokio::{select, signal::ctrl_c};

use crate::{
    args::output::JsonArgs,
    exit::{Exit, Failure},
    output::{
        frames::{Frames, print_once},
        mesh_json, mesh_table, retry_messages,
        terminal::Terminal,
    },
};

/// The intervals that a gateway accepts, in seconds.
const INTERVALS: std::ops::RangeInclusive<f64> = 0.5..=3600.0;

/// Arguments of `mesh`.
#[derive(Args, Debug)]
pub(crate) struct MeshArgs {
    /// Refresh the state until Ctrl-C
    ///
    /// On a terminal, each state replaces the last one; elsewhere it is appended.
    #[arg(short, long, env = "SOLVEMESH_WATCH", value_parser = BoolishValueParser::new())]
    watch: bool,

    /// Refresh every this many seconds, with --watch; from 0.5 to 3600
    #[arg(
        long,
        env = "SOLVEMESH_INTERVAL",
        value_name = "SECONDS",
        default_value = "2",
        allow_negative_numbers = true,
        value_parser = interval
    )]
    interval: Duration,

    #[command(flatten)]
    json: JsonArgs,
}

/// Prints the state of the mesh: once, or with `--watch` until Ctrl-C.
pub(crate) async fn mesh(client: &Client, args: &MeshArgs) -> Result<Exit, Failure> {
    let json = args.json.json;
    let done = if args.watch {
        follow(client.watch_mesh().interval(args.interval), json).await
    } else {
        print(client, json).await
    };
    if let Err(Failure::Client(Error::Rejected(rejection))) = &done
        && rejection.code == Code::Unimplemented
    {
        Terminal::new(false).say("the gateway is too old: it does not know the state of the mesh");
    }
    done
}

async fn print(client: &Client, json: bool) -> Result<Exit, Failure> {
    let state = client.mesh().await?;
    if json {
        mesh_json::write_mesh(&mut io::stdout().lock(), &state)?;
    } else {
        print_once(&text(&state)?)?;
    }
    Ok(Exit::Done)
}

async fn follow(mut watch: MeshWatch, json: bool) -> Result<Exit, Failure> {
    let mut interrupt = pin!(ctrl_c());
    let mut screen = Screen::new(json);
    loop {
        select! {
            update = watch.update() => match update {
                Some(update) => screen.take(update?)?,
                None => return Ok(Exit::Done),
            },
            _ = &mut interrupt => return Ok(Exit::Interrupted),
        }
    }
}

/// Where the updates of a watched mesh are printed.
struct Screen {
    json: bool,
    frames: Frames,
    messages: Terminal,
    /// Whether a state was received, so that a lost stream is reported as lost and not as a mesh
    /// that does not respond.
    served: bool,
}

impl Screen {
    fn new(json: bool) -> Self {
        Self { json, frames: Frames::default(), messages: Terminal::new(false), served: false }
    }

    fn take(&mut self, update: MeshUpdate) -> io::Result<()> {
        match update {
            MeshUpdate::State(state) => {
                self.served = true;
                return self.show(&state);
            }
            MeshUpdate::Lost { cause, remaining_budget } if self.served => {
                self.say(&retry_messages::lost(&cause, remaining_budget));
            }
            MeshUpdate::Lost { cause, remaining_budget } => {
                self.say(&retry_messages::unanswered(&cause, remaining_budget));
            }
            MeshUpdate::Restored => self.say("event stream restored"),
        }
        Ok(())
    }

    fn show(&mut self, state: &MeshState) -> io::Result<()> {
        if self.json {
            let mut out = io::stdout().lock();
            mesh_json::write_mesh(&mut out, state)?;
            return out.flush();
        }
        self.frames.show(&text(state)?)
    }

    fn say(&mut self, message: &str) {
        self.messages.say(message);
        self.frames.keep_last();
    }
}

/// Formats the state as tables.
fn text(state: &MeshState) -> io::Result<String> {
    let mut text = Vec::new();
    mesh_table::write_mesh(&mut text, state)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn interval(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| INTERVALS.contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "must be a number from 0.5 to 3600".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_within_the_range_of_the_gateway() {
        assert_eq!(interval("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(interval("3600"), Ok(Duration::from_secs(3600)));
        for bad in ["0.49", "3601", "-1", "nan", "inf", ""] {
            assert!(interval(bad).is_err(), "{bad}");
        }
    }
}
