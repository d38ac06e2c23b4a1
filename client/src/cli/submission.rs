use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, ValueEnum};
use solvemesh_client::{
    Client, Error,
    v1::{
        FileFormat, Job, Model, ModelFile, Presolve, SolveOptions, Solver, SubmitJobRequest,
        model::Form,
    },
};
use uuid::Uuid;

use super::exit::{Failure, is_in_model};

/// A larger file is not read: no gateway would take it.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// What to solve, and how.
#[derive(Args, Clone, Debug)]
pub(super) struct SubmissionArgs {
    /// The model: an LP or MPS file, plain, gzip or zstd; - reads standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The file's format, where neither its name nor its content tells
    #[arg(long, env = "SOLVEMESH_FORMAT", value_name = "FORMAT")]
    format: Option<Format>,

    /// Stop the solver after so many seconds; time in the queue does not count
    #[arg(long, env = "SOLVEMESH_TIME_LIMIT", value_name = "SECONDS", value_parser = positive_seconds)]
    time_limit: Option<Duration>,

    /// Stop at this relative gap: |bound - objective| / |objective|
    #[arg(long, env = "SOLVEMESH_GAP", value_name = "RELATIVE", value_parser = not_negative)]
    gap: Option<f64>,

    /// Stop at this absolute gap: |bound - objective|
    #[arg(long, env = "SOLVEMESH_ABS_GAP", value_name = "ABSOLUTE", value_parser = not_negative)]
    abs_gap: Option<f64>,

    /// Threads of the solver; a worker may allow fewer
    #[arg(long, env = "SOLVEMESH_THREADS", value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
    threads: Option<i32>,

    /// Seed of the solver's random numbers
    #[arg(long, env = "SOLVEMESH_SEED", value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    seed: Option<i32>,

    /// Whether to simplify the model first
    #[arg(long, env = "SOLVEMESH_PRESOLVE", value_name = "WHEN")]
    presolve: Option<PresolveArg>,

    /// Who is to solve
    #[arg(long, env = "SOLVEMESH_SOLVER", value_name = "SOLVER")]
    solver: Option<SolverArg>,

    /// An option by the solver's own name; may be repeated (in the environment: one a line)
    #[arg(
        long = "option",
        env = "SOLVEMESH_OPTION",
        value_name = "NAME=VALUE",
        value_delimiter = '\n',
        value_parser = pair
    )]
    options: Vec<(String, String)>,

    /// A label to find the job by; may be repeated (in the environment: one a line)
    #[arg(
        long = "label",
        env = "SOLVEMESH_LABEL",
        value_name = "KEY=VALUE",
        value_delimiter = '\n',
        value_parser = pair
    )]
    labels: Vec<(String, String)>,

    /// Makes the submission idempotent: the same id and model are the same job
    #[arg(long, env = "SOLVEMESH_REQUEST_ID", value_name = "ID")]
    request_id: Option<String>,

    /// The lane to wait in; default: by the size of the model
    #[arg(long, env = "SOLVEMESH_LANE", value_name = "LANE")]
    lane: Option<String>,

    /// The model's name in listings; default: the one in the file
    #[arg(long, env = "SOLVEMESH_MODEL_NAME", value_name = "NAME")]
    model_name: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Lp,
    Mps,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PresolveArg {
    On,
    Off,
    Auto,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SolverArg {
    Auto,
    Highs,
    Microlp,
}

impl SubmissionArgs {
    /// Reads the file and submits it.
    pub(super) async fn submit(&self, client: &Client) -> Result<Job, Failure> {
        let content = read(&self.file)?;
        let request = self.request(content)?;
        let request_id = request.request_id.clone();
        client.submit(request).await.map_err(|error| match error {
            Error::Rejected(rejection)
                if rejection.violations.iter().any(|v| is_in_model(&v.field)) =>
            {
                Failure::ModelRefused { file: self.file.display().to_string(), rejection }
            }
            Error::Unavailable(_) => Failure::SubmissionUnknown { error, request_id },
            error => Failure::Client(error),
        })
    }

    fn request(&self, content: Vec<u8>) -> Result<SubmitJobRequest, Failure> {
        let file = ModelFile {
            content: content.into(),
            name: name(&self.file),
            format: self.format.map_or(FileFormat::Unspecified, Format::to_wire).into(),
        };
        let model = Model {
            name: self.model_name.clone().unwrap_or_default(),
            form: Some(Form::File(file)),
        };
        Ok(SubmitJobRequest {
            model: Some(model),
            options: Some(self.options()?),
            labels: unique("--label", &self.labels)?,
            request_id: self.request_id.clone().unwrap_or_else(|| Uuid::new_v4().to_string()),
            lane: self.lane.clone().unwrap_or_default(),
            ..SubmitJobRequest::default()
        })
    }

    fn options(&self) -> Result<SolveOptions, Failure> {
        let time_limit = self.time_limit.map(prost_types::Duration::try_from).transpose();
        Ok(SolveOptions {
            time_limit: time_limit
                .map_err(|_| Failure::Usage("--time-limit is too long".into()))?,
            relative_gap: self.gap,
            absolute_gap: self.abs_gap,
            threads: self.threads,
            seed: self.seed,
            presolve: self.presolve.map_or(Presolve::Unspecified, PresolveArg::to_wire).into(),
            solver: self.solver.map_or(Solver::Unspecified, SolverArg::to_wire).into(),
            solver_options: unique("--option", &self.options)?,
        })
    }
}

impl Format {
    fn to_wire(self) -> FileFormat {
        match self {
            Self::Lp => FileFormat::Lp,
            Self::Mps => FileFormat::Mps,
        }
    }
}

impl PresolveArg {
    fn to_wire(self) -> Presolve {
        match self {
            Self::On => Presolve::On,
            Self::Off => Presolve::Off,
            Self::Auto => Presolve::Auto,
        }
    }
}

impl SolverArg {
    fn to_wire(self) -> Solver {
        match self {
            Self::Auto => Solver::Auto,
            Self::Highs => Solver::Highs,
            Self::Microlp => Solver::Microlp,
        }
    }
}

fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

/// The name that is sent: without the folders, which are nobody's business.
fn name(file: &Path) -> String {
    if is_stdin(file) {
        return String::new();
    }
    file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let content = if is_stdin(file) {
        read_bounded(io::stdin().lock())
    } else {
        File::open(file).and_then(read_bounded)
    };
    content.map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))
}

fn read_bounded(from: impl Read) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    from.take(MAX_FILE_BYTES + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("larger than {MAX_FILE_BYTES} bytes, which no gateway takes"),
        ));
    }
    Ok(content)
}

/// `NAME=VALUE`, cut at the first `=`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("it must be NAME=VALUE".into()),
    }
}

/// A name that is given twice is a mistake, not a choice.
pub(super) fn unique(
    flag: &str,
    pairs: &[(String, String)],
) -> Result<BTreeMap<String, String>, Failure> {
    let mut map = BTreeMap::new();
    for (name, value) in pairs {
        if map.insert(name.clone(), value.clone()).is_some() {
            return Err(Failure::Usage(format!("{flag} {name} is given twice")));
        }
    }
    Ok(map)
}

fn not_negative(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if (0.0..f64::INFINITY).contains(&number) => Ok(number),
        _ => Err("it must be a number, 0 or more".into()),
    }
}

fn positive_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.filter(|time| !time.is_zero()).ok_or_else(|| "it must be a number above 0".into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use clap::Parser;
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Parser)]
    struct CommandLine {
        #[command(flatten)]
        args: SubmissionArgs,
    }

    fn parsed(flags: &[&str]) -> SubmissionArgs {
        let words = ["solve", "folder/a.lp.gz"].iter().chain(flags);
        CommandLine::try_parse_from(words).unwrap().args
    }

    #[test]
    fn flags_become_options() {
        let args = parsed(&[
            "--time-limit",
            "1.5",
            "--gap",
            "0",
            "--threads",
            "2",
            "--seed",
            "0",
            "--presolve",
            "off",
            "--solver",
            "highs",
            "--option",
            "a=b=c",
            "--option",
            "d=",
            "--label",
            "k=v",
        ]);
        let request = args.request(b"text".to_vec()).unwrap();
        let options = request.options.as_ref().unwrap();
        let limit = prost_types::Duration { seconds: 1, nanos: 500_000_000 };
        assert_eq!(options.time_limit, Some(limit));
        assert_eq!(options.relative_gap, Some(0.0));
        assert_eq!(options.absolute_gap, None);
        assert_eq!((options.threads, options.seed), (Some(2), Some(0)));
        assert_eq!((options.presolve(), options.solver()), (Presolve::Off, Solver::Highs));
        assert_eq!(options.solver_options["a"], "b=c");
        assert_eq!(options.solver_options["d"], "");
        assert_eq!(request.labels["k"], "v");
        assert!(!request.request_id.is_empty());
    }

    #[test]
    fn a_file_is_sent_with_its_name_but_not_its_folder() {
        let request = parsed(&[]).request(b"text".to_vec()).unwrap();
        let Some(Form::File(file)) = request.model.unwrap().form else { panic!("no file") };
        assert_eq!((file.name.as_str(), file.content.as_ref()), ("a.lp.gz", b"text".as_slice()));
    }

    #[test]
    fn an_option_given_twice_is_refused() {
        let args = parsed(&["--option", "a=1", "--option", "a=2"]);
        assert!(matches!(args.request(vec![]), Err(Failure::Usage(_))));
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        for bad in ["0", "-1", "nan", "inf", "x"] {
            assert!(positive_seconds(bad).is_err(), "{bad}");
        }
        for bad in ["-1", "nan", "inf", ""] {
            assert!(not_negative(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_pair_is_cut_at_its_first_equals_sign(name in "[^=]{1,9}", value in ".*") {
            prop_assert_eq!(pair(&format!("{name}={value}")), Ok((name, value)));
        }
    }
}
