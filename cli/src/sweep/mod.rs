//! The subcommand `sweep`: solves one model for many scenarios. `spec`, `csv` and `plan` parse
//! the scenarios; `rows` and `plot` print the results.

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
    args::{
        input::{is_stdin, read},
        submission::SubmissionArgs,
    },
    commands::run_job::{ResultSink, run_job},
    exit::{Exit, Failure},
    output::{
        names, summary,
        table::write_facts,
        terminal::Terminal,
        text::{brief, printable, time},
    },
};
use plan::Plan;
use spec::Axis;

pub(super) use rows::{Format, Rows};

/// The width of a plot, in characters, if standard output is not a terminal.
const DEFAULT_WIDTH: usize = 80;

/// Arguments of `sweep`.
#[derive(Args, Debug)]
pub(crate) struct SweepArgs {
    #[command(flatten)]
    submission: SubmissionArgs,

    /// Vary a parameter of the model, as in obj:Windows=100..1000/10; may be repeated
    ///
    /// SPEC is PARAMETER=FROM..TO/POINTS, for this number of evenly spaced values, or
    /// PARAMETER=VALUE,VALUE,… PARAMETER is one of obj:VAR, offset, lower:VAR, upper:VAR, fix:VAR,
    /// rhs:ROW, row-lower:ROW, row-upper:ROW and coef:ROW,VAR.
    ///
    /// If repeated, the scenarios are all combinations, in which the last parameter changes
    /// fastest. In the environment variable, write one SPEC per line.
    #[arg(
        long,
        env = "SOLVEMESH_VARY",
        value_name = "SPEC",
        value_delimiter = '\n',
        value_parser = vary
    )]
    vary: Vec<Axis>,

    /// Read the scenarios from a CSV file, or - for standard input, instead of using --vary
    ///
    /// The header names a PARAMETER (see --vary) for each column; every further line is a
    /// scenario. The optional column `label` holds the labels of the scenarios.
    #[arg(long, env = "SOLVEMESH_SCENARIOS", value_name = "FILE")]
    scenarios: Option<PathBuf>,

    /// Report the value of this variable in each scenario; may be repeated
    ///
    /// In the environment variable, write one name per line.
    #[arg(long, env = "SOLVEMESH_VALUES", value_name = "NAME", value_delimiter = '\n')]
    values: Vec<String>,

    /// Report the values of all variables, named by their indices in the model, from #0
    #[arg(long, env = "SOLVEMESH_ALL_VALUES", value_parser = BoolishValueParser::new())]
    all_values: bool,

    /// Report the dual of this constraint in each scenario (LPs); may be repeated
    ///
    /// In the environment variable, write one name per line.
    #[arg(long, env = "SOLVEMESH_DUALS", value_name = "NAME", value_delimiter = '\n')]
    duals: Vec<String>,

    /// Report the duals of all constraints, named by their indices in the model, from #0 (LPs)
    #[arg(long, env = "SOLVEMESH_ALL_DUALS", value_parser = BoolishValueParser::new())]
    all_duals: bool,

    /// Stop at the first scenario that has a solution
    #[arg(long, env = "SOLVEMESH_STOP_ON_FIRST", value_parser = BoolishValueParser::new())]
    stop_on_first: bool,

    /// Stop at the first scenario with an objective at least this good
    #[arg(
        long,
        env = "SOLVEMESH_STOP_AT",
        value_name = "OBJECTIVE",
        allow_negative_numbers = true
    )]
    stop_at: Option<f64>,

    /// Print results as CSV, with a header
    #[arg(long, env = "SOLVEMESH_CSV", value_parser = BoolishValueParser::new())]
    csv: bool,

    /// Print results as JSON, one object per line
    #[arg(long, env = "SOLVEMESH_JSON", value_parser = BoolishValueParser::new())]
    json: bool,

    /// Write the results to this file instead of standard output
    ///
    /// The format is CSV for .csv, JSON for .json and .jsonl, and a table for other names, unless
    /// --csv or --json is given.
    #[arg(long, env = "SOLVEMESH_OUTPUT", value_name = "FILE")]
    output: Option<PathBuf>,

    /// Plot the objective over the values of the last --vary
    ///
    /// There is one curve for each combination of the other parameters, and at most six.
    #[arg(long, env = "SOLVEMESH_PLOT", value_parser = BoolishValueParser::new())]
    plot: bool,

    /// Print every event to standard error
    #[arg(short, long, env = "SOLVEMESH_VERBOSE", value_parser = BoolishValueParser::new())]
    verbose: bool,
}

/// Submits a sweep, prints its results as they arrive and, at the end, a summary on standard
/// error. The first Ctrl-C cancels the job; the second exits without waiting.
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
    let mut output = SweepOutput {
        out: BufWriter::new(out),
        plan: &plan,
        format,
        rows: None,
        objectives: args.plot.then(Vec::new),
    };

    let since = Instant::now();
    let interrupt = pin!(ctrl_c());
    let screen = Terminal::new(args.verbose);
    let ended = run_job(client, &args.submission, request, screen, interrupt, &mut output).await;
    let Some((outcome, mut screen)) = ended.map_err(|failure| args.explain(failure, &plan))? else {
        return Ok(Exit::Interrupted);
    };
    let objectives = output.objectives.take();
    // Closes the output before the plot and the summary are printed.
    drop(output);
    if let Some(objectives) = objectives {
        draw(&plan, &objectives, args.output.is_none())?;
    }
    let text = summary_text(&outcome, &plan, since.elapsed().as_secs_f64())?;
    screen.say(text.trim_end());
    Ok(args.exit(&outcome))
}

impl SweepArgs {
    fn plan(&self) -> Result<Plan, Failure> {
        match (&self.scenarios, self.vary.as_slice()) {
            (None, []) => Err(Failure::Usage("--vary or --scenarios is required".to_owned())),
            (Some(_), [_, ..]) => {
                Err(Failure::Usage("--vary cannot be used with --scenarios".to_owned()))
            }
            (None, axes) => Plan::grid(axes.to_vec())
                .map_err(|error| Failure::Usage(format!("--vary: {error}"))),
            (Some(file), []) => {
                if is_stdin(file) && self.submission.reads_stdin() {
                    let error = "standard input cannot be both the model and the scenarios";
                    return Err(Failure::Usage(error.to_owned()));
                }
                let content = read(file).map_err(|error| usage(file, &error))?;
                let text = String::from_utf8(content).map_err(|_| usage(file, &"is not UTF-8"))?;
                Plan::table(&text).map_err(|error| usage(file, &printable(&error)))
            }
        }
    }

    fn format(&self) -> Result<Format, Failure> {
        let extension = self.output.as_ref().and_then(|file| file.extension()?.to_str());
        match (self.csv, self.json, extension) {
            (true, true, _) => Err(Failure::Usage("--csv cannot be used with --json".to_owned())),
            (true, ..) | (false, false, Some("csv")) => Ok(Format::Csv),
            (_, true, _) | (false, false, Some("json" | "jsonl")) => Ok(Format::Json),
            (false, false, _) => Ok(Format::Table),
        }
    }

    /// Rejects a plot that cannot be drawn, before anything is submitted.
    fn check_plot(&self, plan: &Plan) -> Result<(), Failure> {
        if !self.plot {
            return Ok(());
        }
        let error = if (self.csv || self.json) && self.output.is_none() {
            // A plot among the data would break its format.
            "--plot cannot be used with --csv or --json unless --output is given".to_owned()
        } else {
            match plan.curves() {
                None => "--plot requires --vary".to_owned(),
                Some(curves) if curves > plot::MOST_CURVES => {
                    format!("--plot: {curves} curves, the maximum is {}", plot::MOST_CURVES)
                }
                Some(_) => return Ok(()),
            }
        };
        Err(Failure::Usage(error))
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

    /// The exit code. A sweep that should stop at the first good scenario and found none is like
    /// a model without a solution.
    fn exit(&self, outcome: &Outcome) -> Exit {
        let found = outcome.sweep.as_ref().is_some_and(|sweep| sweep.stopped_by.is_some());
        match Exit::of_outcome(outcome) {
            Exit::Done if self.stops() && !found => Exit::NoSolution,
            exit => exit,
        }
    }

    /// Rewrites violations so that they name the option, or the file and line, that a field of
    /// the request was built from.
    fn explain(&self, failure: Failure, plan: &Plan) -> Failure {
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

/// Prints the results of a sweep and collects its objectives for the plot.
struct SweepOutput<'a> {
    out: BufWriter<Box<dyn Write>>,
    plan: &'a Plan,
    format: Format,
    rows: Option<Rows<'a>>,
    /// The objectives by scenario, if there is a plot.
    objectives: Option<Vec<Option<f64>>>,
}

impl ResultSink for SweepOutput<'_> {
    fn accepted(&mut self, job: &Job) -> io::Result<()> {
        let mut description = job.description.clone().unwrap_or_default();
        let scenarios = &mut description.sweep.get_or_insert_default().scenario_count;
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

/// Draws the plot on standard output. `below` says that the rows are printed there too, so that
/// an empty line separates the two.
fn draw(plan: &Plan, objectives: &[Option<f64>], below: bool) -> io::Result<()> {
    let width = terminal_size::terminal_size_of(io::stdout());
    let width = width.map_or(DEFAULT_WIDTH, |(width, _)| width.0.into());
    let (x, curves) = plan.drawn(objectives);
    let mut out = BufWriter::new(io::stdout().lock());
    let lines = plot::draw(&curves, x, "objective", width);
    if below && !lines.is_empty() {
        writeln!(out)?;
    }
    lines.iter().try_for_each(|line| writeln!(out, "{line}"))?;
    out.flush()
}

/// Formats the summary of a finished sweep. `seconds` is the time since its submission.
fn summary_text(outcome: &Outcome, plan: &Plan, seconds: f64) -> io::Result<String> {
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
    let mut duration = time(seconds);
    if summary.answered_count > 0 && seconds > 0.0 {
        duration +=
            &format!(", {} scenarios/s", brief(f64::from(summary.answered_count) / seconds));
    }
    facts.push(("time", duration));
    let mut text = Vec::new();
    write_facts(&mut text, &facts)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn vary(text: &str) -> Result<Axis, String> {
    spec::axis(text).map_err(|error| error.told(text))
}

fn usage(file: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::Usage(format!("{}: {error}", file.display()))
}
