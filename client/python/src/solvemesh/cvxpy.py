"""cvxpy on the mesh.

>>> from solvemesh.cvxpy import SolveMesh
>>> problem.solve(solver=SolveMesh())
"""

from __future__ import annotations

import sys
from typing import Any

import cvxpy.settings as names
import numpy as np
from cvxpy.error import SolverError
from cvxpy.reductions.solution import Solution, failure_solution
from cvxpy.reductions.solvers import utilities
from cvxpy.reductions.solvers.conic_solvers.conic_solver import ConicSolver, dims_to_solver_dict

from . import _plugin
from .enums import Status
from .model import Model, Start
from .result import Result

_STATUSES = {
    Status.OPTIMAL: names.OPTIMAL,
    Status.IMPRECISE: names.OPTIMAL_INACCURATE,
    Status.FEASIBLE: names.USER_LIMIT,
    Status.INFEASIBLE: names.INFEASIBLE,
    Status.UNBOUNDED: names.UNBOUNDED,
    Status.INFEASIBLE_OR_UNBOUNDED: names.INFEASIBLE_OR_UNBOUNDED,
}


class SolveMesh(ConicSolver):  # type: ignore[misc]
    """The argument ``solver=`` of ``cvxpy.Problem.solve``.

    ``target``, ``token``, ``secure``, ``ca``, ``cert``, ``key``: see ``solvemesh.connect``.
    Everything else (``labels``, ``deadline``, ``progress``, ``time_limit``) is an argument of
    ``Client.solve``; options of ``solve`` itself go first. ``result`` has the whole result of the
    last solve. Use one object for all solves of a problem: with ``warm_start=True``, which is
    cvxpy's default, a model with integers starts from the solution before.
    """

    MIP_CAPABLE = True
    BOUNDED_VARIABLES = True
    MI_SUPPORTED_CONSTRAINTS = ConicSolver.SUPPORTED_CONSTRAINTS

    def __init__(self, target: str | None = None, **mesh: Any) -> None:
        super().__init__()
        self._connection = {"target": target, **_plugin.connection(mesh)}
        self._mesh = mesh
        self.result: Result | None = None

    def name(self) -> str:
        """The name in messages of cvxpy."""
        return "SOLVEMESH"

    def import_solver(self) -> None:
        """Nothing: the client is there."""

    def cite(self, data: Any) -> str:
        """Nothing to cite."""
        del data
        return ""

    def apply(self, problem: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The numbers of a problem, and what ``invert`` needs."""
        data, inverse = super().apply(problem)
        data[names.BOOL_IDX] = [int(index[0]) for index in problem.x.boolean_idx]
        data[names.INT_IDX] = [int(index[0]) for index in problem.x.integer_idx]
        inverse["is_mip"] = bool(data[names.BOOL_IDX] or data[names.INT_IDX])
        return data, inverse

    def solve_via_data(
        self,
        data: dict[str, Any],
        warm_start: bool,
        verbose: bool,
        solver_opts: dict[str, Any],
        solver_cache: dict[str, Any] | None = None,
    ) -> Result:
        """Solves the numbers of a problem; called by cvxpy."""
        model = _model(data)
        options = _plugin.options(solver_opts)
        before = (solver_cache or {}).get(self.name())
        if (
            warm_start
            and model.is_mip
            and before is not None
            and len(before) == len(np.asarray(model.objective))
        ):
            options.setdefault("start", Start(values=before))
        log: Any = sys.stdout if verbose else False
        arguments = {"log": log, **self._mesh, **options}
        result = _plugin.client(self._connection).solve(model, **arguments)
        self.result = result
        if solver_cache is not None and len(result.x):
            solver_cache[self.name()] = result.x
        if result.status in (Status.OTHER_ERROR, Status.NUMERICAL_ERROR):
            raise SolverError(f"job {result.job_id} is {result.status}: {result.detail}")
        return result

    def invert(self, results: Result, inverse_data: dict[str, Any], options: Any = None) -> Any:
        """The solution of the problem, from that of its numbers."""
        del options
        facts = {
            names.SOLVE_TIME: results.seconds,
            names.NUM_ITERS: results.simplex_iterations,
            names.EXTRA_STATS: {"job_id": results.job_id, "result": results},
        }
        # cvxpy reads values wherever the status says that there may be some.
        status = _STATUSES.get(results.status, names.SOLVER_ERROR)
        if status in names.SOLUTION_PRESENT and not results.has_solution:
            status = names.SOLVER_ERROR
        if status not in names.SOLUTION_PRESENT:
            return failure_solution(status, facts)
        duals = None
        if not inverse_data["is_mip"] and results.duals is not None:
            constraints = inverse_data[self.EQ_CONSTR] + inverse_data[self.NEQ_CONSTR]
            # cvxpy's multipliers are those of the Lagrangian of A x <= b.
            duals = utilities.get_dual_values(
                -results.duals, utilities.extract_dual_value, constraints
            )
        assert results.objective is not None
        objective = results.objective + inverse_data[names.OFFSET]
        values = {inverse_data[self.VAR_ID]: np.asarray(results.x)}
        return Solution(status, objective, values, duals, facts)


def _model(data: dict[str, Any]) -> Model:
    equalities = dims_to_solver_dict(data[names.DIMS])[names.EQ_DIM]
    sides = np.asarray(data[names.B], np.float64)
    lower = np.full(len(sides), -np.inf)
    lower[:equalities] = sides[:equalities]
    count = len(data[names.C])
    kinds = np.ones(count, np.uint8)
    bounds = []
    for name, infinity in ((names.LOWER_BOUNDS, -np.inf), (names.UPPER_BOUNDS, np.inf)):
        given = data.get(name)
        bounds.append(np.full(count, infinity) if given is None else np.array(given, np.float64))
    kinds[data[names.INT_IDX]] = 2
    kinds[data[names.BOOL_IDX]] = 2
    booleans = data[names.BOOL_IDX]
    bounds[0][booleans] = np.maximum(bounds[0][booleans], 0)
    bounds[1][booleans] = np.minimum(bounds[1][booleans], 1)
    return Model(
        objective=data[names.C],
        lower=bounds[0],
        upper=bounds[1],
        kinds=kinds if (kinds != 1).any() else None,
        matrix=data[names.A].tocsr(),
        row_lower=lower,
        row_upper=sides,
    )
