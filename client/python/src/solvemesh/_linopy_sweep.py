"""Sweeps of linopy models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import _plugin, _plugin_sweep
from ._linopy_model import converted_model
from ._plugin_sweep import Chosen
from .model import Model
from .sweep import Parameter
from .sweep_job import SweepJob

_OF_VARIABLES = ("obj", "lower", "upper", "fix")


def sweep(
    model: Any,
    scenarios: Any,
    *,
    variables: Sequence[Any] = (),
    duals: Sequence[Any] = (),
    labels: Sequence[str] = (),
    **options: Any,
) -> SweepJob:
    """Solves a linopy model for many scenarios, as one job.

    ``scenarios``: ``{"rhs:demand": [1, 2], "obj:flow": [3, 4]}`` is the grid of all combinations;
    ``[{"rhs:demand": 1, "obj:flow": 3}, {"rhs:demand": 2}]`` is a list. Keys are ``rhs:NAME`` of
    constraints, and ``obj:NAME``, ``lower:NAME``, ``upper:NAME`` and ``fix:NAME`` of variables;
    a value is one number for all of them, an array of their shape or a DataArray with their
    coordinates. What a scenario does not have is as in the model, which is not changed.
    ``variables`` and ``duals``: names of variables and constraints whose values to return.
    ``labels``: one for each scenario. The others are those of ``Client.sweep`` and
    ``solvemesh.connect``.

    Iterate over the result to get scenarios as they are found; ``frame()`` is all of them.
    """
    keys, rows, shown = _plugin_sweep.scenarios(scenarios)
    matrices = model.matrices
    converted = converted_model(model, matrices, [])
    numbers = _Numbers(model, matrices, converted)
    places = {key: numbers.places(key) for key in keys}
    changes = [
        {
            parameter: number
            for key, value in row.items()
            for parameter, number in numbers.changed(key, places[key], value)
        }
        for row in rows
    ]
    plan = _plugin_sweep.plan(
        changes,
        {parameter: numbers.base(parameter) for change in changes for parameter in change},
        map(str, keys),
        shown,
        variables=numbers.chosen(variables, model.variables),
        duals=numbers.chosen(duals, model.constraints),
        labels=labels,
    )
    connection = _plugin.connection(options)
    chosen = _plugin.options(options)
    return _plugin.client(connection).sweep(_plugin_sweep.named(converted, plan), plan, **chosen)


class _Numbers:
    """Which numbers of the model a key of a scenario is."""

    def __init__(self, model: Any, matrices: Any, converted: Model) -> None:
        self._model = model
        self._converted = converted
        self._senses = np.asarray(matrices.sense)
        self._columns = _positions(matrices.vlabels, model._xCounter)
        self._rows = _positions(matrices.clabels, model._cCounter)

    def places(self, key: Any) -> tuple[Any, np.ndarray[Any, Any]]:
        """The labels of a key's variables or constraints, and their positions; -1: masked."""
        kind, _, name = str(key).partition(":")
        if kind == "rhs":
            group, positions, what = self._model.constraints, self._rows, "constraint"
        elif kind in _OF_VARIABLES:
            group, positions, what = self._model.variables, self._columns, "variable"
        else:
            kinds = ", ".join(f"{kind}:NAME" for kind in ("rhs", *_OF_VARIABLES))
            raise ValueError(f"{key!r} must be one of {kinds}")
        if name not in group:
            raise ValueError(f"{key!r}: the model has no {what} {name!r}")
        labels = group[name].labels
        flat = labels.values.ravel()
        return labels, np.where(flat < 0, -1, positions[flat])

    def changed(
        self, key: Any, place: tuple[Any, Any], value: Any
    ) -> list[tuple[Parameter, float]]:
        """The numbers that a value of a key stands for."""
        labels, positions = place
        kind = str(key).partition(":")[0]
        if hasattr(value, "broadcast_like"):
            if not set(value.dims) <= set(labels.dims):
                raise ValueError(f"{key!r}: a value has the dimensions {value.dims}, not of it")
            value = value.reindex_like(labels, copy=False).broadcast_like(labels)
            array = value.transpose(*labels.dims).values
        else:
            try:
                array = np.broadcast_to(np.asarray(value, np.float64), labels.shape)
            except ValueError:
                raise ValueError(
                    f"{key!r}: a value has shape {np.shape(value)}, not {labels.shape}"
                ) from None
        found = []
        for at, number in zip(positions.tolist(), array.ravel().tolist(), strict=True):
            if at < 0:
                continue
            if number != number:
                raise ValueError(f"{key!r}: a value is NaN, or has not all coordinates")
            if kind == "rhs":
                sense = {"<": "row-upper", ">": "row-lower"}.get(self._senses[at], "rhs")
                found.append((Parameter(sense, constraint=at), number))
            else:
                found.append((Parameter(kind, variable=at), number))
        return found

    def base(self, parameter: Parameter) -> float:
        """The number of the model that a parameter stands for; NaN: two that differ."""
        model, kind = self._converted, parameter.kind
        at: Any = parameter.constraint if parameter.variable is None else parameter.variable
        low, high = np.asarray(model.lower), np.asarray(model.upper)
        if kind == "fix":
            return float(low[at]) if low[at] == high[at] else float("nan")
        array = {
            "obj": model.objective,
            "lower": low,
            "upper": high,
            "row-lower": model.row_lower,
            "row-upper": model.row_upper,
            "rhs": model.row_lower,
        }[kind]
        return float(np.asarray(array)[at])

    def chosen(self, names: Sequence[str], group: Any) -> Chosen:
        """Where the members of some variables or constraints are, without masked ones."""
        table = self._columns if group is self._model.variables else self._rows
        found: list[int] = []
        shown: list[str] = []
        for name in names:
            if name not in group:
                raise ValueError(f"the model has no {name!r} whose values could be returned")
            labels = group[name].labels
            coords = [labels.coords[dim].values.tolist() for dim in labels.dims]
            for index, label in np.ndenumerate(labels.values):
                if label < 0 or table[label] < 0:
                    continue
                members = [str(axis[at]) for axis, at in zip(coords, index, strict=True)]
                found.append(int(table[label]))
                shown.append(f"{name}[{','.join(members)}]" if members else str(name))
        return Chosen(tuple(found), tuple(shown))


def _positions(labels: Any, count: int) -> np.ndarray[Any, Any]:
    positions = np.full(count, -1)
    positions[labels] = np.arange(len(labels))
    return positions
