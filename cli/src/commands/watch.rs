use std::{
    collections::BTreeMap,
    io::{self, BufWriter, Write},
    pin::pin,
};

use clap::Args;
use solvemesh_client::{
    Client,
    v1::{JobDescription, ScenarioResult},
};
use tokio::{select, signal::ctrl_c};

use crate::{
    args::output::{LiveArgs, ReportArgs},
    commands::follow::{Follow, JobUpdate},
    exit::{Exit, Failure},
    output::{report::report, terminal::Terminal},
    sweep::{Format, Rows},
};

/// Arguments of `watch`.
#[derive(Args, Debug)]
pub(crate) struct WatchArgs {
    /// Ids of the jobs; with several, the exit code is the highest of theirs
    #[arg(value_name = "JOB", required = true)]
    jobs: Vec<String>,
    #[command(flatten)]
    report: ReportArgs,
    #[command(flatten)]
    live: LiveArgs,
}

/// Waits for jobs and prints each result as it arrives. Ctrl-C exits and leaves the jobs running.
pub(crate) async fn watch(client: &Client, args: &WatchArgs) -> Result<Exit, Failure> {
    let screen = Terminal::new(args.report.verbose).telling(args.live);
    let mut follow = Follow::new(client, &args.jobs, screen);
    let mut interrupt = pin!(ctrl_c());
    let mut exit = Exit::Done;
    let mut sweeps = Sweeps::new(args);
    loop {
        select! {
            news = follow.news() => match news? {
                Some(JobUpdate::Queued { job_id, description }) => sweeps.queued(job_id, &description),
                Some(JobUpdate::Answers { job_id, results }) => sweeps.answers(&job_id, &results)?,
                Some(JobUpdate::Ended(outcome)) => {
                    sweeps.ended()?;
                    exit = exit.max(report(&outcome, args.report, &mut follow.screen)?);
                }
                None => return Ok(exit),
            },
            _ = &mut interrupt => {
                follow.screen.say(&format!("interrupted; {}", follow.again()));
                return Ok(Exit::Interrupted);
            }
        }
    }
}

/// Prints the scenario results of the sweeps among the jobs.
struct Sweeps {
    format: Format,
    several: bool,
    rows: BTreeMap<String, Rows<'static>>,
    /// The job whose rows were printed last in a table, until a job finishes. Rows of another
    /// job need a new header.
    last: Option<String>,
}

impl Sweeps {
    fn new(args: &WatchArgs) -> Self {
        let format = if args.report.json { Format::Json } else { Format::Table };
        Self { format, several: args.jobs.len() > 1, rows: BTreeMap::new(), last: None }
    }

    fn queued(&mut self, job_id: String, description: &JobDescription) {
        if description.sweep.is_some() {
            let rows = Rows::new(self.format, &job_id, description, None);
            self.rows.insert(job_id, rows);
        }
    }

    fn answers(&mut self, job_id: &str, results: &[ScenarioResult]) -> io::Result<()> {
        let mut out = BufWriter::new(io::stdout().lock());
        let rows = self.rows.entry(job_id.to_owned());
        let rows = rows
            .or_insert_with(|| Rows::new(self.format, job_id, &JobDescription::default(), None));
        if self.format == Format::Table && self.last.as_deref() != Some(job_id) {
            if self.several {
                writeln!(out, "job {job_id}")?;
            }
            rows.repeat_header();
            self.last = Some(job_id.to_owned());
        }
        rows.write(&mut out, results)?;
        out.flush()
    }

    /// Separates the result of a job from the rows above it by an empty line.
    fn ended(&mut self) -> io::Result<()> {
        self.last.take().map_or(Ok(()), |_| writeln!(io::stdout()))
    }
}
