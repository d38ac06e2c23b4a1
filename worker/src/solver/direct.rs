//! A solve by HiGHS, straight through its C interface.

use std::time::Duration;

use solvemesh::v1::{SolveOptions, SolveStatistics, Termination, TerminationLimit, VariableKind};

use super::{
    arrays::Arrays,
    highs::{Highs, ModelStatus, Value},
    proof,
    report::Monitor,
    sensitivity,
    settings::{self, Fault},
    task::Finding,
    termination::{self, Account, failed, stopped},
};

/// The largest upper bound that HiGHS honours on a semi-continuous or semi-integer
/// variable. It silently lowers those above.
const MAX_SEMI_UPPER: f64 = 1e5;

/// HiGHS, kept warm from task to task.
#[derive(Debug, Default)]
pub(super) struct Direct {
    /// `None` before the first task, and after one that left it suspect.
    highs: Option<Highs>,
}

impl Direct {
    /// Solves a model.
    pub(super) fn solve(
        &mut self,
        arrays: &Arrays<'_>,
        options: &SolveOptions,
        monitor: &Monitor<'_>,
    ) -> Finding {
        let highs = self.highs.get_or_insert_with(Highs::new);
        let time_limit = match prepare(highs, arrays, options) {
            Ok(_) if monitor.interrupted() => {
                let before = "interrupted before the solve began";
                return stopped(TerminationLimit::Interrupted, before).into();
            }
            Ok(time_limit) => time_limit,
            Err(detail) => return failed(detail).into(),
        };
        let status = run(highs, time_limit, monitor);
        let mut finding = finding(highs, arrays, status);
        if options.return_basis && ends_on_a_basis(status) && arrays.is_lp_as_submitted() {
            finding.basis = highs.basis();
        }
        if options.sensitivity && status == ModelStatus::Optimal && arrays.is_lp_as_submitted() {
            sensitivity::explore(highs, arrays, time_limit, monitor, &mut finding);
        }
        proof::explain(highs, arrays, options, time_limit, monitor, &mut finding);
        if is_suspect(status) {
            self.highs = None;
        }
        finding
    }

    /// Forgets the last task.
    pub(super) fn rest(&mut self) {
        if let Some(highs) = &mut self.highs {
            highs.reset();
        }
    }
}

/// Sets the options and passes the model. An error is for people.
fn prepare(
    highs: &mut Highs,
    arrays: &Arrays<'_>,
    options: &SolveOptions,
) -> Result<Option<Duration>, String> {
    if let Some(variable) = semi_out_of_range(arrays) {
        let name = arrays.variable_name(variable);
        return Err(format!(
            "the upper bound of the semi-continuous or semi-integer variable {name} is above \
             {MAX_SEMI_UPPER}, the largest that HiGHS takes"
        ));
    }
    configure(highs, arrays, options)?;
    highs.pass(arrays).map_err(|error| error.to_string())?;
    if let Some(start) = &arrays.model().start {
        highs.begin(start).map_err(|error| error.to_string())?;
    }
    time_limit(options)
}

/// Sets the options, but for the time limit, in an instance for a model. An error is for
/// people.
pub(super) fn configure(
    highs: &mut Highs,
    arrays: &Arrays<'_>,
    options: &SolveOptions,
) -> Result<(), String> {
    set(highs, arrays, options).map_err(|fault| fault.to_string())
}

/// How long a solve may take; `None` for as long as it takes. An error is for people.
pub(super) fn time_limit(options: &SolveOptions) -> Result<Option<Duration>, String> {
    settings::time_limit(options).map_err(|fault| fault.to_string())
}

/// What an instance found out about a model, with its statistics.
pub(super) fn finding(highs: &Highs, arrays: &Arrays<'_>, status: ModelStatus) -> Finding {
    let threads = highs.int_option(c"threads").unwrap_or_default();
    Finding { statistics: statistics(highs, threads), ..solution(highs, arrays, status) }
}

fn set(highs: &mut Highs, arrays: &Arrays<'_>, options: &SolveOptions) -> Result<(), Fault> {
    let settings = settings::of(options, arrays.maximizes(), |name| highs.option_type(name))?;
    for (name, value) in settings {
        highs.set(&name, &value)?;
    }
    highs.set_threads(settings::threads(options)?)?;
    if options.log {
        highs.keep_log()?;
    }
    Ok(())
}

fn semi_out_of_range(arrays: &Arrays<'_>) -> Option<usize> {
    use VariableKind::{SemiContinuous, SemiInteger};
    let uppers = &arrays.model().variable_upper;
    arrays.kinds().iter().zip(uppers).position(|(kind, &upper)| {
        matches!(kind, SemiContinuous | SemiInteger) && upper > MAX_SEMI_UPPER
    })
}

/// Solves. Where HiGHS can't tell infeasible from unbounded, it is asked for any
/// solution at all, in the time that is left: if there is one, then the model is
/// unbounded.
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

/// Runs in what is left of the time limit; `None` when nothing is.
pub(super) fn run_within(
    highs: &mut Highs,
    time_limit: Option<Duration>,
    monitor: &Monitor<'_>,
) -> Option<ModelStatus> {
    if let Some(limit) = time_limit {
        let left = limit.checked_sub(monitor.elapsed())?;
        // Finite and not negative, so HiGHS takes it.
        highs.set("time_limit", &Value::Double(left.as_secs_f64())).ok()?;
    }
    Some(highs.run(&|sight| monitor.observe(sight)))
}

/// Whether the basis that HiGHS holds after this ending is one of the model itself.
fn ends_on_a_basis(status: ModelStatus) -> bool {
    use ModelStatus as Status;
    matches!(
        status,
        Status::Optimal | Status::TimeLimit | Status::IterationLimit | Status::Interrupted
    )
}

/// Whether an instance that ended so is better replaced than trusted again.
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

fn account(highs: &Highs, arrays: &Arrays<'_>, status: ModelStatus) -> Termination {
    let mip = arrays.is_mip();
    // HiGHS may hold an optimum whose violations it finds a little too large: the
    // independent check is to say so, not we.
    let solution = highs.has_feasible_solution() || status == ModelStatus::Optimal;
    let node_limit = highs.int_option(c"mip_max_nodes").map(i64::from);
    termination::of_highs(&Account {
        status,
        mip,
        objective: solution.then(|| highs.info(c"objective_function_value")).flatten(),
        mip_bound: mip.then(|| highs.info(c"mip_dual_bound")).flatten(),
        node_limit: node_limit.is_some_and(|limit| nodes(highs) >= limit),
    })
}

/// Duals and reduced costs are those of an LP's optimum: y = ∂z/∂rhs in the sense as
/// submitted, which is what HiGHS returns for either sense.
fn solution(highs: &Highs, arrays: &Arrays<'_>, status: ModelStatus) -> Finding {
    let termination = account(highs, arrays, status);
    if termination.objective.is_none() {
        return termination.into();
    }
    let Some(solution) = highs.solution(arrays) else { return termination.into() };
    let finding = Finding { termination, values: solution.values, ..Finding::default() };
    let optimal = status == ModelStatus::Optimal && highs.has_feasible_duals();
    if !optimal || !arrays.is_lp_as_submitted() {
        return finding;
    }
    Finding { duals: solution.duals, reduced_costs: solution.reduced_costs, ..finding }
}

fn statistics(highs: &Highs, threads: i32) -> SolveStatistics {
    let count = |name| highs.int_info(name).map_or(0, |count| i64::from(count.max(0)));
    SolveStatistics {
        simplex_iterations: count(c"simplex_iteration_count"),
        barrier_iterations: count(c"ipm_iteration_count"),
        nodes: nodes(highs),
        threads,
        ..SolveStatistics::default()
    }
}

fn nodes(highs: &Highs) -> i64 {
    highs.long_info(c"mip_node_count").unwrap_or(0).max(0)
}
