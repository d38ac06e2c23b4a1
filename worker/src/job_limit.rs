//! How many jobs a worker takes, and what its slots do after each.

use std::time::Duration;

/// How many jobs a slot takes before it ends by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JobLimit {
    /// Any number, until the worker is stopped.
    #[default]
    Unlimited,
    /// One, and it holds no other meanwhile. A share of a sweep is a job. A delivery for which no
    /// attempt starts does not count: one that is parked, rejected or left to newer workers, or
    /// whose job has finished, expired or been cancelled.
    One {
        /// The slot ends without a job once it has waited for this long; `None` for no limit.
        wait: Option<Duration>,
    },
}

/// What an attempt has left of its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttemptEnd {
    /// No attempt started. The solver process is as before.
    NotStarted,
    /// It ended, and the solver process can be used again.
    SolverUsable,
    /// It ended, and the solver process is dead or in an unknown state.
    SolverLost,
}

impl AttemptEnd {
    /// The end of an attempt, by whether the solver process can be used again.
    pub(crate) fn with_solver(is_usable: bool) -> Self {
        if is_usable { Self::SolverUsable } else { Self::SolverLost }
    }
}

/// What a slot does after a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NextStep {
    /// It takes another job.
    TakeJob,
    /// It starts another solver process, and takes another job then.
    ReplaceSolver,
    /// It ends.
    End,
}

impl JobLimit {
    /// What a slot does after an attempt.
    pub(crate) fn after(self, attempt: AttemptEnd) -> NextStep {
        match (self, attempt) {
            (_, AttemptEnd::NotStarted) => NextStep::TakeJob,
            // However it ended: a job that is to be retried is in its lane again, for any worker.
            (Self::One { .. }, _) => NextStep::End,
            (Self::Unlimited, AttemptEnd::SolverUsable) => NextStep::TakeJob,
            (Self::Unlimited, AttemptEnd::SolverLost) => NextStep::ReplaceSolver,
        }
    }

    /// Whether a slot may hold jobs beside the one that it works on.
    pub(crate) fn allows_more(self) -> bool {
        self == Self::Unlimited
    }

    /// How long a slot waits for its first job; `None` for no limit.
    pub(crate) fn wait(self) -> Option<Duration> {
        match self {
            Self::Unlimited => None,
            Self::One { wait } => wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_without_a_limit_never_ends() {
        let after = |end| JobLimit::Unlimited.after(end);
        assert_eq!(after(AttemptEnd::NotStarted), NextStep::TakeJob);
        assert_eq!(after(AttemptEnd::SolverUsable), NextStep::TakeJob);
        assert_eq!(after(AttemptEnd::SolverLost), NextStep::ReplaceSolver);
    }

    #[test]
    fn a_slot_for_one_job_ends_after_its_first_attempt_however_that_ended() {
        let after = |end| JobLimit::One { wait: None }.after(end);
        assert_eq!(after(AttemptEnd::NotStarted), NextStep::TakeJob);
        assert_eq!(after(AttemptEnd::SolverUsable), NextStep::End);
        assert_eq!(after(AttemptEnd::SolverLost), NextStep::End);
    }
}
