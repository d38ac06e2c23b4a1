//! The scenarios that are asked for, and what each changes.

use solvemesh_client::v1::{
    GridAxis, Parameter, ScenarioGrid, ScenarioTable, sweep::Scenarios as Wire,
};

use super::{csv, plot::Curve, spec, spec::Axis};
use crate::output::text::number;

/// More scenarios than any mesh takes.
const MAX_SCENARIOS: usize = 100_000_000;

/// The scenarios of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Plan {
    /// All combinations, the last axis fastest.
    Grid(Vec<Axis>),
    /// One by one.
    Table(Table),
}

/// Scenarios one by one.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table {
    /// What changes: as it was typed, and what it means.
    parameters: Vec<(String, Parameter)>,
    /// The values, scenario by scenario; nothing where it is the base's.
    values: Vec<Option<f64>>,
    /// None, or one each.
    labels: Vec<String>,
    /// The lines of the scenarios in their file.
    lines: Vec<usize>,
}

impl Plan {
    /// A grid of these axes.
    pub(super) fn grid(axes: Vec<Axis>) -> Result<Self, String> {
        let count = axes.iter().try_fold(1_usize, |count, axis| {
            count.checked_mul(points(&axis.grid)).filter(|&count| count <= MAX_SCENARIOS)
        });
        match count {
            Some(_) => Ok(Self::Grid(axes)),
            None => Err(format!("more than {MAX_SCENARIOS} scenarios, which no mesh takes")),
        }
    }

    /// The scenarios of a table in a file, a line each, below a header of parameters; a
    /// column `label` has their labels.
    ///
    /// # Errors
    ///
    /// What is wrong, with line and column.
    pub(super) fn table(text: &str) -> Result<Self, String> {
        let mut records = csv::records(text);
        let Some(header) = records.next().transpose()? else {
            return Err("has no header".to_owned());
        };
        let (mut parameters, mut label) = (Vec::<(String, Parameter)>::new(), None);
        for (index, cell) in header.cells.iter().enumerate() {
            let name = cell.text.trim();
            let place = format!("line {}, column {}", header.line, cell.column);
            if name == "label" && label.replace(index).is_none() {
                continue;
            }
            if name == "label" || parameters.iter().any(|(other, _)| other == name) {
                return Err(format!("{place}: a second column `{name}`"));
            }
            let parameter =
                spec::parameter(name).map_err(|fault| format!("{place}: {}", fault.wrong))?;
            parameters.push((name.to_owned(), parameter));
        }
        if parameters.is_empty() {
            return Err("line 1, column 1: there is no parameter but labels".to_owned());
        }
        let mut table = Table { parameters, ..Table::default() };
        for record in records {
            table.add(record?, header.cells.len(), label)?;
        }
        if table.lines.is_empty() {
            return Err("has a header, and no scenario below it".to_owned());
        }
        Ok(Self::Table(table))
    }

    /// As it is submitted.
    pub(super) fn to_wire(&self) -> Wire {
        match self {
            Self::Grid(axes) => {
                let axes = axes.iter().map(|axis| axis.grid.clone()).collect();
                Wire::Grid(ScenarioGrid { axes })
            }
            Self::Table(table) => Wire::Table(table.to_wire()),
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Grid(axes) => axes.iter().map(|axis| points(&axis.grid)).product(),
            Self::Table(table) => table.lines.len(),
        }
    }

    /// The parameters, as they were typed.
    pub(super) fn names(&self) -> Vec<&str> {
        match self {
            Self::Grid(axes) => axes.iter().map(|axis| axis.name.as_str()).collect(),
            Self::Table(table) => table.parameters.iter().map(|(name, _)| name.as_str()).collect(),
        }
    }

    /// The parameters' values in a scenario; nothing where it is the base's, or where there
    /// is no such scenario.
    pub(super) fn values(&self, scenario: usize) -> Vec<Option<f64>> {
        match self {
            Self::Grid(axes) => {
                let known = scenario < self.count();
                let places = places(axes, scenario);
                let values = axes.iter().zip(places);
                values.map(|(axis, place)| known.then(|| value(&axis.grid, place))).collect()
            }
            Self::Table(table) => {
                let width = table.parameters.len();
                let values = table.values.chunks(width).nth(scenario);
                values.map_or_else(|| vec![None; width], <[_]>::to_vec)
            }
        }
    }

    /// What a scenario changes, for people.
    pub(super) fn told(&self, scenario: usize) -> String {
        let values = self.names().into_iter().zip(self.values(scenario));
        let told = values.filter_map(|(name, x)| Some(format!("{name}={}", number(x?))));
        told.collect::<Vec<_>>().join(" ")
    }

    /// How wide the values of each parameter are, as people read them.
    pub(super) fn widths(&self) -> Vec<usize> {
        let width = |x: f64| number(x).chars().count();
        match self {
            Self::Grid(axes) => axes
                .iter()
                .map(|axis| {
                    let places = 0..points(&axis.grid);
                    places.map(|place| width(value(&axis.grid, place))).max().unwrap_or(0)
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

    /// The labels: none, or one each.
    pub(super) fn labels(&self) -> &[String] {
        match self {
            Self::Grid(_) => &[],
            Self::Table(table) => &table.labels,
        }
    }

    /// How many curves a picture of its answers has, one for each combination of all axes but
    /// the last; `None` for a table.
    pub(super) fn curves(&self) -> Option<usize> {
        match self {
            Self::Grid(axes) => Some(self.count() / axes.last().map_or(1, |it| points(&it.grid))),
            Self::Table(_) => None,
        }
    }

    /// The last parameter, and over it a curve for each combination of the others. The numbers
    /// are those of all scenarios.
    pub(super) fn drawn(&self, numbers: &[Option<f64>]) -> (&str, Vec<Curve>) {
        let Self::Grid(axes) = self else { return ("", Vec::new()) };
        let Some((last, others)) = axes.split_last() else { return ("", Vec::new()) };
        let points = points(&last.grid);
        let curve = |(index, numbers): (usize, &[Option<f64>])| {
            let given = others.iter().zip(self.values(index * points));
            let name = given.map(|(axis, x)| format!("{}={}", axis.name, number(x.unwrap_or(0.0))));
            let points = numbers.iter().enumerate();
            Curve {
                name: name.collect::<Vec<_>>().join(" "),
                points: points.map(|(place, &y)| (value(&last.grid, place), y)).collect(),
            }
        };
        (&last.name, numbers.chunks(points).enumerate().map(curve).collect())
    }

    /// Where that is which a field of the request names: an option, or a place in `file`.
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
            return Err(format!("line {line}: {found} of {width} cells"));
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

    /// Dense where every scenario has all values, sparse otherwise.
    fn to_wire(&self) -> ScenarioTable {
        let parameters = self.parameters.iter().map(|(_, parameter)| parameter.clone()).collect();
        let mut table =
            ScenarioTable { parameters, labels: self.labels.clone(), ..ScenarioTable::default() };
        table.values = self.values.iter().filter_map(|&value| value).collect();
        if table.values.len() == self.values.len() {
            return table;
        }
        table.starts.push(0);
        for values in self.values.chunks(self.parameters.len()) {
            let given = (0..).zip(values).filter(|(_, value)| value.is_some());
            table.parameter_indices.extend(given.map(|(index, _)| index));
            let end = i32::try_from(table.parameter_indices.len()).unwrap_or(i32::MAX);
            table.starts.push(end);
        }
        table
    }

    /// The line and the parameter of a value that was submitted.
    fn at(&self, submitted: usize) -> Option<(usize, &str)> {
        let mut given = self.values.iter().enumerate().filter(|(_, value)| value.is_some());
        let (at, _) = given.nth(submitted)?;
        let width = self.parameters.len();
        Some((*self.lines.get(at / width)?, &self.parameters.get(at % width)?.0))
    }
}

/// How many values an axis has.
pub(super) fn points(axis: &GridAxis) -> usize {
    if axis.values.is_empty() {
        usize::try_from(axis.points).unwrap_or(0)
    } else {
        axis.values.len()
    }
}

/// The value of an axis at a place, by the formula by which workers find it: each end is met
/// exactly.
fn value(axis: &GridAxis, place: usize) -> f64 {
    if let Some(value) = axis.values.get(place) {
        return *value;
    }
    let (from, to, last) = (axis.from(), axis.to(), points(axis).saturating_sub(1));
    match place {
        0 => from,
        place if place >= last => to,
        place => {
            let share = place as f64 / last as f64;
            from * (1.0 - share) + to * share
        }
    }
}

/// The place of a scenario on each axis.
fn places(axes: &[Axis], scenario: usize) -> Vec<usize> {
    let mut rest = scenario;
    let mut places: Vec<_> = axes
        .iter()
        .rev()
        .map(|axis| {
            let points = points(&axis.grid).max(1);
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

    use super::*;

    fn grid(specs: &[&str]) -> Plan {
        Plan::grid(specs.iter().map(|text| spec::axis(text).unwrap()).collect()).unwrap()
    }

    #[test]
    fn a_grid_has_all_combinations_and_the_last_axis_is_the_fastest() {
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
    fn too_many_scenarios_are_refused_before_they_are_counted_out() {
        let axis = spec::axis("obj:x=1..3/2000000000").unwrap();
        assert!(Plan::grid(vec![axis.clone()]).unwrap_err().contains("no mesh takes"));
        assert!(Plan::grid(vec![axis; 40]).is_err());
    }

    #[test]
    fn a_table_is_dense_where_every_cell_is_given() {
        let plan = Plan::table("label,obj:x,\"coef:c,x\"\nlow,1,2\nhigh, 3 ,inf\n").unwrap();
        assert_eq!((plan.count(), plan.names()), (2, vec!["obj:x", "coef:c,x"]));
        assert_eq!(plan.labels(), ["low", "high"]);
        let Wire::Table(table) = plan.to_wire() else { panic!("a table") };
        assert_eq!(table.values, [1.0, 2.0, 3.0, f64::INFINITY]);
        assert!(table.starts.is_empty() && table.parameter_indices.is_empty());
        assert_eq!(table.parameters[1].constraint, "c");
    }

    #[test]
    fn an_empty_cell_is_the_value_of_the_base() {
        let plan = Plan::table("obj:x,rhs:c\n,2\n,\n3,4\n").unwrap();
        let Wire::Table(table) = plan.to_wire() else { panic!("a table") };
        assert_eq!(table.starts, [0, 1, 1, 3]);
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
    fn faults_of_a_table_tell_their_places() {
        for (text, expected) in [
            ("", "has no header"),
            ("obj:x\n", "has a header, and no scenario"),
            ("label\na\n", "line 1, column 1: there is no parameter"),
            ("label,obj:x,label\n", "line 1, column 13: a second column `label`"),
            ("obj:x,obj:x\n1,2\n", "line 1, column 7: a second column `obj:x`"),
            ("obj:x,cost:y\n1,2\n", "line 1, column 7: `cost` is none of obj"),
            ("obj:x,coef:c,x\n1,2\n", "line 1, column 7: `,` and the name of a variable"),
            ("obj:x,rhs:c\n1\n", "line 2: 1 of 2 cells"),
            ("obj:x\n1\nten\n", "line 3, column 1: `ten` is no number"),
        ] {
            let told = Plan::table(text).unwrap_err();
            assert!(told.starts_with(expected), "{text:?}: {told}");
        }
    }

    proptest! {
        #[test]
        fn a_table_of_any_text_is_read_or_told_what_is_wrong(text in "(label,)?obj:x,rhs:c\n[0-9,.\"\n\r a]{0,40}") {
            match Plan::table(&text) {
                Err(wrong) => prop_assert!(!wrong.is_empty()),
                Ok(plan) => {
                    let given = (0..plan.count()).map(|at| plan.values(at).iter().flatten().count());
                    let Wire::Table(table) = plan.to_wire() else { panic!("a table") };
                    prop_assert_eq!(given.sum::<usize>(), table.values.len());
                    prop_assert!(table.starts.is_empty() || table.starts.len() == plan.count() + 1);
                    prop_assert!(table.labels.is_empty() || table.labels.len() == plan.count());
                }
            }
        }

        #[test]
        fn the_ends_of_an_axis_are_met_and_its_values_ascend(
            from in -1e6..1e6_f64, step in 1e-3..1e6_f64, points in 2..200_i32,
        ) {
            let to = from + step;
            let axis =
                GridAxis { from: Some(from), to: Some(to), points, ..GridAxis::default() };
            let count = super::points(&axis);
            prop_assert_eq!((value(&axis, 0), value(&axis, count - 1)), (from, to));
            for place in 1..count {
                prop_assert!(value(&axis, place - 1) < value(&axis, place));
            }
        }
    }
}
