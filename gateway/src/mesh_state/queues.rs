//! The lanes' queues, as the job table knows them. Pure.

use std::collections::BTreeMap;

use prost_types::Timestamp;
use solvemesh::v1::JobState;

use crate::table::{Fold, Position};

/// The live jobs of each lane.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Queues(pub(super) BTreeMap<String, LaneQueue>);

/// The live jobs of a lane.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LaneQueue {
    /// The positions of the queued jobs' first entries, ascending: about the order in which
    /// workers take them.
    queued: Vec<Position>,
    /// The number of running jobs.
    pub(super) running: usize,
    /// When the oldest queued job was submitted.
    pub(super) oldest: Option<Timestamp>,
}

impl Queues {
    /// Goes through the live jobs of a table.
    pub(crate) fn of(fold: &Fold) -> Self {
        let mut lanes: BTreeMap<String, LaneQueue> = BTreeMap::new();
        for job in fold.live_jobs() {
            let lane = job.description.lane.as_str();
            if !lanes.contains_key(lane) {
                lanes.insert(lane.to_owned(), LaneQueue::default());
            }
            let Some(queue) = lanes.get_mut(lane) else { continue };
            if job.state() == JobState::Queued {
                queue.queued.push(job.first);
                queue.oldest = queue.oldest.or(job.submit_time);
            } else {
                queue.running += 1;
            }
        }
        Self(lanes)
    }

    /// The number of queued jobs of a lane that are before a position.
    pub(crate) fn ahead_of(&self, lane: &str, position: Position) -> usize {
        let queue = self.0.get(lane);
        queue.map_or(0, |queue| queue.queued.partition_point(|queued| *queued < position))
    }
}

impl LaneQueue {
    /// The number of queued jobs.
    pub(super) fn len(&self) -> usize {
        self.queued.len()
    }
}
