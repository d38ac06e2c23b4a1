//! The terms on which an attempt solves: the options in effect on this worker, now.

use std::time::{Duration, SystemTime};

use solvemesh::v1::{JobDescription, SolveOptions};

use crate::config::WorkerConfig;

/// No clock overflows before.
const A_YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The terms of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Terms {
    /// Complete: what the solver is given.
    pub(crate) options: SolveOptions,
    /// Its time limit.
    pub(crate) time_limit: Duration,
    /// What the submitter should know about them.
    pub(crate) warnings: Vec<String>,
}

/// The job's deadline, or its time in the queue, passed before it was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeadlinePassed;

impl Terms {
    /// The terms of a job that is taken at `now`.
    pub(crate) fn of(
        job: &JobDescription,
        config: &WorkerConfig,
        now: SystemTime,
    ) -> Result<Self, DeadlinePassed> {
        let mut options = job.options.clone().unwrap_or_default();
        let mut warnings = Vec::new();

        let asked = options.time_limit.and_then(|limit| Duration::try_from(limit).ok());
        let mut time_limit = asked.filter(|limit| !limit.is_zero()).unwrap_or(config.longest_solve);
        time_limit = time_limit.min(config.longest_solve).min(A_YEAR);
        // A deadline that is no time is none.
        if let Some(deadline) = job.queue_deadline.and_then(|time| SystemTime::try_from(time).ok())
            && deadline <= now
        {
            return Err(DeadlinePassed);
        }
        if let Some(deadline) = job.deadline.and_then(|time| SystemTime::try_from(time).ok()) {
            let left = deadline.duration_since(now).unwrap_or_default();
            if left.is_zero() {
                return Err(DeadlinePassed);
            }
            time_limit = time_limit.min(left);
        }
        options.time_limit = prost_types::Duration::try_from(time_limit).ok();

        let most = i32::try_from(config.threads_per_job.max(1)).unwrap_or(i32::MAX);
        let threads = options.threads.unwrap_or(1);
        if threads > most {
            warnings.push(format!("{threads} threads were asked for; this worker gives {most}"));
        }
        options.threads = Some(threads.clamp(1, most));

        let asked = options.memory_limit_bytes;
        options.memory_limit_bytes = asked.into_iter().chain(config.memory_per_job).min();
        if let (Some(asked), Some(given)) = (asked, options.memory_limit_bytes)
            && asked > given
        {
            warnings
                .push(format!("{asked} bytes of memory were asked for; this worker gives {given}"));
        }

        Ok(Self { options, time_limit, warnings })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn job(
        limit: Option<u64>,
        deadline: Option<SystemTime>,
        threads: Option<i32>,
    ) -> JobDescription {
        let time_limit = limit.map(|seconds| Duration::from_secs(seconds).try_into().unwrap());
        JobDescription {
            options: Some(SolveOptions { time_limit, threads, ..Default::default() }),
            deadline: deadline.map(Into::into),
            ..Default::default()
        }
    }

    fn config() -> WorkerConfig {
        WorkerConfig {
            threads_per_job: 2,
            longest_solve: Duration::from_secs(100),
            ..Default::default()
        }
    }

    #[test]
    fn the_time_limit_is_the_least_of_what_is_asked_allowed_and_left() {
        let now = SystemTime::now();
        let at = |seconds| Some(now + Duration::from_secs(seconds));
        for (limit, deadline, expected) in [
            (Some(10), None, 10),
            (Some(10), at(50), 10),
            (Some(10), at(3), 3),
            (Some(1000), None, 100),
            (None, None, 100),
            (Some(0), at(20), 20),
        ] {
            let terms = Terms::of(&job(limit, deadline, None), &config(), now).unwrap();
            assert_eq!(terms.time_limit, Duration::from_secs(expected));
            assert_eq!(terms.options.time_limit, terms.time_limit.try_into().ok());
        }
    }

    #[test]
    fn a_job_is_not_begun_at_its_deadline_or_after_it() {
        let now = SystemTime::now();
        for deadline in [now, now - Duration::from_secs(1)] {
            let terms = Terms::of(&job(Some(10), Some(deadline), None), &config(), now);
            assert_eq!(terms, Err(DeadlinePassed));
        }
    }

    #[test]
    fn threads_are_clipped_to_what_the_worker_gives_and_the_submitter_is_told() {
        for (asked, given, told) in
            [(None, 1, false), (Some(2), 2, false), (Some(8), 2, true), (Some(-1), 1, false)]
        {
            let terms = Terms::of(&job(None, None, asked), &config(), SystemTime::now()).unwrap();
            assert_eq!(terms.options.threads, Some(given));
            assert_eq!(!terms.warnings.is_empty(), told);
        }
    }

    #[test]
    fn the_memory_limit_is_the_least_of_what_is_asked_and_allowed() {
        for (asked, allowed, given, told) in [
            (None, None, None, false),
            (None, Some(3), Some(3), false),
            (Some(2), Some(3), Some(2), false),
            (Some(4), Some(3), Some(3), true),
            (Some(4), None, Some(4), false),
        ] {
            let mut job = job(None, None, None);
            job.options.as_mut().unwrap().memory_limit_bytes = asked;
            let config = WorkerConfig { memory_per_job: allowed, ..config() };
            let terms = Terms::of(&job, &config, SystemTime::now()).unwrap();
            assert_eq!(terms.options.memory_limit_bytes, given);
            assert_eq!(!terms.warnings.is_empty(), told);
        }
    }

    #[test]
    fn what_no_clock_can_show_is_taken_as_absent() {
        let mut job = job(None, None, None);
        job.options.as_mut().unwrap().time_limit =
            Some(prost_types::Duration { seconds: -5, nanos: -1 });
        let terms = Terms::of(&job, &config(), SystemTime::now()).unwrap();
        assert_eq!(terms.time_limit, Duration::from_secs(100));
    }
}
