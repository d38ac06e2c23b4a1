use std::{collections::HashSet, time::Duration};

use solvemesh::v1::{IncumbentOptions, LinearModel, Presolve, SolveOptions, Solver};

use solvemesh_model::{Domain, is_submitted_as_lp};

use super::{catalog, stops};
use crate::{policy::Policy, refusal::FieldFault};

/// The longest value of a raw option, in bytes.
const MAX_VALUE_BYTES: usize = 64;

/// The least memory limit, in bytes: a solver process that has a small model needs about half.
const LEAST_MEMORY: u64 = 16 << 20;

/// The most variables and constraints, together, of a model whose ranges are told: each of
/// them takes a solve with the basis, which nothing interrupts.
const MAX_RANGED: usize = 100_000;

/// The most variables that incumbents tell by name.
const MAX_INCUMBENT_VARIABLES: usize = 1000;

/// The largest upper bound of a semi-continuous variable that HiGHS does not tighten
/// silently.
const LARGEST_SEMI_UPPER: f64 = 1e5;

/// The options in effect: those asked for, checked against the model and the policy,
/// with the defaults filled in.
///
/// # Errors
///
/// Everything that is wrong with them, by field.
pub(super) fn settle(
    asked: &SolveOptions,
    model: &LinearModel,
    policy: &Policy,
) -> Result<SolveOptions, Vec<FieldFault>> {
    let mut faults = Vec::new();
    let mut fault = |field: &str, description: String| {
        faults.push(FieldFault { field: format!("options.{field}"), description });
    };

    let time_limit = match asked.time_limit.map(Duration::try_from) {
        None => policy.default_time_limit,
        Some(Ok(limit)) if limit.is_zero() => {
            fault("time_limit", "must be above 0".to_owned());
            policy.default_time_limit
        }
        Some(Ok(limit)) if limit > policy.max_time_limit => {
            let (limit, max) = (limit.as_secs_f64(), policy.max_time_limit.as_secs_f64());
            fault("time_limit", format!("{limit} s is over max_time_limit, {max} s"));
            policy.default_time_limit
        }
        Some(Ok(limit)) => limit,
        Some(Err(_)) => {
            fault("time_limit", "must be above 0".to_owned());
            policy.default_time_limit
        }
    };
    for (field, gap) in [("relative_gap", asked.relative_gap), ("absolute_gap", asked.absolute_gap)]
    {
        if let Some(gap) = gap.filter(|gap| !(0.0..f64::INFINITY).contains(gap)) {
            fault(field, format!("must be a number of 0 or more, not {gap}"));
        }
    }
    if let Some(threads) = asked.threads.filter(|threads| *threads < 1) {
        fault("threads", format!("must be 1 or more, not {threads}"));
    }
    if let Some(seed) = asked.seed.filter(|seed| *seed < 0) {
        fault("seed", format!("must be 0 or more, not {seed}"));
    }
    if let Some(bytes) = asked.memory_limit_bytes.filter(|bytes| *bytes < LEAST_MEMORY) {
        fault("memory_limit_bytes", format!("must be {LEAST_MEMORY} or more, not {bytes}"));
    }
    if Presolve::try_from(asked.presolve).is_err() {
        fault("presolve", format!("{} is no presolve", asked.presolve));
    }
    let solver = match Solver::try_from(asked.solver) {
        Ok(Solver::Unspecified | Solver::Auto) => Solver::Highs,
        Ok(solver) => solver,
        Err(_) => {
            fault("solver", format!("{} is no solver of this mesh", asked.solver));
            Solver::Highs
        }
    };
    for (variable, kind) in model.variable_kinds().enumerate() {
        if !catalog::takes(solver, kind) {
            let name = model.variable_names.get(variable).map_or("", String::as_str);
            let kind = kind.as_str_name();
            let solver = solver.as_str_name();
            fault("solver", format!("{solver} takes no {kind}, and variable {name:?} is one"));
            break;
        }
    }
    if solver == Solver::Highs
        && let Some((name, upper)) = too_wide(model)
    {
        let wrong = format!(
            "SOLVER_HIGHS takes semi-continuous variables up to {LARGEST_SEMI_UPPER}, and the \
             upper bound of {name:?} is {upper}"
        );
        fault("solver", wrong);
    }
    if model.start.is_some() && !catalog::follows(solver, "start") {
        fault("solver", stops::lacks(solver, "start"));
    }
    if let Some((field, wrong)) = asked.incumbents.as_ref().and_then(|it| untellable(it, model)) {
        fault(&field, wrong);
    }
    let size = model.variable_lower.len() + model.constraint_lower.len();
    if asked.sensitivity && size > MAX_RANGED {
        let wrong = format!("{size} variables and constraints are over {MAX_RANGED}");
        fault("sensitivity", wrong);
    }
    for (field, wrong) in stops::faults(asked, solver, is_discrete(model)) {
        fault(field, wrong);
    }
    for (name, value) in &asked.solver_options {
        let field = format!("solver_options[{name:?}]");
        match catalog::domain(solver, name) {
            _ if value.len() > MAX_VALUE_BYTES => {
                fault(&field, format!("a value has at most {MAX_VALUE_BYTES} bytes"));
            }
            None => {
                let solver = solver.as_str_name();
                fault(&field, format!("{name:?} is no option that {solver} may be given"));
            }
            Some(domain) => {
                if let Some(wrong) = domain.fault(value) {
                    fault(&field, wrong);
                }
            }
        }
    }

    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(SolveOptions {
        time_limit: time_limit.try_into().ok(),
        threads: Some(asked.threads.unwrap_or(1)),
        solver: solver.into(),
        ..asked.clone()
    })
}

/// What is wrong with what incumbents are to tell, and where.
fn untellable(asked: &IncumbentOptions, model: &LinearModel) -> Option<(String, String)> {
    let variables = &asked.variables;
    if variables.len() > MAX_INCUMBENT_VARIABLES {
        let wrong = format!("{} names are over {MAX_INCUMBENT_VARIABLES}", variables.len());
        return Some(("incumbents.variables".to_owned(), wrong));
    }
    if variables.is_empty() {
        return None;
    }
    let known: HashSet<&str> = model.variable_names.iter().map(String::as_str).collect();
    let (index, name) =
        variables.iter().enumerate().find(|(_, name)| !known.contains(name.as_str()))?;
    let wrong = format!("the model has no variable {name:?}");
    Some((format!("incumbents.variables[{index}]"), wrong))
}

/// Whether a model has variables that are not continuous.
pub(super) fn is_discrete(model: &LinearModel) -> bool {
    !is_submitted_as_lp(model)
}

/// A semi-continuous or semi-integer variable whose upper bound HiGHS would tighten. One
/// that is an ordinary variable, as [`Domain`] has it, is none to HiGHS.
fn too_wide(model: &LinearModel) -> Option<(&str, f64)> {
    model.variable_names.iter().enumerate().find_map(|(column, name)| {
        let domain = Domain::of(model, column);
        let wide = domain.is_semi() && domain.upper > LARGEST_SEMI_UPPER;
        wide.then_some((name.as_str(), domain.upper))
    })
}

#[cfg(test)]
mod tests {
    use solvemesh::v1::VariableKind;

    use super::*;

    #[test]
    fn incumbents_tell_of_variables_that_the_model_has() {
        let model = LinearModel { variable_names: vec!["x".to_owned()], ..Default::default() };
        let asked = |names: &[&str]| IncumbentOptions {
            variables: names.iter().map(|&name| name.to_owned()).collect(),
            nonzeros_only: false,
        };
        assert_eq!(untellable(&asked(&["x", "x"]), &model), None);
        let (field, wrong) = untellable(&asked(&["x", "y"]), &model).expect("a fault");
        assert_eq!(field, "incumbents.variables[1]");
        assert!(wrong.contains("\"y\""), "{wrong}");
        assert!(untellable(&asked(&["x"; MAX_INCUMBENT_VARIABLES + 1]), &model).is_some());
    }

    #[test]
    fn a_semi_continuous_variable_that_highs_would_tighten_is_found() {
        let model = |lower, upper, kind: VariableKind| LinearModel {
            variable_lower: vec![0.0, lower],
            variable_upper: vec![1.0, upper],
            variable_kinds: vec![VariableKind::Continuous.into(), kind.into()],
            variable_names: vec!["x".to_owned(), "y".to_owned()],
            ..LinearModel::default()
        };
        let semi = VariableKind::SemiContinuous;
        assert_eq!(too_wide(&model(1.0, 2e5, semi)), Some(("y", 2e5)));
        assert_eq!(too_wide(&model(0.0, 2e5, semi)), None);
        assert_eq!(too_wide(&model(1.0, 1e5, semi)), None);
        assert_eq!(too_wide(&model(1.0, 2e5, VariableKind::Integer)), None);
    }
}
