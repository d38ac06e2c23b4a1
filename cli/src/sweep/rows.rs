//! Writes the results of scenarios as they arrive, one row each.

use std::io::{self, Write};

use serde::Serialize;
use solvemesh_client::v1::{JobDescription, ScenarioReport, ScenarioResult};

use super::{csv, plan::Plan};
use crate::output::{
    json::{NumbersByName, write_line},
    names,
    text::{printable, supported},
};

/// Minimum width of a column of results. The header is written before most of the results are
/// known, so it cannot be fitted to them.
const NUMBER_WIDTH: usize = 10;

/// Minimum width of the column of reasons: that of INFEASIBLE.
const REASON_WIDTH: usize = 10;

/// A row as JSON. Unknown values are null.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonRow<'a> {
    job_id: &'a str,
    scenario: i32,
    label: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<NumbersByName<'a>>,
    reason: Option<&'static str>,
    limit: Option<&'static str>,
    objective: Option<f64>,
    bound: Option<f64>,
    values: Option<NumbersByName<'a>>,
    duals: Option<NumbersByName<'a>>,
    max_violation: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<bool>,
    iterations: i64,
    #[serde(skip_serializing_if = "str::is_empty")]
    detail: &'a str,
}

/// The output format of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Aligned columns, with numbers rounded.
    Table,
    /// Comma-separated values, with exact numbers.
    Csv,
    /// A JSON object per line, with exact numbers.
    Json,
}

/// Writes the results of one sweep.
pub(crate) struct Rows<'a> {
    format: Format,
    job_id: String,
    /// The parameter values of the scenarios, which only the submitter knows.
    plan: Option<&'a Plan>,
    scenarios: i32,
    /// The names of the reported variables and constraints. If all are reported, the names are
    /// `#0` and so on, since only the gateway has parsed the model.
    variables: Vec<String>,
    constraints: Vec<String>,
    /// The columns of a table or of CSV; empty until the header is written.
    columns: Vec<Column>,
}

struct Column {
    head: String,
    width: usize,
    cell: Cell,
}

/// The content of a column.
#[derive(Clone, Copy)]
enum Cell {
    Scenario,
    Label,
    Parameter(usize),
    Reason,
    Limit,
    Objective,
    Bound,
    Value(usize),
    Dual(usize),
    Iterations,
    MaxViolation,
    Detail,
}

impl<'a> Rows<'a> {
    /// Prepares the output of a job. `plan` is `None` if the scenarios are unknown.
    pub(crate) fn new(
        format: Format,
        job_id: &str,
        description: &JobDescription,
        plan: Option<&'a Plan>,
    ) -> Self {
        let sweep = description.sweep.clone().unwrap_or_default();
        let size = description.size.unwrap_or_default();
        let ScenarioReport { variables, all_variables, constraints, all_constraints } =
            sweep.report.unwrap_or_default();
        let names = |asked, all, count| {
            if all { (0..count).map(|index| format!("#{index}")).collect() } else { asked }
        };
        Self {
            format,
            job_id: job_id.to_owned(),
            plan,
            scenarios: sweep.scenario_count,
            variables: names(variables, all_variables, size.variable_count),
            constraints: names(constraints, all_constraints, size.constraint_count),
            columns: Vec::new(),
        }
    }

    /// Writes results, after a header if there is none yet.
    pub(crate) fn write(
        &mut self,
        out: &mut impl Write,
        results: &[ScenarioResult],
    ) -> io::Result<()> {
        if self.format == Format::Json {
            return results.iter().try_for_each(|of| self.write_object(out, of));
        }
        if self.columns.is_empty() {
            self.columns = self.columns(results);
            self.write_cells(out, |column| column.head.clone())?;
        }
        results.iter().try_for_each(|of| {
            let values = self.parameters(of.index);
            self.write_cells(out, |column| self.cell(column.cell, of, &values))
        })
    }

    /// Writes the header again before the next results.
    pub(crate) fn repeat_header(&mut self) {
        self.columns.clear();
    }

    /// The columns: all for CSV; for a table a selection, in which labels appear only if the plan
    /// or the first results have any.
    fn columns(&self, results: &[ScenarioResult]) -> Vec<Column> {
        let labels = self.plan.map_or(&[][..], Plan::labels);
        let labelled =
            labels.iter().chain(results.iter().map(|of| &of.label)).any(|it| !it.is_empty());
        let last = self.scenarios.saturating_sub(1).to_string();
        let mut columns = vec![(Cell::Scenario, "scenario".to_owned(), last.len())];
        let mut add = |cell, head: &str, width| columns.push((cell, head.to_owned(), width));
        let is_csv = self.format == Format::Csv;
        if is_csv {
            add(Cell::Label, "label", 0);
        }
        if let Some(plan) = self.plan {
            let names = plan.names();
            let widths = if is_csv { vec![0; names.len()] } else { plan.widths() };
            for (index, (name, width)) in names.into_iter().zip(widths).enumerate() {
                add(Cell::Parameter(index), name, width);
            }
        }
        if is_csv {
            add(Cell::Reason, "reason", 0);
            add(Cell::Limit, "limit", 0);
        }
        add(Cell::Objective, "objective", NUMBER_WIDTH);
        if is_csv {
            add(Cell::Bound, "bound", 0);
        }
        for (index, name) in self.variables.iter().enumerate() {
            add(Cell::Value(index), &format!("value:{name}"), NUMBER_WIDTH);
        }
        for (index, name) in self.constraints.iter().enumerate() {
            add(Cell::Dual(index), &format!("dual:{name}"), NUMBER_WIDTH);
        }
        add(Cell::Iterations, "iterations", 0);
        if is_csv {
            add(Cell::MaxViolation, "max_violation", 0);
            add(Cell::Detail, "detail", 0);
        } else {
            add(Cell::Reason, "reason", REASON_WIDTH);
            if labelled {
                add(Cell::Label, "label", 0);
            }
        }
        let column = |(cell, head, width)| Column { cell, head, width };
        columns.into_iter().map(column).collect()
    }

    fn cell(&self, cell: Cell, of: &ScenarioResult, values: &[Option<f64>]) -> String {
        let formatted = |x: Option<f64>| match (x, self.format) {
            (None, _) => String::new(),
            (Some(x), Format::Table) => supported(x, of.max_violation.unwrap_or(0.0)),
            (Some(x), _) => x.to_string(),
        };
        let limit = names::limit(of.limit());
        match cell {
            Cell::Scenario => of.index.to_string(),
            Cell::Label => of.label.clone(),
            Cell::Parameter(index) => formatted(values.get(index).copied().flatten()),
            Cell::Reason => {
                let mut reason = names::reason(of.reason()).unwrap_or("unknown").to_owned();
                if self.format == Format::Table {
                    reason.extend(limit.map(|limit| format!(" {limit}")));
                    if !of.detail.is_empty() {
                        reason = reason + ": " + &of.detail;
                    }
                }
                reason
            }
            Cell::Limit => limit.unwrap_or_default().to_owned(),
            Cell::Objective => formatted(of.objective),
            Cell::Bound => formatted(of.objective_bound),
            Cell::Value(index) => formatted(of.values.get(index).copied()),
            Cell::Dual(index) => formatted(of.duals.get(index).copied()),
            Cell::Iterations => of.iteration_count.to_string(),
            Cell::MaxViolation => formatted(of.max_violation),
            Cell::Detail => of.detail.clone(),
        }
    }

    fn write_cells(
        &self,
        out: &mut impl Write,
        cell: impl Fn(&Column) -> String,
    ) -> io::Result<()> {
        let cells = self.columns.iter().map(|column| (column, cell(column)));
        if self.format == Format::Csv {
            let cells: Vec<_> = cells.map(|(_, cell)| cell).collect();
            return csv::write_record(out, cells.iter().map(String::as_str));
        }
        let mut line = String::new();
        for (column, cell) in cells {
            let (cell, head) = (printable(&cell), printable(&column.head));
            let width = column.width.max(head.chars().count());
            line += &match column.cell {
                Cell::Reason | Cell::Label => format!("{cell:width$}  "),
                _ => format!("{cell:>width$}  "),
            };
        }
        writeln!(out, "{}", line.trim_end())
    }

    fn parameters(&self, scenario: i32) -> Vec<Option<f64>> {
        let scenario = usize::try_from(scenario).unwrap_or(usize::MAX);
        self.plan.map(|plan| plan.values(scenario)).unwrap_or_default()
    }

    fn write_object(&self, out: &mut impl Write, of: &ScenarioResult) -> io::Result<()> {
        /// Scenarios without a solution have no numbers: null instead of an empty object.
        fn nonempty<'a>(names: &'a [String], numbers: &'a [f64]) -> Option<NumbersByName<'a>> {
            (!numbers.is_empty()).then_some(NumbersByName { names, numbers })
        }
        let parameters: Option<(Vec<_>, Vec<_>)> = self.plan.map(|plan| {
            let values = plan.names().into_iter().zip(self.parameters(of.index));
            values.filter_map(|(name, x)| Some((name.to_owned(), x?))).unzip()
        });
        let parameters =
            parameters.as_ref().map(|(names, numbers)| NumbersByName { names, numbers });
        let row = JsonRow {
            job_id: &self.job_id,
            scenario: of.index,
            label: Some(of.label.as_str()).filter(|label| !label.is_empty()),
            parameters,
            reason: names::reason(of.reason()),
            limit: names::limit(of.limit()),
            objective: of.objective,
            bound: of.objective_bound,
            values: nonempty(&self.variables, &of.values),
            duals: nonempty(&self.constraints, &of.duals),
            max_violation: of.max_violation,
            verified: of.verified,
            iterations: of.iteration_count,
            detail: &of.detail,
        };
        write_line(out, &row)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use solvemesh_client::v1::{
        ModelSize, SweepDescription, TerminationLimit, TerminationReason as Reason,
    };

    use super::*;
    use crate::sweep::spec;

    fn plan() -> Plan {
        Plan::grid(vec![spec::axis("obj:Windows=100..200/2").unwrap()]).unwrap()
    }

    fn description(report: ScenarioReport) -> JobDescription {
        let sweep = SweepDescription {
            scenario_count: 2,
            report: Some(report),
            ..SweepDescription::default()
        };
        let size = ModelSize { variable_count: 2, constraint_count: 1, ..ModelSize::default() };
        JobDescription { sweep: Some(sweep), size: Some(size), ..JobDescription::default() }
    }

    fn doors() -> ScenarioReport {
        let variables = vec!["Doors".to_owned()];
        ScenarioReport { variables, all_constraints: true, ..ScenarioReport::default() }
    }

    fn answers() -> [ScenarioResult; 2] {
        let solved = ScenarioResult {
            index: 1,
            reason: Reason::Optimal.into(),
            objective: Some(0.1 + 0.2),
            values: vec![4.0],
            duals: vec![-1.5],
            max_violation: Some(0.0),
            iteration_count: 3,
            ..ScenarioResult::default()
        };
        let failed = ScenarioResult {
            label: "b,ad".into(),
            reason: Reason::OtherError.into(),
            limit: TerminationLimit::Memory.into(),
            detail: "no\u{7} memory".into(),
            ..ScenarioResult::default()
        };
        [solved, failed]
    }

    fn written(format: Format, plan: Option<&Plan>, report: ScenarioReport) -> Vec<String> {
        let mut rows = Rows::new(format, "j", &description(report), plan);
        let mut out = Vec::new();
        // In two batches, to see that there is only one header.
        answers().iter().for_each(|answer| {
            rows.write(&mut out, std::slice::from_ref(answer)).unwrap();
        });
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_table_has_columns_for_the_requested_values() {
        let expected = [
            "scenario  obj:Windows   objective  value:Doors     dual:#0  iterations  reason",
            "       1          200         0.3            4        -1.5           3  OPTIMAL",
            "       0          100                                                0  OTHER_ERROR MEMORY: no\\u{7} memory",
        ];
        assert_eq!(written(Format::Table, Some(&plan()), doors()), expected);
    }

    #[test]
    fn labels_have_a_column_if_there_are_any() {
        let plan = Plan::table("label,rhs:c\nlow,\nhigh,2\n").unwrap();
        let lines = written(Format::Table, Some(&plan), ScenarioReport::default());
        assert_eq!(lines[0], "scenario  rhs:c   objective  iterations  reason      label");
        assert_eq!(lines[1], "       1      2         0.3           3  OPTIMAL");
    }

    #[test]
    fn csv_has_exact_numbers() {
        let expected = [
            "scenario,label,obj:Windows,reason,limit,objective,bound,value:Doors,dual:#0,iterations,max_violation,detail",
            "1,,200,OPTIMAL,,0.30000000000000004,,4,-1.5,3,0,",
            "0,\"b,ad\",100,OTHER_ERROR,MEMORY,,,,,0,,no\u{7} memory",
        ];
        assert_eq!(written(Format::Csv, Some(&plan()), doors()), expected);
    }

    #[test]
    fn json_has_an_object_per_line() {
        let expected = [
            concat!(
                r#"{"jobId":"j","scenario":1,"label":null,"parameters":{"obj:Windows":200.0},"#,
                r#""reason":"OPTIMAL","limit":null,"objective":0.30000000000000004,"bound":null,"#,
                r##""values":{"Doors":4.0},"duals":{"#0":-1.5},"maxViolation":0.0,"iterations":3}"##,
            ),
            concat!(
                r#"{"jobId":"j","scenario":0,"label":"b,ad","parameters":{"obj:Windows":100.0},"#,
                r#""reason":"OTHER_ERROR","limit":"MEMORY","objective":null,"bound":null,"#,
                r#""values":null,"duals":null,"maxViolation":null,"iterations":0,"#,
                r#""detail":"no\u0007 memory"}"#,
            ),
        ];
        assert_eq!(written(Format::Json, Some(&plan()), doors()), expected);
        let unknown = written(Format::Json, None, doors());
        assert!(!unknown[0].contains("parameters"), "{unknown:?}");
    }
}
