//! The scenarios of a sweep, from `--vary` or a file, and the parameter values of each.

use solvemesh_client::v1::{
    ScenarioGrid, ScenarioParameter, ScenarioTable, sweep::Scenarios as Wire,
};
use solvemesh_model::sweep::{grid_points, grid_value};

use super::{csv, plot::Curve, spec, spec::Axis};
use crate::output::text::number;

/// Maximum number of scenarios: far above the limit of any gateway, and small enough to be
/// counted without overflow.
const MAX_SCENARIOS: usize = 100_000_000;

/// The scenarios of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Plan {
    /// All combinations of the values of some axes; the last axis changes fastest.
    Grid(Vec<Axis>),
    /// A list of scenarios.
    Table(Table),
}

/// A list of scenarios, each with its values.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table {
    /// The parameters: as typed, and parsed.
    parameters: Vec<(String, ScenarioParameter)>,
    /// The values, scenario by scenario; `None` keeps the value of the base model.
    values: Vec<Option<f64>>,
    /// Empty, or one label per scenario.
    labels: Vec<String>,
    /// The line of each scenario in the file, from 1.
    lines: Vec<usize>,
}

impl Plan {
    /// Builds a grid of these axes.
    ///
    /// # Errors
    ///
    /// When there are too many scenarios.
    pub(super) fn grid(axes: Vec<Axis>) -> Result<Self, String> {
        let count = axes.iter().try_fold(1_usize, |count, axis| {
            count.checked_mul(grid_points(&axis.grid)).filter(|&count| count <= MAX_SCENARIOS)
        });
        match count {
            Some(_) => Ok(Self::Grid(axes)),
            None => Err(format!("too many scenarios, the maximum is {MAX_SCENARIOS}")),
        }
    }

    /// Parses a CSV file: a header of parameters, then one scenario per line. A column `label`
    /// holds the labels of the scenarios.
    ///
    /// # Errors
    ///
    /// A message with line and column.
    pub(super) fn table(text: &str) -> Result<Self, String> {
        let mut records = csv::records(text);
        let Some(header) = records.next().transpose()? else {
            return Err("has no header".to_owned());
        };
        let (mut parameters, mut label) = (Vec::<(String, ScenarioParameter)>::new(), None);
        for (index, cell) in header.cells.iter().enumerate() {
            let name = cell.text.trim();
            let place = format!("line {}, column {}", header.line, cell.column);
            if name == "label" && label.replace(index).is_none() {
                continue;
            }
            if name == "label" || parameters.iter().any(|(other, _)| other == name) {
                return Err(format!("{place}: duplicate column `{name}`"));
            }
            let parameter =
                spec::parameter(name).map_err(|error| format!("{place}: {}", error.wrong))?;
            parameters.push((name.to_owned(), parameter));
        }
        if parameters.is_empty() {
            return Err("line 1, column 1: there is no column with a parameter".to_owned());
        }
        let mut table = Table { parameters, ..Table::default() };
        for record in records {
            table.add(record?, header.cells.len(), label)?;
        }
        if table.lines.is_empty() {
            return Err("has a header but no scenarios".to_owned());
        }
        Ok(Self::Table(table))
    }

    /// The scenarios as protobuf messages.
    pub(super) fn to_wire(&self) -> Wire {
        match self {
            Self::Grid(axes) => {
                let axes = axes.iter().map(|axis| axis.grid.clone()).collect();
                Wire::Grid(ScenarioGrid { axes })
            }
            Self::Table(table) => Wire::Table(table.to_wire()),
        }
    }

    /// The number of scenarios.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Grid(axes) => axes.iter().map(|axis| grid_points(&axis.grid)).product(),
            Self::Table(table) => table.lines.len(),
        }
    }

    /// The parameters, as typed.
    pub(super) fn names(&self) -> Vec<&str> {
        match self {
            Self::Grid(axes) => axes.iter().map(|axis| axis.name.as_str()).collect(),
            Self::Table(table) => table.parameters.iter().map(|(name, _)| name.as_str()).collect(),
        }
    }

    /// The values of the parameters in a scenario; `None` for the value of the base model, and if
    /// there is no such scenario.
    pub(super) fn values(&self, scenario: usize) -> Vec<Option<f64>> {
        match self {
            Self::Grid(axes) => {
                let known = scenario < self.count();
                let places = places(axes, scenario);
                let values = axes.iter().zip(places);
                values.map(|(axis, place)| known.then(|| grid_value(&axis.grid, place))).collect()
            }
            Self::Table(table) => {
                let width = table.parameters.len();
                let values = table.values.chunks(width).nth(scenario);
                values.map_or_else(|| vec![None; width], <[_]>::to_vec)
            }
        }
    }

    /// Formats the values that a scenario changes, as `name=value` pairs.
    pub(super) fn told(&self, scenario: usize) -> String {
        let values = self.names().into_iter().zip(self.values(scenario));
        let pairs = values.filter_map(|(name, x)| Some(format!("{name}={}", number(x?))));
        pairs.collect::<Vec<_>>().join(" ")
    }

    /// The width of the widest value of each parameter, in characters.
    pub(super) fn widths(&self) -> Vec<usize> {
        let width = |x: f64| number(x).chars().count();
        match self {
            Self::Grid(axes) => axes
                .iter()
                .map(|axis| {
                    let places = 0..grid_points(&axis.grid);
                    places.map(|place| width(grid_value(&axis.grid, place))).max().unwrap_or(0)
                })
                .collect(),
            Self::Table(table) => {
                let mut widths = vec![0; table.parameters.len()];
                for (at, x) in table.values.iter().enumerate() {
                    let widest = &mut widths[at % table.parameters.len()];
                    *widest = x.map_or(0, width).max(*widest);
                }
                widths
            }
        }
    }

    /// The labels: none, or one per scenario.
    pub(super) fn labels(&self) -> &[String] {
        match self {
            Self::Grid(_) => &[],
            Self::Table(table) => &table.labels,
        }
    }

    /// The number of curves of a plot: one for each combination of all axes but the last. `None`
    /// for a table, which cannot be plotted.
    pub(super) fn curves(&self) -> Option<usize> {
        match self {
            Self::Grid(axes) => {
                Some(self.count() / axes.last().map_or(1, |it| grid_points(&it.grid)))
            }
            Self::Table(_) => None,
        }
    }

    /// The name of the last parameter, and the curves over it, one for each combination of the
    /// other parameters. `numbers` has the value to plot for each scenario.
    pub(super) fn drawn(&self, numbers: &[Option<f64>]) -> (&str, Vec<Curve>) {
        let Self::Grid(axes) = self else { return ("", Vec::new()) };
        let Some((last, others)) = axes.split_last() else { return ("", Vec::new()) };
        let points = grid_points(&last.grid);
        let curve = |(index, numbers): (usize, &[Option<f64>])| {
            let given = others.iter().zip(self.values(index * points));
            let name = given.map(|(axis, x)| format!("{}={}", axis.name, number(x.unwrap_or(0.0))));
            let points = numbers.iter().enumerate();
            Curve {
                name: name.collect::<Vec<_>>().join(" "),
                points: points.map(|(place, &y)| (grid_value(&last.grid, place), y)).collect(),
            }
        };
        (&last.name, numbers.chunks(points).enumerate().map(curve).collect())
    }

    /// Maps a field of the request to the option, or the position in `file`, that it was built
    /// from. `None` for fields of other parts of the request.
    pub(super) fn place(&self, field: &str, file: &str) -> Option<String> {
        let index = |prefix: &str| -> Option<usize> {
            field.strip_prefix(prefix)?.split_once(']')?.0.parse().ok()
        };
        match self {
            Self::Grid(axes) => {
                let axis = axes.get(index("sweep.grid.axes[")?)?;
                Some(format!("--vary {}", axis.name))
            }
            Self::Table(table) => {
                if let Some(parameter) = index("sweep.table.parameters[") {
                    return Some(format!("{file}: {}", table.parameters.get(parameter)?.0));
                }
                let (line, name) = table.at(index("sweep.table.values[")?)?;
                Some(format!("{file}: line {line}: {name}"))
            }
        }
    }
}

impl Table {
    fn add(&mut self, r: csv::Record, width: usize, label: Option<usize>) -> Result<(), String> {
        if r.cells.len() != width {
            let (line, found) = (r.line, r.cells.len());
            return Err(format!("line {line}: expected {width} cells, found {found}"));
        }
        for (index, cell) in r.cells.into_iter().enumerate() {
            if label == Some(index) {
                self.labels.push(cell.text);
            } else if cell.text.trim().is_empty() {
                self.values.push(None);
            } else {
                let place = format!("line {}, column {}", r.line, cell.column);
                let value = spec::number(&cell.text, 0);
                self.values.push(Some(value.map_err(|it| format!("{place}: {}", it.wrong))?));
            }
        }
        self.lines.push(r.line);
        Ok(())
    }

    /// Builds the message: dense if every scenario has all values, otherwise sparse.
    fn to_wire(&self) -> ScenarioTable {
        let parameters = self.parameters.iter().map(|(_, parameter)| parameter.clone()).collect();
        let mut table =
            ScenarioTable { parameters, labels: self.labels.clone(), ..ScenarioTable::default() };
        table.values = self.values.iter().filter_map(|&value| value).collect();
        if table.values.len() == self.values.len() {
            return table;
        }
        table.scenario_starts.push(0);
        for values in self.values.chunks(self.parameters.len()) {
            let given = (0..).zip(values).filter(|(_, value)| value.is_some());
            table.parameter_indices.extend(given.map(|(index, _)| index));
            let end = i32::try_from(table.parameter_indices.len()).unwrap_or(i32::MAX);
            table.scenario_starts.push(end);
        }
        table
    }

    /// The line and the parameter of the value at this index of the submitted values, which lack
    /// those of the base.
    fn at(&self, submitted: usize) -> Option<(usize, &str)> {
        let mut given = self.values.iter().enumerate().filter(|(_, value)| value.is_some());
        let (at, _) = given.nth(submitted)?;
        let width = self.parameters.len();
        Some((*self.lines.get(at / width)?, &self.parameters.get(at % width)?.0))
    }
}

/// The index of a scenario on each axis. The last axis changes fastest, so the indices are the
/// digits of the scenario's number in a mixed radix, computed from the last.
fn places(axes: &[Axis], scenario: usize) -> Vec<usize> {
    let mut rest = scenario;
    let mut places: Vec<_> = axes
        .iter()
        .rev()
        .map(|axis| {
            let points = grid_points(&axis.grid).max(1);
            let place = rest % points;
            rest /= points;
            place
        })
        .collect();
    places.reverse();
    places
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use solvemesh_client::v1::GridAxis;

    use super::*;

    fn grid(specs: &[&str]) -> Plan {
        Plan::grid(specs.iter().map(|text| spec::axis(text).unwrap()).collect()).unwrap()
    }

    #[test]
    fn a_grid_has_all_combinations_and_the_last_axis_changes_fastest() {
        let plan = grid(&["obj:x=1..3/3", "rhs:c=5,7"]);
        assert_eq!(plan.count(), 6);
        assert_eq!(plan.names(), ["obj:x", "rhs:c"]);
        assert_eq!(plan.values(1), [Some(1.0), Some(7.0)]);
        assert_eq!(plan.values(2), [Some(2.0), Some(5.0)]);
        assert_eq!(plan.values(6), [None, None]);
        assert_eq!(plan.told(5), "obj:x=3 rhs:c=7");
        assert_eq!(plan.widths(), [1, 1]);
        let place = plan.place("sweep.grid.axes[1].parameter.constraint", "");
        assert_eq!(place.as_deref(), Some("--vary rhs:c"));
    }

    #[test]
    fn a_curve_is_drawn_for_each_combination_of_all_axes_but_the_last() {
        let plan = grid(&["rhs:c=5,7", "obj:x=1..3/3"]);
        assert_eq!(plan.curves(), Some(2));
        let numbers: Vec<_> = (0..6).map(f64::from).map(Some).collect();
        let (x, curves) = plan.drawn(&numbers);
        let names: Vec<_> = curves.iter().map(|curve| curve.name.as_str()).collect();
        assert_eq!((x, names), ("obj:x", vec!["rhs:c=5", "rhs:c=7"]));
        let points = [(1.0, Some(3.0)), (2.0, Some(4.0)), (3.0, Some(5.0))];
        assert_eq!(curves[1].points, points);
    }

    #[test]
    fn too_many_scenarios_are_rejected_without_overflow() {
        let axis = spec::axis("obj:x=1..3/2000000000").unwrap();
        assert!(Plan::grid(vec![axis.clone()]).unwrap_err().contains("too many scenarios"));
        assert!(Plan::grid(vec![axis; 40]).is_err());
    }

    #[test]
    fn a_table_is_dense_if_every_cell_has_a_value() {
        let plan = Plan::table("label,obj:x,\"coef:c,x\"\nlow,1,2\nhigh, 3 ,inf\n").unwrap();
        assert_eq!((plan.count(), plan.names()), (2, vec!["obj:x", "coef:c,x"]));
        assert_eq!(plan.labels(), ["low", "high"]);
        let Wire::Table(table) = plan.to_wire() else { panic!("a table") };
        assert_eq!(table.values, [1.0, 2.0, 3.0, f64::INFINITY]);
        assert!(table.scenario_starts.is_empty() && table.parameter_indices.is_empty());
        assert_eq!(table.parameters[1].constraint, "c");
    }

    #[test]
    fn an_empty_cell_is_the_value_of_the_base() {
        let plan = Plan::table("obj:x,rhs:c\n,2\n,\n3,4\n").unwrap();
        let Wire::Table(table) = plan.to_wire() else { panic!("a table") };
        assert_eq!(table.scenario_starts, [0, 1, 1, 3]);
        assert_eq!(table.parameter_indices, [1, 0, 1]);
        assert_eq!(table.values, [2.0, 3.0, 4.0]);
        assert_eq!(plan.values(0), [None, Some(2.0)]);
        assert_eq!(plan.told(0), "rhs:c=2");
        assert_eq!(plan.told(1), "");
        let place = |field| plan.place(field, "a.csv");
        assert_eq!(place("sweep.table.values[2]").as_deref(), Some("a.csv: line 4: rhs:c"));
        assert_eq!(place("sweep.table.parameters[0].variable").as_deref(), Some("a.csv: obj:x"));
        assert_eq!(place("sweep.table.values[9]"), None);
        assert_eq!(place("options.threads"), None);
    }

    #[test]
    fn errors_in_a_table_have_their_positions() {
        for (text, expected) in [
            ("", "has no header"),
            ("obj:x\n", "has a header but no scenarios"),
            ("label\na\n", "line 1, column 1: there is no column with a parameter"),
            ("label,obj:x,label\n", "line 1, column 13: duplicate column `label`"),
            ("obj:x,obj:x\n1,2\n", "line 1, column 7: duplicate column `obj:x`"),
            ("obj:x,cost:y\n1,2\n", "line 1, column 7: unknown parameter `cost`"),
            ("obj:x,coef:c,x\n1,2\n", "line 1, column 7: `,` and the name of a variable"),
            ("obj:x,rhs:c\n1\n", "line 2: expected 2 cells, found 1"),
            ("obj:x\n1\nten\n", "line 3, column 1: `ten` is not a number"),
        ] {
            let error = Plan::table(text).unwrap_err();
            assert!(error.starts_with(expected), "{text:?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_as_a_table_or_rejected_with_a_message(text in "(label,)?obj:x,rhs:c\n[0-9,.\"\n\r a]{0,40}") {
            match Plan::table(&text) {
                Err(error) => prop_assert!(!error.is_empty()),
                Ok(plan) => {
                    let given = (0..plan.count()).map(|at| plan.values(at).iter().flatten().count());
                    let Wire::Table(table) = plan.to_wire() else { panic!("a table") };
                    prop_assert_eq!(given.sum::<usize>(), table.values.len());
                    prop_assert!(table.scenario_starts.is_empty() || table.scenario_starts.len() == plan.count() + 1);
                    prop_assert!(table.labels.is_empty() || table.labels.len() == plan.count());
                }
            }
        }

        #[test]
        fn the_ends_of_an_axis_are_exact_and_its_values_ascend(
            from in -1e6..1e6_f64, step in 1e-3..1e6_f64, points in 2..200_i32,
        ) {
            let to = from + step;
            let axis =
                GridAxis { first: Some(from), last: Some(to), point_count: points, ..GridAxis::default() };
            let count = super::grid_points(&axis);
            prop_assert_eq!((grid_value(&axis, 0), grid_value(&axis, count - 1)), (from, to));
            for place in 1..count {
                prop_assert!(grid_value(&axis, place - 1) < grid_value(&axis, place));
            }
        }
    }
}
