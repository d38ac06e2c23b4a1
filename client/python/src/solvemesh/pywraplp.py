"""OR-Tools' linear solver wrapper on the mesh.

>>> import solvemesh.pywraplp
>>> status = solvemesh.pywraplp.solve(solver)  # in place of solver.Solve()
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from ortools.linear_solver import linear_solver_pb2

from . import _plugin
from .enums import Sense, Status
from .errors import SolvemeshError
from .model import Csr, Model, Start
from .result import Result

_STATUSES = {
    Status.OPTIMAL: linear_solver_pb2.MPSOLVER_OPTIMAL,
    Status.FEASIBLE: linear_solver_pb2.MPSOLVER_FEASIBLE,
    Status.INFEASIBLE: linear_solver_pb2.MPSOLVER_INFEASIBLE,
    Status.UNBOUNDED: linear_solver_pb2.MPSOLVER_UNBOUNDED,
    Status.IMPRECISE: linear_solver_pb2.MPSOLVER_ABNORMAL,
}


class Answer(int):
    """A status of pywraplp, such as ``Solver.OPTIMAL``, with the result of the mesh."""

    result: Result


def solve(solver: Any, *, log: Any = False, **options: Any) -> Answer:
    """Solves the model of a ``pywraplp.Solver``, and gives it the values.

    Returns the status that ``Solve`` would, with the whole result of the mesh as ``result``. The
    solver that the object was made for is not used, and its parameters (``SetTimeLimit``) can't
    be read: give ``time_limit``, ``relative_gap``, ``threads`` here. ``log=True`` prints the
    solver's log. Hints (``SetHint``) start a model with integers. The others are arguments of
    ``Client.solve`` and of ``solvemesh.connect``.

    Raises ``SolvemeshError`` if the solve failed.
    """
    proto = linear_solver_pb2.MPModelProto()
    solver.ExportModelToProto(proto)
    general = [constraint.name for constraint in getattr(proto, "general_constraint", ())]
    _plugin.refuse("pywraplp", [(f"the general constraint {name!r}", True) for name in general])
    connection = _plugin.connection(options)
    arguments = {"start": _start(proto), **_plugin.options(options)}
    stream = sys.stdout if log is True else log
    result = _plugin.client(connection).solve(_model(proto), log=stream, **arguments)
    if result.status in (Status.OTHER_ERROR, Status.NUMERICAL_ERROR):
        raise SolvemeshError(f"job {result.job_id} is {result.status}: {result.detail}")
    response = _response(result)
    solver.LoadSolutionFromProto(response)
    answer = Answer(response.status)
    answer.result = result
    return answer


def _model(proto: Any) -> Model:
    variables, constraints = proto.variable, proto.constraint
    integers = np.array([variable.is_integer for variable in variables], bool)
    counts = [len(constraint.var_index) for constraint in constraints]
    columns = [index for constraint in constraints for index in constraint.var_index]
    values = [value for constraint in constraints for value in constraint.coefficient]
    return Model(
        objective=[variable.objective_coefficient for variable in variables],
        offset=proto.objective_offset,
        sense=Sense.MAXIMIZE if proto.maximize else Sense.MINIMIZE,
        lower=[variable.lower_bound for variable in variables],
        upper=[variable.upper_bound for variable in variables],
        kinds=np.where(integers, 2, 1) if integers.any() else None,
        matrix=Csr(
            np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]),
            np.asarray(columns, np.int32),
            np.asarray(values, np.float64),
        ),
        row_lower=[constraint.lower_bound for constraint in constraints],
        row_upper=[constraint.upper_bound for constraint in constraints],
        name=proto.name,
    )


def _start(proto: Any) -> Start | None:
    hint = proto.solution_hint
    integers = any(variable.is_integer for variable in proto.variable)
    if not integers or not hint.var_index:
        return None
    return Start(values=dict(zip(hint.var_index, hint.var_value, strict=True)))


def _response(result: Result) -> Any:
    status = _STATUSES.get(result.status, linear_solver_pb2.MPSOLVER_NOT_SOLVED)
    response = linear_solver_pb2.MPSolutionResponse(status=status)
    if status in (linear_solver_pb2.MPSOLVER_OPTIMAL, linear_solver_pb2.MPSOLVER_FEASIBLE):
        assert result.objective is not None
        response.objective_value = result.objective
        if result.bound is not None:
            response.best_objective_bound = result.bound
        response.variable_value.extend(result.x.tolist())
        if result.duals is not None:
            response.dual_value.extend(result.duals.tolist())
        if result.reduced_costs is not None:
            response.reduced_cost.extend(result.reduced_costs.tolist())
    return response
