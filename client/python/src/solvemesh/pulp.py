"""PuLP on the mesh.

>>> import pulp
>>> from solvemesh.pulp import SolveMesh
>>> problem.solve(SolveMesh(timeLimit=60))

Importing this module also registers the name: ``pulp.getSolver("solvemesh", timeLimit=60)``. Works
with PuLP 3.3 and with PuLP 4.
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from typing import Any

import numpy as np
import pulp
from pulp import constants
from pulp.apis.core import LpSolver, PulpSolverError

from . import _plugin
from .enums import Limit, Sense, Status
from .errors import SolvemeshError, Unsupported
from .model import Csr, Model
from .result import Result

_V4 = hasattr(pulp.apis, "addSolver")


class SolveMesh(LpSolver):  # type: ignore[misc]
    """Solves a PuLP problem on a mesh.

    ``target``, ``token``, ``secure``, ``ca``, ``cert``, ``key``: see ``solvemesh.connect``.
    ``timeLimit``, ``gapRel``, ``gapAbs``, ``threads``, ``maxNodes``, ``maxMemory`` (in MB),
    ``logPath``, ``warmStart`` (the values of the variables, for models with integers), ``mip``
    and ``msg`` (print the solver's log): as for PuLP's other solvers. ``keep_names``: send the
    names, which makes the messages larger. ``labels``, ``deadline``, ``progress``: see
    ``Client.solve``. Everything else, and ``"name=value"`` in ``options``, is an option of the
    solver (``solver="highs"`` chooses it).

    After a solve, ``result`` has the whole result, with the job's id, the verification and the
    bound. Ctrl-C cancels the job and keeps the best solution found so far.
    """

    name = "solvemesh"

    def __init__(
        self,
        target: str | None = None,
        mip: bool = True,
        msg: bool = False,
        options: list[str] | None = None,
        timeLimit: float | None = None,
        *,
        gapRel: float | None = None,
        gapAbs: float | None = None,
        threads: int | None = None,
        maxNodes: int | None = None,
        maxMemory: float | None = None,
        logPath: str | None = None,
        warmStart: bool = False,
        keep_names: bool = False,
        labels: dict[str, str] | None = None,
        deadline: float | None = None,
        progress: Any = False,
        **solver_options: Any,
    ) -> None:
        self._connection = {"target": target, **_plugin.connection(solver_options)}
        super().__init__(
            mip=mip,
            msg=msg,
            options=options,
            timeLimit=timeLimit,
            gapRel=gapRel,
            gapAbs=gapAbs,
            threads=threads,
            maxNodes=maxNodes,
            maxMemory=maxMemory,
            logPath=logPath,
            warmStart=warmStart or None,
            **solver_options,
        )
        self._mesh = {"labels": labels, "deadline": deadline, "progress": progress}
        self.keep_names = keep_names
        self.result: Result | None = None
        """The result of the last solve."""

    def available(self) -> bool:
        """Whether the client can be used; opens no connection."""
        return _plugin.available()

    def copy(self) -> SolveMesh:
        """A copy, with all settings."""
        other: SolveMesh = super().copy()
        other.timeLimit = self.timeLimit
        other.optionsDict = dict(self.optionsDict)
        other._connection = dict(self._connection)
        other._mesh = dict(self._mesh)
        other.keep_names = self.keep_names
        return other

    def toDict(self) -> dict[str, Any]:
        """The settings, for ``pulp.getSolverFromDict``; without the token."""
        data: dict[str, Any] = super().toDict()
        kept = {**self._connection, **self._mesh, "keep_names": self.keep_names}
        data.update((name, value) for name, value in kept.items() if value and name != "token")
        return data

    to_dict = toDict

    def actualSolve(self, lp: Any, **kwargs: Any) -> Any:
        """Solves a problem; called by ``LpProblem.solve``."""
        clocks = pulp.apis.core.clocks() if _V4 else None
        variables, constraints = _parts(lp)
        model = self._model(lp, variables, constraints)
        try:
            self.result = self._solve(model, variables)
        except Unsupported:
            raise
        except SolvemeshError as error:
            raise PulpSolverError(f"solvemesh: {error}") from error
        _fill(self.result, variables, constraints)
        if _V4:
            status = getattr(constants.LpSolveStatus, _v4_status(self.result))
            has_solution = len(self.result.x) > 0
            bound = self.result.bound
            return self.buildStats(lp, status, has_solution, start=clocks, best_bound=bound)
        status, solution = _v3_status(self.result)
        lp.assignStatus(status, solution)
        return status

    def _model(self, lp: Any, variables: list[Any], constraints: list[Any]) -> Model:
        has_sos = lp.has_sos() if hasattr(lp, "has_sos") else bool(lp.sos1 or lp.sos2)
        _plugin.refuse("PuLP", [("SOS constraints", has_sos)])
        place = {_key(variable): at for at, variable in enumerate(variables)}
        starts, columns, values = [0], [], []
        for constraint in constraints:
            for variable, value in constraint.items():
                columns.append(place[_key(variable)])
                values.append(value)
            starts.append(len(columns))
        objective = np.zeros(len(variables))
        for variable, value in lp.objective.items():
            objective[place[_key(variable)]] = value
        # The constant of a constraint is on its left side.
        sides = np.array([-constraint.constant for constraint in constraints], np.float64)
        senses = np.array([constraint.sense for constraint in constraints], np.int8)
        integers = [self.mip and v.cat == constants.LpInteger for v in variables]
        return Model(
            objective=objective,
            offset=lp.objective.constant,
            sense=Sense.MAXIMIZE if lp.sense == constants.LpMaximize else Sense.MINIMIZE,
            lower=[-np.inf if v.lowBound is None else v.lowBound for v in variables],
            upper=[np.inf if v.upBound is None else v.upBound for v in variables],
            kinds=np.where(integers, 2, 1) if any(integers) else None,
            matrix=Csr(np.array(starts), np.array(columns, np.int64), np.array(values, float)),
            row_lower=np.where(senses == constants.LpConstraintLE, -np.inf, sides),
            row_upper=np.where(senses == constants.LpConstraintGE, np.inf, sides),
            variable_names=[v.name for v in variables] if self.keep_names else None,
            constraint_names=[c.name or "" for c in constraints] if self.keep_names else None,
            name=lp.name or "",
        )

    def _solve(self, model: Model, variables: list[Any]) -> Result:
        settings = dict(self.optionsDict)
        memory = settings.pop("maxMemory", None)
        log_path = settings.pop("logPath", None)
        start = None
        if settings.pop("warmStart", False) and model.is_mip:
            values = [np.nan if v.varValue is None else v.varValue for v in variables]
            start = values if not np.isnan(values).all() else None
        for option in self.options:
            name, equals, value = str(option).strip().partition("=")
            if not equals:
                raise PulpSolverError(f"an option must be name=value, not {option!r}")
            settings[name.strip()] = value.strip()
        options = _plugin.options({**settings, "time_limit": self.timeLimit})
        for name, kind in (("threads", int), ("relative_gap", float), ("absolute_gap", float)):
            if name in options:
                options[name] = kind(options[name])
        if memory is not None:
            options["memory_limit_bytes"] = int(memory * 1_000_000)
        with ExitStack() as stack:
            log: Any = bool(self.msg)
            if log_path is not None:
                log = stack.enter_context(open(os.fspath(log_path), "w"))
                log = _plugin.Streams(log, sys.stdout) if self.msg else log
            mesh = {**self._mesh, "start": start, "log": log}
            return _plugin.client(self._connection).solve(model, **options, **mesh)


def _parts(lp: Any) -> tuple[list[Any], list[Any]]:
    """The variables and the constraints, in the order of the model that is sent."""
    return list(lp.exported_variables() if _V4 else lp.variables()), list(lp.constraints())


def _key(variable: Any) -> Any:
    """PuLP 4 returns a new object for a variable at each access; only the id stays the same."""
    return variable.id if _V4 else variable


def _fill(result: Result, variables: list[Any], constraints: list[Any]) -> None:
    """Gives variables and constraints their values."""
    if len(result.x) == 0 and len(variables) > 0:
        for variable in variables:
            variable.varValue = None
        return
    for variable, value in zip(variables, result.x.tolist(), strict=True):
        variable.varValue = value
    if result.reduced_costs is not None:
        for variable, value in zip(variables, result.reduced_costs.tolist(), strict=True):
            variable.dj = value
    for constraint, activity in zip(constraints, result.activities.tolist(), strict=True):
        excess = constraint.constant + activity
        constraint.slack = -excess if constraint.sense == constants.LpConstraintLE else excess
    if result.duals is not None:
        for constraint, value in zip(constraints, result.duals.tolist(), strict=True):
            constraint.pi = value


def _v3_status(result: Result) -> tuple[int, int]:
    """The status of the problem and of the solution."""
    has_solution = len(result.x) > 0
    if result.status is Status.OPTIMAL:
        return constants.LpStatusOptimal, constants.LpSolutionOptimal
    if result.status in (Status.FEASIBLE, Status.IMPRECISE) and has_solution:
        return constants.LpStatusOptimal, constants.LpSolutionIntegerFeasible
    if result.status is Status.INFEASIBLE:
        return constants.LpStatusInfeasible, constants.LpSolutionInfeasible
    if result.status is Status.UNBOUNDED:
        return constants.LpStatusUnbounded, constants.LpSolutionUnbounded
    if result.status is Status.NO_SOLUTION_FOUND:
        return constants.LpStatusNotSolved, constants.LpSolutionNoSolutionFound
    if result.status is Status.OTHER_ERROR:
        raise PulpSolverError(f"solvemesh: job {result.job_id}: {result.detail}")
    return constants.LpStatusUndefined, constants.LpSolutionNoSolutionFound


def _v4_status(result: Result) -> str:
    """The name of a member of ``LpSolveStatus``."""
    if result.status in (Status.FEASIBLE, Status.NO_SOLUTION_FOUND):
        return {
            Limit.TIME: "TimeLimit",
            Limit.ITERATION: "IterationLimit",
            Limit.NODE: "NodeLimit",
            Limit.SOLUTION: "SolutionLimit",
            Limit.OBJECTIVE: "GapLimit",
            Limit.MEMORY: "MemoryLimit",
            Limit.INTERRUPTED: "Interrupted",
        }.get(result.limit or Limit.OTHER, "Stopped")
    if result.status is Status.OTHER_ERROR:
        raise PulpSolverError(f"solvemesh: job {result.job_id}: {result.detail}")
    return {
        Status.OPTIMAL: "Optimal",
        Status.INFEASIBLE: "Infeasible",
        Status.UNBOUNDED: "Unbounded",
        Status.IMPRECISE: "NumericalError",
        Status.NUMERICAL_ERROR: "NumericalError",
    }.get(result.status, "Undefined")


def _register() -> None:
    solvers = pulp.apis._all_solvers
    if any(solver.name == SolveMesh.name for solver in solvers):
        return
    if _V4:
        pulp.apis.addSolver(SolveMesh)
    else:
        solvers.append(SolveMesh)


_register()
