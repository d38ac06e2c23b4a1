//! Property test: a good history with any single damage is rejected.

use proptest::prelude::*;
use solvemesh::{
    broker::v1::{LogBatch, log_entry::Kind as Entry},
    v1::{JobFinished, job_event::Kind},
};
use solvemesh_broker::LogMessage;

use super::case::{Case, JOBS, id};
use crate::history::Answer;

/// One error: in the events of a watcher, in the answers to clients, or in the log.
#[derive(Clone, Copy, Debug)]
enum Damage {
    DropSight,
    RepeatSight,
    SwapSights,
    SwapEnds,
    ForgetJob,
    ForgetCall,
    DropEnd,
    ChangeObjective,
    AnswerOther,
}

impl Damage {
    const ALL: [Self; 9] = [
        Self::DropSight,
        Self::RepeatSight,
        Self::SwapSights,
        Self::SwapEnds,
        Self::ForgetJob,
        Self::ForgetCall,
        Self::DropEnd,
        Self::ChangeObjective,
        Self::AnswerOther,
    ];

    /// Damages a case at a place.
    fn apply(self, case: &mut Case, watcher: usize, place: usize) {
        let number = place % JOBS;
        let other = (number + 1) % JOBS;
        let sights = &mut case.history.watches[watcher].sights;
        let place = place % sights.len();
        match self {
            Self::DropSight => {
                sights.remove(place);
            }
            Self::RepeatSight => sights.insert(place, sights[place].clone()),
            // Each job has four events, in a row.
            Self::SwapSights => sights.swap(4 * number, 4 * number + 1 + place % 3),
            Self::SwapEnds => {
                let kind = sights[4 * number + 3].event.kind.clone();
                sights[4 * number + 3].event.kind = sights[4 * other + 3].event.kind.clone();
                sights[4 * other + 3].event.kind = kind;
            }
            Self::ForgetJob => case.log.retain(|message| !of_job(message, number)),
            Self::ForgetCall => {
                case.history.calls.remove(number);
            }
            Self::DropEnd => {
                case.log.retain(|message| !(of_job(message, number) && is_finish(message)));
            }
            Self::ChangeObjective => case.change_objective(number),
            Self::AnswerOther => {
                case.history.calls[number].answer = Answer::Acknowledged { job_id: id(other) };
            }
        }
    }
}

impl Case {
    /// Changes an objective in the log and for every watcher, so that only the closed form of
    /// the optimum reveals it.
    fn change_objective(&mut self, number: usize) {
        let change = |finished: &mut JobFinished| {
            let result = finished.result.as_mut().expect("a result");
            result.termination.as_mut().expect("a termination").objective = Some(1.0);
        };
        for message in self.log.iter_mut().filter(|message| of_job(message, number)) {
            let Ok(batch) = &mut message.batch else { continue };
            if let Some(Entry::Finished(it)) = &mut batch.entries[0].kind {
                change(it.outcome.as_mut().expect("an outcome"));
            }
        }
        for sight in self.history.watches.iter_mut().flat_map(|watch| &mut watch.sights) {
            if sight.event.job_id == id(number)
                && let Some(Kind::Finished(finished)) = &mut sight.event.kind
            {
                change(finished);
            }
        }
    }
}

fn of_job(message: &LogMessage, number: usize) -> bool {
    message.batch.as_ref().is_ok_and(|batch| batch.entries[0].job_id == id(number))
}

fn is_finish(message: &LogMessage) -> bool {
    let finish = |batch: &LogBatch| matches!(batch.entries[0].kind, Some(Entry::Finished(_)));
    message.batch.as_ref().is_ok_and(finish)
}

proptest! {
    #[test]
    fn any_damage_is_detected(
        damage in prop::sample::select(&Damage::ALL[..]),
        watcher in 0..2_usize,
        place in 0..1000_usize,
    ) {
        let mut case = Case::good();
        damage.apply(&mut case, watcher, place);
        prop_assert!(!case.verdict().violations.is_empty(), "{:?} at {}", damage, place);
    }
}
