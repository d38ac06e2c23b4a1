"""Sweeps of plug-ins: scenarios in terms of a library, as changes of a model's numbers."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .sweep import Parameter, Plan, Report, Shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .model import Model

Changes = Mapping[Parameter, float]
"""The numbers of the model that a scenario has, by what they are."""


@dataclass(frozen=True)
class Chosen:
    """Variables, or constraints, whose values to return."""

    positions: tuple[int, ...] = ()
    names: tuple[str, ...] = ()


def scenarios(given: Any) -> tuple[list[Any], list[dict[Any, Any]], NDArray[np.float64]]:
    """The keys of scenarios, the scenarios, and a number to show for each value.

    ``given`` is a mapping from keys to lists of values, which is the grid of all combinations, or
    a list of mappings from keys to values. A value that is not a number is shown by its position.
    """
    if isinstance(given, Mapping):
        axes = {key: list(values) for key, values in given.items()}
        if not axes:
            raise ValueError("a sweep must have at least one parameter")
        for key, values in axes.items():
            if not values:
                raise ValueError(f"the values of {key} must be a list with at least one entry")
        keys = list(axes)
        places = list(itertools.product(*(range(len(values)) for values in axes.values())))
        rows = [
            {key: axes[key][at] for key, at in zip(keys, place, strict=True)} for place in places
        ]
    else:
        rows = [dict(row) for row in given]
        if not rows:
            raise ValueError("a sweep must have at least one scenario")
        keys = list(dict.fromkeys(key for row in rows for key in row))
        if not keys:
            raise ValueError("a sweep must have at least one parameter")
        places = [(at,) * len(keys) for at in range(len(rows))]
    shown = np.full((len(rows), len(keys)), np.nan)
    for at, (row, place) in enumerate(zip(rows, places, strict=True)):
        for column, key in enumerate(keys):
            if key in row:
                number = np.ndim(row[key]) == 0 and not isinstance(row[key], Mapping)
                shown[at, column] = float(row[key]) if number else place[column]
    return keys, rows, shown


def plan(
    changes: Sequence[Changes],
    base: Changes,
    names: Iterable[str],
    shown: NDArray[np.float64],
    *,
    variables: Chosen,
    duals: Chosen,
    labels: Sequence[str] = (),
) -> Plan:
    """The plan of a sweep with these changes of a model that has the numbers ``base``."""
    if labels and len(labels) != len(changes):
        raise ValueError(f"there are {len(labels)} labels for {len(changes)} scenarios")
    columns: dict[Parameter, int] = {}
    for change in changes:
        for parameter, value in change.items():
            if base.get(parameter) != value:
                columns.setdefault(parameter, len(columns))
    if not columns:
        # All scenarios are as the model, and a sweep must have a parameter.
        columns[next(iter(base))] = 0
    rows = np.full((len(changes), len(columns)), np.nan)
    for at, change in enumerate(changes):
        for parameter, value in change.items():
            column = columns.get(parameter)
            if column is not None:
                rows[at, column] = value
    # A sweep's table must have a value in each row that says so.
    empty = np.isnan(rows).all(axis=1)
    if empty.any():
        parameter = next(iter(columns))
        rows[empty, 0] = base[parameter]
    report = Report(
        variables=[f"x{at}" for at in variables.positions],
        duals=[f"c{at}" for at in duals.positions],
    )
    return Plan(
        tuple(columns),
        rows=rows,
        labels=tuple(map(str, labels)),
        report=report,
        shown=Shown(tuple(names), shown, variables.names, duals.names),
    )


def named(model: Model, plan: Plan) -> Model:
    """The model with names, if the report needs them: it selects by name."""
    if not plan.report.variables and not plan.report.duals:
        return model
    return replace(
        model,
        variable_names=[f"x{at}" for at in range(model.variable_count)],
        constraint_names=[f"c{at}" for at in range(model.constraint_count)],
    )
