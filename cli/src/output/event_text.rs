use solvemesh_client::v1::{
    Event, Failure, Finished, Incumbent, JobDescription, Progress, Started, event::Kind,
};

/// The most values of an incumbent on its line.
const VALUES: usize = 20;

use crate::output::{
    json::seconds,
    names, summary,
    table::violation,
    text::{percent, printable, short_number, supported},
};

/// An event as a line: the job, its number, what happened.
pub(crate) fn line(event: &Event) -> String {
    let what = event.kind.as_ref().map_or_else(|| "something happened".into(), what);
    let attempt = match event.attempt {
        0 | 1 => String::new(),
        later => format!(" (attempt {later})"),
    };
    let line = format!("{} #{} {what}{attempt}", event.job_id, event.sequence);
    printable(&line).into_owned()
}

/// What happened, for people.
pub(crate) fn what(kind: &Kind) -> String {
    match kind {
        Kind::Queued(queued) => match &queued.description {
            Some(description) => format!("queued{}", described(description)),
            None => "queued".into(),
        },
        Kind::Started(Started { worker, start_objective: None }) => format!("started by {worker}"),
        Kind::Started(Started { worker, start_objective: Some(objective) }) => {
            format!("started by {worker}, from objective {}", short_number(*objective))
        }
        Kind::Progress(progress) => format!("progress: {}", measures(progress)),
        Kind::CancelRequested(_) => "cancel requested".into(),
        Kind::SolutionPart(part) => {
            format!("solution part {} of {}", i64::from(part.index) + 1, part.count)
        }
        Kind::Incumbent(incumbent) => format!("incumbent: {}", better(incumbent)),
        Kind::Log(log) => format!("{} lines of the solver's log", log.lines.len()),
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
        format!(": {} variables, {} constraints", size.variables, size.constraints)
    });
    let sweep = description.sweep.as_ref();
    lane + &size + &sweep.map_or_else(String::new, |it| format!(", {} scenarios", it.scenarios))
}

/// The numbers of a progress that are known.
pub(crate) fn measures(progress: &Progress) -> String {
    let mut parts = Vec::new();
    parts.extend(progress.objective.map(|x| format!("objective {}", short_number(x))));
    parts.extend(progress.bound.map(|x| format!("bound {}", short_number(x))));
    parts.extend(progress.gap.map(|gap| format!("gap {}", percent(gap))));
    if progress.nodes > 0 {
        parts.push(format!("{} nodes", progress.nodes));
    } else if progress.iterations > 0 {
        parts.push(format!("{} iterations", progress.iterations));
    }
    parts.extend(progress.elapsed.as_ref().map(|time| format!("{:.1} s", seconds(time))));
    parts.join("  ")
}

/// An incumbent's numbers, and its values where some variables were asked for.
fn better(incumbent: &Incumbent) -> String {
    let progress = Progress {
        objective: Some(incumbent.objective),
        bound: incumbent.bound,
        gap: incumbent.gap,
        elapsed: incumbent.elapsed,
        ..Progress::default()
    };
    let mut text = measures(&progress);
    if !incumbent.variable_indices.is_empty() {
        let values = incumbent.variable_names.iter().zip(&incumbent.values);
        for (name, value) in values.take(VALUES) {
            text += &format!("  {name} = {}", short_number(*value));
        }
        if incumbent.values.len() > VALUES {
            text += "  …";
        }
    }
    text
}

fn finish(finished: &Finished) -> String {
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
    text.extend(finished.sweep.as_ref().map(|sweep| format!("  {}", summary::line(sweep))));
    text + &because(finished.failure.as_ref())
}

fn because(failure: Option<&Failure>) -> String {
    failure.map_or_else(String::new, |f| format!(": {}: {}", f.reason, f.message))
}

#[cfg(test)]
mod tests {
    use solvemesh_client::v1::{AttemptFailed, JobState};

    use super::*;

    fn event(attempt: i32, kind: Kind) -> Event {
        Event { job_id: "j".into(), sequence: 3, attempt, kind: Some(kind), ..Event::default() }
    }

    #[test]
    fn a_line_names_job_sequence_and_event() {
        let started = Started { worker: "w\u{7}".into(), start_objective: None };
        assert_eq!(line(&event(1, Kind::Started(started.clone()))), "j #3 started by w\\u{7}");
        let again = Kind::Started(Started { start_objective: Some(7.0), ..started });
        let expected = "j #3 started by w\\u{7}, from objective 7 (attempt 2)";
        assert_eq!(line(&event(2, again)), expected);
    }

    #[test]
    fn progress_tells_what_is_known() {
        let progress =
            Progress { objective: Some(12.0), gap: Some(0.125), nodes: 7, ..Progress::default() };
        assert_eq!(measures(&progress), "objective 12  gap 12.5%  7 nodes");
    }

    #[test]
    fn an_incumbent_shows_the_variables_that_were_asked_for() {
        let whole = Incumbent {
            objective: 12.0,
            bound: Some(16.0),
            values: vec![1.0, 2.0],
            variable_names: vec!["x".into(), "y".into()],
            ..Incumbent::default()
        };
        assert_eq!(what(&Kind::Incumbent(whole.clone())), "incumbent: objective 12  bound 16");
        let chosen = Incumbent { variable_indices: vec![0, 1], ..whole };
        let expected = "incumbent: objective 12  bound 16  x = 1  y = 2";
        assert_eq!(what(&Kind::Incumbent(chosen)), expected);
    }

    #[test]
    fn failures_say_why() {
        let failure = Some(Failure { reason: "SOLVER_HUNG".into(), message: "killed".into() });
        let lost = Kind::AttemptFailed(AttemptFailed { failure: failure.clone() });
        assert_eq!(line(&event(1, lost)), "j #3 attempt failed: SOLVER_HUNG: killed");
        let finished = Finished { state: JobState::Failed.into(), failure, ..Finished::default() };
        let expected = "j #3 finished: FAILED: SOLVER_HUNG: killed";
        assert_eq!(line(&event(1, Kind::Finished(finished))), expected);
    }
}
