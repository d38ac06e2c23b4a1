//! The report: a table of all faults at the end of the run.

use std::{fmt, time::Duration};

use solvemesh_tests::checker::Figures;

/// The outcome of one fault.
#[derive(Debug)]
pub(crate) struct Row {
    name: &'static str,
    /// `None` if the trial failed before its check.
    figures: Option<Figures>,
    /// How long the trial and its check took, if both succeeded.
    passed_in: Option<Duration>,
}

/// The outcomes of all faults.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// Adds the row of a fault that is about to run. A row counts as failed until [`pass`](Self::pass), so that a panic leaves it in the report.
    pub(crate) fn begin(&mut self, name: &'static str) {
        self.rows.push(Row { name, figures: None, passed_in: None });
    }

    /// Sets the figures of the fault that runs.
    pub(crate) fn set_figures(&mut self, figures: Figures) {
        self.current_mut().figures = Some(figures);
    }

    /// Marks the fault that runs as passed.
    pub(crate) fn pass(&mut self, took: Duration) {
        self.current_mut().passed_in = Some(took);
    }

    /// The row of the fault that began last.
    pub(crate) fn current(&self) -> &Row {
        self.rows.last().expect("a fault has begun")
    }

    fn current_mut(&mut self) -> &mut Row {
        self.rows.last_mut().expect("a fault has begun")
    }

    fn sum(&self, figure: impl Fn(&Figures) -> usize) -> usize {
        self.rows.iter().filter_map(|row| row.figures.as_ref()).map(figure).sum()
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.passed_in {
            Some(took) => write!(f, "passed in {:.1} s", took.as_secs_f64())?,
            None => write!(f, "FAILED")?,
        }
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
            writeln!(f, "{}", if row.passed_in.is_some() { "" } else { "  FAILED" })?;
        }
        writeln!(
            f,
            "{:width$}  {:>12}  {:>5}  {:>10}",
            "all",
            self.sum(|figures| figures.acknowledged),
            self.sum(|figures| figures.lost),
            self.sum(|figures| figures.duplicated)
        )?;
        let passed = self.rows.iter().filter(|row| row.passed_in.is_some()).count();
        write!(f, "\n{passed} passed, {} failed", self.rows.len() - passed)
    }
}
