//! Translates the options of a task into options of HiGHS. Pure, except for the types of raw
//! options, which come from HiGHS.

use std::{thread::available_parallelism, time::Duration};

use solvemesh::v1::{Presolve, SolveOptions};
use solvemesh_model::verify::claim::Gaps;

use super::highs::{HighsError, OBJECTIVE_SCALE, OptionType, Scale, Value};

/// An option that can't be set.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(super) enum OptionError {
    /// HiGHS has no such option.
    #[error("solver option {0:?} does not exist")]
    Unknown(String),
    /// Its text can't be parsed as a value of its type.
    #[error("solver option {name:?} must be {expected}, not {value:?}")]
    IllTyped {
        /// The option.
        name: String,
        /// The text.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// It is one that a job can't set.
    #[error("solver option {0:?} is reserved")]
    Reserved(String),
    /// The number of threads is less than one.
    #[error("threads: {0} is less than 1")]
    Threads(i32),
    /// The time limit is negative or malformed.
    #[error("time_limit: out of range")]
    TimeLimit,
    /// The value is out of range.
    #[error(transparent)]
    Refused(#[from] HighsError),
}

/// HiGHS's value of `simplex_strategy` for the primal simplex method.
pub(super) const PRIMAL_SIMPLEX: i32 = 4;

/// Raw options that a job can't set, whatever a gateway allows: they write to standard output or
/// to files, need more than the setting (`threads`), or change which model is solved.
const RESERVED: [&str; 18] = [
    "output_flag",
    "log_to_console",
    "log_file",
    "log_dev_level",
    "threads",
    "read_solution_file",
    "read_basis_file",
    "write_model_file",
    "write_presolved_model_file",
    "write_iis_model_file",
    "write_basis_file",
    "solution_file",
    "write_model_to_file",
    "write_presolved_model_to_file",
    "write_solution_to_file",
    "mip_improving_solution_file",
    "mip_root_presolve_only",
    "solve_relaxation",
];

/// The number of threads of a solve: as requested, or else one, and at most the number of cores.
///
/// # Errors
///
/// When it is less than one.
pub(super) fn threads(options: &SolveOptions) -> Result<i32, OptionError> {
    let requested = options.threads.unwrap_or(1);
    match requested {
        ..1 => Err(OptionError::Threads(requested)),
        // Without a look at the cores, which opens files of the system and takes 10 µs.
        1 => Ok(1),
        _ => {
            let cores = available_parallelism().map_or(1, |cores| cores.get());
            Ok(requested.min(i32::try_from(cores).unwrap_or(requested)))
        }
    }
}

/// The time limit of a solve; `None` means no limit.
///
/// # Errors
///
/// When it is negative, or its nanoseconds make up a second or more.
pub(super) fn time_limit(options: &SolveOptions) -> Result<Option<Duration>, OptionError> {
    let duration = |limit: &prost_types::Duration| {
        let seconds = u64::try_from(limit.seconds).ok()?;
        let nanos = u32::try_from(limit.nanos).ok().filter(|&nanos| nanos < 1_000_000_000)?;
        Some(Duration::new(seconds, nanos))
    };
    options
        .time_limit
        .as_ref()
        .map(|limit| duration(limit).ok_or(OptionError::TimeLimit))
        .transpose()
}

/// A limit in the width of HiGHS's options: one that is larger can never be reached.
fn clamped(limit: i64) -> i32 {
    i32::try_from(limit).unwrap_or(i32::MAX)
}

/// The target, relaxed by a tolerance for rounding. HiGHS stops once the objective is below it
/// when minimising, above it when maximising; so it also stops at the target itself.
fn relaxed_target(target: f64, maximizes: bool) -> f64 {
    let tolerance = 1e-9 * target.abs().max(1.0);
    if maximizes { target - tolerance } else { target + tolerance }
}

/// HiGHS's options for the options of a task, except threads and time limit. Raw options come
/// last, so they take precedence.
///
/// `maximizes` is the sense of the model, `scale` the scaling of its objective in HiGHS, and
/// `type_of` returns the type of an option by its name.
///
/// # Errors
///
/// Names the first raw option that is unknown, ill-typed or reserved.
pub(super) fn highs_options(
    options: &SolveOptions,
    maximizes: bool,
    scale: &Scale,
    type_of: impl Fn(&str) -> Option<OptionType>,
) -> Result<Vec<(String, Value)>, OptionError> {
    let mut settings = Vec::new();
    let mut set = |name: &str, value| settings.push((name.to_owned(), value));
    if let Some(gap) = options.relative_gap {
        set("mip_rel_gap", Value::Double(gap));
    }
    if let Some(gap) = options.absolute_gap {
        set("mip_abs_gap", Value::Double(scale.scale_running_difference(gap)));
    } else if *scale != Scale::default() {
        // HiGHS compares the default gap with the scaled objective too.
        set("mip_abs_gap", Value::Double(scale.scale_running_difference(Gaps::default().absolute)));
    }
    if let Some(seed) = options.seed {
        set("random_seed", Value::Int(seed));
    }
    if let Some(limit) = options.node_limit {
        set("mip_max_nodes", Value::Int(clamped(limit)));
    }
    if let Some(limit) = options.iteration_limit {
        // Which method HiGHS will use is not known here.
        for method in ["simplex", "ipm", "pdlp"] {
            set(&format!("{method}_iteration_limit"), Value::Int(clamped(limit)));
        }
    }
    if let Some(limit) = options.solution_limit {
        set("mip_max_improving_sols", Value::Int(limit));
    }
    if let Some(target) = options.objective_target {
        let target = scale.scale_running(relaxed_target(target, maximizes));
        set("objective_target", Value::Double(target));
    }
    match options.presolve() {
        Presolve::Unspecified | Presolve::Auto => {}
        Presolve::On => set("presolve", Value::Text("on".into())),
        Presolve::Off => set("presolve", Value::Text("off".into())),
    }
    add_raw_options(&mut settings, options, scale, type_of)?;
    Ok(settings)
}

/// Adds the raw options.
fn add_raw_options(
    settings: &mut Vec<(String, Value)>,
    options: &SolveOptions,
    scale: &Scale,
    type_of: impl Fn(&str) -> Option<OptionType>,
) -> Result<(), OptionError> {
    let mut set = |name: &str, value| settings.push((name.to_owned(), value));
    for (name, value) in &options.solver_options {
        if RESERVED.contains(&name.as_str()) {
            return Err(OptionError::Reserved(name.clone()));
        }
        let option_type = type_of(name).ok_or_else(|| OptionError::Unknown(name.clone()))?;
        let value = parse(name, value, option_type)?;
        match (name.as_str(), value) {
            // Already part of `scale`: HiGHS must not apply it again.
            (OBJECTIVE_SCALE, _) => {}
            // Given in the units of the model, but compared with the scaled objective.
            ("objective_target" | "objective_bound", Value::Double(objective)) => {
                set(name, Value::Double(scale.scale_running(objective)));
            }
            (_, value) => set(name, value),
        }
    }
    Ok(())
}

/// Parses the text of a raw option as a value of its type.
fn parse(name: &str, text: &str, option_type: OptionType) -> Result<Value, OptionError> {
    let (value, expected) = match option_type {
        OptionType::Bool => (text.parse().ok().map(Value::Bool), "true or false"),
        OptionType::Int => (text.parse().ok().map(Value::Int), "an integer"),
        OptionType::Double => {
            let number = text.parse().ok().filter(|number: &f64| !number.is_nan());
            (number.map(Value::Double), "a number")
        }
        OptionType::Text => (Some(Value::Text(text.to_owned())), "text"),
    };
    let ill_typed =
        || OptionError::IllTyped { name: name.to_owned(), value: text.to_owned(), expected };
    value.ok_or_else(ill_typed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn raw(name: &str, value: &str) -> SolveOptions {
        let solver_options = [(name.to_owned(), value.to_owned())].into();
        SolveOptions { solver_options, ..SolveOptions::default() }
    }

    fn settings(
        options: &SolveOptions,
        option_type: Option<OptionType>,
    ) -> Result<Vec<(String, Value)>, OptionError> {
        highs_options(options, false, &Scale::default(), |_| option_type)
    }

    #[test]
    fn objective_scale_is_not_passed_to_highs() {
        let options = raw(OBJECTIVE_SCALE, "4");
        assert_eq!(settings(&options, Some(OptionType::Int)), Ok(vec![]));
        let options = raw(OBJECTIVE_SCALE, "four");
        assert!(settings(&options, Some(OptionType::Int)).is_err());
    }

    #[test]
    fn unset_options_keep_the_defaults_of_the_solver() {
        assert_eq!(settings(&SolveOptions::default(), None), Ok(vec![]));
        assert_eq!(threads(&SolveOptions::default()), Ok(1));
    }

    #[test]
    fn gaps_keep_their_full_precision() {
        let options = SolveOptions { relative_gap: Some(0.1), ..SolveOptions::default() };
        let setting = ("mip_rel_gap".to_owned(), Value::Double(0.1));
        assert_eq!(settings(&options, None), Ok(vec![setting]));
    }

    #[test]
    fn target_is_reached_up_to_rounding() {
        assert!(1_120.000_000_000_2 < relaxed_target(1_120.0, false));
        assert!(-0.000_000_000_2 > relaxed_target(0.0, true));
        assert!(1119.99 < relaxed_target(1120.0, true));
    }

    #[test]
    fn threads_are_at_least_one_and_at_most_the_number_of_cores() {
        let options = |threads| SolveOptions { threads: Some(threads), ..Default::default() };
        assert_eq!(threads(&options(0)), Err(OptionError::Threads(0)));
        let cores = available_parallelism().unwrap().get();
        assert_eq!(threads(&options(i32::MAX)), Ok(i32::try_from(cores).unwrap()));
    }

    #[test]
    fn raw_options_are_parsed_by_type() {
        for (text, option_type, value) in [
            ("true", OptionType::Bool, Value::Bool(true)),
            ("-3", OptionType::Int, Value::Int(-3)),
            ("1e-9", OptionType::Double, Value::Double(1e-9)),
            ("ipm", OptionType::Text, Value::Text("ipm".into())),
        ] {
            let settings = settings(&raw("option", text), Some(option_type));
            assert_eq!(settings, Ok(vec![("option".to_owned(), value)]));
        }
    }

    #[test]
    fn unknown_ill_typed_and_reserved_options_are_rejected_by_name() {
        for (name, value, option_type) in [
            ("no_such", "1", None),
            ("simplex_strategy", "dual", Some(OptionType::Int)),
            ("mip_detect_symmetry", "1", Some(OptionType::Bool)),
            ("mip_heuristic_effort", "nan", Some(OptionType::Double)),
            ("log_file", "/etc/passwd", Some(OptionType::Text)),
        ] {
            let fault = settings(&raw(name, value), option_type).unwrap_err();
            assert!(fault.to_string().contains(name), "{fault}");
        }
    }

    #[test]
    fn malformed_time_limit_is_rejected() {
        for (seconds, nanos) in [(-1, 0), (0, -1), (1, 1_000_000_000)] {
            let time_limit = Some(prost_types::Duration { seconds, nanos });
            let options = SolveOptions { time_limit, ..SolveOptions::default() };
            assert_eq!(super::time_limit(&options), Err(OptionError::TimeLimit));
        }
    }
}
