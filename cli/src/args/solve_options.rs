use std::path::PathBuf;

use clap::{Args, builder::BoolishValueParser};
use solvemesh_client::v1::{IncumbentOptions, StartingPoint, SubmitJobRequest};

use crate::{args::start_solution, exit::Failure};

/// Options of a single solve, which sweeps do not support.
#[derive(Args, Clone, Debug)]
pub(crate) struct SolveOptionArgs {
    /// Start from the basis or the solution in the JSON output of an earlier solve
    ///
    /// The basis (for LPs) is used if the file has one, otherwise the values of the variables
    /// (for models with integers).
    #[arg(long, env = "SOLVEMESH_START", value_name = "FILE")]
    start: Option<PathBuf>,

    /// Include the final basis of an LP in the JSON output
    #[arg(long, env = "SOLVEMESH_RETURN_BASIS", value_parser = BoolishValueParser::new())]
    return_basis: bool,

    /// Report the ranges in which the optimal basis of an LP does not change
    ///
    /// There is a range for each cost, right-hand side and bound.
    #[arg(long, env = "SOLVEMESH_SENSITIVITY", value_parser = BoolishValueParser::new())]
    sensitivity: bool,

    /// If the model is infeasible, find a minimal set of conflicting bounds
    #[arg(long, env = "SOLVEMESH_INFEASIBLE_SUBSET", value_parser = BoolishValueParser::new())]
    infeasible_subset: bool,

    /// Include only this variable in incumbents [default: all]; may be repeated
    ///
    /// In the environment variable, write one name per line.
    #[arg(
        long = "incumbent-variable",
        env = "SOLVEMESH_INCUMBENT_VARIABLE",
        value_name = "NAME",
        value_delimiter = '\n'
    )]
    incumbent_variables: Vec<String>,

    /// Omit values of 0 from incumbents
    #[arg(long, env = "SOLVEMESH_INCUMBENT_NONZEROS", value_parser = BoolishValueParser::new())]
    incumbent_nonzeros: bool,
}

impl SolveOptionArgs {
    /// Adds these options to a request.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] when the file of `--start` cannot be read.
    pub(crate) fn add_to(&self, request: &mut SubmitJobRequest) -> Result<(), Failure> {
        request.starts.extend(self.start()?);
        let options = request.options.get_or_insert_default();
        options.incumbents = self.incumbents();
        options.return_infeasible_subset = self.infeasible_subset;
        options.return_basis = self.return_basis;
        options.return_sensitivity = self.sensitivity;
        Ok(())
    }

    fn start(&self) -> Result<Option<StartingPoint>, Failure> {
        let read = |file: &PathBuf| {
            start_solution::read(file)
                .map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))
        };
        self.start.as_ref().map(read).transpose()
    }

    /// Rewrites violations in `starts` so that they name the file of `--start` and the
    /// entry in it, instead of the field of the request. Other failures stay unchanged.
    pub(crate) fn explain(&self, failure: Failure) -> Failure {
        let (file, model, mut rejection) = match (&self.start, failure) {
            (Some(file), Failure::ModelRefused { file: model, rejection }) => {
                (file, model, rejection)
            }
            (_, failure) => return failure,
        };
        // The submitted request is no longer there, so the names are read again.
        let names =
            start_solution::read(file).map(|start| start.variable_names).unwrap_or_default();
        for violation in &mut rejection.violations {
            if let Some(entry) = start_solution::entry(&violation.field, &names) {
                violation.field = format!("{}: {entry}", file.display());
            }
        }
        Failure::ModelRefused { file: model, rejection }
    }

    /// The options for incumbents; `None` if all are at their defaults.
    fn incumbents(&self) -> Option<IncumbentOptions> {
        let options = IncumbentOptions {
            nonzeros_only: self.incumbent_nonzeros,
            variables: self.incumbent_variables.clone(),
        };
        (options != IncumbentOptions::default()).then_some(options)
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
        args: SolveOptionArgs,
    }

    #[test]
    fn flags_become_options() {
        let words = ["solve", "--incumbent-variable", "x", "--return-basis", "--sensitivity"];
        let args = CommandLine::try_parse_from(words).unwrap().args;
        let mut request = SubmitJobRequest::default();
        args.add_to(&mut request).unwrap();
        let options = request.options.unwrap();
        let expected = IncumbentOptions { nonzeros_only: false, variables: vec!["x".into()] };
        assert_eq!(options.incumbents, Some(expected));
        assert_eq!((options.return_basis, options.return_infeasible_subset), (true, false));
        assert!(options.return_sensitivity);
    }
}
