use std::{collections::BTreeMap, time::Duration};

use solvemesh_client::v1::{Event, JobState, Progress, event::Kind};

use crate::output::{event_text::measures, names, text::brief};

/// How far the jobs of a watch have come, for the line of progress.
#[derive(Debug)]
pub(crate) struct Board {
    jobs: BTreeMap<String, JobState>,
    progress: Option<Progress>,
    scenarios: Scenarios,
}

/// How many scenarios there are, where that is known, and how many are answered.
#[derive(Debug, Default)]
struct Scenarios {
    all: Option<i32>,
    answered: usize,
}

impl Board {
    /// Nothing is known of these jobs yet.
    pub(crate) fn new<'a>(job_ids: impl IntoIterator<Item = &'a String>) -> Self {
        let jobs = job_ids.into_iter().map(|id| (id.clone(), JobState::Queued)).collect();
        Self { jobs, progress: None, scenarios: Scenarios::default() }
    }

    /// Takes note of an event.
    pub(crate) fn add(&mut self, event: &Event) {
        let Some(state) = self.jobs.get_mut(&event.job_id) else { return };
        match &event.kind {
            Some(Kind::Queued(queued)) => {
                *state = JobState::Queued;
                let sweep = queued.description.as_ref().and_then(|it| it.sweep.as_ref());
                self.scenarios.all = sweep.map(|sweep| sweep.scenarios);
            }
            Some(Kind::AttemptFailed(_)) => *state = JobState::Queued,
            Some(Kind::ScenarioResults(answers)) => {
                *state = JobState::Running;
                self.scenarios.answered += answers.results.len();
            }
            Some(Kind::Started(_)) => *state = JobState::Running,
            Some(Kind::Progress(progress)) => {
                *state = JobState::Running;
                // How long it takes, the line says itself.
                self.progress = Some(Progress { elapsed: None, ..*progress });
            }
            Some(Kind::Incumbent(incumbent)) => {
                *state = JobState::Running;
                let progress = self.progress.get_or_insert_default();
                progress.objective = Some(incumbent.objective);
                progress.bound = incumbent.bound.or(progress.bound);
                progress.gap = incumbent.gap;
            }
            Some(Kind::Finished(finished)) => *state = finished.state(),
            Some(Kind::CancelRequested(_) | Kind::SolutionPart(_) | Kind::Log(_)) | None => {}
        }
    }

    /// The line: state and numbers of a single job, counts of several.
    pub(crate) fn line(&self, elapsed: Duration) -> String {
        let seconds = elapsed.as_secs();
        let clock = format!("{}:{:02}", seconds / 60, seconds % 60);
        let mut states = self.jobs.values();
        match (states.next(), states.next()) {
            (Some(&state), None) => {
                let progress = self.progress.as_ref().map(measures).unwrap_or_default();
                let progress = self.scenarios.line(elapsed).unwrap_or(progress);
                let state = names::state(state).unwrap_or("unknown");
                [state, &progress, &clock]
                    .into_iter()
                    .filter(|part| !part.is_empty())
                    .collect::<Vec<_>>()
                    .join("  ")
            }
            _ => {
                let count = |state| self.jobs.values().filter(|&&is| is == state).count();
                let (queued, running) = (count(JobState::Queued), count(JobState::Running));
                let ended = self.jobs.len() - queued - running;
                format!("{queued} queued  {running} running  {ended} ended  {clock}")
            }
        }
    }
}

impl Scenarios {
    /// Those of a sweep, and how many are answered in a second.
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
        Finished, Incumbent, JobDescription, Queued, ScenarioResult, ScenarioResults, Started,
        SweepDescription,
    };

    use super::*;

    fn event(job_id: &str, kind: Kind) -> Event {
        Event { job_id: job_id.into(), kind: Some(kind), ..Event::default() }
    }

    #[test]
    fn a_single_job_shows_its_numbers() {
        let mut board = Board::new(&["a".to_owned()]);
        assert_eq!(board.line(Duration::ZERO), "QUEUED  0:00");
        let progress = Progress { objective: Some(5.0), nodes: 2, ..Progress::default() };
        board.add(&event("a", Kind::Progress(progress)));
        assert_eq!(board.line(Duration::from_secs(61)), "RUNNING  objective 5  2 nodes  1:01");
    }

    #[test]
    fn a_better_solution_moves_the_numbers() {
        let mut board = Board::new(&["a".to_owned()]);
        let progress = Progress { bound: Some(4.0), nodes: 2, ..Progress::default() };
        board.add(&event("a", Kind::Progress(progress)));
        let incumbent = Incumbent { objective: 5.0, gap: Some(0.2), ..Incumbent::default() };
        board.add(&event("a", Kind::Incumbent(incumbent)));
        let line = board.line(Duration::ZERO);
        assert_eq!(line, "RUNNING  objective 5  bound 4  gap 20%  2 nodes  0:00");
    }

    #[test]
    fn a_sweep_shows_how_many_scenarios_are_answered_and_how_fast() {
        let mut board = Board::new(&["a".to_owned()]);
        let sweep = Some(SweepDescription { scenarios: 1000, ..SweepDescription::default() });
        let description = Some(JobDescription { sweep, ..JobDescription::default() });
        board.add(&event("a", Kind::Queued(Queued { description })));
        assert_eq!(board.line(Duration::ZERO), "QUEUED  0/1000 scenarios  0:00");
        let results = vec![ScenarioResult::default(); 250];
        board.add(&event("a", Kind::ScenarioResults(ScenarioResults { results })));
        let line = board.line(Duration::from_secs(2));
        assert_eq!(line, "RUNNING  250/1000 scenarios  125/s  0:02");
    }

    #[test]
    fn several_jobs_are_counted() {
        let mut board = Board::new(&["a".to_owned(), "b".to_owned(), "c".to_owned()]);
        board.add(&event("a", Kind::Started(Started::default())));
        let finished = Finished { state: JobState::Succeeded.into(), ..Finished::default() };
        board.add(&event("b", Kind::Finished(finished)));
        assert_eq!(board.line(Duration::ZERO), "1 queued  1 running  1 ended  0:00");
    }
}
