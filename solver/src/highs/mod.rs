//! A safe wrapper around the parts of HiGHS's C interface that we use. All `unsafe` code that
//! concerns HiGHS is in this folder.

mod basis;
mod callback;
mod change;
mod ranges;
mod rays;
mod scale;
mod start;
mod status;
mod version;

use std::{
    borrow::Cow,
    cell::Cell,
    ffi::{CStr, CString, c_void},
    fmt, io,
    ptr::{self, NonNull},
};

use highs_sys as sys;
use solvemesh::v1::VariableKind;

use super::arrays::Arrays;
pub(super) use basis::BasicVariable;
pub(super) use callback::{CallbackEvent, MipProgress, Observer};
pub(super) use scale::{OBJECTIVE_SCALE, Scale};
pub(super) use status::ModelStatus;

/// An instance of HiGHS. It writes nothing to standard output, and is not `Send`: the threads that
/// it computes with belong to the thread that created it.
#[derive(Debug)]
pub(super) struct Highs {
    instance: NonNull<c_void>,
    /// Whether observers receive the log.
    has_log: bool,
    /// The scaling between the model that was passed and the one that HiGHS holds.
    scale: Scale,
}

/// A value of an option.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// A switch.
    Bool(bool),
    /// An integer.
    Int(i32),
    /// A number.
    Double(f64),
    /// Text, such as the name of a method.
    Text(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Double(value) => write!(f, "{value}"),
            Self::Text(value) => write!(f, "{value:?}"),
        }
    }
}

/// The type of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OptionType {
    /// See [`Value::Bool`].
    Bool,
    /// See [`Value::Int`].
    Int,
    /// See [`Value::Double`].
    Double,
    /// See [`Value::Text`].
    Text,
}

/// Something that HiGHS rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum HighsError {
    /// An option that doesn't exist, or a value that it can't have.
    #[error("HiGHS rejects the value {value} of the option {name}")]
    Option {
        /// The option.
        name: String,
        /// The value.
        value: String,
    },
    /// The model, for example because a coefficient is too large.
    #[error("HiGHS rejects the model")]
    Model,
    /// The start solution or basis.
    #[error("HiGHS rejects the start {0}")]
    Start(&'static str),
}

/// The solution that an instance holds. [`Highs::has_feasible_solution`] and
/// [`Highs::has_feasible_duals`] return which parts are valid.
#[derive(Debug)]
pub(super) struct Solution {
    /// The value of each variable.
    pub values: Vec<f64>,
    /// c - Aᵀy, for each variable.
    pub reduced_costs: Vec<f64>,
    /// y, for each constraint.
    pub duals: Vec<f64>,
}

/// HiGHS drops coefficients up to this absolute value, the least that it allows. Its default of
/// 1e-9 drops coefficients that decide an optimum: it called `1e-10 x >= 1` infeasible.
const SMALL_MATRIX_VALUE: f64 = solvemesh_model::NEGLIGIBLE;

thread_local! {
    /// The number of threads of this thread's scheduler in HiGHS, once it is set.
    static SCHEDULER_THREADS: Cell<Option<i32>> = const { Cell::new(None) };
}

impl Highs {
    /// HiGHS's version, like "1.15.0".
    pub(super) fn version() -> String {
        // SAFETY: HiGHS returns a static string that ends with a zero.
        let version = unsafe { CStr::from_ptr(sys::Highs_version()) };
        version.to_string_lossy().trim_start_matches('v').to_owned()
    }

    /// Creates an instance.
    ///
    /// # Panics
    ///
    /// When there is not enough memory for it.
    pub(super) fn new() -> Self {
        // SAFETY: takes nothing.
        let instance = NonNull::new(unsafe { sys::Highs_create() });
        let instance = instance.expect("HiGHS has memory for an instance");
        let mut highs = Self { instance, has_log: false, scale: Scale::default() };
        highs.set_defaults();
        highs
    }

    /// Clears the model, the solution and the options, and frees their memory.
    pub(super) fn reset(&mut self) {
        // SAFETY: `instance` is alive.
        unsafe {
            sys::Highs_clearModel(self.raw());
            sys::Highs_releaseMemory(self.raw());
            // The options of one task must not affect the next.
            sys::Highs_resetOptions(self.raw());
        }
        self.scale = Scale::default();
        self.set_defaults();
    }

    /// Sets the options of every solve: no output, because standard output belongs to the protocol,
    /// and [`SMALL_MATRIX_VALUE`].
    fn set_defaults(&mut self) {
        // SAFETY: `instance` is alive, the names end with a zero.
        unsafe {
            sys::Highs_setBoolOptionValue(self.raw(), c"output_flag".as_ptr(), 0);
            let small = c"small_matrix_value".as_ptr();
            sys::Highs_setDoubleOptionValue(self.raw(), small, SMALL_MATRIX_VALUE);
        }
        self.has_log = false;
    }

    /// Makes HiGHS pass its log to observers, until the instance is reset.
    ///
    /// # Errors
    ///
    /// When HiGHS can't be kept from also writing it to standard output.
    pub(super) fn enable_log(&mut self) -> Result<(), HighsError> {
        self.set("log_to_console", &Value::Bool(false))?;
        self.set("output_flag", &Value::Bool(true))?;
        self.has_log = true;
        Ok(())
    }

    /// Sets the maximum number of threads of a solve, including the calling one.
    pub(super) fn set_threads(&mut self, threads: i32) -> Result<(), HighsError> {
        self.set("threads", &Value::Int(threads))?;
        // The scheduler keeps the number of threads with which it was started until it is reset.
        if SCHEDULER_THREADS.replace(Some(threads)).is_some_and(|scheduled| scheduled != threads) {
            // SAFETY: no solve is under way on this thread, to which the scheduler
            // belongs: `run` borrows an instance, and instances don't leave the thread.
            unsafe { sys::Highs_resetGlobalScheduler(1) };
        }
        Ok(())
    }

    /// The type of an option; `None` when there is no such option.
    pub(super) fn option_type(&self, name: &str) -> Option<OptionType> {
        let name = CString::new(name).ok()?;
        let mut option_type = 0;
        // SAFETY: `instance` is alive, the name ends with a zero, the result is a local.
        let status =
            unsafe { sys::Highs_getOptionType(self.raw(), name.as_ptr(), &mut option_type) };
        match option_type {
            _ if status != sys::kHighsStatusOk => None,
            sys::kHighsOptionTypeBool => Some(OptionType::Bool),
            sys::kHighsOptionTypeInt => Some(OptionType::Int),
            sys::kHighsOptionTypeDouble => Some(OptionType::Double),
            sys::kHighsOptionTypeString => Some(OptionType::Text),
            _ => None,
        }
    }

    /// Sets an option.
    ///
    /// # Errors
    ///
    /// When there is no such option of this type, or the value is not allowed.
    pub(super) fn set(&mut self, name: &str, value: &Value) -> Result<(), HighsError> {
        let refused = || HighsError::Option { name: name.to_owned(), value: value.to_string() };
        let option = CString::new(name).map_err(|_| refused())?;
        let (highs, option) = (self.raw(), option.as_ptr());
        // SAFETY: `instance` is alive, the texts end with a zero and outlive the call.
        let status = unsafe {
            match value {
                Value::Bool(value) => {
                    sys::Highs_setBoolOptionValue(highs, option, i32::from(*value))
                }
                Value::Int(value) => sys::Highs_setIntOptionValue(highs, option, *value),
                Value::Double(value) => sys::Highs_setDoubleOptionValue(highs, option, *value),
                Value::Text(value) => {
                    let value = CString::new(value.as_str()).map_err(|_| refused())?;
                    sys::Highs_setStringOptionValue(highs, option, value.as_ptr())
                }
            }
        };
        if status == sys::kHighsStatusOk { Ok(()) } else { Err(refused()) }
    }

    /// Replaces the model. HiGHS copies the arrays, with the objective scaled; but all numbers that
    /// this instance accepts and returns from now on are in the units of `arrays`.
    ///
    /// # Errors
    ///
    /// [`HighsError::Model`] when HiGHS rejects it.
    pub(super) fn pass(&mut self, arrays: &Arrays<'_>, scale: Scale) -> Result<(), HighsError> {
        let model = arrays.model();
        self.scale = scale;
        let costs = self.costs(&model.objective);
        let kinds: Vec<_> = arrays.kinds().iter().copied().map(var_type).collect();
        let kinds = if arrays.is_mip() { kinds.as_ptr() } else { ptr::null() };
        let count = |count: usize| i32::try_from(count).map_err(|_| HighsError::Model);
        let sense = if arrays.maximizes() {
            sys::kHighsObjSenseMaximize
        } else {
            sys::kHighsObjSenseMinimize
        };
        // SAFETY: `instance` is alive. `Arrays` guarantees the length of every array and the
        // indices; `kinds` has one entry for each variable, or is null, which HiGHS allows.
        let status = unsafe {
            sys::Highs_passMip(
                self.raw(),
                count(arrays.variables())?,
                count(arrays.constraints())?,
                count(model.coefficients.len())?,
                // As in the normal form, so that nothing has to be transposed here.
                sys::MATRIX_FORMAT_ROW_WISE,
                sense,
                self.scale.scale_cost(model.objective_offset),
                costs.as_ptr(),
                arrays.lower().as_ptr(),
                arrays.upper().as_ptr(),
                model.constraint_lower.as_ptr(),
                model.constraint_upper.as_ptr(),
                model.row_starts.as_ptr(),
                model.column_indices.as_ptr(),
                model.coefficients.as_ptr(),
                kinds,
            )
        };
        // A warning is no rejection: HiGHS gives one for small coefficients that it drops, and the
        // worker judges these.
        if status == sys::kHighsStatusError { Err(HighsError::Model) } else { Ok(()) }
    }

    /// The scaling between the model that was passed and the one that HiGHS holds.
    pub(super) fn scale(&self) -> &Scale {
        &self.scale
    }

    /// Costs, scaled for HiGHS.
    fn costs<'a>(&self, costs: &'a [f64]) -> Cow<'a, [f64]> {
        if self.scale.objective_exponent() == 0 {
            return costs.into();
        }
        costs.iter().map(|&cost| self.scale.scale_cost(cost)).collect()
    }

    /// Sets all costs to 0, so that every solution is optimal.
    pub(super) fn drop_objective(&mut self) {
        // SAFETY: `instance` is alive.
        let columns = unsafe { sys::Highs_getNumCol(self.raw()) };
        self.set_objective(&vec![0.0; usize::try_from(columns).unwrap_or(0)]);
    }

    /// Replaces the costs of the model. Does nothing if there isn't one for each column.
    pub(super) fn set_objective(&mut self, costs: &[f64]) {
        let costs = self.costs(costs);
        // SAFETY: `instance` is alive; no more columns are changed than there are costs.
        unsafe {
            let columns = sys::Highs_getNumCol(self.raw());
            if usize::try_from(columns) == Ok(costs.len()) {
                sys::Highs_changeColsCostByRange(self.raw(), 0, columns - 1, costs.as_ptr());
            }
        }
    }

    /// Solves the model within the time limit, which counts from this call.
    pub(super) fn run(&mut self, observer: &Observer<'_>) -> ModelStatus {
        // SAFETY: the instance is alive.
        let status = self.observed(observer, |highs| unsafe { sys::Highs_run(highs) });
        // SAFETY: `instance` is alive.
        match ModelStatus::from(unsafe { sys::Highs_getModelStatus(self.raw()) }) {
            // HiGHS failed without a status of the model.
            ModelStatus::NotSet if status == sys::kHighsStatusError => ModelStatus::SolveError,
            status => status,
        }
    }

    /// Runs `work` on the instance with its clocks at 0, and passes its events, scaled back, to
    /// `observer`.
    fn observed<T>(&mut self, observer: &Observer<'_>, work: impl FnOnce(*mut c_void) -> T) -> T {
        let scale = self.scale.clone();
        let unscaled = |event: CallbackEvent<'_>| match event {
            CallbackEvent::Mip(mip) => observer(CallbackEvent::Mip(mip.unscaled(&scale))),
            CallbackEvent::Incumbent(mip, values) => {
                let unscaled = scale.unscale_running_values(values);
                let values = unscaled.as_deref().unwrap_or(values);
                observer(CallbackEvent::Incumbent(mip.unscaled(&scale), values))
            }
            other => observer(other),
        };
        let observer: &Observer<'_> = &unscaled;
        let observer: *const &Observer<'_> = &observer;
        let highs = self.raw();
        // SAFETY: `instance` is alive. `observer` is what `trampoline` expects; it outlives the
        // work, after which the callback is removed.
        unsafe {
            // HiGHS compares its time limit with the time of all runs of the instance since then.
            sys::Highs_zeroAllClocks(highs);
            sys::Highs_setCallback(highs, Some(callback::trampoline), observer as *mut c_void);
            for event in callback::EVENTS {
                sys::Highs_startCallback(highs, event);
            }
            if self.has_log {
                sys::Highs_startCallback(highs, callback::LOGGING);
            }
            let worked = work(highs);
            if self.has_log {
                sys::Highs_stopCallback(highs, callback::LOGGING);
            }
            sys::Highs_setCallback(highs, None, ptr::null_mut());
            worked
        }
    }

    /// The objective of the current solution, including the offset.
    pub(super) fn objective(&self) -> Option<f64> {
        self.info(c"objective_function_value").map(|objective| self.scale.unscale_cost(objective))
    }

    /// The bound that branch and bound has proven, including the offset.
    pub(super) fn mip_bound(&self) -> Option<f64> {
        self.info(c"mip_dual_bound").map(|bound| self.scale.unscale_running(bound))
    }

    /// The number of nonzero coefficients of the current model.
    pub(super) fn entries(&self) -> usize {
        // SAFETY: `instance` is alive.
        usize::try_from(unsafe { sys::Highs_getNumNz(self.raw()) }).unwrap_or(0)
    }

    /// A number about the last run, by HiGHS's name for it.
    fn info(&self, name: &CStr) -> Option<f64> {
        let mut value = 0.0;
        // SAFETY: `instance` is alive, the name ends with a zero, the result is a local.
        let status =
            unsafe { sys::Highs_getDoubleInfoValue(self.raw(), name.as_ptr(), &mut value) };
        (status == sys::kHighsStatusOk).then_some(value)
    }

    /// As [`Self::info`], for numbers of type `int`.
    pub(super) fn int_info(&self, name: &CStr) -> Option<i32> {
        let mut value = 0;
        // SAFETY: `instance` is alive, the name ends with a zero, the result is a local.
        let status = unsafe { sys::Highs_getIntInfoValue(self.raw(), name.as_ptr(), &mut value) };
        (status == sys::kHighsStatusOk).then_some(value)
    }

    /// As [`Self::info`], for numbers of type `int64`.
    pub(super) fn long_info(&self, name: &CStr) -> Option<i64> {
        let mut value = 0;
        // SAFETY: `instance` is alive, the name ends with a zero, the result is a local.
        let status = unsafe { sys::Highs_getInt64InfoValue(self.raw(), name.as_ptr(), &mut value) };
        (status == sys::kHighsStatusOk).then_some(value)
    }

    /// The value of an integer option.
    pub(super) fn int_option(&self, name: &CStr) -> Option<i32> {
        let mut value = 0;
        // SAFETY: `instance` is alive, the name ends with a zero, the result is a local.
        let status = unsafe { sys::Highs_getIntOptionValue(self.raw(), name.as_ptr(), &mut value) };
        (status == sys::kHighsStatusOk).then_some(value)
    }

    /// Whether there is a solution that is feasible within HiGHS's tolerances.
    pub(super) fn has_feasible_solution(&self) -> bool {
        self.int_info(c"primal_solution_status") == Some(sys::SOLUTION_STATUS_FEASIBLE)
    }

    /// Whether there are duals that are feasible within HiGHS's tolerances.
    pub(super) fn has_feasible_duals(&self) -> bool {
        self.int_info(c"dual_solution_status") == Some(sys::SOLUTION_STATUS_FEASIBLE)
    }

    /// The current solution. `arrays` must be the model that was passed; `None` if it has another
    /// shape than the current model, or if HiGHS fails to return the solution.
    pub(super) fn solution(&self, arrays: &Arrays<'_>) -> Option<Solution> {
        // SAFETY: `instance` is alive.
        let shape = unsafe { (sys::Highs_getNumCol(self.raw()), sys::Highs_getNumRow(self.raw())) };
        let (n, m) = (usize::try_from(shape.0).ok()?, usize::try_from(shape.1).ok()?);
        if (n, m) != (arrays.variables(), arrays.constraints()) {
            return None;
        }
        let mut solution =
            Solution { values: vec![0.0; n], reduced_costs: vec![0.0; n], duals: vec![0.0; m] };
        // SAFETY: `instance` is alive. HiGHS writes as many numbers as the model has columns and
        // rows; null stands for the activities, which are not wanted.
        let status = unsafe {
            sys::Highs_getSolution(
                self.raw(),
                solution.values.as_mut_ptr(),
                solution.reduced_costs.as_mut_ptr(),
                ptr::null_mut(),
                solution.duals.as_mut_ptr(),
            )
        };
        // Values are not scaled, but duals are in units of the objective.
        for number in solution.reduced_costs.iter_mut().chain(&mut solution.duals) {
            *number = self.scale.unscale_cost(*number);
        }
        (status != sys::kHighsStatusError).then_some(solution)
    }

    fn raw(&self) -> *mut c_void {
        self.instance.as_ptr()
    }
}

impl Drop for Highs {
    fn drop(&mut self) {
        // SAFETY: `instance` is alive, and is not used again.
        unsafe { sys::Highs_destroy(self.raw()) };
    }
}

/// Checks that HiGHS is of the series that this crate supports. A shared library of the system may have
/// been replaced since the build.
///
/// # Errors
///
/// If it is of another one.
pub(super) fn check_series() -> io::Result<()> {
    let (found, series) = (Highs::version(), version::SERIES);
    if found.strip_prefix(series).is_some_and(|patch| patch.starts_with('.')) {
        return Ok(());
    }
    Err(io::Error::other(format!("HiGHS {found} is installed, and {series} is needed")))
}

/// HiGHS's code of a kind.
fn var_type(kind: VariableKind) -> sys::HighsInt {
    match kind {
        VariableKind::Unspecified | VariableKind::Continuous => sys::VAR_TYPE_CONTINUOUS,
        VariableKind::Integer | VariableKind::Binary => sys::VAR_TYPE_INTEGER,
        VariableKind::SemiContinuous => sys::VAR_TYPE_SEMI_CONTINUOUS,
        VariableKind::SemiInteger => sys::VAR_TYPE_SEMI_INTEGER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_linked_highs_is_of_the_supported_series() {
        check_series().expect("a supported series");
    }
}
