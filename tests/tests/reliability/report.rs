//! The report: a table of all faults at the end of the run.

use std::{fmt, time::Duration};

use solvemesh_tests::checker::Figures;

/// The outcome of one fault.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    name: &'static str,
    /// `None` if the trial failed before its check.
    pub(crate) figures: Option<Figures>,
    /// Whether the trial and its check succeeded.
    pub(crate) passed: bool,
    /// How long both took.
    pub(crate) took: Duration,
}

/// The outcomes of all faults.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

impl Row {
    /// The row of a fault that has not run yet.
    pub(crate) fn of(name: &'static str) -> Self {
        Self { name, figures: None, passed: false, took: Duration::ZERO }
    }
}

impl Report {
    /// Adds the outcome of a fault.
    pub(crate) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Whether all of them passed.
    pub(crate) fn passed(&self) -> bool {
        self.rows.iter().all(|row| row.passed)
    }

    fn sum(&self, figure: impl Fn(&Figures) -> usize) -> usize {
        self.rows.iter().filter_map(|row| row.figures.as_ref()).map(figure).sum()
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = if self.passed { "ok" } else { "FAILED" };
        write!(f, "{} … {outcome} in {:.1} s", self.name, self.took.as_secs_f64())?;
        if let Some(Figures { acknowledged, deaths, solved_again, cuts, .. }) = &self.figures {
            write!(
                f,
                " ({acknowledged} acknowledged, {deaths} attempts died in the solver, \
                 {solved_again} started after the end, {cuts} watches cut)"
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or(0).max(5);
        writeln!(f, "\n{:width$}  acknowledged   lost  duplicated  longest recovery (s)", "fault")?;
        for row in &self.rows {
            write!(f, "{:width$}", row.name)?;
            match &row.figures {
                Some(Figures { acknowledged, lost, duplicated, recovery, .. }) => {
                    let recovery = recovery.map_or("-".to_owned(), |recovery| {
                        format!("{:.2}", recovery.as_secs_f64())
                    });
                    write!(f, "  {acknowledged:>12}  {lost:>5}  {duplicated:>10}  {recovery:>20}")?;
                }
                None => write!(f, "  {:>12}  {:>5}  {:>10}  {:>20}", "?", "?", "?", "?")?,
            }
            writeln!(f, "{}", if row.passed { "" } else { "  FAILED" })?;
        }
        writeln!(
            f,
            "{:width$}  {:>12}  {:>5}  {:>10}",
            "all",
            self.sum(|figures| figures.acknowledged),
            self.sum(|figures| figures.lost),
            self.sum(|figures| figures.duplicated)
        )?;
        let passed = self.rows.iter().filter(|row| row.passed).count();
        write!(f, "\n{passed} passed, {} failed", self.rows.len() - passed)
    }
}
