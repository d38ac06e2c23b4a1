use solvemesh::v1::{
    Failure, JobFinished, JobState, Solution, SolveResult, SweepSummary, Termination,
    TerminationReason,
};

/// The outcome of a finished job.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The job.
    pub job_id: String,
    /// SUCCEEDED, FAILED, CANCELLED or EXPIRED; unspecified for a state that this client does not
    /// know, from a newer gateway.
    pub state: JobState,
    /// The number of the attempt that finished the job, from 1; 0 if none had started.
    pub attempt: i32,
    /// The result of the solve, with the whole solution, even if it arrived in parts.
    pub result: Option<SolveResult>,
    /// The cause of a failure. Only for FAILED and EXPIRED jobs.
    pub failure: Option<Failure>,
    /// The summary of a sweep, which has no `result`.
    pub sweep: Option<SweepSummary>,
}

impl Outcome {
    pub(crate) fn new(job_id: String, attempt: i32, finished: JobFinished) -> Self {
        Self {
            job_id,
            state: finished.state(),
            attempt,
            result: finished.result,
            failure: finished.failure,
            sweep: finished.sweep_summary,
        }
    }

    /// How the solve terminated, if there was one.
    pub fn termination(&self) -> Option<&Termination> {
        self.result.as_ref()?.termination.as_ref()
    }

    /// The termination reason; unspecified without a solve.
    pub fn reason(&self) -> TerminationReason {
        self.termination().map(Termination::reason).unwrap_or_default()
    }

    /// The objective of the best solution.
    pub fn objective(&self) -> Option<f64> {
        self.termination()?.objective
    }

    /// The best solution.
    pub fn solution(&self) -> Option<&Solution> {
        self.result.as_ref()?.solution.as_ref()
    }
}
