use std::{collections::BTreeMap, time::Duration};

use solvemesh_client::v1::{JobEvent, JobState, Progress, QueuePosition, job_event::Kind};

use crate::output::{event_text::measures, names, queue, text::brief};

/// The state of the progress line: the latest states and numbers of the watched jobs.
#[derive(Debug)]
pub(crate) struct ProgressLine {
    jobs: BTreeMap<String, JobState>,
    progress: Option<Progress>,
    scenarios: Scenarios,
    /// The place of a single job in its lane, if it is queued.
    position: Option<QueuePosition>,
}

/// Numbers of scenarios of a sweep.
#[derive(Debug, Default)]
struct Scenarios {
    /// All scenarios; `None` until the job's description has arrived, and for a single solve.
    all: Option<i32>,
    answered: usize,
}

impl ProgressLine {
    /// Starts with all jobs queued and no numbers.
    pub(crate) fn new<'a>(job_ids: impl IntoIterator<Item = &'a String>) -> Self {
        let jobs = job_ids.into_iter().map(|id| (id.clone(), JobState::Queued)).collect();
        Self { jobs, progress: None, scenarios: Scenarios::default(), position: None }
    }

    /// Whether this is the line of a single job, which is queued.
    pub(crate) fn is_queued(&self) -> bool {
        let mut states = self.jobs.values();
        (states.next(), states.next()) == (Some(&JobState::Queued), None)
    }

    /// Sets the place of the queued job in its lane; `None` if it is unknown.
    pub(crate) fn set_position(&mut self, position: Option<QueuePosition>) {
        self.position = position.filter(|_| self.is_queued());
    }

    /// Updates the state from an event.
    pub(crate) fn add(&mut self, event: &JobEvent) {
        let Some(state) = self.jobs.get_mut(&event.job_id) else { return };
        match &event.kind {
            Some(Kind::Queued(queued)) => {
                *state = JobState::Queued;
                let sweep = queued.description.as_ref().and_then(|it| it.sweep.as_ref());
                self.scenarios.all = sweep.map(|sweep| sweep.scenario_count);
            }
            Some(Kind::AttemptFailed(_)) => *state = JobState::Queued,
            Some(Kind::ScenarioResults(answers)) => {
                *state = JobState::Running;
                self.scenarios.answered += answers.results.len();
            }
            Some(Kind::Started(_)) => *state = JobState::Running,
            Some(Kind::Progress(progress)) => {
                *state = JobState::Running;
                // The line has a clock of its own, which also runs between events.
                self.progress = Some(Progress { elapsed: None, ..*progress });
            }
            Some(Kind::Incumbent(incumbent)) => {
                *state = JobState::Running;
                let progress = self.progress.get_or_insert_default();
                progress.objective = incumbent.objective;
                progress.objective_bound = incumbent.objective_bound.or(progress.objective_bound);
                progress.relative_gap = incumbent.relative_gap;
            }
            Some(Kind::Finished(finished)) => *state = finished.state(),
            Some(Kind::CancelRequested(_) | Kind::SolutionPart(_) | Kind::Log(_)) | None => {}
        }
        self.set_position(self.position);
    }

    /// Formats the line: state and numbers of a single job, or counts of several jobs.
    pub(crate) fn line(&self, elapsed: Duration) -> String {
        let seconds = elapsed.as_secs();
        let clock = format!("{}:{:02}", seconds / 60, seconds % 60);
        let mut states = self.jobs.values();
        match (states.next(), states.next()) {
            (Some(&state), None) => {
                let progress = self.progress.as_ref().map(measures).unwrap_or_default();
                let progress = self.scenarios.line(elapsed).unwrap_or(progress);
                let state = names::state(state).unwrap_or("unknown");
                let position = self.position.as_ref().map(queue::text).unwrap_or_default();
                [state, &progress, &position, &clock]
                    .into_iter()
                    .filter(|part| !part.is_empty())
                    .collect::<Vec<_>>()
                    .join("  ")
            }
            _ => {
                let count = |state| self.jobs.values().filter(|&&is| is == state).count();
                let (queued, running) = (count(JobState::Queued), count(JobState::Running));
                let finished = self.jobs.len() - queued - running;
                format!("{queued} queued  {running} running  {finished} finished  {clock}")
            }
        }
    }
}

impl Scenarios {
    /// Formats the number of finished scenarios and their rate; `None` if this is no sweep.
    fn line(&self, elapsed: Duration) -> Option<String> {
        let answered = self.answered;
        let of = match self.all {
            Some(all) => format!("{answered}/{all} scenarios"),
            None if answered > 0 => format!("{answered} scenarios"),
            None => return None,
        };
        let rate = (answered > 0 && !elapsed.is_zero())
            .then(|| format!("  {}/s", brief(answered as f64 / elapsed.as_secs_f64())));
        Some(of + &rate.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use solvemesh_client::v1::{
        Incumbent, JobAttemptFailed, JobDescription, JobFinished, JobQueued, JobStarted,
        ScenarioResult, ScenarioResults, SweepDescription,
    };

    use super::*;

    fn event(job_id: &str, kind: Kind) -> JobEvent {
        JobEvent { job_id: job_id.into(), kind: Some(kind), ..JobEvent::default() }
    }

    #[test]
    fn a_single_job_shows_its_numbers() {
        let mut board = ProgressLine::new(&["a".to_owned()]);
        assert_eq!(board.line(Duration::ZERO), "QUEUED  0:00");
        let progress =
            Progress { objective: Some(5.0), node_count: Some(2), ..Progress::default() };
        board.add(&event("a", Kind::Progress(progress)));
        assert_eq!(board.line(Duration::from_secs(61)), "RUNNING  objective 5  2 nodes  1:01");
    }

    #[test]
    fn a_queued_job_shows_its_position_until_it_starts() {
        let mut board = ProgressLine::new(&["a".to_owned()]);
        let estimated_wait = Some(prost_types::Duration { seconds: 40, nanos: 0 });
        let position = QueuePosition { jobs_ahead_count: 3, estimated_wait };
        board.set_position(Some(position));
        board.add(&event("a", Kind::Queued(JobQueued::default().into())));
        let line = board.line(Duration::ZERO);
        assert_eq!(line, "QUEUED  3 jobs ahead, about 40 s (estimate)  0:00");
        board.add(&event("a", Kind::Started(JobStarted::default())));
        assert_eq!(board.line(Duration::ZERO), "RUNNING  0:00");
        board.set_position(Some(position));
        board.add(&event("a", Kind::AttemptFailed(JobAttemptFailed::default())));
        assert_eq!(board.line(Duration::ZERO), "QUEUED  0:00");
    }

    #[test]
    fn an_incumbent_updates_the_numbers() {
        let mut board = ProgressLine::new(&["a".to_owned()]);
        let progress =
            Progress { objective_bound: Some(4.0), node_count: Some(2), ..Progress::default() };
        board.add(&event("a", Kind::Progress(progress)));
        let incumbent =
            Incumbent { objective: Some(5.0), relative_gap: Some(0.2), ..Incumbent::default() };
        board.add(&event("a", Kind::Incumbent(incumbent)));
        let line = board.line(Duration::ZERO);
        assert_eq!(line, "RUNNING  objective 5  bound 4  gap 20%  2 nodes  0:00");
    }

    #[test]
    fn a_sweep_shows_the_number_and_rate_of_finished_scenarios() {
        let mut board = ProgressLine::new(&["a".to_owned()]);
        let sweep = Some(SweepDescription { scenario_count: 1000, ..SweepDescription::default() });
        let description = Some(JobDescription { sweep, ..JobDescription::default() });
        board.add(&event("a", Kind::Queued(JobQueued { description }.into())));
        assert_eq!(board.line(Duration::ZERO), "QUEUED  0/1000 scenarios  0:00");
        let results = vec![ScenarioResult::default(); 250];
        board.add(&event("a", Kind::ScenarioResults(ScenarioResults { results })));
        let line = board.line(Duration::from_secs(2));
        assert_eq!(line, "RUNNING  250/1000 scenarios  125/s  0:02");
    }

    #[test]
    fn several_jobs_are_counted() {
        let mut board = ProgressLine::new(&["a".to_owned(), "b".to_owned(), "c".to_owned()]);
        board.add(&event("a", Kind::Started(JobStarted::default())));
        let finished = JobFinished { state: JobState::Succeeded.into(), ..JobFinished::default() };
        board.add(&event("b", Kind::Finished(finished.into())));
        assert_eq!(board.line(Duration::ZERO), "1 queued  1 running  1 finished  0:00");
    }
}
