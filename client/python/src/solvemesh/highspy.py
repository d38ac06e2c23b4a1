"""``highspy.Highs`` whose solves run on the mesh.

>>> from solvemesh.highspy import Highs

in place of ``from highspy import Highs``. The model, the options and the start are kept by HiGHS
in this process as before; ``run``, ``solve``, ``optimize``, ``minimize`` and ``maximize`` send
them, and give the answer to the same object.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import highspy
import numpy as np
from highspy import HighsModelStatus, HighsStatus

from . import _plugin
from .enums import Limit, Sense, Status
from .model import Basis, Csr, Model, Start
from .result import Result

# HiGHS' own kinds, from 0: continuous, integer, semi-continuous, semi-integer, implicit integer.
_KINDS = np.array([1, 2, 4, 5, 2], np.uint8)
_LOCAL = frozenset({"output_flag", "log_to_console", "log_file", "log_dev_level", "log_githash"})
_NAMES = {
    "time_limit": "time_limit",
    "mip_rel_gap": "relative_gap",
    "mip_abs_gap": "absolute_gap",
    "threads": "threads",
    "random_seed": "seed",
}
_LIMITS = {
    Limit.TIME: HighsModelStatus.kTimeLimit,
    Limit.ITERATION: HighsModelStatus.kIterationLimit,
    Limit.NODE: HighsModelStatus.kSolutionLimit,
    Limit.SOLUTION: HighsModelStatus.kSolutionLimit,
    Limit.OBJECTIVE: HighsModelStatus.kObjectiveTarget,
    Limit.MEMORY: HighsModelStatus.kMemoryLimit,
    Limit.INTERRUPTED: HighsModelStatus.kInterrupt,
}
_STATUSES = {
    Status.OPTIMAL: HighsModelStatus.kOptimal,
    Status.INFEASIBLE: HighsModelStatus.kInfeasible,
    Status.UNBOUNDED: HighsModelStatus.kUnbounded,
    Status.INFEASIBLE_OR_UNBOUNDED: HighsModelStatus.kUnboundedOrInfeasible,
    Status.NUMERICAL_ERROR: HighsModelStatus.kSolveError,
    Status.OTHER_ERROR: HighsModelStatus.kSolveError,
}


class Highs(highspy.Highs):  # type: ignore[misc]
    """A ``highspy.Highs`` that solves on a mesh.

    ``target``, ``token``, ``secure``, ``ca``, ``cert``, ``key``: see ``solvemesh.connect``.
    Everything else (``labels``, ``deadline``, ``progress``, ``on_event``) is an argument of
    ``Client.solve``. ``result`` has the whole result of the last solve.

    Options that differ from HiGHS' defaults are sent; those that a job may not set are refused by
    the gateway, by name. Callbacks are not called. Ctrl-C cancels the job and keeps the best
    solution. Raises ``Unsupported`` for models with a Hessian or several objectives.
    """

    def __init__(self, target: str | None = None, **mesh: Any) -> None:
        super().__init__()
        self._connection = {"target": target, **_plugin.connection(mesh)}
        self._mesh = mesh
        self._start: list[float] | None = None
        self._solution = highspy.HighsSolution()
        self.result: Result | None = None

    def run(self) -> HighsStatus:
        """Solves on the mesh. Returns ``kOk``, or ``kWarning`` if a limit stopped the solve."""
        model = self._model()
        with ExitStack() as stack:
            result = self._solve(model, stack)
        self.result = result
        self._keep(result)
        limited = result.status in (Status.FEASIBLE, Status.NO_SOLUTION_FOUND, Status.IMPRECISE)
        if self.getModelStatus() == HighsModelStatus.kSolveError:
            return HighsStatus.kError
        return HighsStatus.kWarning if limited else HighsStatus.kOk

    def solve(self) -> HighsStatus:
        """Solves on the mesh: ``run``."""
        return self.run()

    def optimize(self) -> HighsStatus:
        """Solves on the mesh: ``run``."""
        return self.run()

    def setSolution(self, *arguments: Any) -> HighsStatus:
        """Sets a start for models with integers, as in highspy."""
        status = super().setSolution(*arguments)
        solution = super().getSolution()
        self._start = list(solution.col_value) if solution.value_valid else None
        return status

    def getModelStatus(self, *_: Any) -> HighsModelStatus:
        """The status of the last solve."""
        result = self.result
        if result is None:
            return HighsModelStatus.kNotset
        if result.limit is not None and result.limit in _LIMITS:
            return _LIMITS[result.limit]
        return _STATUSES.get(result.status, HighsModelStatus.kUnknown)

    def getSolution(self) -> highspy.HighsSolution:
        """The solution of the last solve."""
        return self._solution

    def val(self, var: Any) -> Any:
        """The value of a variable, a constraint or an expression, or of several in a mapping."""
        return self.internal_get_value(self._solution.col_value, var)

    def variableDual(self, var: Any) -> Any:
        """The reduced cost of a variable, or of several."""
        return self.internal_get_value(self._solution.col_dual, var)

    def constrValue(self, con: Any) -> Any:
        """The activity of a constraint, or of several."""
        return self.internal_get_value(self._solution.row_value, con)

    def constrDual(self, con: Any) -> Any:
        """The dual of a constraint, or of several."""
        return self.internal_get_value(self._solution.row_dual, con)

    # highspy's own read the solution of a solve in this process, past ``getSolution``.
    vals = variableValue = variableValues = val
    variableDuals = variableDual
    constrValues = constrValue
    constrDuals = constrDual

    def allVariableValues(self) -> list[float]:
        """The values of all variables."""
        return list(self._solution.col_value)

    def allVariableDuals(self) -> list[float]:
        """The reduced costs of all variables."""
        return list(self._solution.col_dual)

    def allConstrValues(self) -> list[float]:
        """The activities of all constraints."""
        return list(self._solution.row_value)

    def allConstrDuals(self) -> list[float]:
        """The duals of all constraints."""
        return list(self._solution.row_dual)

    def getObjectiveValue(self) -> float:
        """The objective of the solution, the offset included."""
        result = self.result
        return result.objective if result and result.objective is not None else 0.0

    def getRunTime(self) -> float:
        """Seconds inside the solver."""
        return 0.0 if self.result is None else self.result.seconds

    def getInfo(self) -> highspy.HighsInfo:
        """What is known about the last solve."""
        info, result = highspy.HighsInfo(), self.result
        if result is None:
            return info
        statuses: Any = highspy.SolutionStatus
        info.valid = True
        info.objective_function_value = self.getObjectiveValue()
        info.simplex_iteration_count = result.simplex_iterations or 0
        info.ipm_iteration_count = result.barrier_iterations or 0
        info.mip_node_count = result.nodes if result.nodes is not None else -1
        info.mip_gap = np.inf if result.gap is None else result.gap
        info.mip_dual_bound = -np.inf if result.bound is None else result.bound
        usable = len(result.x) > 0 and result.status is not Status.IMPRECISE
        feasible, none = statuses.kSolutionStatusFeasible, statuses.kSolutionStatusNone
        info.primal_solution_status = feasible if usable else none
        info.dual_solution_status = feasible if result.duals is not None else none
        if result.verification is not None:
            info.max_primal_infeasibility = result.verification.max_violation or 0.0
            info.max_integrality_violation = result.verification.integrality_violation or 0.0
            info.max_dual_infeasibility = result.verification.dual_violation or 0.0
        return info

    def getInfoValue(self, name: str) -> tuple[HighsStatus, Any]:
        """One value of ``getInfo``."""
        info = self.getInfo()
        if not hasattr(info, name):
            return HighsStatus.kError, 0
        return HighsStatus.kOk, getattr(info, name)

    def clear(self) -> HighsStatus:
        """Forgets the model, the options and the result."""
        self._forget()
        return super().clear()

    def clearModel(self) -> HighsStatus:
        """Forgets the model and the result."""
        self._forget()
        return super().clearModel()

    def clearSolver(self) -> HighsStatus:
        """Forgets the result and the start."""
        self._forget()
        return super().clearSolver()

    def passModel(self, *arguments: Any) -> HighsStatus:
        """Replaces the model, as in highspy, and forgets the result."""
        self._forget()
        return super().passModel(*arguments)

    def readModel(self, filename: str) -> HighsStatus:
        """Reads a model, as in highspy, and forgets the result."""
        self._forget()
        return super().readModel(filename)

    def _forget(self) -> None:
        self.result = self._start = None
        self._solution = highspy.HighsSolution()

    def _model(self) -> Model:
        _plugin.refuse(
            "HiGHS",
            [
                ("a Hessian (a quadratic objective)", self.getHessianNumNz() > 0),
                ("several objectives", self.getNumLinearObjectives() > 0),
            ],
        )
        lp = self.getLp()
        kinds = np.array([int(kind) for kind in lp.integrality_], np.intp)
        return Model(
            objective=lp.col_cost_,
            offset=lp.offset_,
            sense=Sense.MAXIMIZE if lp.sense_ == highspy.ObjSense.kMaximize else Sense.MINIMIZE,
            lower=lp.col_lower_,
            upper=lp.col_upper_,
            kinds=_KINDS[kinds] if kinds.any() else None,
            matrix=_by_rows(lp.a_matrix_, lp.num_row_),
            row_lower=lp.row_lower_,
            row_upper=lp.row_upper_,
            name=lp.model_name_,
        )

    def _solve(self, model: Model, stack: ExitStack) -> Result:
        options: dict[str, Any] = {"solver": "highs"}
        raw: dict[str, Any] = {}
        log_file = ""
        current, default = self.getOptions(), highspy.HighsOptions()
        for name in dir(default):
            if name.startswith("_") or getattr(current, name) == getattr(default, name):
                continue
            value = getattr(current, name)
            if name == "log_file":
                log_file = value
            elif name == "presolve":
                options["presolve"] = value == "on"
            elif name in _NAMES:
                options[_NAMES[name]] = value
            elif name not in _LOCAL:
                raw[name] = value
        log: Any = False
        if current.output_flag:
            streams = [sys.stdout] if current.log_to_console else []
            if log_file:
                streams.append(stack.enter_context(Path(log_file).open("a")))  # noqa: SIM115
            log = _plugin.Streams(*streams) if streams else False
        start: Start | None = None
        if model.is_mip and self._start is not None:
            start = Start(values=self._start)
        elif not model.is_mip and (basis := self.getBasis()).valid:
            # Ours are numbered from 1.
            statuses = [[int(s) + 1 for s in side] for side in (basis.col_status, basis.row_status)]
            start = Start(basis=Basis(np.array(statuses[0], int), np.array(statuses[1], int)))
        arguments = {"log": log, "start": start, "return_basis": not model.is_mip, **self._mesh}
        client = _plugin.client(self._connection)
        return client.solve(model, **options, solver_options=raw, **arguments)

    def _keep(self, result: Result) -> None:
        """Gives the basis to HiGHS, which keeps it as the model changes, and keeps the solution.

        HiGHS would take the solution too, but computes other reduced costs for it.
        """
        super().clearSolver()
        if result.basis is not None:
            basis = highspy.HighsBasis()
            kinds = list(highspy.HighsBasisStatus.__members__.values())
            basis.col_status = [kinds[status - 1] for status in result.basis.variables.tolist()]
            basis.row_status = [kinds[status - 1] for status in result.basis.constraints.tolist()]
            basis.valid = True
            super().setBasis(basis)
        self._solution = highspy.HighsSolution()
        if len(result.x):
            self._solution.value_valid = True
            self._solution.col_value = result.x.tolist()
            self._solution.row_value = result.activities.tolist()
        if result.duals is not None and result.reduced_costs is not None:
            self._solution.dual_valid = True
            self._solution.col_dual = result.reduced_costs.tolist()
            self._solution.row_dual = result.duals.tolist()


def _by_rows(matrix: Any, rows: int) -> Csr:
    """The matrix by rows, whichever way HiGHS has it at the time."""
    starts, indices = np.asarray(matrix.start_), np.asarray(matrix.index_, np.int64)
    values = np.asarray(matrix.value_, np.float64)
    count = int(starts[-1]) if len(starts) else 0
    indices, values = indices[:count], values[:count]
    if matrix.format_ != highspy.MatrixFormat.kColwise:
        return Csr(starts if len(starts) else np.zeros(1, int), indices, values)
    columns = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    order = np.argsort(indices, kind="stable")
    ends = np.cumsum(np.bincount(indices, minlength=rows))
    return Csr(np.concatenate([[0], ends]), columns[order], values[order])
