//! The lanes' queues, as the job table knows them. Pure.

use std::collections::BTreeMap;

use prost_types::Timestamp;
use solvemesh::v1::JobState;
use solvemesh_broker::Rank;

use crate::table::{Fold, Position};

/// The live jobs of each lane.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Queues(pub(super) BTreeMap<String, LaneQueue>);

/// The live jobs of a lane.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LaneQueue {
    /// For each rank, the positions of the queued jobs' first entries, ascending: about the order
    /// in which workers take them.
    queued: BTreeMap<Rank, Vec<Position>>,
    /// The number of running jobs.
    pub(crate) running: usize,
    /// When the oldest queued job was submitted.
    pub(crate) oldest: Option<Timestamp>,
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
                let rank = job.description.rank().into();
                queue.queued.entry(rank).or_default().push(job.first);
                queue.oldest = queue.oldest.or(job.submit_time);
            } else {
                queue.running += 1;
            }
        }
        Self(lanes)
    }

    /// The lanes that have live jobs.
    pub(crate) fn lanes(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The live jobs of a lane, if it has any.
    pub(crate) fn lane(&self, name: &str) -> Option<&LaneQueue> {
        self.0.get(name)
    }

    /// The number of queued jobs of a lane that are ahead of one: all of earlier ranks, and those
    /// of its rank that are before its position. About: some of later ranks are taken in between.
    pub(crate) fn ahead_of(&self, lane: &str, rank: Rank, position: Position) -> usize {
        let Some(queue) = self.0.get(lane) else { return 0 };
        let earlier = queue.queued.range(..rank).map(|(_, queued)| queued.len()).sum::<usize>();
        let same = queue
            .queued
            .get(&rank)
            .map_or(0, |queued| queued.partition_point(|queued| *queued < position));
        earlier + same
    }
}

impl LaneQueue {
    /// The number of queued jobs.
    pub(crate) fn len(&self) -> usize {
        self.queued.values().map(Vec::len).sum()
    }
}
