//! Validates the options of a job and fills in the defaults.

use std::{collections::HashSet, time::Duration};

use solvemesh::v1::{IncumbentOptions, LinearModel, Presolve, SolveOptions, Solver, VariableKind};

use solvemesh_model::{Domain, LARGE_SEMI_UPPER, is_submitted_as_lp};

use super::{catalog, option_support};
use crate::{policy::Policy, refusal::FieldError};

/// Maximum length of the value of a raw option, in bytes.
const MAX_VALUE_BYTES: usize = 64;

/// Minimum memory limit, in bytes: a solver process with a small model needs about half of it.
const MIN_MEMORY: i64 = 16 << 20;

/// Maximum number of variables and constraints, together, of a model with sensitivity analysis:
/// each of them takes a solve with the basis, which can't be interrupted.
const MAX_SENSITIVITY_SIZE: usize = 100_000;

/// Maximum number of variables whose values incumbents may report by name.
const MAX_INCUMBENT_VARIABLES: usize = 1000;

/// Validates the requested options against the model and the policy, and returns them with the
/// defaults filled in.
///
/// # Errors
///
/// Every invalid field.
pub(super) fn resolve(
    requested: &SolveOptions,
    model: &LinearModel,
    policy: &Policy,
) -> Result<SolveOptions, Vec<FieldError>> {
    let mut faults = Faults::default();
    let time_limit = time_limit(requested, policy, &mut faults);
    check_ranges(requested, &mut faults);
    let solver = solver(requested, &mut faults);
    check_model(solver, model, &mut faults);
    if let Some((field, wrong)) =
        requested.incumbents.as_ref().and_then(|it| invalid_incumbents(it, model))
    {
        faults.add(&field, wrong);
    }
    let size = model.variable_lower.len() + model.constraint_lower.len();
    if requested.return_sensitivity && size > MAX_SENSITIVITY_SIZE {
        let wrong = format!(
            "is limited to models with {MAX_SENSITIVITY_SIZE} variables and constraints together, \
             and this one has {size}"
        );
        faults.add("return_sensitivity", wrong);
    }
    for (field, wrong) in option_support::errors(requested, solver, is_discrete(model)) {
        faults.add(field, wrong);
    }
    check_raw_options(solver, requested, &mut faults);
    if !faults.0.is_empty() {
        return Err(faults.0);
    }
    Ok(SolveOptions {
        time_limit: time_limit.try_into().ok(),
        threads: Some(requested.threads.unwrap_or(1)),
        solver: resolved_solver(requested).into(),
        ..requested.clone()
    })
}

/// The errors so far.
#[derive(Default)]
struct Faults(Vec<FieldError>);

impl Faults {
    /// Adds the error of a field of the options.
    fn add(&mut self, field: &str, description: impl Into<String>) {
        self.0.push(FieldError::new(format!("options.{field}"), description));
    }
}

/// The requested time limit, or the default.
fn time_limit(requested: &SolveOptions, policy: &Policy, faults: &mut Faults) -> Duration {
    match requested.time_limit.map(Duration::try_from) {
        None => return policy.default_time_limit,
        Some(Ok(limit)) if limit > policy.max_time_limit => {
            let (limit, max) = (limit.as_secs_f64(), policy.max_time_limit.as_secs_f64());
            let wrong = format!("must be at most max_time_limit, {max} s, not {limit} s");
            faults.add("time_limit", wrong);
        }
        Some(Ok(limit)) if !limit.is_zero() => return limit,
        Some(Ok(_) | Err(_)) => faults.add("time_limit", "must be above 0"),
    }
    policy.default_time_limit
}

/// Checks the numbers that do not depend on model or solver.
fn check_ranges(requested: &SolveOptions, faults: &mut Faults) {
    // The range excludes NaN and infinity.
    for (field, gap) in
        [("relative_gap", requested.relative_gap), ("absolute_gap", requested.absolute_gap)]
    {
        if let Some(gap) = gap.filter(|gap| !(0.0..f64::INFINITY).contains(gap)) {
            faults.add(field, format!("must be a number of 0 or more, not {gap}"));
        }
    }
    if let Some(threads) = requested.threads.filter(|threads| *threads < 1) {
        faults.add("threads", format!("must be 1 or more, not {threads}"));
    }
    if let Some(seed) = requested.seed.filter(|seed| *seed < 0) {
        faults.add("seed", format!("must be 0 or more, not {seed}"));
    }
    if let Some(bytes) = requested.memory_limit_bytes.filter(|bytes| *bytes < MIN_MEMORY) {
        faults.add("memory_limit_bytes", format!("must be {MIN_MEMORY} or more, not {bytes}"));
    }
    if Presolve::try_from(requested.presolve).is_err() {
        faults.add("presolve", format!("unknown value {}", requested.presolve));
    }
}

/// The solver whose abilities the request may use: see [`chosen_solver`].
fn solver(requested: &SolveOptions, faults: &mut Faults) -> Solver {
    match Solver::try_from(requested.solver) {
        Err(_) => faults.add("solver", format!("unknown value {}", requested.solver)),
        Ok(Solver::DenseSimplex) => {
            let wrong = "SOLVER_DENSE_SIMPLEX can't be requested: SOLVER_AUTO uses it for tiny LPs";
            faults.add("solver", wrong);
        }
        Ok(_) => {}
    }
    chosen_solver(requested)
}

/// The solver for the worker. That the mesh chooses remains visible, because then the solver process
/// may solve a tiny LP without HiGHS.
fn resolved_solver(requested: &SolveOptions) -> Solver {
    match requested.solver() {
        Solver::Unspecified => Solver::Auto,
        solver => solver,
    }
}

/// The solver whose abilities these options may use: HiGHS if the mesh chooses, because it can do
/// all that a fast path can, or if the value is unknown.
pub(super) fn chosen_solver(options: &SolveOptions) -> Solver {
    match options.solver() {
        Solver::Unspecified | Solver::Auto => Solver::Highs,
        solver => solver,
    }
}

/// Checks that the solver supports the variables of the model.
fn check_model(solver: Solver, model: &LinearModel, faults: &mut Faults) {
    // One variable is enough; there can be millions.
    let unsupported = |(_, kind): &(usize, VariableKind)| !catalog::supports_kind(solver, *kind);
    if let Some((variable, kind)) = model.variable_kinds().enumerate().find(unsupported) {
        let name = model.variable_names.get(variable).map_or("", String::as_str);
        let (kind, solver) = (kind.as_str_name(), solver.as_str_name());
        let wrong = format!("{solver} does not support {kind}, as variable {name:?} is");
        faults.add("solver", wrong);
    }
    if solver == Solver::Highs
        && let Some((name, upper)) = too_wide(model)
    {
        let wrong = format!(
            "SOLVER_HIGHS supports semi-continuous variables up to {LARGE_SEMI_UPPER}, but the \
             upper bound of {name:?} is {upper}"
        );
        faults.add("solver", wrong);
    }
}

/// Checks the options by the solver's own names.
fn check_raw_options(solver: Solver, requested: &SolveOptions, faults: &mut Faults) {
    for (name, value) in &requested.solver_options {
        let field = format!("solver_options[{name:?}]");
        match catalog::domain(solver, name) {
            _ if value.len() > MAX_VALUE_BYTES => {
                faults.add(&field, format!("may have at most {MAX_VALUE_BYTES} bytes"));
            }
            None => {
                let solver = solver.as_str_name();
                faults.add(&field, format!("{solver} has no option {name:?} that a job may set"));
            }
            Some(domain) => {
                if let Some(wrong) = domain.error(value) {
                    faults.add(&field, wrong);
                }
            }
        }
    }
}

/// The field and the error of invalid options for incumbents; `None` for valid ones.
fn invalid_incumbents(
    requested: &IncumbentOptions,
    model: &LinearModel,
) -> Option<(String, String)> {
    let variables = &requested.variables;
    if variables.len() > MAX_INCUMBENT_VARIABLES {
        let count = variables.len();
        let wrong = format!("may have at most {MAX_INCUMBENT_VARIABLES} names, not {count}");
        return Some(("incumbents.variables".to_owned(), wrong));
    }
    if variables.is_empty() {
        return None;
    }
    let names: HashSet<&str> = model.variable_names.iter().map(String::as_str).collect();
    let (index, name) =
        variables.iter().enumerate().find(|(_, name)| !names.contains(name.as_str()))?;
    let wrong = format!("the model has no variable {name:?}");
    Some((format!("incumbents.variables[{index}]"), wrong))
}

/// Whether a model has variables that are not continuous.
pub(super) fn is_discrete(model: &LinearModel) -> bool {
    !is_submitted_as_lp(model)
}

/// A semi-continuous or semi-integer variable whose upper bound HiGHS would tighten, with that
/// bound. One that [`Domain`] reduces to an ordinary variable is passed to HiGHS as such.
fn too_wide(model: &LinearModel) -> Option<(&str, f64)> {
    model.variable_names.iter().enumerate().find_map(|(column, name)| {
        let domain = Domain::of(model, column);
        let wide = domain.is_semi() && domain.upper > LARGE_SEMI_UPPER;
        wide.then_some((name.as_str(), domain.upper))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incumbents_report_only_variables_of_the_model() {
        let model = LinearModel { variable_names: vec!["x".to_owned()], ..Default::default() };
        let requested = |names: &[&str]| IncumbentOptions {
            variables: names.iter().map(|&name| name.to_owned()).collect(),
            nonzeros_only: false,
        };
        assert_eq!(invalid_incumbents(&requested(&["x", "x"]), &model), None);
        let (field, wrong) = invalid_incumbents(&requested(&["x", "y"]), &model).expect("a fault");
        assert_eq!(field, "incumbents.variables[1]");
        assert!(wrong.contains("\"y\""), "{wrong}");
        assert!(
            invalid_incumbents(&requested(&["x"; MAX_INCUMBENT_VARIABLES + 1]), &model).is_some()
        );
    }

    #[test]
    fn choice_of_the_mesh_stays_visible_to_the_worker() {
        for (requested, expected) in [
            (Solver::Unspecified, Solver::Auto),
            (Solver::Auto, Solver::Auto),
            (Solver::Highs, Solver::Highs),
            (Solver::Clarabel, Solver::Clarabel),
        ] {
            let options = SolveOptions { solver: requested.into(), ..SolveOptions::default() };
            assert_eq!(resolved_solver(&options), expected);
        }
    }

    #[test]
    fn dense_simplex_and_unknown_solvers_are_refused() {
        for (value, text) in [(Solver::DenseSimplex.into(), "SOLVER_AUTO"), (77, "77")] {
            let mut faults = Faults::default();
            solver(&SolveOptions { solver: value, ..SolveOptions::default() }, &mut faults);
            let [fault] = faults.0.as_slice() else { panic!("{:?}", faults.0) };
            assert_eq!(fault.field, "options.solver");
            assert!(fault.description.contains(text), "{}", fault.description);
        }
    }

    #[test]
    fn semi_continuous_variable_that_highs_would_tighten_is_found() {
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
