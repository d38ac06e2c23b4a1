//! What becomes of a job once the solver's side of an attempt has ended: a pure
//! function of the ending and of what died before.

use solvemesh::v1::{Failure, TerminationReason};

use crate::process::Death;

/// How the solver's side of an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The solver told how.
    Told {
        /// What it found out.
        reason: TerminationReason,
        /// Whether it, or the attempt before it ended, brought a solution.
        solution: bool,
        /// The solver's own words.
        detail: String,
    },
    /// It ran past its time limit, and further, and was killed.
    Overran,
    /// It was asked to end for a cancel, did not, and was killed.
    KilledForCancel,
    /// It was killed because the worker had to end.
    KilledForDrain,
    /// It died.
    Died(Death),
}

/// What becomes of the job.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Disposition {
    /// It SUCCEEDED, with what the solver told or the best solution so far.
    Succeed,
    /// It was CANCELLED, with the best solution so far.
    Cancel,
    /// It FAILED.
    Fail(Failure),
    /// It goes back into its queue, with one more attempt that died.
    Retry(Failure),
    /// It goes back into its queue as it came.
    HandBack,
}

/// Decides. `failed_attempts` died before this one; the last of `max_attempts` that
/// dies is not followed by another.
pub(crate) fn dispose(
    ending: &Ending,
    cancelled: bool,
    failed_attempts: u32,
    max_attempts: u32,
) -> Disposition {
    match ending {
        Ending::Told { reason, .. } if cancelled && !proven(*reason) => Disposition::Cancel,
        Ending::Told { reason: TerminationReason::OtherError, solution: false, detail } => {
            Disposition::Fail(failure("SOLVER_ERROR", format!("the solver failed: {detail}")))
        }
        Ending::Told { .. } | Ending::Overran => Disposition::Succeed,
        Ending::KilledForCancel => Disposition::Cancel,
        Ending::KilledForDrain | Ending::Died(_) if cancelled => Disposition::Cancel,
        Ending::KilledForDrain => Disposition::HandBack,
        // The same would happen again.
        Ending::Died(Death::MemoryLimit(_)) => Disposition::Succeed,
        Ending::Died(death) => {
            let message = format!("the solver process died: {death}");
            let died = failed_attempts.saturating_add(1);
            if died < max_attempts {
                Disposition::Retry(failure(death.reason(), message))
            } else {
                let message = format!("{message}; attempts that died: {died}");
                Disposition::Fail(failure(death.reason(), message))
            }
        }
    }
}

/// Whether nothing more was to be found out: a cancel came too late.
fn proven(reason: TerminationReason) -> bool {
    matches!(
        reason,
        TerminationReason::Optimal
            | TerminationReason::Infeasible
            | TerminationReason::Unbounded
            | TerminationReason::InfeasibleOrUnbounded
    )
}

/// A failure, in the contract's words.
pub(crate) fn failure(reason: &str, message: impl Into<String>) -> Failure {
    Failure { reason: reason.to_owned(), message: message.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CRASH: Ending = Ending::Died(Death::Signal(11));

    fn told(reason: TerminationReason) -> Ending {
        Ending::Told { reason, solution: false, detail: "why".to_owned() }
    }

    #[test]
    fn a_crash_is_tried_again_until_the_last_attempt() {
        let retried: Vec<_> = (0..4)
            .map(|failed| matches!(dispose(&CRASH, false, failed, 3), Disposition::Retry(_)))
            .collect();
        assert_eq!(retried, [true, true, false, false]);
        assert!(matches!(dispose(&CRASH, false, u32::MAX, 3), Disposition::Fail(_)));
        assert!(matches!(dispose(&CRASH, false, 0, 0), Disposition::Fail(_)));
    }

    #[test]
    fn a_job_that_failed_says_what_its_solver_died_of() {
        let Disposition::Fail(failure) = dispose(&CRASH, false, 2, 3) else {
            panic!("the third of three attempts is the last");
        };
        assert_eq!(failure.reason, "SOLVER_CRASHED");
        assert!(failure.message.contains("killed by signal 11 (SIGSEGV)"), "{}", failure.message);
        assert!(failure.message.contains("died: 3"), "{}", failure.message);
    }

    #[test]
    fn each_death_has_its_reason() {
        for (death, reason) in [
            (Death::Exit(1), "SOLVER_CRASHED"),
            (Death::Signal(9), "SOLVER_OUT_OF_MEMORY"),
            (Death::Garbled("noise".to_owned()), "SOLVER_ERROR"),
            (Death::Deaf, "SOLVER_HUNG"),
        ] {
            let Disposition::Retry(failure) = dispose(&Ending::Died(death), false, 0, 2) else {
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
            told(TerminationReason::Feasible),
            told(TerminationReason::NoSolutionFound),
            told(TerminationReason::OtherError),
        ] {
            assert_eq!(dispose(&ending, true, 0, 3), Disposition::Cancel, "{ending:?}");
        }
    }

    #[test]
    fn a_cancel_that_came_after_the_proof_changes_nothing() {
        for reason in [
            TerminationReason::Optimal,
            TerminationReason::Infeasible,
            TerminationReason::Unbounded,
            TerminationReason::InfeasibleOrUnbounded,
        ] {
            assert_eq!(dispose(&told(reason), true, 0, 3), Disposition::Succeed);
        }
    }

    #[test]
    fn a_solver_that_ran_too_long_leaves_its_best_solution() {
        assert_eq!(dispose(&Ending::Overran, false, 0, 1), Disposition::Succeed);
    }

    #[test]
    fn a_solver_at_its_memory_limit_leaves_its_best_solution_and_is_not_tried_again() {
        let ending = Ending::Died(Death::MemoryLimit(64 << 20));
        assert_eq!(dispose(&ending, false, 0, 3), Disposition::Succeed);
        assert_eq!(dispose(&ending, false, 2, 3), Disposition::Succeed);
        assert_eq!(dispose(&ending, true, 0, 3), Disposition::Cancel);
    }

    #[test]
    fn a_drained_job_goes_back_uncharged() {
        assert_eq!(dispose(&Ending::KilledForDrain, false, 2, 3), Disposition::HandBack);
    }

    #[test]
    fn an_error_that_the_solver_tells_is_not_tried_again() {
        let Disposition::Fail(failure) = dispose(&told(TerminationReason::OtherError), false, 0, 3)
        else {
            panic!("the same would happen again");
        };
        assert_eq!(failure.reason, "SOLVER_ERROR");
        assert!(failure.message.contains("why"));
    }
}
