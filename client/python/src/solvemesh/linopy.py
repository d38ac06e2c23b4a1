"""linopy, and PyPSA, on the mesh.

>>> from solvemesh.linopy import Mesh
>>> model.solve(remote=Mesh())
>>> network.optimize(remote=Mesh())
"""

from __future__ import annotations

import sys
import warnings
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from linopy.constants import Result as LinopyResult
from linopy.constants import Solution, SolverReport
from linopy.constants import Status as LinopyStatus

from . import _plugin
from ._linopy_model import converted_model
from ._linopy_sweep import sweep
from .enums import Limit, Status
from .errors import SolvemeshError
from .result import Result

__all__ = ["Mesh", "solve", "sweep"]

_OURS = ("highs", "scip", "cbc", "clarabel", "microlp")
_CONDITIONS = {
    Status.OPTIMAL: "optimal",
    Status.IMPRECISE: "imprecise",
    Status.INFEASIBLE: "infeasible",
    Status.UNBOUNDED: "unbounded",
    Status.INFEASIBLE_OR_UNBOUNDED: "infeasible_or_unbounded",
}


class Mesh:
    """The argument ``remote=`` of ``linopy.Model.solve`` and of PyPSA's ``optimize``.

    ``target``, ``token``, ``secure``, ``ca``, ``cert``, ``key``: see ``solvemesh.connect``.
    Everything else (``labels``, ``deadline``, ``progress``, ``time_limit``) is an argument of
    ``Client.solve``; options of ``solve`` itself go first. ``result`` has the whole result of the
    last solve.
    """

    def __init__(self, target: str | None = None, **mesh: Any) -> None:
        self._connection = {"target": target, **_plugin.connection(mesh)}
        self._mesh = mesh
        self.result: Result | None = None

    def solve_on_remote(
        self,
        model: Any,
        *,
        solver_name: str | None = None,
        log_fn: Any = None,
        basis_fn: Any = None,
        warmstart_fn: Any = None,
        sanitize_zeros: bool = True,
        reformulate_sos: Any = False,
        io_api: Any = None,
        problem_fn: Any = None,
        solution_fn: Any = None,
        keep_files: bool = False,
        **solver_options: Any,
    ) -> Any:
        """Solves a model and gives it the values; called by ``linopy.Model.solve``.

        Raises ``Unsupported`` for quadratic objectives, SOS constraints and files of starts, and
        ``SolvemeshError`` if the solve failed.
        """
        del io_api, problem_fn, solution_fn, keep_files, reformulate_sos  # of local solvers
        if sanitize_zeros:
            model.constraints.sanitize_zeros()
        model.constraints.sanitize_infinities()
        matrices = model.matrices
        converted = converted_model(model, matrices, [basis_fn, warmstart_fn])
        options = self._options(solver_name, solver_options)
        with ExitStack() as stack:
            streams: list[Any] = [sys.stdout] if options.pop("_log", False) else []
            if log_fn is not None:
                streams.append(stack.enter_context(Path(log_fn).open("w")))
            log = _plugin.Streams(*streams) if streams else False
            arguments = {"log": log, **self._mesh, **options}
            result = _plugin.client(self._connection).solve(converted, **arguments)
        self.result = result
        if result.status in (Status.OTHER_ERROR, Status.NUMERICAL_ERROR):
            raise SolvemeshError(f"job {result.job_id} is {result.status}: {result.detail}")
        model.reset_solution()
        model.assign_result(_assigned(model, matrices, result))
        return _Answer(model, model.status == "ok" and result.has_solution)

    def _options(self, solver_name: str | None, raw: dict[str, Any]) -> dict[str, Any]:
        raw = dict(raw)
        console = raw.pop("log_to_console", False)
        options = _plugin.options(raw)
        options["_log"] = console
        if solver_name in _OURS:
            options.setdefault("solver", solver_name)
        elif solver_name is not None:
            # From the settings of a user who has that solver here.
            warnings.warn(f"solvemesh has no solver {solver_name!r}, and chooses one", stacklevel=4)
        return options


class _Answer:
    """What linopy reads of a remote solve whose values the model has already.

    It assigns the values of all variables again, which a model without a solution refuses to give,
    and the duals of those constraints that have some in the answer. None has, as a second
    assignment takes as long as the first.
    """

    def __init__(self, model: Any, solved: bool) -> None:
        self.status = model.status
        self.termination_condition = model.termination_condition
        self.objective = SimpleNamespace(value=model.objective.value if solved else None)
        self.variables: Any = model.variables
        if not solved:
            self.variables = {
                name: SimpleNamespace(solution=variable.labels.astype(float) * np.nan)
                for name, variable in model.variables.items()
            }
        self.constraints: dict[str, tuple[str, ...]] = dict.fromkeys(model.constraints, ())


def solve(model: Any, **options: Any) -> tuple[str, str]:
    """Solves a linopy model with ``Mesh(**options)``. Returns linopy's status and condition."""
    return model.solve(remote=Mesh(**options))


def _assigned(model: Any, matrices: Any, result: Result) -> LinopyResult:
    """The result as linopy wants it: arrays by label, where ours are by position."""
    solution = None
    if len(result.x) or result.objective is not None:
        primal = np.full(model._xCounter, np.nan)
        primal[matrices.vlabels] = result.x
        dual = np.empty(0)
        if result.duals is not None and len(result.duals):
            dual = np.full(model._cCounter, np.nan)
            dual[matrices.clabels] = result.duals
        solution = Solution(primal, dual, result.objective)
    report = SolverReport(
        runtime=result.seconds,
        mip_gap=result.gap,
        dual_bound=result.bound,
        barrier_iterations=result.barrier_iterations,
        simplex_iterations=result.simplex_iterations,
    )
    status = LinopyStatus.from_termination_condition(_condition(result))
    return LinopyResult(status, solution, None, "solvemesh", report)


def _condition(result: Result) -> str:
    """linopy throws away the solution of a condition that it counts as aborted."""
    if result.status in (Status.FEASIBLE, Status.NO_SOLUTION_FOUND):
        conditions = {Limit.TIME: "time_limit", Limit.ITERATION: "iteration_limit"}
        return conditions.get(result.limit or Limit.OTHER, "terminated_by_limit")
    return _CONDITIONS.get(result.status, "unknown")
