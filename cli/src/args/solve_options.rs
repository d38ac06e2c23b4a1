use std::path::PathBuf;

use clap::{Args, builder::BoolishValueParser};
use solvemesh_client::v1::{IncumbentOptions, Start, SubmitJobRequest};

use crate::{args::start_solution, exit::Failure};

/// What only a model that is solved once can be asked for.
#[derive(Args, Clone, Debug)]
pub(crate) struct AloneArgs {
    /// Begin where an earlier solve ended: the JSON that it printed, of which the basis is
    /// taken, or else the values
    #[arg(long, env = "SOLVEMESH_START", value_name = "FILE")]
    start: Option<PathBuf>,

    /// Tell the basis that an LP ends with, in JSON
    #[arg(long, env = "SOLVEMESH_RETURN_BASIS", value_parser = BoolishValueParser::new())]
    return_basis: bool,

    /// Tell how far each cost, right-hand side and bound of an LP may move before its
    /// optimal basis is another
    #[arg(long, env = "SOLVEMESH_SENSITIVITY", value_parser = BoolishValueParser::new())]
    sensitivity: bool,

    /// If the model is infeasible, find bounds that contradict each other, none too many
    #[arg(long, env = "SOLVEMESH_INFEASIBLE_SUBSET", value_parser = BoolishValueParser::new())]
    infeasible_subset: bool,

    /// Variables whose values incumbents tell, by name (default: all); may be repeated (in
    /// the environment: one a line)
    #[arg(
        long = "incumbent-variable",
        env = "SOLVEMESH_INCUMBENT_VARIABLE",
        value_name = "NAME",
        value_delimiter = '\n'
    )]
    incumbent_variables: Vec<String>,

    /// Leave values of 0 out of incumbents
    #[arg(long, env = "SOLVEMESH_INCUMBENT_NONZEROS", value_parser = BoolishValueParser::new())]
    incumbent_nonzeros: bool,
}

impl AloneArgs {
    /// Adds what was asked for to a request.
    pub(crate) fn add_to(&self, request: &mut SubmitJobRequest) -> Result<(), Failure> {
        if let Some(model) = &mut request.model {
            model.start = self.start()?;
        }
        let options = request.options.get_or_insert_default();
        options.incumbents = self.incumbents();
        options.infeasible_subset = self.infeasible_subset;
        options.return_basis = self.return_basis;
        options.sensitivity = self.sensitivity;
        Ok(())
    }

    fn start(&self) -> Result<Option<Start>, Failure> {
        let read = |file: &PathBuf| {
            start_solution::read(file)
                .map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))
        };
        self.start.as_ref().map(read).transpose()
    }

    /// A failure that reports the faults of the start by its file and their entries there.
    pub(crate) fn explain(&self, failure: Failure) -> Failure {
        let (file, model, mut rejection) = match (&self.start, failure) {
            (Some(file), Failure::ModelRefused { file: model, rejection }) => {
                (file, model, rejection)
            }
            (_, failure) => return failure,
        };
        // What was sent is not kept for the case that it is refused.
        let names =
            start_solution::read(file).map(|start| start.variable_names).unwrap_or_default();
        for violation in &mut rejection.violations {
            if let Some(entry) = start_solution::entry(&violation.field, &names) {
                violation.field = format!("{}: {entry}", file.display());
            }
        }
        Failure::ModelRefused { file: model, rejection }
    }

    /// What incumbents are to tell, where that is not the default.
    fn incumbents(&self) -> Option<IncumbentOptions> {
        let asked = IncumbentOptions {
            nonzeros_only: self.incumbent_nonzeros,
            variables: self.incumbent_variables.clone(),
        };
        (asked != IncumbentOptions::default()).then_some(asked)
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
        args: AloneArgs,
    }

    #[test]
    fn flags_become_options() {
        let words = ["solve", "--incumbent-variable", "x", "--return-basis", "--sensitivity"];
        let args = CommandLine::try_parse_from(words).unwrap().args;
        let mut request = SubmitJobRequest::default();
        args.add_to(&mut request).unwrap();
        let options = request.options.unwrap();
        let told = IncumbentOptions { nonzeros_only: false, variables: vec!["x".into()] };
        assert_eq!(options.incumbents, Some(told));
        assert_eq!((options.return_basis, options.infeasible_subset), (true, false));
        assert!(options.sensitivity);
    }
}
