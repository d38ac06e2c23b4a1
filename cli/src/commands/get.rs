use std::io::{self, BufWriter, Write};

use clap::{Args, builder::BoolishValueParser};
use solvemesh_client::{
    Client, Error,
    v1::{Job, ModelSize},
};

use crate::{
    args::output::JsonArgs,
    commands::export::ExportArgs,
    exit::{Exit, Failure},
    output::{
        event_text::measures,
        json, names, queue, summary,
        table::{result_facts, violation, write_contradiction, write_facts, write_solution},
        terminal::Terminal,
        text::to_the_second,
    },
};

/// Arguments of `get`.
#[derive(Args, Debug)]
pub(crate) struct GetArgs {
    /// Ids of the jobs; with several, the exit code is the highest of theirs
    #[arg(value_name = "JOB", required = true)]
    jobs: Vec<String>,
    #[command(flatten)]
    json: JsonArgs,

    /// Include variables and constraints at zero in tables
    #[arg(long, env = "SOLVEMESH_ALL", value_parser = BoolishValueParser::new())]
    all: bool,

    #[command(flatten)]
    export: ExportArgs,
}

/// Prints the current state of jobs. A job that does not exist is reported on standard error
/// without keeping the others from being printed.
pub(crate) async fn get(client: &Client, args: &GetArgs) -> Result<Exit, Failure> {
    if args.export.is_set() && args.jobs.len() > 1 {
        return Err(Failure::Usage("--sol writes the solution of one job, not of several".into()));
    }
    let (mut exit, mut further) = (Exit::Done, false);
    for id in &args.jobs {
        match client.get(id).await {
            Ok(job) => {
                write(&job, args, further)?;
                args.export.write(client, &job).await?;
                further = true;
            }
            Err(error @ Error::Rejected(_)) => exit = exit.max(Failure::from(error).tell()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(exit)
}

fn write(job: &Job, args: &GetArgs, further: bool) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    if args.json.json {
        json::write_job(&mut out, job, true)?;
    } else {
        if further {
            writeln!(out)?;
        }
        write_facts(&mut out, &facts(job))?;
        if let Some(result) = &job.result {
            write_contradiction(&mut out, result)?;
        }
        if let Some(solution) = job.result.as_ref().and_then(|result| result.solution.as_ref()) {
            let violation = job.result.as_ref().map_or(0.0, violation);
            write_solution(&mut out, solution, violation, args.all)?;
        }
    }
    out.flush()?;
    if job.solution_omitted {
        let hint = format!("the solution is too large for one response: use watch {}", job.job_id);
        Terminal::new(false).say(&hint);
    }
    Ok(())
}

/// The size of a model, as text.
pub(crate) fn size(size: &ModelSize) -> String {
    let (n, m, k) = (size.variable_count, size.constraint_count, size.nonzero_count);
    format!("{n} variables ({} integer), {m} constraints, {k} nonzeros", size.integer_count)
}

fn facts(job: &Job) -> Vec<(&'static str, String)> {
    let state = names::state(job.state()).unwrap_or("unknown");
    let state =
        if job.cancel_requested { format!("{state}, cancel requested") } else { state.into() };
    let mut facts = vec![("job", job.job_id.clone()), ("state", state)];
    facts.extend(job.queue_position.as_ref().map(|position| ("queue", queue::text(position))));
    if let Some(description) = &job.description {
        facts.push(("name", description.model_name.clone()));
        let labels = description.labels.iter().map(|(key, value)| format!("{key}={value}"));
        facts.push(("labels", labels.collect::<Vec<_>>().join(" ")));
        facts.push(("request id", description.request_id.clone()));
        facts.push(("lane", description.lane.clone()));
        facts.push(("trace", description.trace_id.clone()));
        facts.extend(description.size.as_ref().map(|counts| ("size", size(counts))));
        facts.extend(description.warnings.iter().map(|warning| ("warning", warning.clone())));
    }
    for (name, time) in [
        ("submitted", &job.submit_time),
        ("started", &job.start_time),
        ("finished", &job.finish_time),
    ] {
        facts.extend(time.as_ref().map(|time| (name, to_the_second(time))));
    }
    if job.attempt > 0 {
        facts.push(("attempt", job.attempt.to_string()));
        facts.push(("worker", job.worker.clone()));
    }
    match (&job.result, &job.progress) {
        (Some(result), _) => facts.extend(result_facts(result)),
        (None, Some(progress)) => facts.push(("progress", measures(progress))),
        (None, None) => {}
    }
    facts.extend(job.sweep_summary.iter().flat_map(|sweep| summary::facts(sweep, |_| None)));
    facts.extend(job.failure.as_ref().map(|f| ("failure", format!("{}: {}", f.reason, f.message))));
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

#[cfg(test)]
mod tests {
    use solvemesh_client::v1::{JobDescription, JobState, Progress, QueuePosition};

    use super::*;

    #[test]
    fn unknown_facts_are_omitted() {
        let description = JobDescription {
            labels: [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())].into(),
            ..JobDescription::default()
        };
        let job = Job {
            job_id: "j".into(),
            state: JobState::Running.into(),
            cancel_requested: true,
            description: Some(description),
            progress: Some(Progress { objective_bound: Some(2.0), ..Progress::default() }),
            ..Job::default()
        };
        let expected = [
            ("job", "j"),
            ("state", "RUNNING, cancel requested"),
            ("labels", "a=1 b=2"),
            ("progress", "bound 2"),
        ];
        assert_eq!(facts(&job), expected.map(|(name, value)| (name, value.to_owned())));
    }

    #[test]
    fn a_queued_job_has_its_position() {
        let position = QueuePosition { jobs_ahead_count: 1, estimated_wait: None };
        let state = JobState::Queued.into();
        let job = Job { state, queue_position: Some(position), ..Job::default() };
        let expected = [("state", "QUEUED"), ("queue", "1 job ahead")];
        assert_eq!(facts(&job), expected.map(|(name, value)| (name, value.to_owned())));
    }
}
