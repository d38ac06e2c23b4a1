use std::io::{self, BufWriter, Write};

use clap::Args;
use serde_json::{Value, json};
use solvemesh_client::{
    Client,
    v1::{DayUsage, GetUsageResponse, LiveUsage},
};

use crate::{
    args::output::JsonArgs,
    exit::{Exit, Failure},
    output::{
        table::{Column, write_columns, write_grid},
        text::number,
    },
};

/// Arguments of `usage`.
#[derive(Args, Debug)]
pub(crate) struct UsageArgs {
    #[command(flatten)]
    json: JsonArgs,
}

/// Prints what the caller's tenant has in the mesh and has used.
pub(crate) async fn usage(client: &Client, args: &UsageArgs) -> Result<Exit, Failure> {
    let usage = client.usage().await?;
    let mut out = BufWriter::new(io::stdout().lock());
    if args.json.json {
        writeln!(out, "{}", object(&usage))?;
    } else {
        write_live(&mut out, &usage.live)?;
        write_days(&mut out, &usage.days)?;
    }
    out.flush()?;
    Ok(Exit::Done)
}

fn write_live(out: &mut impl Write, live: &[LiveUsage]) -> io::Result<()> {
    let texts =
        |of: fn(&LiveUsage) -> String| move |row: usize| live.get(row).map(of).unwrap_or_default();
    let columns = [
        Column::texts("tenant", texts(|it| it.tenant.clone())),
        Column::texts("key", texts(|it| it.submitter.clone())),
        Column::figures("live jobs", texts(|it| it.job_count.to_string())),
        Column::figures("bytes", texts(|it| it.bytes.to_string())),
        Column::figures("scenarios", texts(|it| it.scenario_count.to_string())),
    ];
    write_columns(out, &columns, &(0..live.len()).collect::<Vec<_>>())
}

fn write_days(out: &mut impl Write, days: &[DayUsage]) -> io::Result<()> {
    let texts =
        |of: fn(&DayUsage) -> String| move |row: usize| days.get(row).map(of).unwrap_or_default();
    let columns = [
        Column::texts("day", texts(|it| it.day.clone())),
        Column::texts("tenant", texts(|it| it.tenant.clone())),
        Column::texts("key", texts(|it| it.submitter.clone())),
        Column::figures("jobs", texts(|it| it.job_count.to_string())),
        Column::figures("solver seconds", texts(|it| number(it.solver_seconds))),
    ];
    write_grid(out, &columns, &(0..days.len()).collect::<Vec<_>>())
}

fn object(usage: &GetUsageResponse) -> Value {
    let live = usage.live.iter().map(|it| {
        json!({
            "tenant": it.tenant,
            "submitter": it.submitter,
            "jobCount": it.job_count,
            "bytes": it.bytes,
            "scenarioCount": it.scenario_count,
        })
    });
    let days = usage.days.iter().map(|it| {
        json!({
            "day": it.day,
            "tenant": it.tenant,
            "submitter": it.submitter,
            "jobCount": it.job_count,
            "solverSeconds": it.solver_seconds,
        })
    });
    json!({ "live": live.collect::<Vec<_>>(), "days": days.collect::<Vec<_>>() })
}
