use solvemesh::v1::{GridAxis, LinearModel, Parameter, ParameterKind, ScenarioTable, Sweep, sweep};

/// A number of a model.
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

/// What a scenario changes in its base.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// Which number.
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
    /// Of a sweep in normal form and its base; `None` where it does not belong to that, or
    /// is in no normal form.
    pub fn of(sweep: Sweep, model: &LinearModel) -> Option<Self> {
        let parameters: Vec<&Parameter> = match sweep.scenarios.as_ref()? {
            sweep::Scenarios::Table(table) => table.parameters.iter().collect(),
            sweep::Scenarios::Grid(grid) => {
                grid.axes.iter().map(|axis| axis.parameter.as_ref()).collect::<Option<_>>()?
            }
        };
        let targets: Vec<_> =
            parameters.iter().map(|it| target(it, model)).collect::<Option<_>>()?;
        let count = match sweep.scenarios.as_ref()? {
            sweep::Scenarios::Table(table) => table_is_whole(table, targets.len())?,
            sweep::Scenarios::Grid(grid) => {
                grid.axes.iter().map(points).try_fold(1_usize, usize::checked_mul)?
            }
        };
        Some(Self { sweep, targets, count })
    }

    /// How many there are.
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

    /// What a scenario may change, at most.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// A scenario's label; empty where it has none.
    pub fn label(&self, scenario: usize) -> &str {
        match &self.sweep.scenarios {
            Some(sweep::Scenarios::Table(table)) => {
                table.labels.get(scenario).map_or("", String::as_str)
            }
            _ => "",
        }
    }

    /// What a scenario changes: nothing, where there is no such scenario.
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
            let axes = grid.axes.iter().enumerate().rev();
            axes.map(move |(index, axis)| {
                let points = points(axis).max(1);
                let place = rest % points;
                rest /= points;
                (index, value(axis, place))
            })
        });
        of_table
            .chain(of_grid)
            .filter_map(|(index, value)| Some(Change { target: *self.targets.get(index)?, value }))
    }

    /// The places of a scenario of a grid on its axes, the last first.
    pub(super) fn axes(&self) -> Option<Vec<usize>> {
        match &self.sweep.scenarios {
            Some(sweep::Scenarios::Grid(grid)) => Some(grid.axes.iter().map(points).collect()),
            _ => None,
        }
    }

    /// The table, if there is one.
    pub(super) fn table(&self) -> Option<&ScenarioTable> {
        match &self.sweep.scenarios {
            Some(sweep::Scenarios::Table(table)) => Some(table),
            _ => None,
        }
    }
}

/// The parameters of a scenario of a table and their values.
pub(super) fn entries_of(
    table: &ScenarioTable,
    scenario: usize,
    parameters: usize,
) -> impl Iterator<Item = (usize, f64)> {
    let sparse = !table.starts.is_empty();
    let range = if sparse {
        let at = |index: usize| {
            table.starts.get(index).map_or(0, |&start| usize::try_from(start).unwrap_or(0))
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

/// How many values an axis has.
pub(super) fn points(axis: &GridAxis) -> usize {
    if axis.values.is_empty() {
        usize::try_from(axis.points).unwrap_or(0)
    } else {
        axis.values.len()
    }
}

/// The value of an axis at a place.
pub(super) fn value(axis: &GridAxis, place: usize) -> f64 {
    if let Some(value) = axis.values.get(place) {
        return *value;
    }
    let (from, to) = (axis.from(), axis.to());
    let last = points(axis).saturating_sub(1);
    if place == 0 {
        from
    } else if place >= last {
        to
    } else {
        // Not by steps, which add up their errors; and each end is met exactly.
        let share = place as f64 / last as f64;
        from * (1.0 - share) + to * share
    }
}

/// How many scenarios a table in normal form has; `None` where its arrays don't fit.
fn table_is_whole(table: &ScenarioTable, parameters: usize) -> Option<usize> {
    let count = usize::try_from(table.count?).ok()?;
    let fits = if table.starts.is_empty() {
        table.parameter_indices.is_empty() && table.values.len() == count.checked_mul(parameters)?
    } else {
        table.starts.len() == count + 1 && table.values.len() == table.parameter_indices.len()
    };
    (fits && (table.labels.is_empty() || table.labels.len() == count)).then_some(count)
}

/// The number of a model that a parameter in normal form means.
pub(super) fn target(parameter: &Parameter, model: &LinearModel) -> Option<Target> {
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
