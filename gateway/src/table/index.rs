//! Keeps the indexes and totals of the fold up to date when its jobs change, so that no request
//! has to go through all jobs.

use std::sync::Arc;

use solvemesh::v1::JobState;

use crate::table::{
    Fold, Held, Position,
    usage::{Load, Owner},
};

/// The fields of a job by which the fold indexes and sums it up.
#[derive(Clone)]
pub(super) struct Indexed {
    first: Position,
    /// The position of its last event, if it has finished.
    end: Option<Position>,
    /// In seconds since 1970, if it is queued and has one.
    queue_deadline: Option<i64>,
    weight: usize,
    pub(super) owner: Arc<Owner>,
    /// What it adds to the load of its owner, if it is live.
    load: Load,
}

impl Indexed {
    pub(super) fn of(held: &Held) -> Self {
        let (queue_deadline, load) = match held {
            Held::Decoded(job) => {
                let deadline = job.description.queue_expire_time.map(|deadline| deadline.seconds);
                (deadline.filter(|_| job.state() == JobState::Queued), job.load())
            }
            Held::Packed(_) => (None, Load::default()),
        };
        Self {
            first: held.first(),
            end: held.end(),
            queue_deadline,
            weight: held.weight(),
            owner: held.owner().clone(),
            load,
        }
    }

    pub(super) fn is_finished(&self) -> bool {
        self.end.is_some()
    }
}

impl Fold {
    /// Inserts a job that is not in the table yet.
    pub(super) fn insert(&mut self, id: &Arc<str>, job: Held) {
        let indexed = Indexed::of(&job);
        self.by_first.insert(indexed.first, id.clone());
        if let Some(end) = indexed.end {
            self.add_finished(end, id, indexed.weight, job.has_evictable_results());
        } else {
            self.live.insert(indexed.first, id.clone());
            self.live_weight += indexed.weight;
            self.usage.add(&indexed.owner, indexed.load);
            if let Some(deadline) = indexed.queue_deadline {
                self.queue_deadlines.insert((deadline, id.clone()));
            }
        }
        self.jobs.insert(id.clone(), job);
    }

    /// Updates indexes and totals for a job of the table that has changed.
    pub(super) fn reindex(&mut self, id: &Arc<str>, before: &Indexed, after: &Indexed) {
        if before.queue_deadline != after.queue_deadline {
            if let Some(deadline) = before.queue_deadline {
                self.queue_deadlines.remove(&(deadline, id.clone()));
            }
            if let Some(deadline) = after.queue_deadline {
                self.queue_deadlines.insert((deadline, id.clone()));
            }
        }
        if let Some(end) = before.end {
            self.reweigh_finished(end, before.weight, after.weight);
        } else {
            self.live_weight -= before.weight;
            self.usage.remove(&before.owner, before.load);
            match after.end {
                None => {
                    self.live_weight += after.weight;
                    self.usage.add(&after.owner, after.load);
                }
                Some(end) => {
                    self.live.remove(&after.first);
                    self.add_finished(end, id, after.weight, true);
                    self.just_finished.insert(end, id.clone());
                }
            }
        }
    }

    /// Updates the totals for a finished job whose weight has changed.
    pub(super) fn reweigh_finished(&mut self, end: Position, before: usize, after: usize) {
        self.finished_weight = self.finished_weight - before + after;
        if self.with_results.contains_key(&end) {
            self.with_results_weight = self.with_results_weight - before + after;
        }
    }

    /// Adds a job to those that have finished; `with_results` if its results are in memory.
    fn add_finished(&mut self, end: Position, id: &Arc<str>, weight: usize, with_results: bool) {
        self.finished.insert(end, id.clone());
        self.finished_weight += weight;
        if with_results {
            self.with_results.insert(end, id.clone());
            self.with_results_weight += weight;
        }
    }
}
