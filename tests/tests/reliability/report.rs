//! The table at the end.

use std::{fmt, time::Duration};

use solvemesh_tests::checker::Figures;

/// What came of one fault.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    name: &'static str,
    /// Nothing when it did not come to the check.
    pub(crate) figures: Option<Figures>,
    /// Whether nothing is wrong.
    pub(crate) passed: bool,
    /// How long all of it took.
    pub(crate) took: Duration,
}

/// What came of all of them.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

impl Row {
    /// A fault that is not tried yet.
    pub(crate) fn of(name: &'static str) -> Self {
        Self { name, figures: None, passed: false, took: Duration::ZERO }
    }
}

impl Report {
    /// One more fault was tried.
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
        let told = if self.passed { "ok" } else { "FAILED" };
        write!(f, "{} … {told} in {:.1} s", self.name, self.took.as_secs_f64())?;
        if let Some(Figures { acknowledged, deaths, solved_again, cuts, .. }) = &self.figures {
            write!(
                f,
                " ({acknowledged} acknowledged, {deaths} attempts died in the solver, \
                 {solved_again} began after the end, {cuts} watches cut)"
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
