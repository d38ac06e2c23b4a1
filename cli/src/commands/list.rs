use std::{
    io::{self, BufWriter, Write},
    pin::pin,
};

use clap::{Args, ValueEnum};
use futures::TryStreamExt;
use solvemesh_client::{
    Client,
    v1::{Job, JobDescription, JobFilter, JobState, JobView, ListJobsRequest},
};

use crate::{
    args::output::JsonArgs,
    args::values::{label, unique},
    exit::{Exit, Failure},
    output::{
        json, names, queue,
        table::{Column, write_columns},
        terminal::Terminal,
        text::{number, to_the_second},
    },
};

/// Maximum number of jobs per page.
const PAGE: u32 = 200;

/// Arguments of `list`.
#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// List only jobs in this state; may be repeated, or separated by commas
    #[arg(long, env = "SOLVEMESH_STATE", value_name = "STATE", value_delimiter = ',')]
    state: Vec<State>,

    /// List only jobs with this label; may be repeated
    ///
    /// In the environment variable, write one label per line.
    #[arg(
        long = "label",
        env = "SOLVEMESH_LABEL",
        value_name = "KEY=VALUE",
        value_delimiter = '\n',
        value_parser = label
    )]
    labels: Vec<(String, String)>,

    /// List at most this many jobs
    #[arg(
        long,
        env = "SOLVEMESH_LIMIT",
        value_name = "N",
        default_value_t = 50,
        allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    limit: u32,

    #[command(flatten)]
    json: JsonArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    Queued,
    Running,
    Succeeded,
    Failed,
    Cancelled,
    Expired,
}

impl State {
    fn to_wire(self) -> JobState {
        match self {
            Self::Queued => JobState::Queued,
            Self::Running => JobState::Running,
            Self::Succeeded => JobState::Succeeded,
            Self::Failed => JobState::Failed,
            Self::Cancelled => JobState::Cancelled,
            Self::Expired => JobState::Expired,
        }
    }
}

/// Lists jobs, newest first. JSON is printed as the pages arrive; a table is printed at the end,
/// since the widths of its columns depend on all rows.
pub(crate) async fn list(client: &Client, args: &ListArgs) -> Result<Exit, Failure> {
    let request = ListJobsRequest {
        // One more than the limit, to see whether there are more.
        page_size: i32::try_from(args.limit.saturating_add(1).min(PAGE)).unwrap_or(i32::MAX),
        filter: Some(JobFilter {
            states: args.state.iter().map(|state| state.to_wire().into()).collect(),
            labels: unique("--label", &args.labels)?,
        }),
        view: JobView::Basic.into(),
        ..ListJobsRequest::default()
    };
    let mut jobs = pin!(client.list(request));
    let mut table = Vec::new();
    let mut out = BufWriter::new(io::stdout());
    let mut count = 0;
    let more = loop {
        let Some(job) = jobs.try_next().await? else { break false };
        if count == args.limit {
            break true;
        }
        count += 1;
        if args.json.json {
            json::write_job(&mut out, &job, false)?;
        } else {
            table.push(job);
        }
    };
    if !args.json.json {
        write_table(&mut out, &table)?;
    }
    out.flush()?;
    if more {
        Terminal::new(false).say(&format!("more than {count} jobs match; list more with --limit"));
    }
    Ok(Exit::Done)
}

fn write_table(out: &mut impl Write, jobs: &[Job]) -> io::Result<()> {
    let text = |of: fn(&Job) -> String| move |row: usize| jobs.get(row).map(of).unwrap_or_default();
    let columns = [
        Column::texts("job", text(|job| job.job_id.clone())),
        Column::texts("state", text(|job| names::state(job.state()).unwrap_or("unknown").into())),
        Column::texts("reason", text(|job| reason(job).unwrap_or_default())),
        Column::texts("objective", text(|job| objective(job).map(number).unwrap_or_default())),
        Column::texts(
            "submitted",
            text(|job| job.submit_time.as_ref().map(to_the_second).unwrap_or_default()),
        ),
        Column::texts("name", text(|job| description(job, |d| d.model_name.clone()))),
    ];
    write_columns(out, &columns, &(0..jobs.len()).collect::<Vec<_>>())
}

fn description(job: &Job, of: impl Fn(&JobDescription) -> String) -> String {
    job.description.as_ref().map(of).unwrap_or_default()
}

/// The place of a queued job, the reason of a failure, the progress of a sweep, or the termination reason of a solve.
fn reason(job: &Job) -> Option<String> {
    if let Some(position) = &job.queue_position {
        return Some(queue::cell(position));
    }
    if let Some(failure) = &job.failure {
        return Some(failure.reason.clone());
    }
    if let Some(sweep) = &job.sweep_summary {
        return Some(format!("{}/{} scenarios", sweep.answered_count, sweep.scenario_count));
    }
    Some(names::reason(job.result.as_ref()?.termination.as_ref()?.reason())?.to_owned())
}

/// The objective of the best solution so far or, for a sweep, of its best scenario.
fn objective(job: &Job) -> Option<f64> {
    if let Some(sweep) = &job.sweep_summary {
        return sweep.best.as_ref()?.objective;
    }
    match &job.result {
        Some(result) => result.termination.as_ref()?.objective,
        None => job.progress.as_ref()?.objective,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use solvemesh_client::v1::{Progress, QueuePosition, ScenarioExtreme, SweepSummary};

    use super::*;

    #[test]
    fn jobs_are_listed_a_line_each() {
        let progress = Progress { objective: Some(7.0), ..Progress::default() };
        let running = Job {
            job_id: "long id".into(),
            state: JobState::Running.into(),
            progress: Some(progress),
            submit_time: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 999 }),
            ..Job::default()
        };
        let position = QueuePosition {
            jobs_ahead_count: 3,
            estimated_wait: Some(prost_types::Duration { seconds: 40, nanos: 0 }),
        };
        let queued = Job {
            job_id: "j".into(),
            state: JobState::Queued.into(),
            queue_position: Some(position),
            ..Job::default()
        };
        let best = Some(ScenarioExtreme { objective: Some(5.0), ..ScenarioExtreme::default() });
        let summary =
            SweepSummary { scenario_count: 9, answered_count: 3, best, ..SweepSummary::default() };
        let sweep = Job { job_id: "s".into(), sweep_summary: Some(summary), ..running.clone() };
        let mut out = Vec::new();
        write_table(&mut out, &[running, queued, sweep]).unwrap();
        let expected = "job      state    reason           objective  submitted             name\n\
                        long id  RUNNING                   7          2023-11-14T22:13:20Z\n\
                        j        QUEUED   3 ahead, ≈ 40 s\n\
                        s        RUNNING  3/9 scenarios    5          2023-11-14T22:13:20Z\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
