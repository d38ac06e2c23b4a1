//! Solves by HiGHS, called directly through its C interface.

use std::time::Duration;

use solvemesh::v1::{
    SolveOptions, SolveStatistics, StartReport, StartingPoint, Termination, TerminationLimit,
};

use super::{
    arrays::Arrays,
    highs::{CallbackEvent, Highs, ModelStatus, Observer, Scale, Value},
    polish::polish,
    proof,
    report::Monitor,
    second_solve, sensitivity,
    settings::{self, OptionError},
    start,
    task::Finding,
    termination::{self, HighsState, failed, stopped},
    unbounded,
};

/// The largest upper bound that HiGHS honours on a semi-continuous or semi-integer variable
/// (`kMaxSemiVariableUpper`). It silently lowers larger ones.
const MAX_SEMI_UPPER: f64 = 1e5;

/// A HiGHS instance that is reused from task to task.
#[derive(Debug, Default)]
pub(super) struct HighsSolver {
    /// `None` before the first task, and after a status that makes an instance suspect.
    highs: Option<Highs>,
}

impl HighsSolver {
    /// Solves a model, and if the result fails the check, solves it once more from scratch.
    pub(super) fn solve(
        &mut self,
        arrays: &Arrays<'_>,
        start: Option<&StartingPoint>,
        options: &SolveOptions,
        monitor: &Monitor<'_>,
    ) -> Finding {
        if monitor.interrupted() {
            let before = "interrupted before the solve began";
            return stopped(TerminationLimit::Interrupted, before).into();
        }
        if let Some(finding) = unbounded::solve(arrays, start, options, monitor) {
            return finding;
        }
        let highs = self.highs.get_or_insert_with(Highs::new);
        let found = solve_once(highs, arrays, options, start, monitor);
        let (status, first) = match found {
            Ok(found) => found,
            Err(detail) => return failed(detail).into(),
        };
        // The next task gets a new instance; this one may be in any state.
        if is_suspect(status) {
            self.highs = None;
        }
        second_solve::check_highs(first, arrays, options, monitor, |options| {
            solve_from_scratch(arrays, options, monitor)
        })
    }

    /// Clears the last task and frees its memory.
    pub(super) fn clear(&mut self) {
        if let Some(highs) = &mut self.highs {
            highs.reset();
        }
    }
}

/// Solves a model in a new instance, without a start.
pub(super) fn solve_from_scratch(
    arrays: &Arrays<'_>,
    options: &SolveOptions,
    monitor: &Monitor<'_>,
) -> Finding {
    match solve_once(&mut Highs::new(), arrays, options, None, monitor) {
        Ok((_, finding)) => finding,
        Err(detail) => failed(detail).into(),
    }
}

/// Solves a model once, with everything that was requested beside the solution. The error is a
/// message for the user. Its cause is in the task, so a second solve would fail too.
fn solve_once(
    highs: &mut Highs,
    arrays: &Arrays<'_>,
    options: &SolveOptions,
    start: Option<&StartingPoint>,
    monitor: &Monitor<'_>,
) -> Result<(ModelStatus, Finding), String> {
    let time_limit = time_limit(options)?;
    let start = prepare(highs, arrays, options, time_limit, start, monitor)?;
    let status = run(highs, time_limit, monitor);
    let mut finding = Finding { start, ..finding(highs, arrays, status) };
    if options.return_basis && has_model_basis(status) && arrays.is_lp_as_submitted() {
        finding.basis = highs.basis();
    }
    if options.return_sensitivity && status == ModelStatus::Optimal && arrays.is_lp_as_submitted() {
        sensitivity::add_ranges(highs, arrays, time_limit, monitor, &mut finding);
    }
    proof::add_proof(highs, arrays, options, time_limit, monitor, &mut finding);
    if arrays.is_mip() && !finding.values.is_empty() {
        polish(arrays, time_limit, monitor, &mut finding);
    }
    Ok((status, finding))
}

/// Sets the options, passes the model and applies the start. The error is a message for the user.
fn prepare(
    highs: &mut Highs,
    arrays: &Arrays<'_>,
    options: &SolveOptions,
    time_limit: Option<Duration>,
    start: Option<&StartingPoint>,
    monitor: &Monitor<'_>,
) -> Result<Option<StartReport>, String> {
    if let Some(variable) = semi_out_of_range(arrays) {
        let name = arrays.variable_name(variable);
        return Err(format!(
            "the upper bound of the semi-continuous or semi-integer variable {name} is above \
             {MAX_SEMI_UPPER}, the largest that HiGHS supports"
        ));
    }
    let scale = Scale::of(arrays, options);
    configure(highs, arrays, options, &scale)?;
    if options.return_log && scale.objective_exponent() != 0 {
        let exponent = scale.objective_exponent();
        let line = format!("Objective multiplied by 2^{exponent} for this solve\n");
        monitor.observe(CallbackEvent::Log(line.into()));
    }
    highs.pass(arrays, scale).map_err(|error| error.to_string())?;
    let Some(start) = start else { return Ok(None) };
    let report = start::apply(highs, arrays, options, time_limit, monitor, start);
    report.map(Some).map_err(|error| error.to_string())
}

/// Sets all options except the time limit in an instance for a model. The error is a message for
/// the user.
pub(super) fn configure(
    highs: &mut Highs,
    arrays: &Arrays<'_>,
    options: &SolveOptions,
    scale: &Scale,
) -> Result<(), String> {
    set(highs, arrays, options, scale).map_err(|fault| fault.to_string())
}

/// The time limit of a solve; `None` means no limit. The error is a message for the user.
pub(super) fn time_limit(options: &SolveOptions) -> Result<Option<Duration>, String> {
    settings::time_limit(options).map_err(|fault| fault.to_string())
}

/// The finding of an instance's last run, which ended with `status`: termination, statistics and
/// solution.
pub(super) fn finding(highs: &Highs, arrays: &Arrays<'_>, status: ModelStatus) -> Finding {
    let threads = highs.int_option(c"threads").unwrap_or_default();
    Finding { statistics: statistics(highs, threads), ..solution(highs, arrays, status) }
}

fn set(
    highs: &mut Highs,
    arrays: &Arrays<'_>,
    options: &SolveOptions,
    scale: &Scale,
) -> Result<(), OptionError> {
    let type_of = |name: &str| highs.option_type(name);
    let settings = settings::highs_options(options, arrays.maximizes(), scale, type_of)?;
    for (name, value) in settings {
        highs.set(&name, &value)?;
    }
    highs.set_threads(settings::threads(options)?)?;
    if options.return_log {
        highs.enable_log()?;
    }
    Ok(())
}

/// The first semi-continuous or semi-integer variable whose upper bound HiGHS would lower.
fn semi_out_of_range(arrays: &Arrays<'_>) -> Option<usize> {
    (0..arrays.variables())
        .find(|&variable| arrays.is_semi(variable) && arrays.upper()[variable] > MAX_SEMI_UPPER)
}

/// Solves the model.
///
/// If HiGHS ends with "infeasible or unbounded", it runs again without the objective, in the
/// time that is left: if that finds a solution, the model is unbounded.
pub(super) fn run(
    highs: &mut Highs,
    time_limit: Option<Duration>,
    monitor: &Monitor<'_>,
) -> ModelStatus {
    let Some(status) = run_within(highs, time_limit, monitor) else {
        return ModelStatus::TimeLimit;
    };
    if status != ModelStatus::UnboundedOrInfeasible {
        return status;
    }
    highs.drop_objective();
    match run_within(highs, time_limit, monitor) {
        Some(ModelStatus::Optimal) => ModelStatus::Unbounded,
        Some(ModelStatus::Infeasible) => ModelStatus::Infeasible,
        _ => status,
    }
}

/// Runs in what is left of the time limit; `None` if it has passed.
pub(super) fn run_within(
    highs: &mut Highs,
    time_limit: Option<Duration>,
    monitor: &Monitor<'_>,
) -> Option<ModelStatus> {
    run_observed(highs, time_limit, monitor, &|event| monitor.observe(event))
}

/// As [`run_within`], for a model other than the submitted one: sends no reports, but stops on an
/// interrupt.
pub(super) fn run_silently(
    highs: &mut Highs,
    time_limit: Option<Duration>,
    monitor: &Monitor<'_>,
) -> Option<ModelStatus> {
    run_observed(highs, time_limit, monitor, &|_| !monitor.interrupted())
}

fn run_observed(
    highs: &mut Highs,
    time_limit: Option<Duration>,
    monitor: &Monitor<'_>,
    observer: &Observer<'_>,
) -> Option<ModelStatus> {
    let left = match time_limit {
        Some(limit) => limit.checked_sub(monitor.elapsed())?.as_secs_f64(),
        None => f64::INFINITY,
    };
    // Never negative, so HiGHS accepts it.
    highs.set("time_limit", &Value::Double(left)).ok()?;
    Some(highs.run(observer))
}

/// Whether the basis that HiGHS holds after this status is one of the submitted model.
fn has_model_basis(status: ModelStatus) -> bool {
    use ModelStatus as Status;
    matches!(
        status,
        Status::Optimal | Status::TimeLimit | Status::IterationLimit | Status::Interrupted
    )
}

/// Whether an instance that ended with this status should be replaced instead of reused.
pub(super) fn is_suspect(status: ModelStatus) -> bool {
    use ModelStatus as Status;
    matches!(
        status,
        Status::NotSet
            | Status::LoadError
            | Status::ModelError
            | Status::PresolveError
            | Status::SolveError
            | Status::PostsolveError
            | Status::MemoryLimit
            | Status::Unknown
            | Status::Other(_)
    )
}

/// The termination of the last run, which ended with `status`.
fn read_termination(highs: &Highs, arrays: &Arrays<'_>, status: ModelStatus) -> Termination {
    let mip = arrays.is_mip();
    // HiGHS may call a solution optimal although its violations slightly exceed the tolerances.
    // Keep it: the independent check decides.
    let solution = highs.has_feasible_solution() || status == ModelStatus::Optimal;
    // HiGHS has one status for both limits: the number of nodes shows which one it was.
    let node_limit = highs.int_option(c"mip_max_nodes").map(i64::from);
    termination::from_highs(&HighsState {
        status,
        mip,
        objective: solution.then(|| highs.objective()).flatten(),
        mip_bound: mip.then(|| highs.mip_bound()).flatten(),
        node_limit: node_limit.is_some_and(|limit| nodes(highs) >= limit),
    })
}

/// The finding of the last run, without statistics.
///
/// There are duals and reduced costs only for the optimum of what HiGHS solves as an LP. They
/// are y = ∂z/∂rhs in the sense as submitted, which HiGHS returns for either sense.
fn solution(highs: &Highs, arrays: &Arrays<'_>, status: ModelStatus) -> Finding {
    let termination = read_termination(highs, arrays, status);
    if termination.objective.is_none() {
        return termination.into();
    }
    let Some(solution) = highs.solution(arrays) else { return termination.into() };
    let finding = Finding { termination, values: solution.values, ..Finding::default() };
    let optimal = status == ModelStatus::Optimal && highs.has_feasible_duals();
    if !optimal || arrays.is_mip() {
        return finding;
    }
    Finding { duals: solution.duals, reduced_costs: solution.reduced_costs, ..finding }
}

fn statistics(highs: &Highs, threads: i32) -> SolveStatistics {
    let count = |name| highs.int_info(name).map_or(0, |count| i64::from(count.max(0)));
    SolveStatistics {
        simplex_iteration_count: Some(count(c"simplex_iteration_count")),
        barrier_iteration_count: Some(count(c"ipm_iteration_count")),
        node_count: Some(nodes(highs)),
        thread_count: Some(threads),
        ..SolveStatistics::default()
    }
}

fn nodes(highs: &Highs) -> i64 {
    highs.long_info(c"mip_node_count").unwrap_or(0).max(0)
}
