//! The keywords of a driver's options, with the names that other solvers have for them.

use std::{
    fmt::Display,
    io::{self, Write},
    str::FromStr,
};

use solvemesh_client::v1::{Presolve, Solver};
use solvemesh_model::NlObjective;

use super::settings::Settings;
use crate::args::values::{not_negative, size};

/// What begins the name of an option by the solver's own name.
const OWN_PREFIX: &str = "option:";

/// A keyword: its names, the first of which is the usual one; its help; and how it sets a value.
struct Keyword {
    names: &'static [&'static str],
    help: &'static str,
    set: fn(&mut Settings, &str) -> Result<(), String>,
}

const KEYWORDS: [Keyword; 24] = [
    Keyword {
        names: &[
            "absgap",
            "absmipgap",
            "mipgapabs",
            "abs_gap",
            "mip_abs_gap",
            "epagap",
            "allowablegap",
        ],
        help: "stop at this absolute gap, |bound - objective|",
        set: |settings, text| put(&mut settings.absolute_gap, not_negative(text)),
    },
    Keyword {
        names: &["basis"],
        help: "1 (default): return the basis of an LP in the suffix sstatus; 0: do not",
        set: |settings, text| assign(&mut settings.basis, switch(text)),
    },
    Keyword {
        names: &[
            "iterlim",
            "iterlimit",
            "iterationlimit",
            "iteration_limit",
            "maxiter",
            "simplex_iteration_limit",
        ],
        help: "stop after this many iterations (LPs)",
        set: |settings, text| put(&mut settings.iteration_limit, at_least(text, 0)),
    },
    Keyword {
        names: &["label"],
        help: "attach a label to the job: label=KEY:VALUE",
        set: |settings, text| {
            let (key, value) = text.split_once(':').ok_or("must be KEY:VALUE")?;
            settings.labels.insert(key.to_owned(), value.to_owned());
            Ok(())
        },
    },
    Keyword {
        names: &["lane"],
        help: "queue the job in this lane",
        set: |settings, text| assign(&mut settings.lane, Ok(text.to_owned())),
    },
    Keyword {
        names: &["memlimit", "memory_limit", "memlim"],
        help: "stop when the solver needs more than this many bytes; 512M means 512 MiB",
        set: |settings, text| {
            let bytes = size(text).map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
            put(&mut settings.memory_limit, bytes)
        },
    },
    Keyword {
        names: &[
            "mipgap",
            "relgap",
            "rel_gap",
            "mip_gap",
            "mip_rel_gap",
            "ratiogap",
            "epgap",
            "gap",
            "ratio",
        ],
        help: "stop at this relative gap, |bound - objective| / |objective|",
        set: |settings, text| put(&mut settings.relative_gap, not_negative(text)),
    },
    Keyword {
        names: &["name", "model_name"],
        help: "show this model name in listings",
        set: |settings, text| assign(&mut settings.model_name, Ok(text.to_owned())),
    },
    Keyword {
        names: &["nodelim", "nodelimit", "node_limit", "maxnodes", "mip_max_nodes", "nodes"],
        help: "stop after this many branch-and-bound nodes (models with integers)",
        set: |settings, text| put(&mut settings.node_limit, at_least(text, 1)),
    },
    Keyword {
        names: &["objno"],
        help: "optimise this objective, from 1; 0: none",
        set: |settings, text| {
            let number: usize = at_least(text, 0)?;
            settings.objective = match number.checked_sub(1) {
                Some(index) => NlObjective::Index(index),
                None => NlObjective::None,
            };
            Ok(())
        },
    },
    Keyword {
        names: &["outlev", "log", "tee"],
        help: "1 (default): print the solver's log; 0: do not",
        set: |settings, text| assign(&mut settings.log, switch(text)),
    },
    Keyword {
        names: &["presolve"],
        help: "whether the solver simplifies the model first: on, off or auto",
        set: |settings, text| {
            let presolve = match text.to_ascii_lowercase().as_str() {
                "auto" | "choose" => Presolve::Auto,
                _ if switch(text).map_err(|_| "must be on, off or auto")? => Presolve::On,
                _ => Presolve::Off,
            };
            assign(&mut settings.presolve, Ok(presolve))
        },
    },
    Keyword {
        names: &["queuelimit", "queue_time_limit"],
        help: "give up the job if no worker has started it after this many seconds",
        set: |settings, text| put(&mut settings.queue_time_limit, seconds(text)),
    },
    Keyword {
        names: &["rc", "reduced_costs"],
        help: "1 (default): return the reduced costs of an LP in the suffix rc; 0: do not",
        set: |settings, text| assign(&mut settings.reduced_costs, switch(text)),
    },
    Keyword {
        names: &["seed", "random_seed", "randomseed"],
        help: "seed of the solver's random numbers",
        set: |settings, text| put(&mut settings.seed, at_least(text, 0)),
    },
    Keyword {
        names: &["server", "gateway", "url"],
        help: "URL of the gateway [default: $SOLVEMESH_GATEWAY, $SOLVEMESH_URL, or port 50051 here]",
        set: |settings, text| assign(&mut settings.server, Ok(Some(text.to_owned()))),
    },
    Keyword {
        names: &["sollim", "sollimit", "solution_limit", "solutionlimit", "mip_max_improving_sols"],
        help: "stop after this many improved solutions (models with integers)",
        set: |settings, text| put(&mut settings.solution_limit, at_least(text, 1)),
    },
    Keyword {
        // Pyomo keeps `solver` for itself, and passes on `subsolver`.
        names: &["solver", "subsolver"],
        help: "auto, highs, clarabel, microlp, scip or cbc",
        set: |settings, text| {
            let name = format!("SOLVER_{}", text.to_ascii_uppercase());
            let known = Solver::from_str_name(&name)
                .filter(|it| !matches!(it, Solver::Unspecified | Solver::DenseSimplex));
            let wrong = "must be auto, highs, clarabel, microlp, scip or cbc";
            assign(&mut settings.solver, known.ok_or_else(|| wrong.to_owned()))
        },
    },
    Keyword {
        names: &["start", "warmstart", "warm_start"],
        help: "1 (default): start from the values or the basis in the model; 0: do not",
        set: |settings, text| assign(&mut settings.warm_start, switch(text)),
    },
    Keyword {
        names: &["target", "objective_target"],
        help: "stop at the first solution at least this good (models with integers)",
        set: |settings, text| put(&mut settings.objective_target, number(text)),
    },
    Keyword {
        names: &["threads", "nthreads", "maxthreads"],
        help: "number of threads of the solver; a worker may allow fewer",
        set: |settings, text| put(&mut settings.threads, at_least(text, 1)),
    },
    Keyword {
        names: &[
            "timelimit",
            "time_limit",
            "timelim",
            "timlim",
            "lim:time",
            "sec",
            "seconds",
            "tmlim",
            "maxtime",
        ],
        help: "stop the solver after this many seconds",
        set: |settings, text| put(&mut settings.time_limit, seconds(text)),
    },
    Keyword {
        names: &["totallimit", "total_time_limit", "deadline"],
        help: "give up the job after this many seconds, queueing and solving together",
        set: |settings, text| put(&mut settings.total_time_limit, seconds(text)),
    },
    Keyword {
        names: &["wantsol"],
        help: "sum of 1: write the .sol file (always), 2: print the values, 4: print the duals, \
               8: no message",
        set: |settings, text| {
            let bits = at_least(text, 0).ok().filter(|bits: &u8| *bits < 16);
            assign(&mut settings.wantsol, bits.ok_or_else(|| "must be from 0 to 15".to_owned()))
        },
    },
];

/// Sets an option by its key.
///
/// # Errors
///
/// That there is no such option, or what is wrong with its value; both with the key.
pub(super) fn set(settings: &mut Settings, key: &str, value: &str) -> Result<(), String> {
    let plain = key.to_ascii_lowercase();
    if plain.starts_with(OWN_PREFIX) {
        let name = &key[OWN_PREFIX.len()..];
        settings.solver_options.insert(name.to_owned(), value.to_owned());
        return Ok(());
    }
    let keyword = KEYWORDS.iter().find(|keyword| keyword.names.contains(&plain.as_str()));
    let keyword = keyword.ok_or_else(|| {
        format!(
            "unknown option {key}; `solvemesh -=` lists all, and {OWN_PREFIX}{key}={value} \
                 passes it to the solver"
        )
    })?;
    (keyword.set)(settings, value).map_err(|wrong| format!("{key}={value}: {wrong}"))
}

/// Prints all keywords.
pub(super) fn print(out: &mut impl Write) -> io::Result<()> {
    for keyword in &KEYWORDS {
        let (name, others) = (keyword.names[0], &keyword.names[1..]);
        writeln!(out, "{name:<12}{}", keyword.help)?;
        if !others.is_empty() {
            writeln!(out, "{:<12}  also {}", "", others.join(", "))?;
        }
    }
    writeln!(
        out,
        "{OWN_PREFIX}NAME  an option by the solver's own name, such as \
                   {OWN_PREFIX}simplex_strategy=4"
    )
}

/// Stores a value.
fn assign<T>(field: &mut T, value: Result<T, String>) -> Result<(), String> {
    *field = value?;
    Ok(())
}

/// Stores a value that may be absent.
fn put<T>(field: &mut Option<T>, value: Result<T, String>) -> Result<(), String> {
    assign(field, value.map(Some))
}

fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "on" | "yes" | "true" => Ok(true),
        "0" | "off" | "no" | "false" => Ok(false),
        // A level of output.
        level if level.parse::<u8>().is_ok() => Ok(true),
        _ => Err("must be 1 or 0".to_owned()),
    }
}

fn number(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|it: &f64| it.is_finite()).ok_or_else(|| "must be a number".to_owned())
}

fn seconds(text: &str) -> Result<std::time::Duration, String> {
    solvemesh::seconds(text).map_err(|error| error.to_string())
}

fn at_least<T: FromStr + PartialOrd + Display>(text: &str, min: T) -> Result<T, String> {
    match text.parse() {
        Ok(number) if number >= min => Ok(number),
        _ => Err(format!("must be an integer, {min} or more")),
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::Duration};

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Settings {
        let mut settings = Settings::default();
        for (key, value) in pairs {
            set(&mut settings, key, value).expect("a valid option");
        }
        settings
    }

    fn error(key: &str, value: &str) -> String {
        set(&mut Settings::default(), key, value).expect_err("an invalid option")
    }

    #[test]
    fn names_of_other_solvers_set_the_same_option() {
        for key in ["mipgap", "ratioGap", "MIPGap", "mip_rel_gap", "epgap", "rel_gap"] {
            assert_eq!(read(&[(key, "0.01")]).relative_gap, Some(0.01), "{key}");
        }
        for key in ["timelimit", "sec", "TimeLimit", "time_limit"] {
            assert_eq!(read(&[(key, "1.5")]).time_limit, Some(Duration::from_millis(1500)));
        }
        for key in ["threads", "Threads"] {
            assert_eq!(read(&[(key, "4")]).threads, Some(4));
        }
    }

    #[test]
    fn every_keyword_has_names_of_its_own() {
        let names: Vec<&str> = KEYWORDS.iter().flat_map(|it| it.names).copied().collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        assert!(names.iter().all(|name| *name == name.to_ascii_lowercase()));
    }

    #[test]
    fn an_option_by_the_name_of_the_solver_is_passed_on() {
        let settings = read(&[("option:mip_heuristic_effort", "0.1"), ("subsolver", "HiGHS")]);
        assert_eq!(settings.solver_options["mip_heuristic_effort"], "0.1");
        assert_eq!(settings.solver, Solver::Highs);
    }

    #[test]
    fn the_last_value_counts() {
        assert_eq!(read(&[("seed", "1"), ("seed", "2")]).seed, Some(2));
    }

    #[test]
    fn objectives_are_counted_from_1() {
        assert_eq!(read(&[("objno", "2")]).objective, NlObjective::Index(1));
        assert_eq!(read(&[("objno", "0")]).objective, NlObjective::None);
    }

    #[test]
    fn an_unknown_or_invalid_option_is_rejected_by_name() {
        assert!(error("feastol", "1e-6").starts_with("unknown option feastol"));
        for (key, value, what) in [
            ("timelimit", "-1", "above 0"),
            ("mipgap", "x", "0 or more"),
            ("threads", "0", "1 or more"),
            ("objno", "-1", "0 or more"),
            ("wantsol", "16", "0 to 15"),
            ("solver", "gurobi", "highs"),
            ("solver", "unspecified", "highs"),
            ("presolve", "maybe", "auto"),
            ("basis", "maybe", "1 or 0"),
            ("label", "x", "KEY:VALUE"),
            ("memlimit", "lots", "bytes"),
        ] {
            let error = error(key, value);
            assert!(
                error.starts_with(&format!("{key}={value}: ")) && error.contains(what),
                "{error}"
            );
        }
    }
}
