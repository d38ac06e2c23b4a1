"""The message of a sweep."""

from __future__ import annotations

import numpy as np

from .sweep import _KINDS, Parameter, Plan
from .v1 import sweep_pb2


def message(plan: Plan, *, stop_on_first: bool | float) -> sweep_pb2.Sweep:
    """Encodes the scenarios, the report and the target of a sweep."""
    sweep = sweep_pb2.Sweep()
    parameters = [_parameter(parameter) for parameter in plan.parameters]
    if plan.rows is None:
        for parameter, values in zip(parameters, plan.axes, strict=True):
            axis = sweep.grid.axes.add(parameter=parameter)
            axis.values.extend(values.tolist())
    else:
        _table(sweep.table, plan, parameters)
    variables, duals = plan.report.variables, plan.report.duals
    if isinstance(variables, bool):
        sweep.report.all_variables = variables
    else:
        sweep.report.variables.extend(variables)
    if isinstance(duals, bool):
        sweep.report.all_constraints = duals
    else:
        sweep.report.constraints.extend(duals)
    if stop_on_first is not False:
        sweep.stop_on_first.SetInParent()
        if stop_on_first is not True:
            sweep.stop_on_first.objective_target = float(stop_on_first)
    return sweep


def _table(
    table: sweep_pb2.ScenarioTable, plan: Plan, parameters: list[sweep_pb2.ScenarioParameter]
) -> None:
    rows = plan.rows
    assert rows is not None
    table.parameters.extend(parameters)
    table.labels.extend(plan.labels)
    given = ~np.isnan(rows)
    if given.all():
        table.values.extend(rows.ravel().tolist())
        table.scenario_count = len(rows)
        return
    table.values.extend(rows[given].tolist())
    table.parameter_indices.extend(np.nonzero(given)[1].tolist())
    table.scenario_starts.extend([0, *np.cumsum(given.sum(axis=1)).tolist()])


def _parameter(parameter: Parameter) -> sweep_pb2.ScenarioParameter:
    message = sweep_pb2.ScenarioParameter(
        kind=sweep_pb2.ParameterKind.Value(f"PARAMETER_KIND_{_KINDS[parameter.kind]}")
    )
    for what in ("variable", "constraint"):
        value = getattr(parameter, what)
        if isinstance(value, str):
            setattr(message, what, value)
        elif value is not None:
            setattr(message, f"{what}_index", int(value))
    return message
