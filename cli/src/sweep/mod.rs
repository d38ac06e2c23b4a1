//! `sweep`: one model, many scenarios. What is asked for (`spec`, `csv`, `plan`), and how the
//! answers are told (`rows`, `plot`).

mod csv;
mod plan;
mod plot;
mod rows;
mod spec;

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    pin::pin,
};

use clap::{Args, builder::BoolishValueParser};
use solvemesh_client::{
    Client, Error, Outcome,
    v1::{Job, ScenarioReport, ScenarioResult, StopOnFirst, Sweep, SweepSummary},
};
use tokio::{signal::ctrl_c, time::Instant};

use crate::{
    args::submission::{SubmissionArgs, is_stdin, read},
    commands::run_job::{Teller, attend},
    exit::{Exit, Failure},
    output::{
        names, summary,
        table::write_facts,
        terminal::Screen,
        text::{brief, printable, time},
    },
};
use plan::Plan;
use spec::Axis;

pub(super) use rows::{Format, Rows};

/// How wide a plot is where there is no terminal.
const WIDTH: usize = 80;

/// Arguments of `sweep`.
#[derive(Args, Debug)]
pub(crate) struct SweepArgs {
    #[command(flatten)]
    submission: SubmissionArgs,

    /// What changes, and its values: PARAMETER=FROM..TO/POINTS or PARAMETER=VALUE,VALUE,…,
    /// where PARAMETER is obj:VAR, offset, lower:VAR, upper:VAR, fix:VAR, rhs:ROW,
    /// row-lower:ROW, row-upper:ROW or coef:ROW,VAR. If repeated, all combinations, the last
    /// one fastest (in the environment: one a line)
    #[arg(
        long,
        env = "SOLVEMESH_VARY",
        value_name = "SPEC",
        value_delimiter = '\n',
        value_parser = vary
    )]
    vary: Vec<Axis>,

    /// The scenarios one by one, in place of --vary: a CSV file with a column for each
    /// PARAMETER, and one for labels, `label`, if there are some; - reads standard input
    #[arg(long, env = "SOLVEMESH_SCENARIOS", value_name = "FILE")]
    scenarios: Option<PathBuf>,

    /// Tell the value of this variable; may be repeated (in the environment: one a line)
    #[arg(long, env = "SOLVEMESH_VALUES", value_name = "NAME", value_delimiter = '\n')]
    values: Vec<String>,

    /// Tell the values of all variables, by their numbers in the model, from 0
    #[arg(long, env = "SOLVEMESH_ALL_VALUES", value_parser = BoolishValueParser::new())]
    all_values: bool,

    /// Tell the dual of this constraint; may be repeated (in the environment: one a line)
    #[arg(long, env = "SOLVEMESH_DUALS", value_name = "NAME", value_delimiter = '\n')]
    duals: Vec<String>,

    /// Tell the duals of all constraints, by their numbers in the model, from 0
    #[arg(long, env = "SOLVEMESH_ALL_DUALS", value_parser = BoolishValueParser::new())]
    all_duals: bool,

    /// End at the first scenario that has a solution
    #[arg(long, env = "SOLVEMESH_STOP_ON_FIRST", value_parser = BoolishValueParser::new())]
    stop_on_first: bool,

    /// End at the first scenario whose objective is at least as good as this
    #[arg(
        long,
        env = "SOLVEMESH_STOP_AT",
        value_name = "OBJECTIVE",
        allow_negative_numbers = true
    )]
    stop_at: Option<f64>,

    /// Print comma-separated values with a header
    #[arg(long, env = "SOLVEMESH_CSV", value_parser = BoolishValueParser::new())]
    csv: bool,

    /// Print one JSON object a scenario, on a line of its own
    #[arg(long, env = "SOLVEMESH_JSON", value_parser = BoolishValueParser::new())]
    json: bool,

    /// Write the answers to this file: as CSV if it ends in .csv, as JSON if in .json or
    /// .jsonl, unless told otherwise
    #[arg(long, env = "SOLVEMESH_OUTPUT", value_name = "FILE")]
    output: Option<PathBuf>,

    /// Draw the objective over the values of the last --vary, with a curve for each
    /// combination of the others
    #[arg(long, env = "SOLVEMESH_PLOT", value_parser = BoolishValueParser::new())]
    plot: bool,

    /// Print every event as a line on standard error
    #[arg(short, long, env = "SOLVEMESH_VERBOSE", value_parser = BoolishValueParser::new())]
    verbose: bool,
}

/// Submits a sweep, prints its answers as they come, and at the end, on standard error, what
/// they add up to. The first Ctrl-C cancels it; the second leaves it alone.
pub(crate) async fn sweep(client: &Client, args: &SweepArgs) -> Result<Exit, Failure> {
    let plan = args.plan()?;
    let format = args.format()?;
    args.check_plot(&plan)?;
    let mut request = args.submission.request()?;
    request.sweep = Some(args.sweep(&plan));
    let out: Box<dyn Write> = match &args.output {
        Some(file) => Box::new(File::create(file).map_err(|error| usage(file, &error))?),
        None => Box::new(io::stdout()),
    };
    let mut told = Told {
        out: BufWriter::new(out),
        plan: &plan,
        format,
        rows: None,
        objectives: args.plot.then(Vec::new),
    };

    let since = Instant::now();
    let interrupt = pin!(ctrl_c());
    let screen = Screen::new(args.verbose);
    let ended = attend(client, &args.submission, request, screen, interrupt, &mut told).await;
    let Some((outcome, mut screen)) = ended.map_err(|failure| args.placed(failure, &plan))? else {
        return Ok(Exit::Left);
    };
    let objectives = told.objectives.take();
    drop(told);
    if let Some(objectives) = objectives {
        draw(&plan, &objectives, args.output.is_none())?;
    }
    let text = told_end(&outcome, &plan, since.elapsed().as_secs_f64())?;
    screen.say(text.trim_end());
    Ok(args.exit(&outcome))
}

impl SweepArgs {
    fn plan(&self) -> Result<Plan, Failure> {
        match (&self.scenarios, self.vary.as_slice()) {
            (None, []) => {
                Err(Failure::Usage("--vary or --scenarios must say what changes".to_owned()))
            }
            (Some(_), [_, ..]) => {
                Err(Failure::Usage("--vary and --scenarios exclude each other".to_owned()))
            }
            (None, axes) => Plan::grid(axes.to_vec())
                .map_err(|wrong| Failure::Usage(format!("--vary: {wrong}"))),
            (Some(file), []) => {
                if is_stdin(file) && self.submission.reads_stdin() {
                    let wrong = "standard input can't be both the model and the scenarios";
                    return Err(Failure::Usage(wrong.to_owned()));
                }
                let content = read(file).map_err(|error| usage(file, &error))?;
                let text = String::from_utf8(content).map_err(|_| usage(file, &"is not UTF-8"))?;
                Plan::table(&text).map_err(|wrong| usage(file, &printable(&wrong)))
            }
        }
    }

    fn format(&self) -> Result<Format, Failure> {
        let extension = self.output.as_ref().and_then(|file| file.extension()?.to_str());
        match (self.csv, self.json, extension) {
            (true, true, _) => {
                Err(Failure::Usage("--csv and --json exclude each other".to_owned()))
            }
            (true, ..) | (false, false, Some("csv")) => Ok(Format::Csv),
            (_, true, _) | (false, false, Some("json" | "jsonl")) => Ok(Format::Json),
            (false, false, _) => Ok(Format::Table),
        }
    }

    /// Refuses what can't be drawn before it is solved.
    fn check_plot(&self, plan: &Plan) -> Result<(), Failure> {
        if !self.plot {
            return Ok(());
        }
        let wrong = if (self.csv || self.json) && self.output.is_none() {
            "--plot prints no --csv and no --json: these need --output".to_owned()
        } else {
            match plan.curves() {
                None => "--plot needs --vary".to_owned(),
                Some(curves) if curves > plot::MOST_CURVES => {
                    format!(
                        "--plot: {curves} curves can't be told apart: {} can",
                        plot::MOST_CURVES
                    )
                }
                Some(_) => return Ok(()),
            }
        };
        Err(Failure::Usage(wrong))
    }

    fn sweep(&self, plan: &Plan) -> Sweep {
        let report = ScenarioReport {
            variables: if self.all_values { Vec::new() } else { self.values.clone() },
            all_variables: self.all_values,
            constraints: if self.all_duals { Vec::new() } else { self.duals.clone() },
            all_constraints: self.all_duals,
        };
        let stops = self.stops().then_some(StopOnFirst { objective_target: self.stop_at });
        Sweep { scenarios: Some(plan.to_wire()), report: Some(report), stop_on_first: stops }
    }

    fn stops(&self) -> bool {
        self.stop_on_first || self.stop_at.is_some()
    }

    /// A search that found nothing is like a model that has no solution.
    fn exit(&self, outcome: &Outcome) -> Exit {
        let found = outcome.sweep.as_ref().is_some_and(|sweep| sweep.stopped_by.is_some());
        match Exit::of_outcome(outcome) {
            Exit::Done if self.stops() && !found => Exit::NoSolution,
            exit => exit,
        }
    }

    /// With the places of the command line in place of the request's fields.
    fn placed(&self, failure: Failure, plan: &Plan) -> Failure {
        let Failure::Client(Error::Rejected(mut rejection)) = failure else { return failure };
        let file = self.scenarios.as_ref().map(|it| it.display().to_string()).unwrap_or_default();
        for violation in &mut rejection.violations {
            let field = &violation.field;
            let place = if field.starts_with("sweep.report.variables") {
                Some("--values".to_owned())
            } else if field.starts_with("sweep.report.constraints") {
                Some("--duals".to_owned())
            } else if field.starts_with("sweep.stop_on_first") {
                Some("--stop-at".to_owned())
            } else if field == "sweep.report" {
                Some("--values and --duals".to_owned())
            } else {
                plan.place(field, &file)
            };
            if let Some(place) = place {
                violation.field = printable(&place).into_owned();
            }
        }
        Failure::Client(Error::Rejected(rejection))
    }
}

/// What is told while the sweep goes on.
struct Told<'a> {
    out: BufWriter<Box<dyn Write>>,
    plan: &'a Plan,
    format: Format,
    rows: Option<Rows<'a>>,
    /// Those of all scenarios, where they are to be drawn.
    objectives: Option<Vec<Option<f64>>>,
}

impl Teller for Told<'_> {
    fn accepted(&mut self, job: &Job) -> io::Result<()> {
        let mut description = job.description.clone().unwrap_or_default();
        let scenarios = &mut description.sweep.get_or_insert_default().scenarios;
        *scenarios = i32::try_from(self.plan.count()).unwrap_or(i32::MAX);
        self.rows = Some(Rows::new(self.format, &job.job_id, &description, Some(self.plan)));
        if let Some(objectives) = &mut self.objectives {
            objectives.resize(self.plan.count(), None);
        }
        Ok(())
    }

    fn answers(&mut self, results: &[ScenarioResult]) -> io::Result<()> {
        if let Some(objectives) = &mut self.objectives {
            for result in results {
                let place =
                    usize::try_from(result.index).ok().and_then(|at| objectives.get_mut(at));
                if let Some(place) = place {
                    *place = result.objective;
                }
            }
        }
        if let Some(rows) = &mut self.rows {
            rows.write(&mut self.out, results)?;
        }
        self.out.flush()
    }
}

/// Draws the objectives on standard output, below rows if these are there.
fn draw(plan: &Plan, objectives: &[Option<f64>], below: bool) -> io::Result<()> {
    let width = terminal_size::terminal_size_of(io::stdout());
    let width = width.map_or(WIDTH, |(width, _)| width.0.into());
    let (x, curves) = plan.drawn(objectives);
    let mut out = BufWriter::new(io::stdout().lock());
    let lines = plot::draw(&curves, x, "objective", width);
    if below && !lines.is_empty() {
        writeln!(out)?;
    }
    lines.iter().try_for_each(|line| writeln!(out, "{line}"))?;
    out.flush()
}

/// How it ended, and how long that took.
fn told_end(outcome: &Outcome, plan: &Plan, seconds: f64) -> io::Result<String> {
    let none = SweepSummary::default();
    let summary = outcome.sweep.as_ref().unwrap_or(&none);
    let mut facts = vec![("state", names::state(outcome.state).unwrap_or("unknown").to_owned())];
    facts.extend(
        outcome.failure.iter().map(|f| ("failure", format!("{}: {}", f.reason, f.message))),
    );
    facts.extend(summary::facts(summary, |index| {
        let changes = plan.told(usize::try_from(index).ok()?);
        (!changes.is_empty()).then_some(changes)
    }));
    let mut took = time(seconds);
    if summary.answered > 0 && seconds > 0.0 {
        took += &format!(", {} scenarios/s", brief(f64::from(summary.answered) / seconds));
    }
    facts.push(("time", took));
    let mut text = Vec::new();
    write_facts(&mut text, &facts)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn vary(text: &str) -> Result<Axis, String> {
    spec::axis(text).map_err(|fault| fault.told(text))
}

fn usage(file: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::Usage(format!("{}: {error}", file.display()))
}
