//! Grids of scenarios: all combinations of the values on some axes.

use solvemesh::v1::{GridAxis, ParameterKind, ScenarioGrid, ScenarioParameter};

use super::{
    Base, check_count, fault,
    parameter::{normalise_parameters, normalise_value},
};
use crate::{
    Faults,
    normal::INFINITE,
    sweep::{
        Target,
        scenarios::{grid_points, grid_value},
    },
};

/// Validates a grid and converts it to normal form.
pub(super) fn normalise_grid(
    grid: &ScenarioGrid,
    base: &Base<'_>,
    max_scenarios: usize,
) -> Result<ScenarioGrid, Faults> {
    if grid.axes.is_empty() {
        return Err(fault("grid.axes", "is required"));
    }
    let mut parameters = Vec::with_capacity(grid.axes.len());
    for (index, axis) in grid.axes.iter().enumerate() {
        let Some(parameter) = &axis.parameter else {
            return Err(fault(format!("grid.axes[{index}].parameter"), "is required"));
        };
        parameters.push(parameter);
    }
    let at = |index: usize| format!("grid.axes[{index}].parameter");
    let (parameters, targets) = normalise_parameters(&parameters, at, base)?;
    let mut count = 1_usize;
    let mut axes = Vec::with_capacity(grid.axes.len());
    for (index, (axis, parameter)) in grid.axes.iter().zip(parameters).enumerate() {
        // Before the values of the axis are checked, which may be very many.
        count = count.saturating_mul(grid_points(axis));
        check_count("grid.axes", count, max_scenarios)?;
        axes.push(normalise_axis(axis, parameter, targets[index], index)?);
    }
    Ok(ScenarioGrid { axes })
}

/// Converts an axis of a grid, with `index` among its axes. It has either values, or two ends and
/// a number of points.
fn normalise_axis(
    axis: &GridAxis,
    parameter: ScenarioParameter,
    target: Target,
    index: usize,
) -> Result<GridAxis, Faults> {
    let field = |name: &str| format!("grid.axes[{index}].{name}");
    let stepped = axis.first.is_some() || axis.last.is_some() || axis.point_count != 0;
    let kind = parameter.kind();
    let mut normal = GridAxis { parameter: Some(parameter), ..axis.clone() };
    if !axis.values.is_empty() {
        if stepped {
            return Err(fault(
                field("values"),
                "cannot be combined with first, last and point_count",
            ));
        }
        for (place, asked) in axis.values.iter().enumerate() {
            normal.values[place] = normalise_value(kind, target, *asked)
                .map_err(|wrong| fault(field(&format!("values[{place}]")), wrong))?;
        }
        return Ok(normal);
    }
    check_ends(axis, field)?;
    check_points(axis, kind, target, field)?;
    Ok(normal)
}

/// Checks the ends of an axis without values, and the number of points between them.
fn check_ends(axis: &GridAxis, field: impl Fn(&str) -> String) -> Result<(), Faults> {
    for (name, end) in [("first", axis.first), ("last", axis.last)] {
        match end {
            None => return Err(fault(field(name), "is required where there are no values")),
            Some(end) if end.is_nan() || end.abs() >= INFINITE => {
                let wrong = format!("must be a finite number, below {INFINITE:e}, not {end}");
                return Err(fault(field(name), wrong));
            }
            Some(_) => {}
        }
    }
    // Two different ends are two points.
    let least = if axis.first == axis.last { 1 } else { 2 };
    if axis.point_count < least {
        return Err(fault(
            field("point_count"),
            format!("must be {least} or more, not {}", axis.point_count),
        ));
    }
    Ok(())
}

/// Checks the values of an axis between two ends.
fn check_points(
    axis: &GridAxis,
    kind: ParameterKind,
    target: Target,
    field: impl Fn(&str) -> String,
) -> Result<(), Faults> {
    // Between two allowed ends every value is allowed, except that a coefficient may get too
    // close to 0. So of other parameters only the ends are checked.
    for (name, place) in [("first", 0), ("last", grid_points(axis) - 1)] {
        normalise_value(kind, target, grid_value(axis, place))
            .map_err(|wrong| fault(field(name), wrong))?;
    }
    if matches!(target, Target::Coefficient { .. }) {
        for place in 0..grid_points(axis) {
            normalise_value(kind, target, grid_value(axis, place))
                .map_err(|wrong| fault(field("point_count"), wrong))?;
        }
    }
    Ok(())
}
