//! Eviction of finished jobs. The table is a cache of the log: results are evicted first, and
//! read again from the log on request; whole jobs are forgotten later, or once the log no longer
//! has their first entries. Live jobs are never evicted, because the fold needs their state for
//! entries that are still to come. Their memory is bounded by admission instead
//! (`max_live_jobs`, `max_live_bytes`).
//!
//! Results have limits of their own because they can be large, whereas lists of jobs, and
//! submissions that repeat a request id, need only the rest of a job. Those of small packed jobs
//! count as a part of the job.

use std::{sync::Arc, time::Duration};

use crate::table::{Fold, Held, Position, stage::Stage};

/// Maximum number of results that [`Fold::retain`] evicts at once by their age alone. Each takes some
/// 10 us, and after an hour of rest all of a burst are due at the same time.
const MAX_AGED: usize = 500;

/// The limits within which finished jobs stay in memory.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Maximum number of finished jobs.
    pub jobs: usize,
    /// Maximum memory of finished jobs, approximately, in bytes.
    pub bytes: usize,
    /// Maximum time since a job finished.
    pub age: Duration,
    /// Maximum number of finished jobs with results and progress, small packed ones not counted.
    pub results: usize,
    /// Maximum memory of those, approximately, in bytes.
    pub result_bytes: usize,
    /// Maximum time since such a job finished.
    pub result_age: Duration,
    /// Maximum number of finished jobs that are not packed yet, unless they are large: those whose
    /// watchers and submitters are most likely still to read them.
    pub decoded: usize,
}

impl Fold {
    /// Evicts results, packs and forgets jobs until all limits hold at `now`, in seconds since 1970.
    /// Later entries about a forgotten job are ignored. Of those that only their age evicts, takes
    /// [`MAX_AGED`] at a time, and returns whether there are more: the table is locked meanwhile.
    ///
    /// Jobs go in the order in which they finished. The order of last use would need a write for
    /// each read of the table.
    pub(crate) fn retain(&mut self, limits: &Retention, now: i64) -> bool {
        let finished_before = |age: Duration| {
            let age = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
            now.saturating_sub(age)
        };
        let (oldest_result, oldest_job) =
            (finished_before(limits.result_age), finished_before(limits.age));
        let mut aged = 0;
        while let Some(id) = self.first_with_results() {
            let is_over = self.with_results.len() > limits.results
                || self.with_results_weight > limits.result_bytes;
            if !is_over {
                if self.finish_seconds(&id) >= oldest_result {
                    break;
                }
                if aged == MAX_AGED {
                    return true;
                }
                aged += 1;
            }
            self.evict_results(&id);
        }
        while self.just_finished.len() > limits.decoded
            && let Some((end, id)) = self.just_finished.pop_first()
        {
            self.pack(end, id);
        }
        while let Some(id) = self.finished.first_key_value().map(|(_, id)| id.clone())
            && (self.finished.len() > limits.jobs
                || self.finished_weight > limits.bytes
                || self.finish_seconds(&id) < oldest_job)
        {
            self.forget(&id);
        }
        false
    }

    /// The broker has dropped all messages before `first`. Finished jobs with an earlier first
    /// entry are forgotten, so that this gateway agrees with one that starts now and never reads
    /// them. Live ones are marked, and forgotten when they finish.
    pub(crate) fn truncate_before(&mut self, first: u64) {
        if self.first_offset.is_none_or(|current| current >= first) {
            return;
        }
        self.first_offset = Some(first);
        let before = Position { offset: first, ..Position::default() };
        let truncated: Vec<Arc<str>> =
            self.by_first.range(..before).map(|(_, id)| id.clone()).collect();
        for id in truncated {
            let Some(job) = self.jobs.get_mut(&id).filter(|job| job.end().is_none()) else {
                self.forget(&id);
                continue;
            };
            job.update(|job| {
                if let Stage::Live(live) = &mut job.stage {
                    live.start_truncated = true;
                }
            });
        }
    }

    /// Removes a finished job from the table, and remembers that it was there.
    pub(super) fn forget(&mut self, id: &str) {
        let Some(job) = self.jobs.remove(id) else { return };
        self.by_first.remove(&job.first());
        if let Some(end) = job.end() {
            self.finished.remove(&end);
            self.finished_weight -= job.weight();
            if self.with_results.remove(&end).is_some() {
                self.with_results_weight -= job.weight();
            }
            self.just_finished.remove(&end);
        }
        self.forgotten.insert(id);
    }

    /// Evicts the result of a finished job from memory.
    fn evict_results(&mut self, id: &Arc<str>) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        let (end, before) = (job.end(), job.weight());
        job.update(|job| {
            job.evict_results();
            job.counted_weight = job.weight();
        });
        let after = job.weight();
        if let Some(end) = end {
            self.reweigh_finished(end, before, after);
            if self.with_results.remove(&end).is_some() {
                self.with_results_weight -= after;
            }
            // One that was too large to be packed may no longer be.
            if !self.just_finished.contains_key(&end) {
                self.pack(end, id.clone());
            }
        }
    }

    /// Packs a finished job. If it is small then, its results stay with it.
    fn pack(&mut self, end: Position, id: Arc<str>) {
        let Some(job) = self.jobs.remove(&id) else { return };
        let before = job.weight();
        let job = job.packed();
        self.reweigh_finished(end, before, job.weight());
        if !job.has_evictable_results() && self.with_results.remove(&end).is_some() {
            self.with_results_weight -= job.weight();
        }
        self.jobs.insert(id, job);
    }

    /// The job that finished first of those with results in memory.
    fn first_with_results(&self) -> Option<Arc<str>> {
        self.with_results.first_key_value().map(|(_, id)| id.clone())
    }

    /// When a job finished, in seconds since 1970. `i64::MAX` if unknown, so that age never
    /// evicts it.
    fn finish_seconds(&self, id: &str) -> i64 {
        let time = self.jobs.get(id).and_then(Held::finish_time);
        time.map_or(i64::MAX, |time| time.seconds)
    }
}
