use std::{
    borrow::Cow,
    io::{self, Write},
};

use solvemesh_client::{
    Outcome,
    v1::{SensitivityRanges, Solution, SolveResult, StartReport, StartStatus, Verification},
};

use crate::output::{
    json::{name, seconds},
    names, proofs, summary,
    text::{number, percent, printable, short_number, supported, time},
};

/// Writes the outcome of a job as text. Variables at zero, and constraints whose activity and
/// dual are both zero, are hidden unless `all`.
pub(crate) fn write_outcome(out: &mut impl Write, outcome: &Outcome, all: bool) -> io::Result<()> {
    write_facts(out, &facts(outcome))?;
    outcome.result.as_ref().map_or(Ok(()), |result| write_contradiction(out, result))?;
    let violation = outcome.result.as_ref().map_or(0.0, violation);
    outcome.solution().map_or(Ok(()), |solution| write_solution(out, solution, violation, all))
}

/// The worst violation of the model that the check of the solution found, duals excluded.
pub(crate) fn violation(result: &SolveResult) -> f64 {
    result.verification.as_ref().map_or(0.0, |verification| verification.max_violation())
}

/// Writes the conflicting bounds of an infeasible subset, with an empty line before them.
pub(crate) fn write_contradiction(out: &mut impl Write, result: &SolveResult) -> io::Result<()> {
    let lines = proofs::lines(result);
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nconflicting bounds")?;
    lines.iter().try_for_each(|line| writeln!(out, "{}", printable(line)))
}

/// Writes the variables of a solution, then its constraints, then its sensitivity ranges.
/// `violation` is the worst violation of the solution, which limits the digits that are printed.
pub(crate) fn write_solution(
    out: &mut impl Write,
    solution: &Solution,
    violation: f64,
    all: bool,
) -> io::Result<()> {
    write_variables(out, solution, violation, all)?;
    write_constraints(out, solution, violation, all)?;
    for (of, head, names, ranges) in [
        ("variable", "cost from", &solution.variable_names, &solution.cost_ranges),
        ("variable", "bound from", &solution.variable_names, &solution.bound_ranges),
        (
            "constraint",
            "right-hand side from",
            &solution.constraint_names,
            &solution.right_hand_side_ranges,
        ),
    ] {
        if let Some(ranges) = ranges {
            write_ranges(out, Column::names(of, names), head, ranges)?;
        }
    }
    Ok(())
}

/// Writes all ranges: unlike values, none is hidden, since a range at zero is informative too.
fn write_ranges<'a>(
    out: &mut impl Write,
    names: Column<'a>,
    head: &'a str,
    ranges: &'a SensitivityRanges,
) -> io::Result<()> {
    let columns = [
        names,
        Column::numbers(head, &ranges.lower, 0.0),
        Column::numbers("to", &ranges.upper, 0.0),
        Column::numbers("objective from", &ranges.objective_at_lower, 0.0),
        Column::numbers("to", &ranges.objective_at_upper, 0.0),
    ];
    write_grid(out, &columns, &(0..ranges.lower.len()).collect::<Vec<_>>())
}

/// Writes one fact per line: its name, then its value, in two columns.
pub(crate) fn write_facts(out: &mut impl Write, facts: &[(&str, String)]) -> io::Result<()> {
    let width = facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    facts.iter().try_for_each(|(name, value)| writeln!(out, "{name:width$}  {}", printable(value)))
}

fn facts(outcome: &Outcome) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("job", outcome.job_id.clone()),
        ("state", names::state(outcome.state).unwrap_or("unknown").to_owned()),
    ];
    if let Some(failure) = &outcome.failure {
        facts.push(("failure", format!("{}: {}", failure.reason, failure.message)));
    }
    if let Some(result) = &outcome.result {
        facts.extend(result_facts(result));
    }
    facts.extend(outcome.sweep.iter().flat_map(|sweep| summary::facts(sweep, |_| None)));
    facts
}

/// The facts of a solve, without its solution.
pub(crate) fn result_facts(result: &SolveResult) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if let Some(termination) = &result.termination {
        let reason = names::reason(termination.reason()).unwrap_or("unknown");
        let limit = names::limit(termination.limit());
        facts.push(("reason", reason.to_owned()));
        facts.extend(limit.map(|limit| ("limit", limit.to_owned())));
        let violation = violation(result);
        facts.extend(termination.objective.map(|x| ("objective", supported(x, violation))));
        facts.extend(termination.objective_bound.map(|x| ("bound", supported(x, violation))));
        facts.extend(termination.relative_gap.map(|x| ("gap", percent(x))));
        facts.extend(termination.warnings.iter().map(|warning| ("warning", warning.clone())));
    }
    let violation = |v: &Verification| ("violation", short_number(v.max_violation()));
    facts.extend(result.verification.as_ref().map(violation));
    facts.extend(proofs::facts(result));
    facts.extend(result.start_report.as_ref().map(|start| ("start", start_text(start))));
    facts.extend(names::solver(result.solver()).map(|name| ("solver", solver(name, result))));
    let statistics = result.statistics.as_ref();
    let solve_time = statistics.and_then(|statistics| statistics.solve_time.as_ref());
    facts.extend(solve_time.map(|duration| ("solved in", time(seconds(duration)))));
    facts
}

/// Formats how the starting point of a solve was used.
fn start_text(start: &StartReport) -> String {
    let status = match start.status() {
        StartStatus::Unspecified => "unknown",
        StartStatus::Used => "used",
        StartStatus::Completed => "completed",
        StartStatus::Rejected => "rejected",
        StartStatus::Superseded => "not used",
    };
    let mut text = status.to_owned();
    if let Some(objective) = start.objective {
        text += &format!(", objective {}", number(objective));
    }
    if !start.detail.is_empty() {
        text += &format!(": {}", start.detail);
    }
    text
}

/// The name and version of the solver. Most version strings begin with the name already.
pub(crate) fn solver(name: &str, result: &SolveResult) -> String {
    let version = &result.solver_version;
    if version.to_ascii_lowercase().starts_with(&name.to_ascii_lowercase()) {
        version.clone()
    } else {
        format!("{name} {version}").trim_end().to_owned()
    }
}

fn write_variables(
    out: &mut impl Write,
    solution: &Solution,
    violation: f64,
    all: bool,
) -> io::Result<()> {
    let count = solution.values.len();
    let shown = rows(count, all, &[&solution.values]);
    let mut columns = vec![
        Column::names("variable", &solution.variable_names),
        Column::numbers("value", &solution.values, violation),
    ];
    if !solution.reduced_costs.is_empty() {
        columns.push(Column::numbers("reduced cost", &solution.reduced_costs, 0.0));
    }
    write_grid(out, &columns, &shown)?;
    write_hidden(out, "variable", count - shown.len())
}

fn write_constraints(
    out: &mut impl Write,
    solution: &Solution,
    violation: f64,
    all: bool,
) -> io::Result<()> {
    let count = solution.activities.len().max(solution.duals.len());
    let shown = rows(count, all, &[&solution.activities, &solution.duals]);
    let mut columns = vec![Column::names("constraint", &solution.constraint_names)];
    if !solution.activities.is_empty() {
        columns.push(Column::numbers("activity", &solution.activities, violation));
    }
    if !solution.duals.is_empty() {
        columns.push(Column::numbers("dual", &solution.duals, 0.0));
    }
    write_grid(out, &columns, &shown)?;
    write_hidden(out, "constraint", count - shown.len())
}

/// Writes the number of hidden rows, if any.
fn write_hidden(out: &mut impl Write, what: &str, hidden: usize) -> io::Result<()> {
    match hidden {
        0 => Ok(()),
        1 => writeln!(out, "(1 {what} at 0 is hidden; use --all to show it)"),
        _ => writeln!(out, "({hidden} {what}s at 0 are hidden; use --all to show them)"),
    }
}

/// The indices of the rows to show: all, or those that are not zero in every column.
fn rows(count: usize, all: bool, columns: &[&[f64]]) -> Vec<usize> {
    let is_zero = |row| columns.iter().all(|column| column.get(row).is_none_or(|&x| x == 0.0));
    (0..count).filter(|&row| all || !is_zero(row)).collect()
}

/// One column of a table.
pub(crate) struct Column<'a> {
    head: &'a str,
    cell: Box<dyn Fn(usize) -> Cow<'a, str> + 'a>,
    numeric: bool,
}

impl<'a> Column<'a> {
    fn names(head: &'a str, names: &'a [String]) -> Self {
        let cell = move |row| match name(names, row) {
            Cow::Borrowed(name) => printable(name),
            owned => owned,
        };
        Self { head, cell: Box::new(cell), numeric: false }
    }

    /// A column of numbers, rounded to the digits that `violation` supports.
    fn numbers(head: &'a str, numbers: &'a [f64], violation: f64) -> Self {
        let cell = move |row: usize| {
            numbers.get(row).map(|&x| supported(x, violation)).unwrap_or_default().into()
        };
        Self { head, cell: Box::new(cell), numeric: true }
    }

    /// A column of texts that are built row by row, aligned like numbers.
    pub(crate) fn figures(head: &'a str, cell: impl Fn(usize) -> String + 'a) -> Self {
        Self { numeric: true, ..Self::texts(head, cell) }
    }

    /// A column of texts that are built row by row.
    pub(crate) fn texts(head: &'a str, cell: impl Fn(usize) -> String + 'a) -> Self {
        let cell = move |row| printable(&cell(row)).into_owned().into();
        Self { head, cell: Box::new(cell), numeric: false }
    }
}

/// Writes a table with an empty line before it, or nothing if there are no rows.
pub(crate) fn write_grid(
    out: &mut impl Write,
    columns: &[Column<'_>],
    rows: &[usize],
) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    write_columns(out, columns, rows)
}

/// Writes a table: a header and these rows. Each cell is formatted twice, for the width of its
/// column and for the output, because buffering the cells of a long table takes much memory.
pub(crate) fn write_columns(
    out: &mut impl Write,
    columns: &[Column<'_>],
    rows: &[usize],
) -> io::Result<()> {
    let width = |column: &Column<'_>| {
        let cells = rows.iter().map(|&row| (column.cell)(row).chars().count());
        cells.max().unwrap_or(0).max(column.head.chars().count())
    };
    let widths: Vec<_> = columns.iter().map(width).collect();
    write_row(out, columns, &widths, |column| column.head.into())?;
    rows.iter().try_for_each(|&row| write_row(out, columns, &widths, |column| (column.cell)(row)))
}

fn write_row<'a>(
    out: &mut impl Write,
    columns: &[Column<'a>],
    widths: &[usize],
    cell: impl Fn(&Column<'a>) -> Cow<'a, str>,
) -> io::Result<()> {
    let mut line = String::new();
    for (column, &width) in columns.iter().zip(widths) {
        let cell = cell(column);
        if column.numeric {
            line.push_str(&format!("{cell:>width$}  "));
        } else {
            line.push_str(&format!("{cell:width$}  "));
        }
    }
    writeln!(out, "{}", line.trim_end())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use solvemesh_client::v1::{
        Failure, JobState, SolveStatistics, Solver, Termination, TerminationReason,
    };

    use super::*;

    fn lines(outcome: &Outcome, all: bool) -> Vec<String> {
        let mut out = Vec::new();
        write_outcome(&mut out, outcome, all).unwrap();
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    fn outcome(result: Option<SolveResult>, failure: Option<Failure>) -> Outcome {
        let state = if failure.is_some() { JobState::Failed } else { JobState::Succeeded };
        Outcome { job_id: "j".into(), state, attempt: 1, result, failure, sweep: None }
    }

    fn wyndor() -> Outcome {
        let termination = Termination {
            reason: TerminationReason::Optimal.into(),
            objective: Some(3600.0),
            ..Termination::default()
        };
        let solution = Solution {
            variable_names: vec!["Doors".into(), "Windows".into(), "Gates".into()],
            values: vec![2.0, 6.0, 0.0],
            reduced_costs: vec![0.0, 0.0, -12.5],
            constraint_names: vec!["plant 1".into(), "plant 3".into(), "gates".into()],
            activities: vec![2.0, 18.0, 0.0],
            duals: vec![0.0, 100.0, 0.0],
            ..Solution::default()
        };
        let result = SolveResult {
            termination: Some(termination),
            solution: Some(solution),
            ..SolveResult::default()
        };
        outcome(Some(result), None)
    }

    #[test]
    fn zeros_are_hidden_and_counted() {
        let expected = [
            "job        j",
            "state      SUCCEEDED",
            "reason     OPTIMAL",
            "objective  3600",
            "",
            "variable  value  reduced cost",
            "Doors         2             0",
            "Windows       6             0",
            "(1 variable at 0 is hidden; use --all to show it)",
            "",
            "constraint  activity  dual",
            "plant 1            2     0",
            "plant 3           18   100",
            "(1 constraint at 0 is hidden; use --all to show it)",
        ];
        assert_eq!(lines(&wyndor(), false), expected);
    }

    #[test]
    fn all_shows_zeros() {
        let lines = lines(&wyndor(), true);
        assert!(lines.contains(&"Gates         0         -12.5".to_owned()));
        assert!(lines.contains(&"gates              0     0".to_owned()));
        assert!(!lines.iter().any(|line| line.contains("hidden")));
    }

    #[test]
    fn ranges_have_tables_of_their_own() {
        let mut outcome = wyndor();
        let solution = outcome.result.as_mut().unwrap().solution.as_mut().unwrap();
        solution.cost_ranges = Some(SensitivityRanges {
            lower: vec![0.0, 200.0, f64::NEG_INFINITY],
            upper: vec![750.0, f64::INFINITY, 12.5],
            objective_at_lower: vec![3000.0, 1800.0, 3600.0],
            objective_at_upper: vec![4500.0, f64::INFINITY, 3600.0],
        });
        let lines = lines(&outcome, false);
        for line in [
            "variable  cost from    to  objective from    to",
            "Doors             0   750            3000  4500",
            "Windows         200   inf            1800   inf",
            "Gates          -inf  12.5            3600  3600",
        ] {
            assert!(lines.contains(&line.to_owned()), "{line}: {lines:#?}");
        }
    }

    #[test]
    fn a_constraint_at_zero_with_a_dual_is_shown() {
        let duals = vec![0.0, 100.0, 7.0];
        let mut outcome = wyndor();
        outcome.result.as_mut().unwrap().solution.as_mut().unwrap().duals = duals;
        assert!(lines(&outcome, false).contains(&"gates              0     7".to_owned()));
    }

    #[test]
    fn facts_of_a_solve_are_rounded() {
        let termination = Termination {
            objective: Some(0.1 + 0.2),
            relative_gap: Some(0.001_234_5),
            ..Termination::default()
        };
        let solve_time = prost_types::Duration { seconds: 0, nanos: 12_345_678 };
        let result = SolveResult {
            termination: Some(termination),
            solver: Solver::Highs.into(),
            solver_version: "HiGHS 1.16.0".into(),
            statistics: Some(SolveStatistics {
                solve_time: Some(solve_time),
                ..SolveStatistics::default()
            }),
            ..SolveResult::default()
        };
        let lines = lines(&outcome(Some(result.clone()), None), false);
        for line in [
            "objective  0.3",
            "gap        0.123%",
            "solver     HiGHS 1.16.0",
            "solved in  0.0123 s",
        ] {
            assert!(lines.contains(&line.to_owned()), "{line}: {lines:?}");
        }
        let bare = SolveResult { solver_version: "1.16.0".into(), ..result };
        assert_eq!(solver("HIGHS", &bare), "HIGHS 1.16.0");
    }

    #[test]
    fn a_failed_job_has_no_table() {
        let failure = Failure { reason: "SOLVER_CRASHED".into(), message: "signal 11".into() };
        let expected = ["job      j", "state    FAILED", "failure  SOLVER_CRASHED: signal 11"];
        assert_eq!(lines(&outcome(None, Some(failure)), false), expected);
    }
}
