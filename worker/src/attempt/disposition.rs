//! Decides whether a job finishes, is retried or is requeued after an attempt: a pure function of
//! the attempt's ending and of the number of attempts that failed before.

use solvemesh::failure_reason;
use solvemesh::v1::{Failure, TerminationReason};

use crate::{failure::failure, process::Death};

/// How the solve of an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The solver reported an outcome.
    Reported {
        /// Its termination reason, unchecked.
        reason: TerminationReason,
        /// Whether the outcome or an earlier incumbent contains a solution.
        solution: bool,
        /// The solver's own description.
        detail: String,
    },
    /// It was killed because it ran past its time limit and the overrun grace.
    Overran,
    /// It was killed because it did not stop within the cancel grace.
    KilledForCancel,
    /// It was killed because the drain grace of the worker expired.
    KilledForDrain,
    /// It died.
    Died(Death),
}

/// What happens to the job after the attempt.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Disposition {
    /// Finish as SUCCEEDED, with the solver's outcome or the best solution so far.
    Succeed,
    /// Finish as CANCELLED, with the best solution so far.
    Cancel,
    /// Finish as FAILED.
    Fail(Failure),
    /// Put it back into its queue, with one more failed attempt.
    Retry(Failure),
    /// Requeue the delivery unchanged; the attempt does not count.
    Requeue,
}

impl Disposition {
    /// The disposition after an attempt with this ending. `failed_attempts` attempts died before it.
    /// Once `max_attempts` have died, the job fails.
    pub(crate) fn after(
        ending: &Ending,
        cancelled: bool,
        failed_attempts: u32,
        max_attempts: u32,
    ) -> Self {
        match ending {
            // A proof that was complete before the cancel took effect is worth keeping.
            Ending::Reported { reason, .. } if cancelled && !proven(*reason) => Self::Cancel,
            // Not retried: the solver would report the same error again.
            Ending::Reported { reason: TerminationReason::OtherError, solution: false, detail } => {
                Self::Fail(failure(
                    failure_reason::SOLVER_ERROR,
                    format!("the solver failed: {detail}"),
                ))
            }
            Ending::Reported { .. } | Ending::Overran => Self::Succeed,
            Ending::KilledForCancel => Self::Cancel,
            Ending::KilledForDrain | Ending::Died(_) if cancelled => Self::Cancel,
            Ending::KilledForDrain => Self::Requeue,
            // Not retried: another attempt would reach the same limit. Like a time limit, it
            // finishes the job with the best solution so far.
            Ending::Died(Death::MemoryLimit(_)) => Self::Succeed,
            Ending::Died(death) => {
                let message = format!("the solver process died: {death}");
                let died = failed_attempts.saturating_add(1);
                if died < max_attempts {
                    Self::Retry(failure(death.reason(), message))
                } else {
                    let message = format!("{message}; failed attempts: {died}");
                    Self::Fail(failure(death.reason(), message))
                }
            }
        }
    }
}

/// Whether the solve was complete, so that a cancel came too late to matter.
fn proven(reason: TerminationReason) -> bool {
    matches!(
        reason,
        TerminationReason::Optimal
            | TerminationReason::Infeasible
            | TerminationReason::Unbounded
            | TerminationReason::InfeasibleOrUnbounded
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const CRASH: Ending = Ending::Died(Death::Signal(11));

    fn reported(reason: TerminationReason) -> Ending {
        Ending::Reported { reason, solution: false, detail: "why".to_owned() }
    }

    #[test]
    fn a_crash_is_retried_until_max_attempts() {
        let retried: Vec<_> = (0..4)
            .map(|failed| {
                matches!(Disposition::after(&CRASH, false, failed, 3), Disposition::Retry(_))
            })
            .collect();
        assert_eq!(retried, [true, true, false, false]);
        assert!(matches!(Disposition::after(&CRASH, false, u32::MAX, 3), Disposition::Fail(_)));
        assert!(matches!(Disposition::after(&CRASH, false, 0, 0), Disposition::Fail(_)));
    }

    #[test]
    fn a_failed_job_reports_why_its_solver_died() {
        let Disposition::Fail(failure) = Disposition::after(&CRASH, false, 2, 3) else {
            panic!("the third of three attempts is the last");
        };
        assert_eq!(failure.reason, "SOLVER_CRASHED");
        assert!(failure.message.contains("killed by signal 11 (SIGSEGV)"), "{}", failure.message);
        assert!(failure.message.contains("failed attempts: 3"), "{}", failure.message);
    }

    #[test]
    fn each_death_has_its_reason() {
        for (death, reason) in [
            (Death::Exit(1), "SOLVER_CRASHED"),
            (Death::Signal(9), "SOLVER_OUT_OF_MEMORY"),
            (Death::ProtocolError("noise".to_owned()), "SOLVER_ERROR"),
            (Death::TaskNotRead, "SOLVER_HUNG"),
        ] {
            let Disposition::Retry(failure) = Disposition::after(&Ending::Died(death), false, 0, 2)
            else {
                panic!("the first of two attempts is not the last");
            };
            assert_eq!(failure.reason, reason);
        }
    }

    #[test]
    fn a_cancelled_job_is_cancelled_however_its_solver_ended() {
        for ending in [
            CRASH,
            Ending::KilledForCancel,
            Ending::KilledForDrain,
            reported(TerminationReason::Feasible),
            reported(TerminationReason::NoSolutionFound),
            reported(TerminationReason::OtherError),
        ] {
            assert_eq!(Disposition::after(&ending, true, 0, 3), Disposition::Cancel, "{ending:?}");
        }
    }

    #[test]
    fn a_cancel_after_the_proof_is_ignored() {
        for reason in [
            TerminationReason::Optimal,
            TerminationReason::Infeasible,
            TerminationReason::Unbounded,
            TerminationReason::InfeasibleOrUnbounded,
        ] {
            assert_eq!(Disposition::after(&reported(reason), true, 0, 3), Disposition::Succeed);
        }
    }

    #[test]
    fn a_solver_killed_for_overrun_keeps_its_best_solution() {
        assert_eq!(Disposition::after(&Ending::Overran, false, 0, 1), Disposition::Succeed);
    }

    #[test]
    fn a_memory_limit_keeps_the_best_solution_without_a_retry() {
        let ending = Ending::Died(Death::MemoryLimit(64 << 20));
        assert_eq!(Disposition::after(&ending, false, 0, 3), Disposition::Succeed);
        assert_eq!(Disposition::after(&ending, false, 2, 3), Disposition::Succeed);
        assert_eq!(Disposition::after(&ending, true, 0, 3), Disposition::Cancel);
    }

    #[test]
    fn a_drained_job_is_requeued_and_the_attempt_does_not_count() {
        assert_eq!(Disposition::after(&Ending::KilledForDrain, false, 2, 3), Disposition::Requeue);
    }

    #[test]
    fn an_error_that_the_solver_reports_is_not_retried() {
        let Disposition::Fail(failure) =
            Disposition::after(&reported(TerminationReason::OtherError), false, 0, 3)
        else {
            panic!("a reported error is not retried");
        };
        assert_eq!(failure.reason, "SOLVER_ERROR");
        assert!(failure.message.contains("why"));
    }
}
