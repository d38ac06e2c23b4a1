//! The results of a run: one line per contestant of a measurement, as a table and as JSON.

use serde::Serialize;

use crate::{machine::Machine, statistics::median};

/// The contestant that the others of a measurement are compared to.
pub(crate) const MESH: &str = "mesh";

/// The unit of a measurement, which also says whether more or less is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Unit {
    /// Items per second: more is better.
    #[serde(rename = "1/s")]
    PerSecond,
    /// Seconds: less is better.
    #[serde(rename = "s")]
    Seconds,
    /// Milliseconds: less is better.
    #[serde(rename = "ms")]
    Milliseconds,
    /// Microseconds: less is better.
    #[serde(rename = "us")]
    Microseconds,
    /// KiB: less is better.
    #[serde(rename = "KiB")]
    Kibibytes,
}

impl Unit {
    fn symbol(self) -> &'static str {
        match self {
            Self::PerSecond => "1/s",
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
            Self::Microseconds => "us",
            Self::Kibibytes => "KiB",
        }
    }
}

/// One contestant of one measurement.
#[derive(Debug, Serialize)]
struct Line {
    measurement: String,
    contestant: String,
    unit: Unit,
    /// One value per round.
    samples: Vec<f64>,
}

/// All results of a run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    lines: Vec<Line>,
    /// What was not measured, and why.
    skipped: Vec<String>,
}

impl Report {
    /// Adds the result of one round. The first round decides on the order of the table, in which
    /// the contestants of a measurement are together.
    pub(crate) fn add(&mut self, measurement: &str, contestant: &str, unit: Unit, value: f64) {
        let known = self
            .lines
            .iter_mut()
            .find(|line| line.measurement == measurement && line.contestant == contestant);
        match known {
            Some(line) => line.samples.push(value),
            None => {
                let others = self.lines.iter().rposition(|line| line.measurement == measurement);
                let place = others.map_or(self.lines.len(), |last| last + 1);
                let line = Line {
                    measurement: measurement.to_owned(),
                    contestant: contestant.to_owned(),
                    unit,
                    samples: vec![value],
                };
                self.lines.insert(place, line);
            }
        }
    }

    /// Notes, once, that something is not measured.
    pub(crate) fn skip(&mut self, what: &str) {
        if !self.skipped.iter().any(|known| known == what) {
            eprintln!("skipped: {what}");
            self.skipped.push(what.to_owned());
        }
    }

    /// The median of the mesh over that of this line. `None` for the mesh itself, and where a
    /// measurement has no line of the mesh.
    fn mesh_ratio(&self, line: &Line) -> Option<f64> {
        let mesh = self.lines.iter().find(|other| {
            other.measurement == line.measurement && other.contestant == MESH && !line.is_mesh()
        })?;
        Some(median(&mesh.samples) / median(&line.samples))
    }

    /// The table, in Markdown, with aligned columns.
    pub(crate) fn table(&self) -> String {
        let header = ["measurement", "contestant", "median", "min .. max", "unit", "mesh / this"];
        let mut rows = vec![header.map(str::to_owned)];
        let mut last = "";
        for line in &self.lines {
            let measurement = if line.measurement == last { "" } else { &line.measurement };
            last = &line.measurement;
            let (min, max) = line.spread();
            rows.push([
                measurement.to_owned(),
                line.contestant.clone(),
                number(median(&line.samples)),
                format!("{} .. {}", number(min), number(max)),
                line.unit.symbol().to_owned(),
                self.mesh_ratio(line).map(number).unwrap_or_default(),
            ]);
        }
        align(&rows)
    }

    /// Everything as JSON.
    pub(crate) fn json(&self, machine: &Machine, rounds: usize) -> serde_json::Value {
        let lines: Vec<_> = self.lines.iter().map(|line| self.line_json(line)).collect();
        serde_json::json!({
            "machine": machine,
            "rounds": rounds,
            "lines": lines,
            "skipped": self.skipped,
        })
    }

    fn line_json(&self, line: &Line) -> serde_json::Value {
        let (min, max) = line.spread();
        serde_json::json!({
            "measurement": line.measurement,
            "contestant": line.contestant,
            "unit": line.unit,
            "more_is_better": line.unit == Unit::PerSecond,
            "samples": line.samples,
            "median": median(&line.samples),
            "min": min,
            "max": max,
            "mesh_ratio": self.mesh_ratio(line),
        })
    }
}

impl Line {
    fn is_mesh(&self) -> bool {
        self.contestant == MESH
    }

    fn spread(&self) -> (f64, f64) {
        let fold = |pick: fn(f64, f64) -> f64| self.samples.iter().copied().reduce(pick);
        (fold(f64::min).unwrap_or(f64::NAN), fold(f64::max).unwrap_or(f64::NAN))
    }
}

/// A number with three significant digits, but never less than its integer part.
fn number(value: f64) -> String {
    let magnitude = value.abs();
    let decimals = match magnitude {
        _ if !value.is_finite() || magnitude >= 100.0 || value == 0.0 => 0,
        _ if magnitude >= 10.0 => 1,
        _ if magnitude >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

/// Pads the columns of a table whose first row is the header; numbers to the right.
fn align<const N: usize>(rows: &[[String; N]]) -> String {
    /// The columns of text. The others are numbers.
    const TEXT: [usize; 3] = [0, 1, 4];
    let widths: [usize; N] = std::array::from_fn(|column| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
    });
    let line = |row: &[String; N]| {
        let cell = |(column, text): (usize, &String)| match TEXT.contains(&column) {
            true => format!("{text:0$}", widths[column]),
            false => format!("{text:>0$}", widths[column]),
        };
        format!("| {} |\n", row.iter().enumerate().map(cell).collect::<Vec<_>>().join(" | "))
    };
    let rule = |column: usize| match TEXT.contains(&column) {
        true => "-".repeat(widths[column]),
        false => format!("{}:", "-".repeat(widths[column].saturating_sub(1))),
    };
    let mut lines = rows.iter().map(line);
    let header = lines.next().unwrap_or_default();
    header + &line(&std::array::from_fn(rule)) + &lines.collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::{MESH, Report, Unit, number};

    #[test]
    fn a_line_has_the_median_the_spread_and_the_ratio_to_the_mesh() {
        let mut report = Report::default();
        for (mesh, peer) in [(10.0, 200.0), (30.0, 400.0), (20.0, 300.0)] {
            report.add("jobs", MESH, Unit::PerSecond, mesh);
            report.add("jobs", "peer", Unit::PerSecond, peer);
        }
        let table = report.table();
        let rows: Vec<&str> = table.lines().skip(2).collect();
        assert_eq!(
            rows,
            [
                "| jobs        | mesh       |   20.0 | 10.0 .. 30.0 | 1/s  |             |",
                "|             | peer       |    300 |   200 .. 400 | 1/s  |       0.067 |",
            ]
        );
    }

    #[test]
    fn numbers_have_three_digits() {
        let shown = [12345.6, 99.44, 9.876, 0.1234, 0.0].map(number);
        assert_eq!(shown, ["12346", "99.4", "9.88", "0.123", "0"]);
    }
}
