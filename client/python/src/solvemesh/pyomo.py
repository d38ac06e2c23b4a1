"""Pyomo on the mesh.

>>> import solvemesh.pyomo
>>> pyomo.environ.SolverFactory("solvemesh").solve(model, tee=True)

Importing this module registers ``solvemesh`` with Pyomo's solver factories, the old one and the new
one. Needs Pyomo 6.10 or later.
"""

from __future__ import annotations

import datetime
import io
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pyomo.common.collections import ComponentMap
from pyomo.common.config import ConfigValue
from pyomo.common.errors import InfeasibleConstraintException
from pyomo.contrib.solver.common.base import Availability, LegacySolverWrapper, SolverBase
from pyomo.contrib.solver.common.config import BranchAndBoundConfig
from pyomo.contrib.solver.common.factory import SolverFactory
from pyomo.contrib.solver.common.results import (
    Results,
    SolutionStatus,
    TerminationCondition,
    get_infeasible_results,
)
from pyomo.contrib.solver.common.solution_loader import SolutionLoader
from pyomo.contrib.solver.common.util import (
    NoDualsError,
    NoOptimalSolutionError,
    NoReducedCostsError,
    NoSolutionError,
)

from . import __version__, _plugin
from ._pyomo_form import Form
from ._pyomo_sweep import sweep
from .enums import Limit, Status
from .errors import SolvemeshError
from .model import Basis, Start
from .result import Result

if TYPE_CHECKING:
    from .client import Client

_CONDITIONS = {
    Status.OPTIMAL: TerminationCondition.convergenceCriteriaSatisfied,
    Status.IMPRECISE: TerminationCondition.unknown,
    Status.INFEASIBLE: TerminationCondition.provenInfeasible,
    Status.UNBOUNDED: TerminationCondition.unbounded,
    Status.INFEASIBLE_OR_UNBOUNDED: TerminationCondition.infeasibleOrUnbounded,
    Status.NUMERICAL_ERROR: TerminationCondition.error,
    Status.OTHER_ERROR: TerminationCondition.error,
}
_LIMITS = {
    Limit.TIME: TerminationCondition.maxTimeLimit,
    Limit.ITERATION: TerminationCondition.iterationLimit,
    Limit.NODE: TerminationCondition.iterationLimit,
    Limit.SOLUTION: TerminationCondition.objectiveLimit,
    Limit.OBJECTIVE: TerminationCondition.objectiveLimit,
    Limit.INTERRUPTED: TerminationCondition.interrupted,
}
__all__ = ["LegacySolveMesh", "SolveMesh", "SolveMeshConfig", "sweep"]

_MESH = ("labels", "deadline", "progress", "on_event", "on_interrupt", "lane")


class SolveMeshConfig(BranchAndBoundConfig):  # type: ignore[misc]
    """Pyomo's own settings, and those of the mesh.

    ``target``, ``token``, ``secure``, ``ca``, ``cert``, ``key``: see ``solvemesh.connect``.
    ``labels``, ``deadline``, ``progress``, ``on_event``, ``on_interrupt``, ``lane``: see
    ``Client.solve``. ``warmstart``: start a model with integers from the values of its variables.
    ``warm_basis``: start an LP from the last basis of this solver object.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name in (*_plugin.CONNECTION, *_MESH):
            self.declare(name, ConfigValue(default=None))
        for name in ("warmstart", "warm_basis"):
            self.declare(name, ConfigValue(default=False, domain=bool))


class SolveMesh(SolverBase):  # type: ignore[misc]
    """Pyomo's new solver interface, on a mesh."""

    CONFIG = SolveMeshConfig()
    name = "solvemesh"

    def __init__(self, **kwds: Any) -> None:
        super().__init__(**kwds)
        self._basis: Basis | None = None

    def available(self) -> Availability:
        """Whether the client can be used; opens no connection."""
        found = _plugin.available()
        return Availability.FullLicense if found else Availability.NotFound

    def version(self) -> tuple[int, ...]:
        """The version of the client."""
        return tuple(int(part) for part in __version__.split("."))

    def solve(self, model: Any, **kwds: Any) -> Results:
        """Solves a model. Raises as Pyomo's solvers do, and ``SolvemeshError``."""
        begin = datetime.datetime.now(datetime.timezone.utc)
        config = self.config(value=kwds, preserve_implicit=True)
        try:
            form = self._form(model, config)
        except InfeasibleConstraintException as error:
            # A constraint without variables that is false: nothing to solve.
            return get_infeasible_results(model, self, config, str(error))
        log = io.StringIO()
        options, client = self._arguments(form, config, log)
        result = self._call(form, options, client)
        if result.status in (Status.OTHER_ERROR, Status.NUMERICAL_ERROR):
            raise SolvemeshError(f"job {result.job_id} is {result.status}: {result.detail}")
        if result.basis is not None:
            self._basis = result.basis
        results = self._results(model, form, result, config)
        results.solver_log = log.getvalue()
        results.timing_info.start_timestamp = begin
        elapsed = datetime.datetime.now(datetime.timezone.utc) - begin
        results.timing_info.wall_time = elapsed.total_seconds()
        self._finish(results, result, config)
        return results

    def _form(self, model: Any, config: Any) -> Form:
        return Form(model, config.symbolic_solver_labels)

    def _call(self, form: Form, options: dict[str, Any], client: Client) -> Result:
        return client.solve(form.model, **options)

    def _arguments(
        self, form: Form, config: Any, log: io.StringIO
    ) -> tuple[dict[str, Any], Client]:
        options: dict[str, Any] = _plugin.options(config.solver_options.value())
        for name, value in (
            ("time_limit", config.time_limit),
            ("threads", config.threads),
            ("relative_gap", config.rel_gap),
            ("absolute_gap", config.abs_gap),
        ):
            if value is not None:
                options[name] = value
        options.update((name, config[name]) for name in _MESH if config[name] is not None)
        start: Start | None = None
        if config.warmstart and form.model.is_mip:
            start = form.start()
        elif config.warm_basis and not form.model.is_mip:
            options["return_basis"] = True
            if self._basis is not None and form.fits(self._basis):
                start = Start(basis=self._basis)
        # Without a listener, the log is not asked for: it makes a job slower.
        listening: Any = _plugin.Streams(log, *config.tee) if config.tee else False
        connection = {name: config[name] for name in _plugin.CONNECTION}
        return {**options, "start": start, "log": listening}, _plugin.client(connection)

    def _results(self, model: Any, form: Form, result: Result, config: Any) -> Results:
        results = Results()
        results.solver_name, results.solver_version = self.name, self.version()
        results.solver_config = config
        has_solution = result.has_solution and result.status in (
            Status.OPTIMAL,
            Status.FEASIBLE,
            Status.IMPRECISE,
        )
        results.termination_condition = _condition(result)
        results.solution_status = {
            Status.OPTIMAL: SolutionStatus.optimal,
            Status.FEASIBLE: SolutionStatus.feasible,
            Status.IMPRECISE: SolutionStatus.unknown,
        }.get(result.status, SolutionStatus.noSolution)
        if not has_solution:
            results.solution_status = SolutionStatus.noSolution
        results.incumbent_objective = result.objective if has_solution else None
        results.objective_bound = result.bound
        results.solution_loader = _Loader(model, form, result, has_solution)
        for name, value in (
            ("job_id", result.job_id),
            ("result", result),
            ("solve_seconds", result.seconds),
        ):
            results.extra_info.declare(name, ConfigValue(default=value))
        return results

    def _finish(self, results: Results, result: Result, config: Any) -> None:
        optimal = results.solution_status == SolutionStatus.optimal
        if config.raise_exception_on_nonoptimal_result and not optimal:
            raise NoOptimalSolutionError(f"job {result.job_id} is {result.status}: {result!r}")
        if not config.load_solutions:
            return
        if results.solution_loader.get_number_of_solutions():
            results.solution_loader.load_solution()
        elif config.raise_exception_on_nonoptimal_result:
            raise NoSolutionError(f"job {result.job_id} has no solution: {result!r}")


class LegacySolveMesh(LegacySolverWrapper, SolveMesh):  # type: ignore[misc]
    """Pyomo's old solver interface, with the arguments that the wrapper lacks."""

    def solve(
        self,
        model: Any,
        *args: Any,
        warmstart: bool = False,
        suffixes: Sequence[str] | None = None,
        logfile: str | None = None,
        keepfiles: bool = False,
        **kwds: Any,
    ) -> Any:
        """Solves a model; see Pyomo's documentation of ``solve``.

        ``suffixes``: import these too, as ``["dual", "rc", "slack"]``; those that the model does
        not have are added to it. ``keepfiles`` has no effect: there are none.
        """
        del keepfiles
        for name in suffixes or ():
            _add_suffix(model, name)
        tee = kwds.pop("tee", False)
        with ExitStack() as stack:
            if logfile is not None:
                stream = stack.enter_context(Path(logfile).open("w"))
                tee = [*(_streams(tee)), stream]
            before = self.config.warmstart
            self.config.warmstart = warmstart or before
            try:
                return super().solve(model, *args, tee=tee, **kwds)
            finally:
                self.config.warmstart = before

    def warm_start_capable(self) -> bool:
        """True: ``warmstart=True`` starts from the values of the variables."""
        return True


class _Loader(SolutionLoader):  # type: ignore[misc]
    """Gives the values of a result to a Pyomo model."""

    def __init__(self, model: Any, form: Form, result: Result, has_solution: bool) -> None:
        self._pyomo_model = model
        self._form = form
        self._result = result
        self._has_solution = has_solution

    def get_number_of_solutions(self) -> int:
        return int(self._has_solution)

    def get_vars(self, vars_to_load: Sequence[Any] | None = None) -> Mapping[Any, float]:
        if not self._has_solution:
            raise NoSolutionError()
        return self._of_columns(self._result.x, vars_to_load)

    def get_reduced_costs(self, vars_to_load: Sequence[Any] | None = None) -> Mapping[Any, float]:
        if self._result.reduced_costs is None:
            raise NoReducedCostsError()
        return self._of_columns(self._result.reduced_costs, vars_to_load)

    def get_duals(self, cons_to_load: Sequence[Any] | None = None) -> dict[Any, float]:
        if self._result.duals is None:
            raise NoDualsError()
        found = dict(zip(self._form.rows, self._result.duals.tolist(), strict=True))
        if cons_to_load is None:
            return found
        return {constraint: found[constraint] for constraint in cons_to_load}

    def load_import_suffixes(self) -> None:
        suffixes = self._collect_and_clear_import_suffixes()
        result = self._result
        # Called for models without a solution too, and models with integers have no duals.
        if not self._has_solution:
            return
        if "dual" in suffixes and result.duals is not None:
            suffixes["dual"].update(self.get_duals())
        if "rc" in suffixes and result.reduced_costs is not None:
            suffixes["rc"].update(self.get_reduced_costs())
        if "slack" in suffixes:
            suffixes["slack"].update(self._slacks())

    def _slacks(self) -> dict[Any, float]:
        """The distance to the nearer bound; Pyomo's own solvers give the same sign."""
        lower = self._result.activities - np.asarray(self._form.model.row_lower)
        upper = np.asarray(self._form.model.row_upper) - self._result.activities
        return dict(zip(self._form.rows, np.minimum(lower, upper).tolist(), strict=True))

    def _of_columns(self, values: Any, chosen: Sequence[Any] | None) -> Mapping[Any, float]:
        found: Mapping[Any, float] = ComponentMap(
            zip(self._form.columns, values.tolist(), strict=True)
        )
        if chosen is None:
            return found
        # Variables that are in no expression are not in the model that was sent.
        return ComponentMap((variable, found[variable]) for variable in chosen if variable in found)


def _condition(result: Result) -> TerminationCondition:
    if result.status in (Status.FEASIBLE, Status.NO_SOLUTION_FOUND):
        return _LIMITS.get(result.limit or Limit.OTHER, TerminationCondition.unknown)
    return _CONDITIONS.get(result.status, TerminationCondition.unknown)


def _add_suffix(model: Any, name: str) -> None:
    from pyomo.core.base.suffix import Suffix

    if name not in ("dual", "rc", "slack"):
        raise ValueError(f"suffixes must be of dual, rc and slack, not {name!r}")
    if model.component(name) is None:
        model.add_component(name, Suffix(direction=Suffix.IMPORT))


def _streams(tee: Any) -> list[Any]:
    import sys

    if tee is True:
        return [sys.stdout]
    if not tee:
        return []
    return list(tee) if isinstance(tee, (list, tuple)) else [tee]


SolverFactory.register("solvemesh", doc="Optimisation as a service (solvemesh)")(
    SolveMesh, LegacySolveMesh
)
from . import _pyomo_manager  # noqa: E402, F401 - registers itself, and extends LegacySolveMesh
