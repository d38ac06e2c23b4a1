use std::{
    io::{self, ErrorKind, Write},
    process::ExitCode,
};

use solvemesh_client::{
    Code, Error, Outcome, Rejection,
    v1::{JobState, SweepSummary, TerminationReason},
};

use crate::output::text::printable;

/// The section on exit codes at the end of `--help`.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
    0  success: the solution is optimal; for a sweep: every result is proven, and at least one
       scenario has a solution
    1  internal or unexpected error; for doctor: it has found errors
    2  invalid command line, or a file that it names cannot be read
    3  the model was rejected
    4  the model has no solution: infeasible or unbounded
    5  stopped by a limit; the best solution so far, if any, was printed
    6  the job failed or expired, or its result cannot be trusted
    7  the job was cancelled; the best solution so far, if any, was printed
    8  no gateway can be reached, or the mesh is not available
    9  no such job, or the request was rejected for another reason
  130  interrupted by Ctrl-C; the job was left as it is";

/// The exit codes of the program. Their order matters: where several results are combined, the
/// highest code is returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Exit {
    Done = 0,
    /// Also of `doctor`, if it has found errors.
    Unexpected = 1,
    Usage = 2,
    ModelRefused = 3,
    NoSolution = 4,
    Limit = 5,
    JobFailed = 6,
    Cancelled = 7,
    Unavailable = 8,
    Refused = 9,
    Interrupted = 130,
}

impl Exit {
    /// The exit code for a finished job.
    pub(crate) fn of_outcome(outcome: &Outcome) -> Self {
        match outcome.state {
            JobState::Succeeded => match &outcome.sweep {
                Some(sweep) => Self::of_sweep(sweep),
                None => Self::of_reason(outcome.reason()),
            },
            JobState::Failed | JobState::Expired => Self::JobFailed,
            JobState::Cancelled => Self::Cancelled,
            JobState::Unspecified | JobState::Queued | JobState::Running => Self::Unexpected,
        }
    }

    fn of_reason(reason: TerminationReason) -> Self {
        use TerminationReason as Reason;
        match reason {
            Reason::Optimal => Self::Done,
            Reason::Infeasible | Reason::Unbounded | Reason::InfeasibleOrUnbounded => {
                Self::NoSolution
            }
            Reason::Feasible | Reason::NoSolutionFound => Self::Limit,
            Reason::Imprecise | Reason::NumericalError | Reason::OtherError => Self::JobFailed,
            Reason::Unspecified => Self::Unexpected,
        }
    }

    /// The exit code for a sweep that succeeded: the highest code of its scenarios. Infeasible
    /// and unbounded scenarios do not count as long as some scenario is optimal, since a sweep
    /// is expected to have some. A sweep that was stopped by its first good scenario is done.
    fn of_sweep(sweep: &SweepSummary) -> Self {
        if sweep.stopped_by.is_some() {
            return Self::Done;
        }
        let counts = sweep.counts.iter().filter(|count| count.count > 0);
        let exits = || counts.clone().map(|count| Self::of_reason(count.reason()));
        let solved = exits().any(|exit| exit == Self::Done);
        exits().filter(|&exit| !(solved && exit == Self::NoSolution)).max().unwrap_or(Self::Done)
    }

    fn of_error(error: &Error) -> Self {
        match error {
            Error::Address { .. } | Error::Credentials(_) => Self::Usage,
            Error::Unavailable(_) => Self::Unavailable,
            Error::Rejected(rejection) if rejection.code == Code::Internal => Self::Unexpected,
            Error::Rejected(_) => Self::Refused,
            Error::Malformed(_) => Self::Unexpected,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line is invalid, or a file that it names cannot be read.
    #[error("{0}")]
    Usage(String),
    /// The gateway rejected the model in this file.
    #[error("{}", refusal(file, rejection))]
    ModelRefused { file: String, rejection: Box<Rejection> },
    /// The gateway did not respond to a submission, so the job may or may not exist.
    #[error(
        "{}\nretry with --request-id {request_id}: this cannot create a second job",
        with_violations(error)
    )]
    SubmissionUnknown { error: Error, request_id: String },
    /// Another error of the client.
    #[error("{}", with_violations(.0))]
    Client(#[from] Error),
    /// Writing to standard output or the output file failed.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    /// Prints the failure to standard error and returns the exit code. A broken pipe is no
    /// failure: the reader of the output, such as `head`, has read enough.
    pub(crate) fn tell(self) -> Exit {
        let (text, exit) = match &self {
            Self::Output(error) if error.kind() == ErrorKind::BrokenPipe => return Exit::Done,
            // No prefix, so that each line is `FILE: line N, column M: …`, as a compiler prints it.
            Self::ModelRefused { .. } => (self.to_string(), Exit::ModelRefused),
            Self::Usage(_) => (format!("solvemesh: {self}"), Exit::Usage),
            Self::SubmissionUnknown { error, .. } | Self::Client(error) => {
                (format!("solvemesh: {self}"), Exit::of_error(error))
            }
            Self::Output(_) => (format!("solvemesh: {self}"), Exit::Unexpected),
        };
        for line in text.lines() {
            // If standard error is closed, there is no place left to report that.
            let _ = writeln!(io::stderr(), "{}", printable(line));
        }
        exit
    }
}

/// Whether the path of a field of a request is the model or in the model.
pub(crate) fn is_in_model(field: &str) -> bool {
    field == "model" || field.starts_with("model.")
}

/// Formats a rejection, one line per violation. Those in the model begin with the name of its
/// file, others with the path of their field.
fn refusal(file: &str, rejection: &Rejection) -> String {
    let lines = rejection.violations.iter().map(|violation| {
        let place = if is_in_model(&violation.field) { file } else { &violation.field };
        printable(&format!("{place}: {}", violation.description)).into_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Formats an error, followed by one indented line per violation.
fn with_violations(error: &Error) -> String {
    let mut text = printable(&error.to_string()).into_owned();
    for violation in error.rejection().map(|r| r.violations.as_slice()).unwrap_or_default() {
        let line = format!("{}: {}", violation.field, violation.description);
        text.push_str(&format!("\n  {}", printable(&line)));
    }
    text
}

#[cfg(test)]
mod tests {
    use solvemesh_client::v1::{SolveResult, Termination, TerminationCount};

    use super::*;

    fn outcome(state: JobState, reason: TerminationReason) -> Outcome {
        let termination = Termination { reason: reason.into(), ..Termination::default() };
        Outcome {
            job_id: "j".into(),
            state,
            attempt: 1,
            result: Some(SolveResult { termination: Some(termination), ..SolveResult::default() }),
            failure: None,
            sweep: None,
        }
    }

    #[test]
    fn only_an_optimum_exits_with_zero() {
        use TerminationReason as Reason;
        let exit = |reason| Exit::of_outcome(&outcome(JobState::Succeeded, reason));
        assert_eq!(exit(Reason::Optimal), Exit::Done);
        assert_eq!(exit(Reason::Feasible), Exit::Limit);
        assert_eq!(exit(Reason::NoSolutionFound), Exit::Limit);
        assert_eq!(exit(Reason::Infeasible), Exit::NoSolution);
        assert_eq!(exit(Reason::Unbounded), Exit::NoSolution);
        assert_eq!(exit(Reason::InfeasibleOrUnbounded), Exit::NoSolution);
        assert_eq!(exit(Reason::Imprecise), Exit::JobFailed);
        assert_eq!(exit(Reason::NumericalError), Exit::JobFailed);
        assert_eq!(exit(Reason::Unspecified), Exit::Unexpected);
    }

    #[test]
    fn a_sweep_exits_with_zero_if_all_is_proven_and_some_scenario_has_a_solution() {
        use TerminationReason as Reason;
        let exit = |reasons: &[Reason], stopped_by| {
            let count = |&reason: &Reason| TerminationCount { reason: reason.into(), count: 1 };
            let counts = reasons.iter().map(count).collect();
            let sweep = Some(SweepSummary { counts, stopped_by, ..SweepSummary::default() });
            let optimal = outcome(JobState::Succeeded, Reason::Unspecified);
            Exit::of_outcome(&Outcome { result: None, sweep, ..optimal })
        };
        assert_eq!(exit(&[Reason::Optimal, Reason::Infeasible], None), Exit::Done);
        assert_eq!(exit(&[Reason::Unbounded, Reason::Infeasible], None), Exit::NoSolution);
        assert_eq!(exit(&[Reason::Optimal, Reason::Feasible], None), Exit::Limit);
        assert_eq!(exit(&[Reason::Optimal, Reason::OtherError], None), Exit::JobFailed);
        assert_eq!(exit(&[Reason::Feasible], Some(3)), Exit::Done);
    }

    #[test]
    fn the_state_of_a_job_takes_precedence_over_its_result() {
        let optimal = TerminationReason::Optimal;
        assert_eq!(Exit::of_outcome(&outcome(JobState::Cancelled, optimal)), Exit::Cancelled);
        assert_eq!(Exit::of_outcome(&outcome(JobState::Failed, optimal)), Exit::JobFailed);
        assert_eq!(Exit::of_outcome(&outcome(JobState::Expired, optimal)), Exit::JobFailed);
    }
}
