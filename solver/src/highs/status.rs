//! The status of a model in HiGHS.

use std::fmt;

use highs_sys::{
    HighsInt, MODEL_STATUS_INFEASIBLE, MODEL_STATUS_LOAD_ERROR, MODEL_STATUS_MODEL_EMPTY,
    MODEL_STATUS_MODEL_ERROR, MODEL_STATUS_NOTSET, MODEL_STATUS_OBJECTIVE_BOUND,
    MODEL_STATUS_OBJECTIVE_TARGET, MODEL_STATUS_OPTIMAL, MODEL_STATUS_POSTSOLVE_ERROR,
    MODEL_STATUS_PRESOLVE_ERROR, MODEL_STATUS_REACHED_INTERRUPT,
    MODEL_STATUS_REACHED_ITERATION_LIMIT, MODEL_STATUS_REACHED_MEMORY_LIMIT,
    MODEL_STATUS_REACHED_SOLUTION_LIMIT, MODEL_STATUS_REACHED_TIME_LIMIT, MODEL_STATUS_SOLVE_ERROR,
    MODEL_STATUS_UNBOUNDED, MODEL_STATUS_UNBOUNDED_OR_INFEASIBLE, MODEL_STATUS_UNKNOWN,
};

/// `HighsModelStatus::kHighsInterrupt`, for which highs-sys 1.15 has no name.
const MODEL_STATUS_HIGHS_INTERRUPT: HighsInt = 19;

/// HiGHS's status of a model. Displayed in HiGHS's own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ModelStatus {
    /// HiGHS has set no status.
    NotSet,
    /// The model could not be loaded.
    LoadError,
    /// The model is invalid.
    ModelError,
    /// Presolve failed.
    PresolveError,
    /// The solve failed.
    SolveError,
    /// Postsolve failed.
    PostsolveError,
    /// The model has no variables.
    Empty,
    /// An optimum, within tolerances and gaps.
    Optimal,
    /// No solution exists.
    Infeasible,
    /// Infeasible or unbounded; HiGHS did not find out which.
    UnboundedOrInfeasible,
    /// Arbitrarily good solutions exist.
    Unbounded,
    /// The bound on the objective was passed.
    ObjectiveBound,
    /// The target of the objective was reached.
    ObjectiveTarget,
    /// The time limit was reached.
    TimeLimit,
    /// The iteration limit was reached.
    IterationLimit,
    /// HiGHS came to no conclusion, for numerical reasons.
    Unknown,
    /// The limit on nodes, leaves or improving solutions was reached.
    SolutionLimit,
    /// A callback, or HiGHS itself, asked to stop.
    Interrupted,
    /// The memory limit was reached.
    MemoryLimit,
    /// A status that this program doesn't know.
    Other(HighsInt),
}

impl From<HighsInt> for ModelStatus {
    fn from(status: HighsInt) -> Self {
        match status {
            MODEL_STATUS_NOTSET => Self::NotSet,
            MODEL_STATUS_LOAD_ERROR => Self::LoadError,
            MODEL_STATUS_MODEL_ERROR => Self::ModelError,
            MODEL_STATUS_PRESOLVE_ERROR => Self::PresolveError,
            MODEL_STATUS_SOLVE_ERROR => Self::SolveError,
            MODEL_STATUS_POSTSOLVE_ERROR => Self::PostsolveError,
            MODEL_STATUS_MODEL_EMPTY => Self::Empty,
            MODEL_STATUS_OPTIMAL => Self::Optimal,
            MODEL_STATUS_INFEASIBLE => Self::Infeasible,
            MODEL_STATUS_UNBOUNDED_OR_INFEASIBLE => Self::UnboundedOrInfeasible,
            MODEL_STATUS_UNBOUNDED => Self::Unbounded,
            MODEL_STATUS_OBJECTIVE_BOUND => Self::ObjectiveBound,
            MODEL_STATUS_OBJECTIVE_TARGET => Self::ObjectiveTarget,
            MODEL_STATUS_REACHED_TIME_LIMIT => Self::TimeLimit,
            MODEL_STATUS_REACHED_ITERATION_LIMIT => Self::IterationLimit,
            MODEL_STATUS_UNKNOWN => Self::Unknown,
            MODEL_STATUS_REACHED_SOLUTION_LIMIT => Self::SolutionLimit,
            MODEL_STATUS_REACHED_INTERRUPT | MODEL_STATUS_HIGHS_INTERRUPT => Self::Interrupted,
            MODEL_STATUS_REACHED_MEMORY_LIMIT => Self::MemoryLimit,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for ModelStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotSet => "not set",
            Self::LoadError => "load error",
            Self::ModelError => "model error",
            Self::PresolveError => "presolve error",
            Self::SolveError => "solve error",
            Self::PostsolveError => "postsolve error",
            Self::Empty => "empty",
            Self::Optimal => "optimal",
            Self::Infeasible => "infeasible",
            Self::UnboundedOrInfeasible => "primal infeasible or unbounded",
            Self::Unbounded => "unbounded",
            Self::ObjectiveBound => "bound on objective reached",
            Self::ObjectiveTarget => "target for objective reached",
            Self::TimeLimit => "time limit reached",
            Self::IterationLimit => "iteration limit reached",
            Self::Unknown => "unknown",
            Self::SolutionLimit => "solution limit reached",
            Self::Interrupted => "interrupted",
            Self::MemoryLimit => "memory limit reached",
            Self::Other(status) => return write!(f, "status {status}"),
        })
    }
}
