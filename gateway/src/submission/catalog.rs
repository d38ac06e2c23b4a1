//! The capabilities of all solvers, as constants: the gateway does not link the solvers.

use solvemesh::v1::{Solver, SolverCapabilities, SolverOption, SolverOptionType, VariableKind};
use solvemesh_broker::Lane;

/// All solvers.
const SOLVERS: [Solver; 5] =
    [Solver::Highs, Solver::Clarabel, Solver::Microlp, Solver::Scip, Solver::Cbc];

/// The fields of `SolveOptions` that not every solver supports, with the solvers that do. `starts`
/// is a field of the request; `threads` means more than one.
const FIELDS: [(&str, &[Solver]); 15] = [
    ("relative_gap", &[Solver::Highs, Solver::Microlp, Solver::Scip, Solver::Cbc]),
    ("absolute_gap", &[Solver::Highs, Solver::Scip, Solver::Cbc]),
    ("threads", &[Solver::Highs]),
    ("seed", &[Solver::Highs]),
    ("presolve", &[Solver::Highs]),
    ("starts", &[Solver::Highs]),
    ("return_infeasible_subset", &[Solver::Highs]),
    ("node_limit", &[Solver::Highs]),
    ("iteration_limit", &[Solver::Highs]),
    ("solution_limit", &[Solver::Highs]),
    ("objective_target", &[Solver::Highs]),
    ("return_basis", &[Solver::Highs]),
    ("return_sensitivity", &[Solver::Highs]),
    ("return_log", &[Solver::Highs]),
    ("incumbents", &[Solver::Highs]),
];

/// Whether a solver supports a field. True for fields that are not in the table, which all
/// solvers support.
pub(crate) fn supports_field(solver: Solver, field: &str) -> bool {
    let solvers = FIELDS.iter().find(|(name, _)| *name == field).map(|(_, solvers)| *solvers);
    solvers.is_none_or(|solvers| solvers.contains(&solver))
}

/// The lane reserved for a solver that not every worker has; `None` for the others.
pub(crate) fn dedicated_lane(solver: Solver) -> Option<Lane> {
    let name = match solver {
        Solver::Cbc => Lane::CBC,
        Solver::Scip => Lane::SCIP,
        _ => return None,
    };
    name.parse().ok()
}

/// The values that a raw solver option may have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Domain {
    /// "true" or "false".
    Bool,
    /// An integer in a range, both ends included.
    Int(i64, i64),
    /// A number in a range, both ends included.
    Double(f64, f64),
    /// One of these words.
    Choice(&'static [&'static str]),
}

const INT_MAX: i64 = i32::MAX as i64;
const INF: f64 = f64::INFINITY;

/// The raw options of HiGHS that a job may set, with the names and ranges of `HighsOptions.h`.
/// Excluded are options that the mesh sets itself (threads, time limit, files, logs), and those
/// that change the meaning of a model.
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
    // Exponents of 2; beyond these, any model's numbers leave the range that HiGHS accepts.
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

/// The domain of a raw option; `None` if the solver has none of that name that a job may set.
pub(crate) fn domain(solver: Solver, option: &str) -> Option<Domain> {
    options(solver).iter().find(|(name, _)| *name == option).map(|(_, domain)| *domain)
}

/// Whether a solver supports variables of this kind.
pub(crate) fn supports_kind(solver: Solver, kind: VariableKind) -> bool {
    match kind {
        VariableKind::SemiContinuous | VariableKind::SemiInteger => solver == Solver::Highs,
        VariableKind::Integer | VariableKind::Binary => solver != Solver::Clarabel,
        VariableKind::Unspecified | VariableKind::Continuous => true,
    }
}

/// The solvers as the API reports them. Those with a lane to themselves are marked as not
/// available; the caller has to ask the broker.
pub(crate) fn solvers() -> Vec<SolverCapabilities> {
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
                .filter(|kind| supports_kind(solver, *kind))
                .map(Into::into)
                .collect(),
            options: options(solver)
                .iter()
                .map(|(name, domain)| SolverOption {
                    name: (*name).to_owned(),
                    r#type: type_of(*domain).into(),
                })
                .collect(),
            lane: dedicated_lane(solver).map(|lane| lane.to_string()).unwrap_or_default(),
            available: dedicated_lane(solver).is_none(),
            supported_options: FIELDS
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
    /// The error for a value outside the domain; `None` for one inside.
    pub(crate) fn error(self, value: &str) -> Option<String> {
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
    fn errors_contain_the_value_outside_the_domain() {
        assert_eq!(Domain::Bool.error("true"), None);
        assert_eq!(Domain::Int(0, 4).error("4"), None);
        assert_eq!(Domain::Double(0.0, INF).error("1e-3"), None);
        assert_eq!(Domain::Choice(&["on", "off"]).error("on"), None);
        for (domain, value) in [
            (Domain::Bool, "1"),
            (Domain::Int(0, 4), "5"),
            (Domain::Int(0, 4), "x"),
            (Domain::Double(0.0, 1.0), "NaN"),
            (Domain::Choice(&["on", "off"]), "maybe"),
        ] {
            let error = domain.error(value).unwrap_or_default();
            assert!(error.contains(&format!("{value:?}")), "{domain:?}: {error}");
        }
    }

    #[test]
    fn only_highs_supports_semi_continuous_variables() {
        assert!(supports_kind(Solver::Highs, VariableKind::SemiContinuous));
        assert!(!supports_kind(Solver::Microlp, VariableKind::SemiInteger));
        assert!(supports_kind(Solver::Microlp, VariableKind::Integer));
    }

    #[test]
    fn clarabel_supports_continuous_variables_only() {
        let kinds = |solver: Solver| {
            let found = solvers().into_iter().find(|it| it.solver() == solver);
            found.map(|it| it.variable_kinds).unwrap_or_default()
        };
        assert_eq!(kinds(Solver::Clarabel), [VariableKind::Continuous as i32]);
        assert_eq!(kinds(Solver::Cbc).len(), 3);
        assert_eq!(kinds(Solver::Highs).len(), 5);
    }

    #[test]
    fn only_solvers_that_not_every_worker_has_have_their_own_lane() {
        for it in solvers() {
            let everywhere =
                matches!(it.solver(), Solver::Highs | Solver::Clarabel | Solver::Microlp);
            assert_eq!((it.lane.is_empty(), it.available), (everywhere, everywhere));
        }
    }

    #[test]
    fn highs_supports_every_field_and_others_some() {
        for (field, _) in FIELDS {
            assert!(supports_field(Solver::Highs, field), "{field}");
            assert!(!supports_field(Solver::Clarabel, field), "{field}");
        }
        assert!(
            supports_field(Solver::Cbc, "relative_gap")
                && !supports_field(Solver::Cbc, "node_limit")
        );
        assert!(supports_field(Solver::Microlp, "time_limit"));
    }
}
