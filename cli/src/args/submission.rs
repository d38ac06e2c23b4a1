use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, ValueEnum, builder::NonEmptyStringValueParser};
use solvemesh_client::{
    Client, Error,
    v1::{
        FileFormat, Job, Model, ModelFile, Presolve, Priority, SolveOptions, Solver,
        SubmitJobRequest, model::Form,
    },
};
use uuid::Uuid;

use crate::{
    args::{
        compress::packed,
        input::{is_stdin, name, read},
        model_out::{self, ModelOutError},
        values::{label, not_negative, option, size, to_wire, unique},
    },
    exit::{Failure, is_in_model},
};

/// The model to submit and its options, for a single solve or a sweep.
#[derive(Args, Clone, Debug)]
pub(crate) struct SubmissionArgs {
    /// An LP, MPS or NL file with the model, or - for standard input
    ///
    /// The file may be compressed with gzip or zstd. An uncompressed file of more than 1 MiB is
    /// compressed with gzip before it is sent.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Read the file in this format, if its name and content do not show it
    #[arg(long, env = "SOLVEMESH_FORMAT", value_name = "FORMAT")]
    format: Option<Format>,

    /// Stop the solver after this many seconds; time in the queue does not count
    #[arg(
        long,
        env = "SOLVEMESH_TIME_LIMIT",
        value_name = "SECONDS",
        allow_negative_numbers = true,
        value_parser = solvemesh::seconds
    )]
    time_limit: Option<Duration>,

    /// Give up the job after this many seconds, queueing and solving together
    #[arg(
        long,
        env = "SOLVEMESH_TOTAL_TIME_LIMIT",
        value_name = "SECONDS",
        allow_negative_numbers = true,
        value_parser = solvemesh::seconds
    )]
    total_time_limit: Option<Duration>,

    /// Give up the job if no worker has started it after this many seconds
    #[arg(
        long,
        env = "SOLVEMESH_QUEUE_TIME_LIMIT",
        value_name = "SECONDS",
        allow_negative_numbers = true,
        value_parser = solvemesh::seconds
    )]
    queue_time_limit: Option<Duration>,

    /// Stop at this relative gap, |bound - objective| / |objective|
    #[arg(
        long,
        env = "SOLVEMESH_GAP",
        value_name = "RELATIVE",
        allow_negative_numbers = true,
        value_parser = not_negative
    )]
    gap: Option<f64>,

    /// Stop at this absolute gap, |bound - objective|
    #[arg(
        long,
        env = "SOLVEMESH_ABS_GAP",
        value_name = "ABSOLUTE",
        allow_negative_numbers = true,
        value_parser = not_negative
    )]
    abs_gap: Option<f64>,

    /// Stop when the solver needs more than this many bytes; 512M means 512 MiB
    ///
    /// The suffixes K, M and G stand for KiB, MiB and GiB. The minimum is 16M. A worker may allow
    /// less.
    #[arg(long, env = "SOLVEMESH_MEMORY_LIMIT", value_name = "SIZE", value_parser = size)]
    memory_limit: Option<u64>,

    /// Let the solver use this many threads; a worker may allow fewer
    #[arg(
        long,
        env = "SOLVEMESH_THREADS",
        value_name = "N",
        allow_negative_numbers = true,
        value_parser = clap::value_parser!(i32).range(1..)
    )]
    threads: Option<i32>,

    /// Seed the solver's random number generator with this number
    #[arg(
        long,
        env = "SOLVEMESH_SEED",
        value_name = "N",
        allow_negative_numbers = true,
        value_parser = clap::value_parser!(i32).range(0..)
    )]
    seed: Option<i32>,

    /// Choose whether the solver simplifies the model first
    #[arg(long, env = "SOLVEMESH_PRESOLVE", value_name = "WHEN")]
    presolve: Option<PresolveArg>,

    /// Use this solver
    #[arg(long, env = "SOLVEMESH_SOLVER", value_name = "SOLVER")]
    solver: Option<SolverArg>,

    /// Stop after this many branch-and-bound nodes (models with integers)
    #[arg(
        long,
        env = "SOLVEMESH_NODE_LIMIT",
        value_name = "N",
        allow_negative_numbers = true,
        value_parser = clap::value_parser!(i32).range(1..)
    )]
    node_limit: Option<i64>,

    /// Stop after this many iterations (LPs)
    #[arg(
        long,
        env = "SOLVEMESH_ITERATION_LIMIT",
        value_name = "N",
        allow_negative_numbers = true,
        value_parser = clap::value_parser!(i32).range(0..)
    )]
    iteration_limit: Option<i64>,

    /// Stop after this many improved solutions (models with integers)
    #[arg(
        long,
        env = "SOLVEMESH_SOLUTION_LIMIT",
        value_name = "N",
        allow_negative_numbers = true,
        value_parser = clap::value_parser!(i32).range(1..)
    )]
    solution_limit: Option<i32>,

    /// Stop at the first solution with an objective at least this good (models with integers)
    #[arg(
        long,
        env = "SOLVEMESH_OBJECTIVE_TARGET",
        value_name = "OBJECTIVE",
        allow_negative_numbers = true
    )]
    objective_target: Option<f64>,

    /// Set an option by the solver's own name for it; may be repeated
    ///
    /// In the environment variable, write one option per line.
    #[arg(
        long = "option",
        env = "SOLVEMESH_OPTION",
        value_name = "NAME=VALUE",
        value_delimiter = '\n',
        value_parser = option
    )]
    options: Vec<(String, String)>,

    /// Attach a label to the job, to find it by; may be repeated
    ///
    /// In the environment variable, write one label per line.
    #[arg(
        long = "label",
        env = "SOLVEMESH_LABEL",
        value_name = "KEY=VALUE",
        value_delimiter = '\n',
        value_parser = label
    )]
    labels: Vec<(String, String)>,

    /// Make the submission idempotent: the same id and model are the same job
    #[arg(
        long,
        env = "SOLVEMESH_REQUEST_ID",
        value_name = "ID",
        value_parser = NonEmptyStringValueParser::new()
    )]
    request_id: Option<String>,

    /// Queue the job in this lane [default: chosen by the size of the model]
    #[arg(long, env = "SOLVEMESH_LANE", value_name = "LANE")]
    lane: Option<String>,

    /// How urgent the job is, among those of your tenant [default: normal]
    #[arg(long, env = "SOLVEMESH_PRIORITY", value_name = "PRIORITY")]
    priority: Option<PriorityArg>,

    /// Show this model name in listings [default: the name in the file]
    #[arg(long, env = "SOLVEMESH_MODEL_NAME", value_name = "NAME")]
    model_name: Option<String>,

    /// Before the submission, write the model, as it is read, to this file in MPS format
    ///
    /// Gateways do not keep the models of jobs. Names that the format does not allow are replaced by
    /// x0, x1 and so on, or c0, c1 and so on.
    #[arg(long, env = "SOLVEMESH_MODEL_OUT", value_name = "FILE")]
    model_out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Lp,
    Mps,
    Nl,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PresolveArg {
    On,
    Off,
    Auto,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PriorityArg {
    Low,
    Normal,
    High,
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
    /// Submits a request that was built by [`request`](Self::request).
    ///
    /// # Errors
    ///
    /// [`Failure::ModelRefused`] if any violation is in the model; [`Failure::SubmissionUnknown`]
    /// if the mesh is unavailable and the job may nevertheless be queued.
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

    /// The name of the file, as given on the command line.
    pub(crate) fn file(&self) -> String {
        self.file.display().to_string()
    }

    /// Reads the file and builds the request.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] when the file cannot be read, the model cannot be written to the file of
    /// `--model-out`, an option or label has two values, or a duration does not fit into the
    /// request.
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
        };
        if let Some(out) = &self.model_out {
            self.write_model(model.clone(), out)?;
        }
        Ok(SubmitJobRequest {
            model: Some(model),
            options: Some(self.options()?),
            labels: unique("--label", &self.labels)?,
            request_id: self.request_id.clone().unwrap_or_else(|| Uuid::new_v4().to_string()),
            validate_only: false,
            lane: self.lane.clone().unwrap_or_default(),
            total_time_limit: to_wire("--total-time-limit", self.total_time_limit)?,
            queue_time_limit: to_wire("--queue-time-limit", self.queue_time_limit)?,
            sweep: None,
            starts: Vec::new(),
            priority: self.priority.map_or(Priority::Unspecified, PriorityArg::to_wire).into(),
        })
    }

    fn write_model(&self, model: Model, out: &Path) -> Result<(), Failure> {
        let replaced = model_out::write(model, out).map_err(|error| match error {
            ModelOutError::Model(faults) => Failure::Usage(format!("{}: {faults}", self.file())),
            error => Failure::Usage(format!("--model-out: {error}")),
        })?;
        for (replaced, what, letter) in
            [(replaced.variables, "variables", 'x'), (replaced.constraints, "constraints", 'c')]
        {
            if replaced {
                let file = out.display();
                // A closed standard error is no reason to fail.
                let _ = writeln!(
                    io::stderr(),
                    "{file}: the {what} are named {letter}0, {letter}1 and so on: some of their \
                     names are not possible in MPS"
                );
            }
        }
        Ok(())
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
            return_log: false,
            incumbents: None,
            return_infeasible_subset: false,
            return_basis: false,
            node_limit: self.node_limit,
            iteration_limit: self.iteration_limit,
            solution_limit: self.solution_limit,
            objective_target: self.objective_target,
            memory_limit_bytes: self
                .memory_limit
                .map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
            return_sensitivity: false,
            omit_names: false,
        })
    }
}

impl Format {
    fn to_wire(self) -> FileFormat {
        match self {
            Self::Lp => FileFormat::Lp,
            Self::Mps => FileFormat::Mps,
            Self::Nl => FileFormat::Nl,
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

impl PriorityArg {
    fn to_wire(self) -> Priority {
        match self {
            Self::Low => Priority::Low,
            Self::Normal => Priority::Normal,
            Self::High => Priority::High,
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use clap::Parser;

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
            "--total-time-limit",
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
        assert_eq!(request.total_time_limit.map(|time| (time.seconds, time.nanos)), Some((60, 0)));
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
    fn a_duplicate_option_is_rejected() {
        let args = parsed(&["--option", "a=1", "--option", "a=2"]);
        assert!(matches!(args.request_of(vec![], String::new()), Err(Failure::Usage(_))));
    }

    #[test]
    fn errors_for_negative_numbers_name_the_range() {
        for (flag, range) in [
            ("--time-limit", "seconds above 0"),
            ("--total-time-limit", "above 0"),
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
    fn an_empty_request_id_is_rejected() {
        assert!(CommandLine::try_parse_from(["solve", "a.lp", "--request-id", ""]).is_err());
    }

    #[test]
    fn errors_for_times_say_too_large_or_too_small() {
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
    }

    #[test]
    fn errors_for_malformed_pairs_name_the_expected_form() {
        for (flag, form) in [("--label", "KEY=VALUE"), ("--option", "NAME=VALUE")] {
            for bad in ["x", "", "=v"] {
                let error = CommandLine::try_parse_from(["solve", "a.lp", flag, bad]).unwrap_err();
                assert!(error.to_string().contains(&format!("must be {form}")), "{error}");
            }
        }
    }
}
