use solvemesh::v1::{
    GridAxis, LinearModel, ParameterKind, ScenarioParameter, ScenarioTable, Sweep, sweep,
};

/// A number of a model that a scenario can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// The objective coefficient of a variable.
    Objective(usize),
    /// The constant of the objective.
    Offset,
    /// The lower bound of a variable.
    VariableLower(usize),
    /// The upper bound of a variable.
    VariableUpper(usize),
    /// Both bounds of a variable.
    VariableFixed(usize),
    /// The lower bound of a constraint.
    ConstraintLower(usize),
    /// The upper bound of a constraint.
    ConstraintUpper(usize),
    /// Both bounds of a constraint.
    ConstraintEqual(usize),
    /// A coefficient of the matrix.
    Coefficient {
        /// The constraint.
        row: usize,
        /// The variable.
        column: usize,
    },
}

impl Target {
    /// The single numbers of the model that this is: two for a pair of bounds.
    pub(super) fn numbers(self) -> impl Iterator<Item = Target> {
        let (first, second) = match self {
            Self::VariableFixed(column) => {
                (Self::VariableLower(column), Some(Self::VariableUpper(column)))
            }
            Self::ConstraintEqual(row) => {
                (Self::ConstraintLower(row), Some(Self::ConstraintUpper(row)))
            }
            single => (single, None),
        };
        std::iter::once(first).chain(second)
    }
}

/// A change of a scenario to the base model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// The number that is changed.
    pub target: Target,
    /// Its value in the scenario.
    pub value: f64,
}

/// The scenarios of a sweep in normal form.
#[derive(Clone, Debug)]
pub struct Scenarios {
    sweep: Sweep,
    targets: Vec<Target>,
    count: usize,
}

impl Scenarios {
    /// Reads a sweep in normal form. `None` if it is not in normal form, or does not fit its
    /// base `model`.
    pub fn of(sweep: Sweep, model: &LinearModel) -> Option<Self> {
        let parameters: Vec<&ScenarioParameter> = match sweep.scenarios.as_ref()? {
            sweep::Scenarios::Table(table) => table.parameters.iter().collect(),
            sweep::Scenarios::Grid(grid) => {
                grid.axes.iter().map(|axis| axis.parameter.as_ref()).collect::<Option<_>>()?
            }
        };
        let targets: Vec<_> =
            parameters.iter().map(|it| target(it, model)).collect::<Option<_>>()?;
        let count = match sweep.scenarios.as_ref()? {
            sweep::Scenarios::Table(table) => table_count(table, targets.len())?,
            sweep::Scenarios::Grid(grid) => {
                grid.axes.iter().map(grid_points).try_fold(1_usize, usize::checked_mul)?
            }
        };
        Some(Self { sweep, targets, count })
    }

    /// The number of scenarios.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The sweep in normal form.
    pub fn sweep(&self) -> &Sweep {
        &self.sweep
    }

    /// The sweep in normal form.
    pub fn into_sweep(self) -> Sweep {
        self.sweep
    }

    /// The numbers that scenarios may change: one target for each parameter, in their order.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// The label of a scenario; empty if it has none.
    pub fn label(&self, scenario: usize) -> &str {
        match &self.sweep.scenarios {
            Some(sweep::Scenarios::Table(table)) => {
                table.labels.get(scenario).map_or("", String::as_str)
            }
            _ => "",
        }
    }

    /// The changes of a scenario to the base. Empty if there is no such scenario.
    pub fn changes(&self, scenario: usize) -> impl Iterator<Item = Change> {
        let (mut table, mut grid) = (None, None);
        if scenario < self.count {
            match &self.sweep.scenarios {
                Some(sweep::Scenarios::Table(it)) => table = Some(it),
                Some(sweep::Scenarios::Grid(it)) => grid = Some(it),
                None => {}
            }
        }
        let of_table = table
            .into_iter()
            .flat_map(move |table| entries_of(table, scenario, self.targets.len()));
        let of_grid = grid.into_iter().flat_map(move |grid| {
            let mut rest = scenario;
            // Scenarios of a grid are numbered with the last axis as the fastest.
            let axes = grid.axes.iter().enumerate().rev();
            axes.map(move |(index, axis)| {
                let points = grid_points(axis).max(1);
                let place = rest % points;
                rest /= points;
                (index, grid_value(axis, place))
            })
        });
        of_table
            .chain(of_grid)
            .filter_map(|(index, value)| Some(Change { target: *self.targets.get(index)?, value }))
    }

    /// The number of values on each axis of a grid; `None` for a table.
    pub(super) fn axes(&self) -> Option<Vec<usize>> {
        match &self.sweep.scenarios {
            Some(sweep::Scenarios::Grid(grid)) => Some(grid.axes.iter().map(grid_points).collect()),
            _ => None,
        }
    }

    /// The table; `None` for a grid.
    pub(super) fn table(&self) -> Option<&ScenarioTable> {
        match &self.sweep.scenarios {
            Some(sweep::Scenarios::Table(table)) => Some(table),
            _ => None,
        }
    }
}

/// The entries of a scenario of a table, as pairs of parameter index and value.
pub(super) fn entries_of(
    table: &ScenarioTable,
    scenario: usize,
    parameters: usize,
) -> impl Iterator<Item = (usize, f64)> {
    let sparse = !table.scenario_starts.is_empty();
    let range = if sparse {
        let at = |index: usize| {
            table.scenario_starts.get(index).map_or(0, |&start| usize::try_from(start).unwrap_or(0))
        };
        at(scenario)..at(scenario + 1)
    } else {
        scenario * parameters..(scenario + 1) * parameters
    };
    range.filter_map(move |at| {
        let parameter = if sparse {
            usize::try_from(*table.parameter_indices.get(at)?).ok()?
        } else {
            at % parameters
        };
        Some((parameter, *table.values.get(at)?))
    })
}

/// The number of values on an axis.
pub fn grid_points(axis: &GridAxis) -> usize {
    if axis.values.is_empty() {
        usize::try_from(axis.point_count).unwrap_or(0)
    } else {
        axis.values.len()
    }
}

/// The value on an axis at a place, counted from 0.
pub fn grid_value(axis: &GridAxis, place: usize) -> f64 {
    if let Some(value) = axis.values.get(place) {
        return *value;
    }
    let (first, last) = (axis.first(), axis.last());
    let last_place = grid_points(axis).saturating_sub(1);
    if place == 0 {
        first
    } else if place >= last_place {
        last
    } else {
        // Interpolated, because adding up steps would add up rounding errors. The ends are
        // exact, see above.
        let share = place as f64 / last_place as f64;
        first * (1.0 - share) + last * share
    }
}

/// The number of scenarios of a table in normal form; `None` if its arrays do not fit together.
fn table_count(table: &ScenarioTable, parameters: usize) -> Option<usize> {
    let count = usize::try_from(table.scenario_count?).ok()?;
    let fits = if table.scenario_starts.is_empty() {
        table.parameter_indices.is_empty() && table.values.len() == count.checked_mul(parameters)?
    } else {
        // The starts have one entry more than there are scenarios: the end of the last one.
        table.scenario_starts.len() == count + 1
            && table.values.len() == table.parameter_indices.len()
    };
    (fits && (table.labels.is_empty() || table.labels.len() == count)).then_some(count)
}

/// The number of the model that a parameter in normal form refers to; `None` if it is invalid.
pub(super) fn target(parameter: &ScenarioParameter, model: &LinearModel) -> Option<Target> {
    let column = || {
        let index = usize::try_from(parameter.variable_index?).ok()?;
        (index < model.variable_lower.len()).then_some(index)
    };
    let row = || {
        let index = usize::try_from(parameter.constraint_index?).ok()?;
        (index < model.constraint_lower.len()).then_some(index)
    };
    Some(match parameter.kind() {
        ParameterKind::Unspecified => return None,
        ParameterKind::Objective => Target::Objective(column()?),
        ParameterKind::ObjectiveOffset => Target::Offset,
        ParameterKind::VariableLower => Target::VariableLower(column()?),
        ParameterKind::VariableUpper => Target::VariableUpper(column()?),
        ParameterKind::VariableFixed => Target::VariableFixed(column()?),
        ParameterKind::ConstraintLower => Target::ConstraintLower(row()?),
        ParameterKind::ConstraintUpper => Target::ConstraintUpper(row()?),
        ParameterKind::RightHandSide => {
            let row = row()?;
            // Only one finite bound, or two equal ones, can be called the right-hand side.
            match (model.constraint_lower[row].is_finite(), model.constraint_upper[row].is_finite())
            {
                (true, false) => Target::ConstraintLower(row),
                (false, true) => Target::ConstraintUpper(row),
                (true, true) if model.constraint_lower[row] == model.constraint_upper[row] => {
                    Target::ConstraintEqual(row)
                }
                _ => return None,
            }
        }
        ParameterKind::Coefficient => Target::Coefficient { row: row()?, column: column()? },
    })
}
