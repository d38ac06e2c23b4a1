//! What the solvers of a mesh can do, for the gateway that links none of them.

use solvemesh::v1::{Solver, SolverCapabilities, SolverOption, SolverOptionType, VariableKind};
use solvemesh_broker::Lane;

/// All solvers.
const SOLVERS: [Solver; 5] =
    [Solver::Highs, Solver::Clarabel, Solver::Microlp, Solver::Scip, Solver::Cbc];

/// The fields of `SolveOptions` that not every solver follows, with those that do. `start`
/// is that of the model; `threads` counts where it is above 1.
const FIELDS: [(&str, &[Solver]); 15] = [
    ("relative_gap", &[Solver::Highs, Solver::Microlp, Solver::Scip, Solver::Cbc]),
    ("absolute_gap", &[Solver::Highs, Solver::Scip, Solver::Cbc]),
    ("threads", &[Solver::Highs]),
    ("seed", &[Solver::Highs]),
    ("presolve", &[Solver::Highs]),
    ("start", &[Solver::Highs]),
    ("infeasible_subset", &[Solver::Highs]),
    ("node_limit", &[Solver::Highs]),
    ("iteration_limit", &[Solver::Highs]),
    ("solution_limit", &[Solver::Highs]),
    ("objective_target", &[Solver::Highs]),
    ("return_basis", &[Solver::Highs]),
    ("sensitivity", &[Solver::Highs]),
    ("log", &[Solver::Highs]),
    ("incumbents", &[Solver::Highs]),
];

/// Whether a solver follows a field that not every solver does.
pub fn follows(solver: Solver, field: &str) -> bool {
    let solvers = FIELDS.iter().find(|(name, _)| *name == field).map(|(_, solvers)| *solvers);
    solvers.is_none_or(|solvers| solvers.contains(&solver))
}

/// The lane of its own that a solver has because not every worker has the solver.
pub fn own_lane(solver: Solver) -> Option<Lane> {
    let name = match solver {
        Solver::Cbc => Lane::CBC,
        Solver::Scip => Lane::SCIP,
        _ => return None,
    };
    name.parse().ok()
}

/// A value that a raw option may have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Domain {
    /// "true" or "false".
    Bool,
    /// An integer in a range, both ends included.
    Int(i64, i64),
    /// A number in a range, both ends included.
    Double(f64, f64),
    /// One of some words.
    Choice(&'static [&'static str]),
}

const INT_MAX: i64 = i32::MAX as i64;
const INF: f64 = f64::INFINITY;

/// The raw options of HiGHS that a job may set, by HiGHS's own names and ranges
/// (its `HighsOptions.h`). What the mesh itself decides (threads, time limit, files,
/// logs) and what changes the meaning of a model is not among them.
const HIGHS: [(&str, Domain); 38] = [
    ("solver", Domain::Choice(&["choose", "simplex", "ipm", "pdlp"])),
    ("parallel", Domain::Choice(&["choose", "on", "off"])),
    ("run_crossover", Domain::Choice(&["choose", "on", "off"])),
    ("simplex_strategy", Domain::Int(0, 4)),
    ("simplex_scale_strategy", Domain::Int(0, 5)),
    ("simplex_unscaled_solution_strategy", Domain::Int(0, 2)),
    ("allowed_matrix_scale_factor", Domain::Int(0, 30)),
    ("allowed_cost_scale_factor", Domain::Int(0, 20)),
    ("cost_scale_factor", Domain::Int(-20, 20)),
    // Exponents of 2, beyond which no model stays within what HiGHS takes.
    ("user_objective_scale", Domain::Int(-100, 100)),
    ("user_bound_scale", Domain::Int(-100, 100)),
    ("small_matrix_value", Domain::Double(1e-12, INF)),
    ("simplex_dual_edge_weight_strategy", Domain::Int(-1, 2)),
    ("simplex_primal_edge_weight_strategy", Domain::Int(-1, 2)),
    ("simplex_iteration_limit", Domain::Int(0, INT_MAX)),
    ("simplex_update_limit", Domain::Int(0, INT_MAX)),
    ("ipm_iteration_limit", Domain::Int(0, INT_MAX)),
    ("pdlp_iteration_limit", Domain::Int(0, INT_MAX)),
    ("primal_feasibility_tolerance", Domain::Double(1e-10, INF)),
    ("dual_feasibility_tolerance", Domain::Double(1e-10, INF)),
    ("ipm_optimality_tolerance", Domain::Double(1e-12, INF)),
    ("objective_bound", Domain::Double(-INF, INF)),
    ("objective_target", Domain::Double(-INF, INF)),
    ("mip_max_nodes", Domain::Int(0, INT_MAX)),
    ("mip_max_leaves", Domain::Int(0, INT_MAX)),
    ("mip_max_stall_nodes", Domain::Int(0, INT_MAX)),
    ("mip_max_improving_sols", Domain::Int(1, INT_MAX)),
    ("mip_feasibility_tolerance", Domain::Double(1e-10, INF)),
    ("mip_heuristic_effort", Domain::Double(0.0, 1.0)),
    ("mip_detect_symmetry", Domain::Bool),
    ("mip_allow_restart", Domain::Bool),
    ("mip_pscost_minreliable", Domain::Int(0, INT_MAX)),
    ("mip_min_cliquetable_entries_for_parallelism", Domain::Int(0, INT_MAX)),
    ("mip_lp_age_limit", Domain::Int(0, 32767)),
    ("mip_pool_age_limit", Domain::Int(0, 1000)),
    ("mip_pool_soft_limit", Domain::Int(1, INT_MAX)),
    ("mip_heuristic_run_rins", Domain::Bool),
    ("mip_heuristic_run_rens", Domain::Bool),
];

/// The domain of a raw option, if a job may set it.
pub fn domain(solver: Solver, option: &str) -> Option<Domain> {
    options(solver).iter().find(|(name, _)| *name == option).map(|(_, domain)| *domain)
}

/// Whether a solver takes variables of this kind.
pub fn takes(solver: Solver, kind: VariableKind) -> bool {
    match kind {
        VariableKind::SemiContinuous | VariableKind::SemiInteger => solver == Solver::Highs,
        VariableKind::Integer | VariableKind::Binary => solver != Solver::Clarabel,
        VariableKind::Unspecified | VariableKind::Continuous => true,
    }
}

/// The solvers, as the API tells them, each as if no worker had one with a lane of its own.
pub fn solvers() -> Vec<SolverCapabilities> {
    let kinds = [
        VariableKind::Continuous,
        VariableKind::Integer,
        VariableKind::Binary,
        VariableKind::SemiContinuous,
        VariableKind::SemiInteger,
    ];
    SOLVERS
        .into_iter()
        .map(|solver| SolverCapabilities {
            solver: solver.into(),
            variable_kinds: kinds
                .into_iter()
                .filter(|kind| takes(solver, *kind))
                .map(Into::into)
                .collect(),
            options: options(solver)
                .iter()
                .map(|(name, domain)| SolverOption {
                    name: (*name).to_owned(),
                    r#type: type_of(*domain).into(),
                })
                .collect(),
            lane: own_lane(solver).map(|lane| lane.to_string()).unwrap_or_default(),
            available: own_lane(solver).is_none(),
            fields: FIELDS
                .iter()
                .filter(|(_, solvers)| solvers.contains(&solver))
                .map(|(field, _)| (*field).to_owned())
                .collect(),
        })
        .collect()
}

fn options(solver: Solver) -> &'static [(&'static str, Domain)] {
    if solver == Solver::Highs { &HIGHS } else { &[] }
}

fn type_of(domain: Domain) -> SolverOptionType {
    match domain {
        Domain::Bool => SolverOptionType::Bool,
        Domain::Int(..) => SolverOptionType::Int,
        Domain::Double(..) => SolverOptionType::Double,
        Domain::Choice(_) => SolverOptionType::String,
    }
}

impl Domain {
    /// Why a value is not in the domain; `None` when it is.
    pub fn fault(self, value: &str) -> Option<String> {
        let fits = match self {
            Self::Bool => matches!(value, "true" | "false"),
            Self::Int(low, high) => {
                value.parse::<i64>().is_ok_and(|value| (low..=high).contains(&value))
            }
            Self::Double(low, high) => {
                value.parse::<f64>().is_ok_and(|value| (low..=high).contains(&value))
            }
            Self::Choice(words) => words.contains(&value),
        };
        (!fits).then(|| match self {
            Self::Bool => format!("must be true or false, not {value:?}"),
            Self::Int(low, high) => {
                format!("must be an integer from {low} to {high}, not {value:?}")
            }
            Self::Double(low, high) => {
                format!("must be a number from {low} to {high}, not {value:?}")
            }
            Self::Choice(words) => format!("must be one of {}, not {value:?}", words.join(", ")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_outside_their_domain_are_told() {
        assert_eq!(Domain::Bool.fault("true"), None);
        assert_eq!(Domain::Int(0, 4).fault("4"), None);
        assert_eq!(Domain::Double(0.0, INF).fault("1e-3"), None);
        assert_eq!(Domain::Choice(&["on", "off"]).fault("on"), None);
        for (domain, value) in [
            (Domain::Bool, "1"),
            (Domain::Int(0, 4), "5"),
            (Domain::Int(0, 4), "x"),
            (Domain::Double(0.0, 1.0), "NaN"),
            (Domain::Choice(&["on", "off"]), "maybe"),
        ] {
            let fault = domain.fault(value).unwrap_or_default();
            assert!(fault.contains(&format!("{value:?}")), "{domain:?}: {fault}");
        }
    }

    #[test]
    fn semi_continuous_variables_are_for_highs_alone() {
        assert!(takes(Solver::Highs, VariableKind::SemiContinuous));
        assert!(!takes(Solver::Microlp, VariableKind::SemiInteger));
        assert!(takes(Solver::Microlp, VariableKind::Integer));
    }

    #[test]
    fn clarabel_takes_lps_alone() {
        let kinds = |solver: Solver| {
            let told = solvers().into_iter().find(|told| told.solver() == solver);
            told.map(|told| told.variable_kinds).unwrap_or_default()
        };
        assert_eq!(kinds(Solver::Clarabel), [VariableKind::Continuous as i32]);
        assert_eq!(kinds(Solver::Cbc).len(), 3);
        assert_eq!(kinds(Solver::Highs).len(), 5);
    }

    #[test]
    fn only_what_not_every_worker_has_waits_in_a_lane_of_its_own() {
        for told in solvers() {
            let everywhere =
                matches!(told.solver(), Solver::Highs | Solver::Clarabel | Solver::Microlp);
            assert_eq!((told.lane.is_empty(), told.available), (everywhere, everywhere));
        }
    }

    #[test]
    fn highs_follows_every_field_and_the_others_some() {
        for (field, _) in FIELDS {
            assert!(follows(Solver::Highs, field), "{field}");
            assert!(!follows(Solver::Clarabel, field), "{field}");
        }
        assert!(follows(Solver::Cbc, "relative_gap") && !follows(Solver::Cbc, "node_limit"));
        assert!(follows(Solver::Microlp, "time_limit"));
    }
}
