//! Writes the solution of a finished job to a file.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use solvemesh_client::{
    Client, Outcome,
    v1::{Job, ModelSize},
};

use crate::{
    ampl::{
        self,
        sol::{self, Sol},
    },
    exit::Failure,
};

/// The options that an answer repeats from its model, if that was not in AMPL's format: those that
/// Pyomo writes.
const OPTIONS: [i64; 3] = [1, 1, 0];

/// Flags for the export of a solution.
#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    /// Also write the solution of the job, which must have finished, to this file
    #[arg(long, env = "SOLVEMESH_SOL", value_name = "FILE")]
    sol: Option<PathBuf>,

    /// Write the file of --sol in this format
    ///
    /// `names` has a line with name and value for each variable, which Gurobi, COPT and others read
    /// as a start. `ampl` is AMPL's .sol format: a message, duals, values, and suffixes with reduced
    /// costs and basis, all by position.
    #[arg(
        long,
        env = "SOLVEMESH_SOL_FORMAT",
        value_name = "FORMAT",
        default_value = "names",
        requires = "sol"
    )]
    sol_format: SolFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SolFormat {
    Ampl,
    Names,
}

impl ExportArgs {
    /// Whether a solution is to be written, for which there may be only one job.
    pub(crate) fn is_set(&self) -> bool {
        self.sol.is_some()
    }

    /// Writes the solution of a job, if that was asked for.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] if the job has not finished or the file cannot be written, and those of
    /// the client.
    pub(crate) async fn write(&self, client: &Client, job: &Job) -> Result<(), Failure> {
        let Some(file) = &self.sol else { return Ok(()) };
        let refuse = |why: &str| Failure::Usage(format!("--sol: job {} {why}", job.job_id));
        if job.finish_time.is_none() {
            return Err(refuse("has not finished"));
        }
        if job.sweep_summary.is_some() {
            return Err(refuse("is a sweep, which has no single solution"));
        }
        // The response may lack a large solution, which a watch has in parts.
        let outcome = client.result(&job.job_id).await?;
        let size = job.description.as_ref().and_then(|it| it.size).unwrap_or_default();
        if self.sol_format == SolFormat::Names && outcome.solution().is_none() {
            return Err(refuse("has no solution"));
        }
        self.create(file, &outcome, size)
            .map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))
    }

    fn create(&self, file: &Path, outcome: &Outcome, size: ModelSize) -> io::Result<()> {
        let mut out = BufWriter::new(File::create(file)?);
        match self.sol_format {
            SolFormat::Ampl => write_ampl(&mut out, outcome, size)?,
            SolFormat::Names => write_names(&mut out, outcome)?,
        }
        out.flush()
    }
}

/// Writes a solution in AMPL's format.
fn write_ampl(out: &mut impl Write, outcome: &Outcome, size: ModelSize) -> io::Result<()> {
    let count = |count: i32| usize::try_from(count).unwrap_or_default();
    let solution = outcome.solution();
    let answer = Sol {
        message: ampl::lines(outcome),
        options: &OPTIONS,
        tolerance: None,
        constraints: count(size.constraint_count),
        variables: count(size.variable_count),
        duals: solution.map_or(&[], |it| &it.duals),
        values: solution.map_or(&[], |it| &it.values),
        objective: Some(0),
        code: ampl::code(outcome),
        suffixes: sol::suffixes(outcome, true),
    };
    answer.write(out)
}

/// Writes the objective as a comment, and each variable with its value.
fn write_names(out: &mut impl Write, outcome: &Outcome) -> io::Result<()> {
    let Some(solution) = outcome.solution() else { return Ok(()) };
    if let Some(objective) = outcome.objective() {
        writeln!(out, "# Objective value = {}", sol::number(objective))?;
    }
    for (index, &value) in solution.values.iter().enumerate() {
        let value = sol::number(value);
        match solution.variable_names.get(index).filter(|name| !name.is_empty()) {
            Some(name) => writeln!(out, "{name} {value}")?,
            // The name that a variable without one has.
            None => writeln!(out, "x{index} {value}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use solvemesh_client::v1::{JobState, Solution, SolveResult, Termination, TerminationReason};

    use super::*;

    fn outcome() -> Outcome {
        let termination = Termination {
            reason: TerminationReason::Optimal.into(),
            objective: Some(3600.0),
            ..Termination::default()
        };
        let solution = Solution {
            variable_names: vec!["Doors".into()],
            values: vec![2.0, 1e-7],
            duals: vec![150.0],
            ..Solution::default()
        };
        let result = SolveResult {
            termination: Some(termination),
            solution: Some(solution),
            ..SolveResult::default()
        };
        Outcome {
            job_id: "j".into(),
            state: JobState::Succeeded,
            attempt: 1,
            result: Some(result),
            failure: None,
            sweep: None,
        }
    }

    #[test]
    fn names_and_values_are_lines() {
        let mut out = Vec::new();
        write_names(&mut out, &outcome()).unwrap();
        let expected = "# Objective value = 3600\nDoors 2\nx1 1e-7\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn the_format_of_ampl_has_counts_duals_and_values() {
        let size = ModelSize { variable_count: 2, constraint_count: 1, ..ModelSize::default() };
        let mut out = Vec::new();
        write_ampl(&mut out, &outcome(), size).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.ends_with("\nOptions\n3\n1\n1\n0\n1\n1\n2\n2\n150\n2\n1e-7\nobjno 0 0\n"),
            "{text}"
        );
    }
}
