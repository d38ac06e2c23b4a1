"""MathOpt models as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _plugin
from .enums import Sense
from .model import Basis, Csr, Model, Start

# MathOpt's numbers for FREE, AT_LOWER_BOUND, AT_UPPER_BOUND, FIXED_VALUE and BASIC.
_BASIS = {1: 4, 2: 1, 3: 3, 4: 5, 5: 2}


def converted_model(proto: Any, names: bool) -> Model:
    """A MathOpt model as arrays. Raises ``Unsupported`` for what is not linear."""
    objective = proto.objective
    _plugin.refuse(
        "MathOpt",
        [
            ("a quadratic objective", len(objective.quadratic_coefficients.row_ids) > 0),
            ("auxiliary objectives", len(proto.auxiliary_objectives) > 0),
            ("quadratic constraints", len(proto.quadratic_constraints) > 0),
            ("second-order cone constraints", len(proto.second_order_cone_constraints) > 0),
            ("SOS constraints", len(proto.sos1_constraints) + len(proto.sos2_constraints) > 0),
            ("indicator constraints", len(proto.indicator_constraints) > 0),
        ],
    )
    variables, rows = proto.variables, proto.linear_constraints
    variable_ids, row_ids = np.array(variables.ids, np.int64), np.array(rows.ids, np.int64)
    costs = np.zeros(len(variable_ids))
    costs[_at(variable_ids, objective.linear_coefficients.ids)] = (
        objective.linear_coefficients.values
    )
    matrix = proto.linear_constraint_matrix
    # The entries are sorted by row.
    entry_rows = _at(row_ids, matrix.row_ids)
    starts = np.concatenate(
        [[0], np.cumsum(np.bincount(entry_rows, minlength=len(row_ids)), dtype=np.int64)]
    )
    integers = np.array(variables.integers, bool)
    return Model(
        objective=costs,
        offset=objective.offset,
        sense=Sense.MAXIMIZE if objective.maximize else Sense.MINIMIZE,
        lower=np.array(variables.lower_bounds, np.float64),
        upper=np.array(variables.upper_bounds, np.float64),
        kinds=np.where(integers, 2, 1) if integers.any() else None,
        matrix=Csr(
            starts,
            _at(variable_ids, matrix.column_ids),
            np.array(matrix.coefficients, np.float64),
        ),
        row_lower=np.array(rows.lower_bounds, np.float64),
        row_upper=np.array(rows.upper_bounds, np.float64),
        variable_names=list(variables.names) if names and variables.names else None,
        constraint_names=list(rows.names) if names and rows.names else None,
        name=proto.name,
    )


def start(model_params: Any, proto: Any, model: Model) -> Start | None:
    """The first solution hint of a model with integers, or the initial basis of an LP."""
    given = model_params.to_proto()
    variable_ids = np.array(proto.variables.ids, np.int64)
    if model.is_mip:
        for hint in given.solution_hints:
            values = hint.variable_values
            places = _at(variable_ids, values.ids).tolist()
            return Start(values=dict(zip(places, values.values, strict=True)))
        return None
    if not given.HasField("initial_basis"):
        return None
    row_ids = np.array(proto.linear_constraints.ids, np.int64)
    basis = given.initial_basis
    return Start(
        basis=Basis(
            _statuses(basis.variable_status, variable_ids),
            _statuses(basis.constraint_status, row_ids),
        )
    )


def _statuses(given: Any, ids: Any) -> Any:
    statuses = np.full(len(ids), 5, np.uint8)
    statuses[_at(ids, given.ids)] = [_BASIS.get(int(value), 5) for value in given.values]
    return statuses


def _at(ids: Any, wanted: Any) -> Any:
    """The positions of ids, which are strictly increasing."""
    return np.searchsorted(ids, np.array(wanted, np.int64)).astype(np.int64)
