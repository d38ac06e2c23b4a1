//! The effective options of an attempt: the job's options, limited by this worker's configuration
//! and by the time left until the job's deadline.

use std::time::{Duration, SystemTime};

use solvemesh::v1::{JobDescription, SolveOptions};

use crate::config::WorkerConfig;

/// Upper bound of a time limit. Adding it to the current time cannot overflow.
const MAX_TIME_LIMIT: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The effective options of an attempt.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EffectiveOptions {
    /// The options that the solver gets, with every limit filled in.
    pub(crate) options: SolveOptions,
    /// The time limit in `options`.
    pub(crate) time_limit: Duration,
    /// Warnings to the submitter about options that were reduced.
    pub(crate) warnings: Vec<String>,
}

/// The job's deadline or queue deadline has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeadlinePassed;

impl EffectiveOptions {
    /// The effective options of an attempt that starts at `now`.
    ///
    /// # Errors
    ///
    /// [`DeadlinePassed`] if the deadline or the queue deadline is not after `now`.
    pub(crate) fn of(
        job: &JobDescription,
        config: &WorkerConfig,
        now: SystemTime,
    ) -> Result<Self, DeadlinePassed> {
        let mut options = job.options.clone().unwrap_or_default();
        let mut warnings = Vec::new();

        let requested = options.time_limit.and_then(|limit| Duration::try_from(limit).ok());
        let mut time_limit =
            requested.filter(|limit| !limit.is_zero()).unwrap_or(config.max_solve_time);
        time_limit = time_limit.min(config.max_solve_time).min(MAX_TIME_LIMIT);
        // A deadline that `SystemTime` cannot represent is ignored.
        if let Some(deadline) =
            job.queue_expire_time.and_then(|time| SystemTime::try_from(time).ok())
            && deadline <= now
        {
            return Err(DeadlinePassed);
        }
        if let Some(deadline) = job.expire_time.and_then(|time| SystemTime::try_from(time).ok()) {
            let left = deadline.duration_since(now).unwrap_or_default();
            if left.is_zero() {
                return Err(DeadlinePassed);
            }
            time_limit = time_limit.min(left);
        }
        options.time_limit = prost_types::Duration::try_from(time_limit).ok();

        let max_threads = i32::try_from(config.threads_per_job.max(1)).unwrap_or(i32::MAX);
        let threads = options.threads.unwrap_or(1);
        if threads > max_threads {
            warnings.push(format!("{threads} threads requested; this worker allows {max_threads}"));
        }
        options.threads = Some(threads.clamp(1, max_threads));

        let requested = options.memory_limit_bytes;
        options.memory_limit_bytes = requested
            .into_iter()
            .chain(config.memory_per_job.map(|limit| i64::try_from(limit).unwrap_or(i64::MAX)))
            .min();
        if let (Some(requested), Some(given)) = (requested, options.memory_limit_bytes)
            && requested > given
        {
            warnings
                .push(format!("{requested} bytes of memory requested; this worker allows {given}"));
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
            expire_time: deadline.map(Into::into),
            ..Default::default()
        }
    }

    fn config() -> WorkerConfig {
        WorkerConfig {
            threads_per_job: 2,
            max_solve_time: Duration::from_secs(100),
            ..Default::default()
        }
    }

    #[test]
    fn the_time_limit_is_the_least_of_requested_allowed_and_time_left() {
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
            let effective =
                EffectiveOptions::of(&job(limit, deadline, None), &config(), now).unwrap();
            assert_eq!(effective.time_limit, Duration::from_secs(expected));
            assert_eq!(effective.options.time_limit, effective.time_limit.try_into().ok());
        }
    }

    #[test]
    fn a_job_is_not_started_at_or_after_its_deadline() {
        let now = SystemTime::now();
        for deadline in [now, now - Duration::from_secs(1)] {
            let effective =
                EffectiveOptions::of(&job(Some(10), Some(deadline), None), &config(), now);
            assert_eq!(effective, Err(DeadlinePassed));
        }
    }

    #[test]
    fn threads_are_limited_by_the_worker_with_a_warning() {
        for (requested, given, has_warning) in
            [(None, 1, false), (Some(2), 2, false), (Some(8), 2, true), (Some(-1), 1, false)]
        {
            let effective =
                EffectiveOptions::of(&job(None, None, requested), &config(), SystemTime::now())
                    .unwrap();
            assert_eq!(effective.options.threads, Some(given));
            assert_eq!(!effective.warnings.is_empty(), has_warning);
        }
    }

    #[test]
    fn the_memory_limit_is_the_least_of_requested_and_allowed() {
        for (requested, allowed, given, has_warning) in [
            (None, None, None, false),
            (None, Some(3), Some(3), false),
            (Some(2), Some(3), Some(2), false),
            (Some(4), Some(3), Some(3), true),
            (Some(4), None, Some(4), false),
        ] {
            let mut job = job(None, None, None);
            job.options.as_mut().unwrap().memory_limit_bytes = requested;
            let config = WorkerConfig { memory_per_job: allowed, ..config() };
            let effective = EffectiveOptions::of(&job, &config, SystemTime::now()).unwrap();
            assert_eq!(effective.options.memory_limit_bytes, given);
            assert_eq!(!effective.warnings.is_empty(), has_warning);
        }
    }

    #[test]
    fn an_invalid_time_limit_is_ignored() {
        let mut job = job(None, None, None);
        job.options.as_mut().unwrap().time_limit =
            Some(prost_types::Duration { seconds: -5, nanos: -1 });
        let effective = EffectiveOptions::of(&job, &config(), SystemTime::now()).unwrap();
        assert_eq!(effective.time_limit, Duration::from_secs(100));
    }
}
