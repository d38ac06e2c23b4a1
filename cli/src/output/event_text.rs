use std::borrow::Cow;

use solvemesh_client::v1::{
    Failure, Incumbent, JobDescription, JobEvent, JobFinished, JobStarted, LogLines, Progress,
    job_event::Kind,
};

/// Maximum number of values of an incumbent that are printed.
const MAX_VALUES: usize = 20;

use crate::output::{
    json::seconds,
    names, summary,
    table::violation,
    text::{percent, printable, short_number, supported},
};

/// Formats an event as a line: job id, sequence number, what happened, and the attempt from the
/// second on.
pub(crate) fn line(event: &JobEvent) -> String {
    let what = event.kind.as_ref().map_or_else(|| "unknown event".into(), what);
    let attempt = match event.attempt {
        0 | 1 => String::new(),
        later => format!(" (attempt {later})"),
    };
    let line = format!("{} #{} {what}{attempt}", event.job_id, event.sequence);
    printable(&line).into_owned()
}

/// The lines of a solver's log as they are printed, with the number of those that were omitted.
pub(crate) fn log_lines(log: &LogLines) -> impl Iterator<Item = Cow<'_, str>> {
    let omitted = log.omitted_count;
    let note = (omitted > 0).then(|| format!("({omitted} more log lines omitted)").into());
    log.lines.iter().map(|line| printable(line)).chain(note)
}

/// Describes an event, without its job.
pub(crate) fn what(kind: &Kind) -> String {
    match kind {
        Kind::Queued(queued) => match &queued.description {
            Some(description) => format!("queued{}", described(description)),
            None => "queued".into(),
        },
        Kind::Started(JobStarted { worker, start_objective: None }) => {
            format!("started by {worker}")
        }
        Kind::Started(JobStarted { worker, start_objective: Some(objective) }) => {
            format!("started by {worker}, from objective {}", short_number(*objective))
        }
        Kind::Progress(progress) => format!("progress: {}", measures(progress)),
        Kind::CancelRequested(_) => "cancel requested".into(),
        Kind::SolutionPart(part) => {
            format!("solution part {} of {}", i64::from(part.index) + 1, part.count)
        }
        Kind::Incumbent(incumbent) => format!("incumbent: {}", incumbent_text(incumbent)),
        Kind::Log(log) => format!("{} lines of solver log", log.lines.len()),
        Kind::ScenarioResults(answers) => format!("{} scenarios answered", answers.results.len()),
        Kind::AttemptFailed(lost) => format!("attempt failed{}", because(lost.failure.as_ref())),
        Kind::Finished(finished) => finish(finished),
    }
}

fn described(description: &JobDescription) -> String {
    let lane = match description.lane.as_str() {
        "" => String::new(),
        lane => format!(" in lane {lane}"),
    };
    let size = description.size.as_ref().map_or_else(String::new, |size| {
        format!(": {} variables, {} constraints", size.variable_count, size.constraint_count)
    });
    let sweep = description.sweep.as_ref();
    lane + &size
        + &sweep.map_or_else(String::new, |it| format!(", {} scenarios", it.scenario_count))
}

/// Formats the numbers of a progress report that are known. Nodes are preferred to iterations.
pub(crate) fn measures(progress: &Progress) -> String {
    let mut parts = Vec::new();
    parts.extend(progress.objective.map(|x| format!("objective {}", short_number(x))));
    parts.extend(progress.objective_bound.map(|x| format!("bound {}", short_number(x))));
    parts.extend(progress.relative_gap.map(|gap| format!("gap {}", percent(gap))));
    match (progress.node_count(), progress.iteration_count()) {
        (0, 0) => {}
        (0, iterations) => parts.push(format!("{iterations} iterations")),
        (nodes, _) => parts.push(format!("{nodes} nodes")),
    }
    parts.extend(progress.elapsed.as_ref().map(|time| format!("{:.1} s", seconds(time))));
    parts.join("  ")
}

/// Formats the numbers of an incumbent and, if particular variables were requested, their
/// values. A complete incumbent has no indices, and its values are not printed.
fn incumbent_text(incumbent: &Incumbent) -> String {
    let progress = Progress {
        objective: incumbent.objective,
        objective_bound: incumbent.objective_bound,
        relative_gap: incumbent.relative_gap,
        elapsed: incumbent.elapsed,
        ..Progress::default()
    };
    let mut text = measures(&progress);
    if !incumbent.variable_indices.is_empty() {
        let values = incumbent.variable_indices.iter().zip(&incumbent.values).enumerate();
        for (position, (index, value)) in values.take(MAX_VALUES) {
            let name = incumbent.variable_names.get(position);
            let name = name.map_or_else(|| format!("#{index}"), Clone::clone);
            text += &format!("  {name} = {}", short_number(*value));
        }
        if incumbent.values.len() > MAX_VALUES {
            text += "  …";
        }
    }
    text
}

fn finish(finished: &JobFinished) -> String {
    let mut text = format!("finished: {}", names::state(finished.state()).unwrap_or("unknown"));
    let termination = finished.result.as_ref().and_then(|result| result.termination.as_ref());
    if let Some(termination) = termination {
        for name in [names::reason(termination.reason()), names::limit(termination.limit())] {
            text.extend(name.map(|name| format!(" {name}")));
        }
        let violation = finished.result.as_ref().map_or(0.0, violation);
        let objective = |x| format!("  objective {}", supported(x, violation));
        text.extend(termination.objective.map(objective));
    }
    text.extend(finished.sweep_summary.as_ref().map(|sweep| format!("  {}", summary::line(sweep))));
    text + &because(finished.failure.as_ref())
}

fn because(failure: Option<&Failure>) -> String {
    failure.map_or_else(String::new, |f| format!(": {}: {}", f.reason, f.message))
}

#[cfg(test)]
mod tests {
    use solvemesh_client::v1::{JobAttemptFailed, JobState};

    use super::*;

    fn event(attempt: i32, kind: Kind) -> JobEvent {
        JobEvent {
            job_id: "j".into(),
            sequence: 3,
            attempt,
            kind: Some(kind),
            ..JobEvent::default()
        }
    }

    #[test]
    fn a_line_names_job_sequence_and_event() {
        let started = JobStarted { worker: "w\u{7}".into(), start_objective: None };
        assert_eq!(line(&event(1, Kind::Started(started.clone()))), "j #3 started by w\\u{7}");
        let again = Kind::Started(JobStarted { start_objective: Some(7.0), ..started });
        let expected = "j #3 started by w\\u{7}, from objective 7 (attempt 2)";
        assert_eq!(line(&event(2, again)), expected);
    }

    #[test]
    fn unknown_numbers_of_progress_are_omitted() {
        let progress = Progress {
            objective: Some(12.0),
            relative_gap: Some(0.125),
            node_count: Some(7),
            ..Progress::default()
        };
        assert_eq!(measures(&progress), "objective 12  gap 12.5%  7 nodes");
    }

    #[test]
    fn an_incumbent_shows_the_requested_variables() {
        let whole = Incumbent {
            objective: Some(12.0),
            objective_bound: Some(16.0),
            values: vec![1.0, 2.0],
            variable_names: vec!["x".into(), "y".into()],
            ..Incumbent::default()
        };
        assert_eq!(what(&Kind::Incumbent(whole.clone())), "incumbent: objective 12  bound 16");
        let chosen = Incumbent { variable_indices: vec![0, 1], ..whole };
        let expected = "incumbent: objective 12  bound 16  x = 1  y = 2";
        assert_eq!(what(&Kind::Incumbent(chosen.clone())), expected);
        let unnamed = Incumbent { variable_names: Vec::new(), ..chosen };
        let expected = "incumbent: objective 12  bound 16  #0 = 1  #1 = 2";
        assert_eq!(what(&Kind::Incumbent(unnamed)), expected);
    }

    #[test]
    fn failures_have_reason_and_message() {
        let failure = Some(Failure { reason: "SOLVER_HUNG".into(), message: "killed".into() });
        let lost = Kind::AttemptFailed(JobAttemptFailed { failure: failure.clone() });
        assert_eq!(line(&event(1, lost)), "j #3 attempt failed: SOLVER_HUNG: killed");
        let finished =
            JobFinished { state: JobState::Failed.into(), failure, ..JobFinished::default() };
        let expected = "j #3 finished: FAILED: SOLVER_HUNG: killed";
        assert_eq!(line(&event(1, Kind::Finished(finished.into()))), expected);
    }
}
