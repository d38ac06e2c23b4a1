//! Eviction of finished jobs. The table is a cache of the log: results are evicted first, and
//! read again from the log on request; whole jobs are forgotten later, or once the log no longer
//! has their first entries. Live jobs are never evicted.

use std::{sync::Arc, time::Duration};

use crate::table::{Fold, Position, Record, record::Stage};

/// The limits within which finished jobs stay in memory.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Maximum number of finished jobs.
    pub jobs: usize,
    /// Maximum memory of finished jobs, approximately, in bytes.
    pub bytes: usize,
    /// Maximum time since a job finished.
    pub age: Duration,
    /// Maximum number of finished jobs with results and progress.
    pub results: usize,
    /// Maximum memory of those, approximately, in bytes.
    pub result_bytes: usize,
    /// Maximum time since such a job finished.
    pub result_age: Duration,
}

impl Fold {
    /// Evicts results and forgets jobs until all limits hold at `now`, in seconds since 1970.
    /// Later entries about a forgotten job are ignored.
    pub fn retain(&mut self, kept: &Retention, now: i64) {
        let ended_before = |age: Duration| {
            let age = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
            now.saturating_sub(age)
        };
        let (oldest_result, oldest_job) = (ended_before(kept.result_age), ended_before(kept.age));
        while let Some(id) = self.first_whole()
            && (self.whole.len() > kept.results
                || self.whole_weight > kept.result_bytes
                || self.ended_at(&id) < oldest_result)
        {
            self.evict_results(&id);
        }
        while let Some(id) = self.ended.first_key_value().map(|(_, id)| id.clone())
            && (self.ended.len() > kept.jobs
                || self.ended_weight > kept.bytes
                || self.ended_at(&id) < oldest_job)
        {
            self.forget(&id);
        }
    }

    /// The broker has dropped all messages before `first`. Finished jobs with an earlier first
    /// entry are forgotten, so that this gateway agrees with one that starts now and never reads
    /// them. Live ones are marked, and forgotten when they finish.
    pub fn truncate_before(&mut self, first: u64) {
        if self.first_offset.is_none_or(|known| known >= first) {
            return;
        }
        self.first_offset = Some(first);
        let before = Position { offset: first, ..Position::default() };
        let truncated: Vec<Arc<str>> =
            self.by_first.range(..before).map(|(_, id)| id.clone()).collect();
        for id in truncated {
            let Some(job) = self.jobs.get_mut(&id).filter(|job| !job.ended()) else {
                self.forget(&id);
                continue;
            };
            if let Stage::Live(live) = &mut Arc::make_mut(job).stage {
                live.start_truncated = true;
            }
        }
    }

    /// Removes a finished job from the table, and remembers that it was there.
    pub(super) fn forget(&mut self, id: &str) {
        let Some(job) = self.jobs.remove(id) else { return };
        self.by_first.remove(&job.first);
        self.ended.remove(&job.end());
        self.ended_weight -= job.counted;
        if self.whole.remove(&job.end()).is_some() {
            self.whole_weight -= job.counted;
        }
        self.forgotten.insert(id);
    }

    /// Evicts the result of a finished job from memory.
    fn evict_results(&mut self, id: &str) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        self.whole.remove(&job.end());
        self.whole_weight -= job.counted;
        self.ended_weight -= job.counted;
        let job = Arc::make_mut(job);
        job.evict_results();
        job.counted = job.weight();
        self.ended_weight += job.counted;
    }

    /// The job that finished first of those with results in memory.
    fn first_whole(&self) -> Option<Arc<str>> {
        self.whole.first_key_value().map(|(_, id)| id.clone())
    }

    /// When a job finished, in seconds since 1970. `i64::MAX` if unknown, so that age never
    /// evicts it.
    fn ended_at(&self, id: &str) -> i64 {
        let time = self.jobs.get(id).and_then(|job: &Arc<Record>| job.stage.finish_time());
        time.map_or(i64::MAX, |time| time.seconds)
    }
}
