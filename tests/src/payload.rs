//! The jobs that the fault suite submits, and the check of their results.

use std::time::Duration;

use solvemesh::v1::{
    JobFinished, JobState, Model, SolveOptions, SubmitJobRequest, TerminationLimit,
    TerminationReason,
};

use crate::{jobs::agree, models};

/// Maximum violation of a solution that passes.
const TOLERANCE: f64 = 1e-6;

/// The model of a job, with its options.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Payload {
    /// The product mix of Wyndor Glass, which takes a moment.
    Wyndor {
        /// The profit rate of windows.
        rate: f64,
    },
    /// A market split problem, which runs until its time limit.
    Long {
        /// Makes the name unique.
        number: usize,
        /// The time limit.
        limit: Duration,
    },
    /// A linear model whose solution is too large for one message.
    Wide {
        /// Number of rows, of ten variables each.
        groups: usize,
    },
}

impl Payload {
    /// The name of the model. It is unique to the payload: the checker compares it with the
    /// name in the log.
    pub fn name(&self) -> String {
        match self {
            Self::Wyndor { rate } => format!("wyndor at {rate}"),
            Self::Long { number, limit } => format!("market split {number} in {limit:?}"),
            Self::Wide { groups } => format!("{groups} groups"),
        }
    }

    /// The request that submits it.
    pub fn request(&self, request_id: &str) -> SubmitJobRequest {
        let (model, options) = match *self {
            Self::Wyndor { rate } => (models::wyndor(rate), SolveOptions::default()),
            Self::Long { limit, .. } => {
                let options = SolveOptions {
                    time_limit: Some(limit.try_into().expect("a time limit")),
                    relative_gap: Some(0.0),
                    ..SolveOptions::default()
                };
                (models::market_split(5, 40), options)
            }
            Self::Wide { groups } => (models::wide(groups), SolveOptions::default()),
        };
        SubmitJobRequest {
            model: Some(Model { name: self.name(), ..model }),
            options: Some(options),
            request_id: request_id.to_owned(),
            ..SubmitJobRequest::default()
        }
    }

    /// Checks the outcome of a job that must have SUCCEEDED. Returns what is wrong, if
    /// anything.
    pub fn fault(&self, finished: &JobFinished) -> Option<String> {
        if finished.state() != JobState::Succeeded {
            return Some(format!("it is {}", finished.state().as_str_name()));
        }
        let Some(result) = &finished.result else { return Some("it has no result".to_owned()) };
        let Some(termination) = &result.termination else {
            return Some("it has no termination".to_owned());
        };
        let reason = termination.reason();
        if termination.objective.is_some()
            && result
                .verification
                .as_ref()
                .is_none_or(|check| check.max_violation > Some(TOLERANCE))
        {
            return Some(format!("the solution violates the model: {:?}", result.verification));
        }
        match (*self, termination.objective) {
            (Self::Wyndor { rate }, Some(objective))
                if reason == TerminationReason::Optimal
                    && agree(objective, models::wyndor_optimum(rate).0) =>
            {
                None
            }
            (Self::Wide { groups }, Some(objective))
                if reason == TerminationReason::Optimal && agree(objective, groups as f64) =>
            {
                None
            }
            // The objective is a sum of deviations, so at least 0. Optimality is not proven
            // within the time limit.
            (Self::Long { .. }, Some(objective))
                if reason == TerminationReason::Feasible && objective >= -TOLERANCE =>
            {
                None
            }
            // The solver process was killed before it reported a solution.
            (Self::Long { .. }, None)
                if reason == TerminationReason::NoSolutionFound
                    && termination.limit() == TerminationLimit::Time =>
            {
                None
            }
            (_, objective) => Some(format!("{} with {objective:?}", reason.as_str_name())),
        }
    }
}
