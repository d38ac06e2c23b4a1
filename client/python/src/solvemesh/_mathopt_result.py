"""Results of the mesh as MathOpt's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from ortools.math_opt import result_pb2, solution_pb2

from .enums import Limit, Sense, Status
from .model import Model
from .result import Result

_REASONS = {status: f"TERMINATION_REASON_{status.value}" for status in Status}
_LIMITS = {limit: f"LIMIT_{limit.value}" for limit in Limit}
_FEASIBLE, _INFEASIBLE, _UNDETERMINED = 2, 3, 1
# Our statuses of a basis, as MathOpt's; those that are not basic at a fixed value or free.
_BASIS = {1: 2, 2: 5, 3: 3, 4: 1, 5: 4}


def converted_result(result: Result, proto: Any, model: Model) -> Any:
    """A ``SolveResultProto``; the reasons have the same names on both sides."""
    maximize = model.sense is Sense.MAXIMIZE
    found = result_pb2.SolveResultProto()
    end = found.termination
    end.reason = result_pb2.TerminationReasonProto.Value(
        _REASONS.get(result.status, "TERMINATION_REASON_OTHER_ERROR")
    )
    if result.limit is not None and result.status in (Status.FEASIBLE, Status.NO_SOLUTION_FOUND):
        end.limit = result_pb2.LimitProto.Value(_LIMITS.get(result.limit, "LIMIT_UNDETERMINED"))
    end.detail = f"job {result.job_id}: {result.detail}"
    _statuses(end.problem_status, result)
    worst = -math.inf if maximize else math.inf
    bounds = end.objective_bounds
    bounds.primal_bound = worst if result.objective is None else result.objective
    bounds.dual_bound = -worst if result.bound is None else result.bound
    if result.status is Status.INFEASIBLE:
        bounds.dual_bound = worst
    if result.status is Status.UNBOUNDED:
        bounds.primal_bound = -worst
    stats = found.solve_stats
    stats.solve_time.FromNanoseconds(int(result.seconds * 1e9))
    stats.simplex_iterations = result.simplex_iterations or 0
    stats.barrier_iterations = result.barrier_iterations or 0
    stats.node_count = result.nodes or 0
    if result.has_solution:
        _solution(found.solutions.add(), result, proto)
    if result.ray is not None:
        ids = np.array(proto.variables.ids)[result.ray.variables]
        ray = found.primal_rays.add().variable_values
        ray.ids.extend(ids.tolist())
        ray.values.extend(result.ray.values.tolist())
    return found


def _statuses(status: Any, result: Result) -> None:
    status.primal_status = _FEASIBLE if result.has_solution else _UNDETERMINED
    status.dual_status = _UNDETERMINED if result.bound is None else _FEASIBLE
    if result.status is Status.OPTIMAL:
        status.dual_status = _FEASIBLE
    elif result.status is Status.INFEASIBLE:
        status.primal_status, status.dual_status = _INFEASIBLE, _UNDETERMINED
    elif result.status is Status.UNBOUNDED:
        status.primal_status, status.dual_status = _FEASIBLE, _INFEASIBLE
    elif result.status is Status.INFEASIBLE_OR_UNBOUNDED:
        status.dual_status = status.primal_status = _UNDETERMINED
        status.primal_or_dual_infeasible = True


def _solution(solution: Any, result: Result, proto: Any) -> None:
    columns, rows = list(proto.variables.ids), list(proto.linear_constraints.ids)
    primal = solution.primal_solution
    _sparse(primal.variable_values, columns, result.x)
    primal.objective_value = result.objective
    precise = result.status in (Status.OPTIMAL, Status.FEASIBLE)
    primal.feasibility_status = (
        solution_pb2.SOLUTION_STATUS_FEASIBLE
        if precise
        else solution_pb2.SOLUTION_STATUS_UNDETERMINED
    )
    if result.duals is None or result.reduced_costs is None:
        return
    dual = solution.dual_solution
    _sparse(dual.dual_values, rows, result.duals)
    _sparse(dual.reduced_costs, columns, result.reduced_costs)
    optimal = result.status is Status.OPTIMAL
    dual.feasibility_status = (
        solution_pb2.SOLUTION_STATUS_FEASIBLE
        if optimal
        else solution_pb2.SOLUTION_STATUS_UNDETERMINED
    )
    if optimal:
        dual.objective_value = result.objective
    if result.basis is None:
        return
    basis = solution.basis
    for target, ids, statuses in (
        (basis.variable_status, columns, result.basis.variables),
        (basis.constraint_status, rows, result.basis.constraints),
    ):
        target.ids.extend(ids)
        target.values.extend(_BASIS[int(value)] for value in statuses)
    basis.basic_dual_feasibility = dual.feasibility_status


def _sparse(vector: Any, ids: list[int], values: Any) -> None:
    vector.ids.extend(ids)
    vector.values.extend(np.asarray(values).tolist())
