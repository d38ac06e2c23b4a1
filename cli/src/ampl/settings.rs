//! What the options of a driver set.

use std::{collections::BTreeMap, time::Duration};

use solvemesh_client::v1::{Presolve, Solver};
use solvemesh_model::NlObjective;

/// The options of a solve in driver mode.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settings {
    /// The URL of the gateway.
    pub(super) server: Option<String>,
    pub(super) objective: NlObjective,
    /// AMPL's bits: 2 prints the values, 4 the duals, 8 suppresses the message.
    pub(super) wantsol: u8,
    /// Whether the solver's log is printed.
    pub(super) log: bool,
    /// Whether the basis of an LP is returned, as the suffix `sstatus`.
    pub(super) basis: bool,
    /// Whether the reduced costs of an LP are returned, as the suffix `rc`.
    pub(super) reduced_costs: bool,
    /// Whether the solve begins at the initial guess or the basis in the model.
    pub(super) warm_start: bool,
    pub(super) time_limit: Option<Duration>,
    pub(super) total_time_limit: Option<Duration>,
    pub(super) queue_time_limit: Option<Duration>,
    pub(super) relative_gap: Option<f64>,
    pub(super) absolute_gap: Option<f64>,
    pub(super) threads: Option<i32>,
    pub(super) seed: Option<i32>,
    pub(super) memory_limit: Option<i64>,
    pub(super) node_limit: Option<i64>,
    pub(super) iteration_limit: Option<i64>,
    pub(super) solution_limit: Option<i32>,
    pub(super) objective_target: Option<f64>,
    pub(super) presolve: Presolve,
    pub(super) solver: Solver,
    pub(super) solver_options: BTreeMap<String, String>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) lane: String,
    pub(super) model_name: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            server: None,
            objective: NlObjective::First,
            wantsol: 0,
            log: true,
            basis: true,
            reduced_costs: true,
            warm_start: true,
            time_limit: None,
            total_time_limit: None,
            queue_time_limit: None,
            relative_gap: None,
            absolute_gap: None,
            threads: None,
            seed: None,
            memory_limit: None,
            node_limit: None,
            iteration_limit: None,
            solution_limit: None,
            objective_target: None,
            presolve: Presolve::Unspecified,
            solver: Solver::Unspecified,
            solver_options: BTreeMap::new(),
            labels: BTreeMap::new(),
            lane: String::new(),
            model_name: String::new(),
        }
    }
}

impl Settings {
    /// Whether the solver is HiGHS, or may be: only HiGHS has a log, a basis and starts.
    pub(super) fn may_be_highs(&self) -> bool {
        matches!(self.solver, Solver::Unspecified | Solver::Auto | Solver::Highs)
    }
}
