//! What of the past stays in memory. A table is a cache of the log: results leave it
//! first, and are read again from the log when they are asked for; whole jobs leave it
//! last, or when the log no longer has their beginning. Live jobs stay.

use std::{sync::Arc, time::Duration};

use crate::table::{Fold, Position, Record};

/// How much of the past a table keeps in memory.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// The most jobs that have ended.
    pub jobs: usize,
    /// About the most bytes of jobs that have ended.
    pub bytes: usize,
    /// The longest since a job ended.
    pub age: Duration,
    /// The most ended jobs with their results and all of their progress.
    pub results: usize,
    /// About the most bytes of those.
    pub result_bytes: usize,
    /// The longest since such a job ended.
    pub result_age: Duration,
}

impl Fold {
    /// Lets go of what is over the limits at a time, in seconds since 1970. Entries about
    /// a forgotten job change nothing.
    pub fn retain(&mut self, kept: &Kept, now: i64) {
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
            self.shed(&id);
        }
        while let Some(id) = self.ended.first_key_value().map(|(_, id)| id.clone())
            && (self.ended.len() > kept.jobs
                || self.ended_weight > kept.bytes
                || self.ended_at(&id) < oldest_job)
        {
            self.forget(&id);
        }
    }

    /// The log now begins at `first`: what ended and began before is forgotten, as those
    /// who read the log from there will never know it.
    pub fn behead(&mut self, first: u64) {
        if self.first_offset.is_none_or(|known| known >= first) {
            return;
        }
        self.first_offset = Some(first);
        let before = Position { offset: first, ..Position::default() };
        let beheaded: Vec<Arc<str>> =
            self.by_first.range(..before).map(|(_, id)| id.clone()).collect();
        for id in beheaded {
            match self.jobs.get_mut(&id) {
                Some(job) if !job.ended() => Arc::make_mut(job).beheaded = true,
                _ => self.forget(&id),
            }
        }
    }

    /// Forgets an ended job.
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

    /// Leaves an ended job's result to the log.
    fn shed(&mut self, id: &str) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        self.whole.remove(&job.end());
        self.whole_weight -= job.counted;
        self.ended_weight -= job.counted;
        let job = Arc::make_mut(job);
        job.shed();
        job.counted = job.weight();
        self.ended_weight += job.counted;
    }

    fn first_whole(&self) -> Option<Arc<str>> {
        self.whole.first_key_value().map(|(_, id)| id.clone())
    }

    /// When a job ended, in seconds since 1970; never, where that is not known.
    fn ended_at(&self, id: &str) -> i64 {
        let time = self.jobs.get(id).and_then(|job: &Arc<Record>| job.finish_time);
        time.map_or(i64::MAX, |time| time.seconds)
    }
}
