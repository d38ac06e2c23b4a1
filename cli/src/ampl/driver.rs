//! A solve in driver mode, from the options to the answer.

use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    io::{self, BufWriter, ErrorKind, Write},
    path::Path,
};

use futures::future::OptionFuture;
use solvemesh_client::{
    Assembly, Client, Error, Outcome,
    v1::{Job, JobEvent, JobEventKind, SubmitJobRequest, job_event::Kind},
};
use solvemesh_daemon::Signals;
use solvemesh_model::{Limits, NlModel, read_nl};
use tokio::{pin, select};

use super::{
    VERSION, keywords, message,
    names::path,
    request::request,
    settings::Settings,
    sol::{self, Sol},
    words,
};
use crate::{
    args::input,
    command_line::{DEFAULT_GATEWAY, connection_of_environment},
    exit::{Exit, Failure, is_in_model},
    output::{event_text::log_lines, retry_messages::report_retry},
};

/// The environment variables with the URL of the gateway, the first one that is set counts.
const GATEWAY_VARIABLES: [&str; 2] = ["SOLVEMESH_GATEWAY", "SOLVEMESH_URL"];

/// The environment variable with options, by AMPL's convention: the name of the solver and this.
const OPTIONS_VARIABLE: &str = "solvemesh_options";

/// What an answer repeats of its model.
struct Head {
    options: Vec<i64>,
    tolerance: Option<f64>,
    objective: Option<usize>,
    variables: usize,
    constraints: usize,
}

/// How waiting for a job ended.
enum Waited {
    Finished(Box<Outcome>),
    /// A second signal came before the job had finished.
    Abandoned {
        job_id: Option<String>,
    },
}

/// Solves the model of a stub and writes the answer beside it.
///
/// # Errors
///
/// If an option is invalid, the model cannot be read, or the mesh does not take it. Then there is
/// no answer, not even one of an earlier run. If the job itself fails, there is one that says so.
pub(crate) async fn solve(stub: &Path, words: &[OsString]) -> Result<Exit, Failure> {
    let settings = settings(words)?;
    let answer = path(stub, ".sol");
    // An old answer would be taken for the answer to this model.
    match fs::remove_file(&answer) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(Failure::Usage(format!("{}: {error}", answer.display())));
        }
        _ => {}
    }
    let read = model(&settings, &path(stub, ".nl"))?;
    let head = Head {
        options: read.options.clone(),
        tolerance: read.tolerance,
        objective: read.objective,
        variables: read.model.variable_lower.len(),
        constraints: read.model.constraint_lower.len(),
    };
    let (request, warnings) = request(&settings, stub, read)?;
    let options = connection_of_environment()?.options()?;
    let client = Client::connect_with(&gateway(&settings), &options)?.on_retry(report_retry);
    for warning in warnings {
        say(&format!("warning: {warning}"));
    }
    let waited = wait(&client, request, &path(stub, ".nl")).await?;
    write_answer(&settings, &head, &waited, &answer)?;
    Ok(Exit::Done)
}

/// The options of the environment, and then those of the command line.
fn settings(words: &[OsString]) -> Result<Settings, Failure> {
    let mut settings = Settings::default();
    let usage = |wrong: String| Failure::Usage(wrong);
    let given = env::var(OPTIONS_VARIABLE).unwrap_or_default();
    let of_environment =
        words::pairs(&given).map_err(|wrong| usage(format!("{OPTIONS_VARIABLE}: {wrong}")))?;
    for (key, value) in of_environment {
        keywords::set(&mut settings, &key, &value)
            .map_err(|wrong| usage(format!("{OPTIONS_VARIABLE}: {wrong}")))?;
    }
    for word in words {
        let word =
            word.to_str().ok_or_else(|| usage(format!("{} is not UTF-8", word.display())))?;
        let (key, value) = words::pair(word).map_err(usage)?;
        keywords::set(&mut settings, &key, &value).map_err(usage)?;
    }
    Ok(settings)
}

fn gateway(settings: &Settings) -> String {
    let of_environment = || {
        GATEWAY_VARIABLES
            .into_iter()
            .find_map(|name| env::var(name).ok().filter(|url| !url.is_empty()))
    };
    let url = settings.server.clone().or_else(of_environment);
    url.unwrap_or_else(|| DEFAULT_GATEWAY.to_owned())
}

/// Reads the model. The limits on its size are those of the gateway.
fn model(settings: &Settings, file: &Path) -> Result<NlModel, Failure> {
    let failed = |error: String| Failure::Usage(format!("{}: {error}", file.display()));
    let content = input::read(file).map_err(|error| failed(error.to_string()))?;
    let most = i32::MAX as usize;
    let limits = Limits {
        max_model_bytes: most,
        max_variables: most,
        max_constraints: most,
        max_nonzeros: most,
    };
    read_nl(&content, &limits, settings.objective).map_err(|fault| failed(fault.to_string()))
}

/// Submits the job and waits for it. The first signal cancels it, the second ends the wait.
async fn wait(client: &Client, request: SubmitJobRequest, file: &Path) -> Result<Waited, Failure> {
    let log = request.options.as_ref().is_some_and(|options| options.return_log);
    let mut signals = Signals::listen()?;
    let mut interrupted = false;
    let submitted = submit(client, request, file);
    pin!(submitted);
    let job = loop {
        select! {
            job = &mut submitted => break job?,
            () = signals.next() => {
                if std::mem::replace(&mut interrupted, true) {
                    return Ok(Waited::Abandoned { job_id: None });
                }
            }
        }
    };
    let job_id = job.job_id;
    for warning in job.description.iter().flat_map(|description| &description.warnings) {
        say(&format!("warning: {warning}"));
    }
    let mut kinds = vec![JobEventKind::SolutionPart];
    kinds.extend(log.then_some(JobEventKind::Log));
    let mut watch = client.watch([job_id.as_str()], "").kinds(kinds);
    let mut assembly = Assembly::default();
    let cancel = OptionFuture::from(interrupted.then(|| client.cancel(&job_id)));
    pin!(cancel);
    let mut cancelling = interrupted;
    loop {
        select! {
            event = watch.next() => {
                let early = || Error::Malformed("the event stream ended early".to_owned());
                let event = event.ok_or_else(early)??;
                print_log(&event);
                if let Some(outcome) = assembly.add(event).map_err(Error::from)? {
                    return Ok(Waited::Finished(Box::new(outcome)));
                }
            }
            () = signals.next() => {
                if std::mem::replace(&mut interrupted, true) {
                    return Ok(Waited::Abandoned { job_id: Some(job_id.clone()) });
                }
                say("cancelling the job; a second signal ends without waiting");
                cancel.set(Some(client.cancel(&job_id)).into());
                cancelling = true;
            }
            answer = &mut cancel, if cancelling => {
                cancelling = false;
                if let Some(Err(error)) = answer {
                    say(&format!("cannot cancel the job: {error}"));
                }
            }
        }
    }
}

/// Submits the job.
async fn submit(client: &Client, request: SubmitJobRequest, file: &Path) -> Result<Job, Failure> {
    client.submit(request).await.map_err(|error| match error {
        Error::Rejected(rejection)
            if rejection.violations.iter().any(|violation| is_in_model(&violation.field)) =>
        {
            Failure::ModelRefused { file: file.display().to_string(), rejection }
        }
        error => Failure::Client(error),
    })
}

/// Prints the lines of the solver's log to standard output, which Pyomo shows with `tee`.
fn print_log(event: &JobEvent) {
    if let Some(Kind::Log(log)) = &event.kind {
        log_lines(log).for_each(|line| say(&line));
    }
}

/// Prints a line to standard output. If that is closed, the answer is still written.
fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Writes the answer, and prints what the settings ask for.
fn write_answer(
    settings: &Settings,
    head: &Head,
    waited: &Waited,
    file: &Path,
) -> Result<(), Failure> {
    let outcome = match waited {
        Waited::Finished(outcome) => Some(outcome.as_ref()),
        Waited::Abandoned { .. } => None,
    };
    let solution = outcome.and_then(Outcome::solution);
    let (values, duals) = solution.map_or((&[][..], &[][..]), |it| (&it.values[..], &it.duals[..]));
    if solution.is_some() && values.len() != head.variables
        || !duals.is_empty() && duals.len() != head.constraints
    {
        let wrong = "the solution has not the size of the model".to_owned();
        return Err(Error::Malformed(wrong).into());
    }
    let suffixes = outcome.map(|it| sol::suffixes(it, settings.reduced_costs)).unwrap_or_default();
    let answer = Sol {
        message: match waited {
            Waited::Finished(outcome) => message::lines(outcome),
            Waited::Abandoned { job_id } => vec![abandoned(job_id.as_deref())],
        },
        options: &head.options,
        tolerance: head.tolerance,
        constraints: head.constraints,
        variables: head.variables,
        duals,
        values,
        objective: head.objective,
        code: outcome.map_or(600, message::code),
        suffixes,
    };
    // With `-AMPL` the caller prints the message of the answer; others see it in the log.
    if settings.wantsol & 8 == 0 {
        answer.message.iter().for_each(|line| say(line));
    }
    print_numbers(settings.wantsol & 2 != 0, "value", values);
    print_numbers(settings.wantsol & 4 != 0, "dual", duals);
    let failed = |error: io::Error| Failure::Usage(format!("{}: {error}", file.display()));
    let mut out = BufWriter::new(File::create(file).map_err(failed)?);
    answer.write(&mut out).and_then(|()| out.flush()).map_err(failed)
}

fn abandoned(job_id: Option<&str>) -> String {
    match job_id {
        Some(job_id) => format!(
            "{VERSION}: interrupted without waiting for the job; to see its result: solvemesh \
             watch {job_id}"
        ),
        None => format!("{VERSION}: interrupted before the mesh responded"),
    }
}

fn print_numbers(wanted: bool, what: &str, numbers: &[f64]) {
    if wanted {
        numbers.iter().enumerate().for_each(|(index, it)| say(&format!("{what} {index} {it}")));
    }
}
