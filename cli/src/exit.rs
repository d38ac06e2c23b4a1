use std::{
    io::{self, ErrorKind, Write},
    process::ExitCode,
};

use solvemesh_client::{
    Code, Error, Outcome, Rejection,
    v1::{JobState, SweepSummary, TerminationReason},
};

use crate::output::text::printable;

/// What `--help` says about exit codes.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
    0  done; of a job: solved, the answer is optimal; of a sweep: all answers are proven,
       and not all are that there is no solution
    1  internal or unexpected error
    2  the command line is wrong, or a file it names can't be read
    3  the model was refused
    4  solved, and there is no solution (infeasible, unbounded)
    5  stopped by a limit; the best solution so far, if any, was printed
    6  the job failed or expired, or its answer can't be trusted
    7  the job was cancelled; the best solution so far, if any, was printed
    8  no gateway can be reached, or the mesh is not available
    9  no such job, or the request was refused for another reason
  130  left by Ctrl-C; the job goes on";

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Exit {
    Done = 0,
    Unexpected = 1,
    Usage = 2,
    ModelRefused = 3,
    NoSolution = 4,
    Limit = 5,
    JobFailed = 6,
    Cancelled = 7,
    Unavailable = 8,
    Refused = 9,
    Left = 130,
}

impl Exit {
    /// What a script should know of how a job ended.
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

    /// An infeasible scenario is an answer like another, as long as some scenario has a
    /// solution; one that failed or hit a limit is told as a job that does.
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
            Error::Address { .. } => Self::Usage,
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

/// Why a command could not be carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line asks for what can't be.
    #[error("{0}")]
    Usage(String),
    /// The gateway found the model in this file at fault.
    #[error("{}", refusal(file, rejection))]
    ModelRefused { file: String, rejection: Box<Rejection> },
    /// It is open whether a submission arrived.
    #[error("{}\nrepeat it with --request-id {request_id}: that makes no second job", told(error))]
    SubmissionUnknown { error: Error, request_id: String },
    /// Another error of the client.
    #[error("{}", told(.0))]
    Client(#[from] Error),
    /// Standard output takes nothing more.
    #[error("can't write: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    /// Tells it on standard error, unless whoever read the output just stopped
    /// reading, and says how to end.
    pub(crate) fn tell(self) -> Exit {
        let (text, exit) = match &self {
            Self::Output(error) if error.kind() == ErrorKind::BrokenPipe => return Exit::Done,
            // The places in a file stand alone, as those of a compiler.
            Self::ModelRefused { .. } => (self.to_string(), Exit::ModelRefused),
            Self::Usage(_) => (format!("solvemesh: {self}"), Exit::Usage),
            Self::SubmissionUnknown { error, .. } | Self::Client(error) => {
                (format!("solvemesh: {self}"), Exit::of_error(error))
            }
            Self::Output(_) => (format!("solvemesh: {self}"), Exit::Unexpected),
        };
        for line in text.lines() {
            // There is nobody left to tell when this fails.
            let _ = writeln!(io::stderr(), "{}", printable(line));
        }
        exit
    }
}

/// Whether a field of a request is the model, or in it.
pub(crate) fn is_in_model(field: &str) -> bool {
    field == "model" || field.starts_with("model.")
}

/// A line for each fault: those of the model with the name of its file.
fn refusal(file: &str, rejection: &Rejection) -> String {
    let lines = rejection.violations.iter().map(|violation| {
        let place = if is_in_model(&violation.field) { file } else { &violation.field };
        printable(&format!("{place}: {}", violation.description)).into_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The error, and the fields at fault.
fn told(error: &Error) -> String {
    let mut text = printable(&error.to_string()).into_owned();
    for violation in error.rejection().map(|r| r.violations.as_slice()).unwrap_or_default() {
        let fault = format!("{}: {}", violation.field, violation.description);
        text.push_str(&format!("\n  {}", printable(&fault)));
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
    fn only_an_optimum_ends_with_zero() {
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
    fn a_sweep_ends_with_zero_where_all_is_proven_and_some_scenario_has_a_solution() {
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
    fn the_state_of_a_job_goes_before_what_its_solve_found() {
        let optimal = TerminationReason::Optimal;
        assert_eq!(Exit::of_outcome(&outcome(JobState::Cancelled, optimal)), Exit::Cancelled);
        assert_eq!(Exit::of_outcome(&outcome(JobState::Failed, optimal)), Exit::JobFailed);
        assert_eq!(Exit::of_outcome(&outcome(JobState::Expired, optimal)), Exit::JobFailed);
    }
}
