use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, ValueEnum, builder::NonEmptyStringValueParser};
use solvemesh_client::{
    Client, Error,
    v1::{
        FileFormat, Job, Model, ModelFile, Presolve, SolveOptions, Solver, SubmitJobRequest,
        model::Form,
    },
};
use uuid::Uuid;

use crate::{
    args::compress::packed,
    exit::{Failure, is_in_model},
};

/// A larger file is not read: no gateway would take it.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// What to solve, and how, alone or with many scenarios.
#[derive(Args, Clone, Debug)]
pub(crate) struct SubmissionArgs {
    /// The model: an LP or MPS file, plain, gzip or zstd; - reads standard input. What is
    /// plain and larger than 1 MiB is sent with gzip
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The file's format, where neither its name nor its content tells
    #[arg(long, env = "SOLVEMESH_FORMAT", value_name = "FORMAT")]
    format: Option<Format>,

    /// Stop the solver after so many seconds; time in the queue does not count
    #[arg(
        long,
        env = "SOLVEMESH_TIME_LIMIT",
        value_name = "SECONDS",
        allow_negative_numbers = true,
        value_parser = positive_seconds
    )]
    time_limit: Option<Duration>,

    /// Give the job up after so many seconds, queue and solve together
    #[arg(
        long,
        env = "SOLVEMESH_DEADLINE",
        value_name = "SECONDS",
        allow_negative_numbers = true,
        value_parser = positive_seconds
    )]
    deadline: Option<Duration>,

    /// Give the job up when no worker has taken it after so many seconds
    #[arg(
        long,
        env = "SOLVEMESH_QUEUE_TIME_LIMIT",
        value_name = "SECONDS",
        allow_negative_numbers = true,
        value_parser = positive_seconds
    )]
    queue_time_limit: Option<Duration>,

    /// Stop at this relative gap: |bound - objective| / |objective|
    #[arg(
        long,
        env = "SOLVEMESH_GAP",
        value_name = "RELATIVE",
        allow_negative_numbers = true,
        value_parser = not_negative
    )]
    gap: Option<f64>,

    /// Stop at this absolute gap: |bound - objective|
    #[arg(
        long,
        env = "SOLVEMESH_ABS_GAP",
        value_name = "ABSOLUTE",
        allow_negative_numbers = true,
        value_parser = not_negative
    )]
    abs_gap: Option<f64>,

    /// Stop when the solver needs more memory than this: bytes, or with K, M, G for KiB,
    /// MiB, GiB, as in 512M; a worker may allow less
    #[arg(long, env = "SOLVEMESH_MEMORY_LIMIT", value_name = "SIZE", value_parser = size)]
    memory_limit: Option<u64>,

    /// Threads of the solver; a worker may allow fewer
    #[arg(
        long,
        env = "SOLVEMESH_THREADS",
        value_name = "N",
        allow_negative_numbers = true,
        value_parser = clap::value_parser!(i32).range(1..)
    )]
    threads: Option<i32>,

    /// Seed of the solver's random numbers
    #[arg(
        long,
        env = "SOLVEMESH_SEED",
        value_name = "N",
        allow_negative_numbers = true,
        value_parser = clap::value_parser!(i32).range(0..)
    )]
    seed: Option<i32>,

    /// Whether to simplify the model first
    #[arg(long, env = "SOLVEMESH_PRESOLVE", value_name = "WHEN")]
    presolve: Option<PresolveArg>,

    /// Who is to solve
    #[arg(long, env = "SOLVEMESH_SOLVER", value_name = "SOLVER")]
    solver: Option<SolverArg>,

    /// Stop after so many branch-and-bound nodes
    #[arg(
        long,
        env = "SOLVEMESH_NODE_LIMIT",
        value_name = "N",
        allow_negative_numbers = true,
        value_parser = clap::value_parser!(i32).range(1..)
    )]
    node_limit: Option<i32>,

    /// Stop after so many iterations of an LP's method
    #[arg(
        long,
        env = "SOLVEMESH_ITERATION_LIMIT",
        value_name = "N",
        allow_negative_numbers = true,
        value_parser = clap::value_parser!(i32).range(0..)
    )]
    iteration_limit: Option<i32>,

    /// Stop after so many solutions, each better than the one before
    #[arg(
        long,
        env = "SOLVEMESH_SOLUTION_LIMIT",
        value_name = "N",
        allow_negative_numbers = true,
        value_parser = clap::value_parser!(i32).range(1..)
    )]
    solution_limit: Option<i32>,

    /// Stop at the first solution at least as good as this
    #[arg(
        long,
        env = "SOLVEMESH_OBJECTIVE_TARGET",
        value_name = "OBJECTIVE",
        allow_negative_numbers = true
    )]
    objective_target: Option<f64>,

    /// An option by the solver's own name; may be repeated (in the environment: one a line)
    #[arg(
        long = "option",
        env = "SOLVEMESH_OPTION",
        value_name = "NAME=VALUE",
        value_delimiter = '\n',
        value_parser = option
    )]
    options: Vec<(String, String)>,

    /// A label to find the job by; may be repeated (in the environment: one a line)
    #[arg(
        long = "label",
        env = "SOLVEMESH_LABEL",
        value_name = "KEY=VALUE",
        value_delimiter = '\n',
        value_parser = label
    )]
    labels: Vec<(String, String)>,

    /// Makes the submission idempotent: the same id and model are the same job
    #[arg(
        long,
        env = "SOLVEMESH_REQUEST_ID",
        value_name = "ID",
        value_parser = NonEmptyStringValueParser::new()
    )]
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
    Clarabel,
    Microlp,
    Scip,
    Cbc,
}

impl SubmissionArgs {
    /// Submits what was asked for.
    pub(crate) async fn submit(
        &self,
        client: &Client,
        request: SubmitJobRequest,
    ) -> Result<Job, Failure> {
        let (request_id, queues) = (request.request_id.clone(), !request.validate_only);
        client.submit(request).await.map_err(|error| match error {
            Error::Rejected(rejection)
                if rejection.violations.iter().any(|v| is_in_model(&v.field)) =>
            {
                Failure::ModelRefused { file: self.file(), rejection }
            }
            Error::Unavailable(_) if queues => Failure::SubmissionUnknown { error, request_id },
            error => Failure::Client(error),
        })
    }

    /// Whether the model is read from standard input.
    pub(crate) fn reads_stdin(&self) -> bool {
        is_stdin(&self.file)
    }

    /// The file, as it was named.
    pub(crate) fn file(&self) -> String {
        self.file.display().to_string()
    }

    /// Reads the file into the request that was asked for.
    pub(crate) fn request(&self) -> Result<SubmitJobRequest, Failure> {
        let read = read(&self.file).and_then(|content| packed(content, name(&self.file)));
        let (content, name) =
            read.map_err(|error| Failure::Usage(format!("{}: {error}", self.file())))?;
        self.request_of(content, name)
    }

    fn request_of(&self, content: Vec<u8>, name: String) -> Result<SubmitJobRequest, Failure> {
        let file = ModelFile {
            content: content.into(),
            name,
            format: self.format.map_or(FileFormat::Unspecified, Format::to_wire).into(),
        };
        let model = Model {
            name: self.model_name.clone().unwrap_or_default(),
            form: Some(Form::File(file)),
            start: None,
        };
        Ok(SubmitJobRequest {
            model: Some(model),
            options: Some(self.options()?),
            labels: unique("--label", &self.labels)?,
            request_id: self.request_id.clone().unwrap_or_else(|| Uuid::new_v4().to_string()),
            validate_only: false,
            lane: self.lane.clone().unwrap_or_default(),
            deadline: to_wire("--deadline", self.deadline)?,
            queue_time_limit: to_wire("--queue-time-limit", self.queue_time_limit)?,
            sweep: None,
        })
    }

    fn options(&self) -> Result<SolveOptions, Failure> {
        Ok(SolveOptions {
            time_limit: to_wire("--time-limit", self.time_limit)?,
            relative_gap: self.gap,
            absolute_gap: self.abs_gap,
            threads: self.threads,
            seed: self.seed,
            presolve: self.presolve.map_or(Presolve::Unspecified, PresolveArg::to_wire).into(),
            solver: self.solver.map_or(Solver::Unspecified, SolverArg::to_wire).into(),
            solver_options: unique("--option", &self.options)?,
            log: false,
            incumbents: None,
            infeasible_subset: false,
            return_basis: false,
            node_limit: self.node_limit,
            iteration_limit: self.iteration_limit,
            solution_limit: self.solution_limit,
            objective_target: self.objective_target,
            memory_limit_bytes: self.memory_limit,
            sensitivity: false,
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
            Self::Clarabel => Solver::Clarabel,
            Self::Microlp => Solver::Microlp,
            Self::Scip => Solver::Scip,
            Self::Cbc => Solver::Cbc,
        }
    }
}

fn to_wire(flag: &str, time: Option<Duration>) -> Result<Option<prost_types::Duration>, Failure> {
    let time = time.map(prost_types::Duration::try_from).transpose();
    time.map_err(|_| Failure::Usage(format!("{flag} is too long")))
}

/// Whether it stands for standard input.
pub(crate) fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

/// The name that is sent: without the folders, which are nobody's business.
fn name(file: &Path) -> String {
    if is_stdin(file) {
        return String::new();
    }
    file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Reads a file, or standard input where it is `-`.
pub(crate) fn read(file: &Path) -> io::Result<Vec<u8>> {
    if is_stdin(file) {
        read_bounded(io::stdin().lock())
    } else {
        File::open(file).and_then(read_bounded)
    }
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

/// `KEY=VALUE`, cut at the first `=`.
pub(crate) fn label(text: &str) -> Result<(String, String), String> {
    pair(text, "KEY=VALUE")
}

/// `NAME=VALUE`, cut at the first `=`.
fn option(text: &str) -> Result<(String, String), String> {
    pair(text, "NAME=VALUE")
}

fn pair(text: &str, form: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("it must be {form}")),
    }
}

/// A name that is given twice is a mistake, not a choice.
pub(crate) fn unique(
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

/// `N`, or `N` with a unit of 1024, 1024² or 1024³ bytes.
fn size(text: &str) -> Result<u64, String> {
    let units = [('K', 1 << 10), ('M', 1 << 20), ('G', 1_u64 << 30)];
    let unit = units
        .into_iter()
        .find(|(letter, _)| text.ends_with([*letter, letter.to_ascii_lowercase()]));
    let (number, unit) = match unit {
        Some((_, unit)) => (&text[..text.len() - 1], unit),
        None => (text, 1),
    };
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    bytes.ok_or_else(|| "it must be a number of bytes, or one with K, M or G".into())
}

/// The longest time that the contract can carry (`google.protobuf.Duration`), in seconds:
/// ten thousand years.
const MAX_SECONDS: f64 = 315_576_000_000.0;

fn positive_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds: &f64| *seconds > 0.0);
    let seconds = seconds.ok_or("it must be a number of seconds above 0")?;
    if seconds > MAX_SECONDS {
        return Err(format!("it is too large: at most {MAX_SECONDS} seconds can be asked for"));
    }
    let time = Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero());
    time.ok_or_else(|| "it is too small: less than a nanosecond".into())
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
            "--deadline",
            "60",
            "--queue-time-limit",
            "0.25",
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
        let request = args.request_of(b"text".to_vec(), "a.lp".into()).unwrap();
        let options = request.options.as_ref().unwrap();
        let limit = prost_types::Duration { seconds: 1, nanos: 500_000_000 };
        assert_eq!(options.time_limit, Some(limit));
        assert_eq!(request.deadline.map(|time| (time.seconds, time.nanos)), Some((60, 0)));
        let waiting = request.queue_time_limit.map(|time| (time.seconds, time.nanos));
        assert_eq!(waiting, Some((0, 250_000_000)));
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
        assert_eq!(name(Path::new("folder/a.lp.gz")), "a.lp.gz");
        assert_eq!(name(Path::new("-")), "");
    }

    #[test]
    fn an_option_given_twice_is_refused() {
        let args = parsed(&["--option", "a=1", "--option", "a=2"]);
        assert!(matches!(args.request_of(vec![], String::new()), Err(Failure::Usage(_))));
    }

    #[test]
    fn negative_numbers_are_told_their_range() {
        for (flag, range) in [
            ("--time-limit", "seconds above 0"),
            ("--deadline", "above 0"),
            ("--queue-time-limit", "above 0"),
            ("--gap", "0 or more"),
            ("--abs-gap", "0 or more"),
            ("--threads", "-1 is not in 1..="),
            ("--seed", "-1 is not in 0..="),
        ] {
            let error = CommandLine::try_parse_from(["solve", "a.lp", flag, "-1"]).unwrap_err();
            assert!(error.to_string().contains(range), "{flag}: {error}");
        }
    }

    #[test]
    fn an_empty_request_id_is_refused() {
        assert!(CommandLine::try_parse_from(["solve", "a.lp", "--request-id", ""]).is_err());
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

    #[test]
    fn a_time_that_is_too_large_or_too_small_is_told_as_that() {
        for (text, why) in [
            ("1e300", "too large"),
            ("inf", "too large"),
            ("4e11", "too large"),
            ("1e-10", "too small"),
        ] {
            let error = CommandLine::try_parse_from(["solve", "a.lp", "--time-limit", text]);
            let error = error.unwrap_err().to_string();
            assert!(error.contains(why) && error.contains(text), "{error}");
        }
        assert!(positive_seconds("315576000000").is_ok());
    }

    #[test]
    fn what_is_no_pair_is_told_what_the_flag_takes() {
        for (flag, form) in [("--label", "KEY=VALUE"), ("--option", "NAME=VALUE")] {
            for bad in ["x", "", "=v"] {
                let error = CommandLine::try_parse_from(["solve", "a.lp", flag, bad]).unwrap_err();
                assert!(error.to_string().contains(&format!("must be {form}")), "{error}");
            }
        }
    }

    #[test]
    fn a_size_has_a_unit_or_none() {
        assert_eq!(size("67108864"), Ok(64 << 20));
        assert_eq!((size("512M"), size("3k"), size("2G")), (Ok(512 << 20), Ok(3072), Ok(2 << 30)));
        for bad in ["", "M", "1.5G", "-1M", "64MiB", "99999999999G", "ß"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_pair_is_cut_at_its_first_equals_sign(name in "[^=]{1,9}", value in ".*") {
            prop_assert_eq!(label(&format!("{name}={value}")), Ok((name, value)));
        }
    }
}
