use solvemesh::v1::{
    Failure, Finished, JobState, Solution, SolveResult, SweepSummary, Termination,
    TerminationReason,
};

/// How a job ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The job.
    pub job_id: String,
    /// SUCCEEDED, FAILED, CANCELLED or EXPIRED; unspecified when the gateway is newer
    /// than this client and tells another.
    pub state: JobState,
    /// The attempt that ended it, from 1; 0 when none had started.
    pub attempt: i32,
    /// What came out, with the whole solution, however many parts it came in.
    pub result: Option<SolveResult>,
    /// Why it failed. Only of FAILED and EXPIRED jobs.
    pub failure: Option<Failure>,
    /// Of a sweep, which has no `result`: what its answers add up to.
    pub sweep: Option<SweepSummary>,
}

impl Outcome {
    pub(crate) fn new(job_id: String, attempt: i32, finished: Finished) -> Self {
        Self {
            job_id,
            state: finished.state(),
            attempt,
            result: finished.result,
            failure: finished.failure,
            sweep: finished.sweep,
        }
    }

    /// How the solve ended, if there was one.
    pub fn termination(&self) -> Option<&Termination> {
        self.result.as_ref()?.termination.as_ref()
    }

    /// What was found out about the model; unspecified without a solve.
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
