use std::io::{self, BufWriter, Write};

use clap::Args;
use prost_types::Duration;
use serde_json::{Value, json};
use solvemesh_client::{
    Client,
    v1::{GetCapabilitiesResponse, Limits, SolverCapabilities, SolverOption, SolverOptionType},
};

use crate::{
    args::output::JsonArgs,
    exit::{Exit, Failure},
    output::{json::seconds, names, table::write_facts, text::number},
};

/// Arguments of `capabilities`.
#[derive(Args, Debug)]
pub(crate) struct CapabilitiesArgs {
    #[command(flatten)]
    json: JsonArgs,
}

/// Prints the solvers, options and limits of the mesh.
pub(crate) async fn capabilities(
    client: &Client,
    args: &CapabilitiesArgs,
) -> Result<Exit, Failure> {
    let capabilities = client.capabilities().await?;
    let mut out = BufWriter::new(io::stdout().lock());
    if args.json.json {
        writeln!(out, "{}", object(&capabilities))?;
    } else {
        write_facts(&mut out, &facts(&capabilities))?;
        for solver in &capabilities.solvers {
            write_solver(&mut out, solver)?;
        }
    }
    out.flush()?;
    Ok(Exit::Done)
}

fn facts(capabilities: &GetCapabilitiesResponse) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("version", capabilities.version.clone()),
        ("lanes", lanes(capabilities).join(", ")),
        ("ephemeral jobs", if capabilities.ephemeral { "yes" } else { "no" }.into()),
    ];
    let Some(limits) = &capabilities.limits else { return facts };
    let time = |time: &Option<Duration>| {
        time.as_ref().map_or_else(String::new, |time| format!("{} s", number(seconds(time))))
    };
    facts.extend([
        ("max request", format!("{} bytes", limits.max_message_bytes)),
        ("max model", format!("{} bytes", limits.max_model_bytes)),
        ("max variables", limits.max_variables.to_string()),
        ("max constraints", limits.max_constraints.to_string()),
        ("max nonzeros", limits.max_nonzeros.to_string()),
        ("max time limit", time(&limits.max_time_limit)),
        ("default time limit", time(&limits.default_time_limit)),
        ("max total time limit", time(&limits.max_total_time_limit)),
        ("max live jobs", limits.max_live_jobs.to_string()),
        ("max watchers", limits.max_watchers.to_string()),
        ("max jobs per watch", limits.max_jobs_per_watch.to_string()),
        ("max scenarios per sweep", limits.max_scenarios.to_string()),
    ]);
    facts
}

fn write_solver(out: &mut impl Write, solver: &SolverCapabilities) -> io::Result<()> {
    let absent = if solver.available { "" } else { " (unavailable: no worker has it)" };
    writeln!(out, "\nsolver {}{absent}", names::solver(solver.solver()).unwrap_or("unknown"))?;
    let kinds = solver.variable_kinds().filter_map(names::variable_kind);
    writeln!(out, "  variables  {}", kinds.collect::<Vec<_>>().join(", "))?;
    for option in &solver.options {
        let kind = match option.r#type() {
            SolverOptionType::Unspecified => "any",
            SolverOptionType::Bool => "true or false",
            SolverOptionType::Int => "integer",
            SolverOptionType::Double => "number",
            SolverOptionType::String => "text",
        };
        writeln!(out, "  --option {}=({kind})", option.name)?;
    }
    Ok(())
}

fn object(capabilities: &GetCapabilitiesResponse) -> Value {
    json!({
        "version": capabilities.version,
        "lanes": lanes(capabilities),
        "ephemeral": capabilities.ephemeral,
        "limits": capabilities.limits.as_ref().map(limits_object),
        "solvers": capabilities.solvers.iter().map(solver_object).collect::<Vec<_>>(),
    })
}

fn limits_object(limits: &Limits) -> Value {
    let time = |time: &Option<Duration>| time.as_ref().map(seconds);
    json!({
        "maxMessageBytes": limits.max_message_bytes,
        "maxModelBytes": limits.max_model_bytes,
        "maxVariables": limits.max_variables,
        "maxConstraints": limits.max_constraints,
        "maxNonzeros": limits.max_nonzeros,
        "maxTimeLimitSeconds": time(&limits.max_time_limit),
        "defaultTimeLimitSeconds": time(&limits.default_time_limit),
        "maxDeadlineSeconds": time(&limits.max_total_time_limit),
        "maxLiveJobs": limits.max_live_jobs,
        "maxWatchers": limits.max_watchers,
        "maxJobsPerWatch": limits.max_jobs_per_watch,
        "maxScenarios": limits.max_scenarios,
    })
}

fn solver_object(solver: &SolverCapabilities) -> Value {
    let option = |option: &SolverOption| json!({ "name": option.name, "type": names::option_type(option.r#type()) });
    json!({
        "solver": names::solver(solver.solver()),
        "variableKinds":
            solver.variable_kinds().filter_map(names::variable_kind).collect::<Vec<_>>(),
        "options": solver.options.iter().map(option).collect::<Vec<_>>(),
        "fields": solver.supported_options,
        "lane": solver.lane,
        "available": solver.available,
    })
}
fn lanes(capabilities: &GetCapabilitiesResponse) -> Vec<&str> {
    capabilities.lanes.iter().map(|lane| lane.name.as_str()).collect()
}
