"""Pyomo's solver manager on the mesh, for scripts that used that of NEOS."""

from __future__ import annotations

import warnings
from typing import Any

from pyomo.opt.parallel.async_solver import AsynchronousSolverManager, SolverManagerFactory
from pyomo.opt.parallel.manager import ActionHandle, ActionStatus

from . import _plugin
from .job import Job
from .pyomo import _MESH, LegacySolveMesh
from .result import Result

_OURS = ("highs", "scip", "cbc", "clarabel", "microlp", "auto")
# Arguments of a solve that a submission does not have: nothing waits.
_WAITING = ("log", "progress", "on_event", "on_interrupt")


class _Submitted(Exception):
    """Ends the first half of a solve."""


class _Halves(LegacySolveMesh):
    """A solve in two halves: up to the submission of the model, and from the result on.

    Both go through Pyomo's ``solve``, which reads the arguments and loads the solution.
    """

    def __init__(self) -> None:
        super().__init__()
        self._sent: Any = None
        self._job: Job | None = None

    def _form(self, model: Any, config: Any) -> Any:
        # The model may have been changed since.
        return self._sent if self._job is not None else super()._form(model, config)

    def _call(self, form: Any, options: dict[str, Any], client: Any) -> Result:
        if self._job is None:
            sent = {key: value for key, value in options.items() if key not in _WAITING}
            self._sent, self._job = form, client.submit(form.model, **sent)
            raise _Submitted
        return self._job.result()


@SolverManagerFactory.register("solvemesh", doc="Solve on a mesh (solvemesh), several at a time")
class SolverManager(AsynchronousSolverManager):  # type: ignore[misc]
    """``queue`` submits a model, and the mesh solves all submitted ones at the same time.

    ``opt`` (or ``solver``) is the name of a solver of the mesh; other arguments are those of
    ``SolverFactory("solvemesh").solve``, and those of the mesh (``labels``, ``target``).
    """

    def clear(self) -> None:
        """Forgets what was queued; jobs that were submitted run on."""
        super().clear()
        self._waiting: dict[int, tuple[_Halves, Any, dict[str, Any]]] = {}

    def _perform_queue(self, ah: Any, *args: Any, **kwds: Any) -> Any:
        (model,) = args
        name = kwds.pop("opt", None)
        name = kwds.pop("solver", name)
        halves = _Halves()
        if name is not None and not isinstance(name, str):
            if not isinstance(name, LegacySolveMesh):
                raise TypeError(f"opt must be the name of a solver, not {name!r}")
            halves.config.set_value(name.config.value())
        for setting in (*_plugin.CONNECTION, *_MESH):
            if setting in kwds:
                halves.config[setting] = kwds.pop(setting)
        if name in _OURS:
            kwds["options"] = {"solver": name, **(kwds.get("options") or {})}
        elif isinstance(name, str) and name != "solvemesh":
            # From a script that chose one of NEOS.
            warnings.warn(f"solvemesh has no solver {name!r}, and chooses one", stacklevel=4)
        try:
            self.results[ah.id] = halves.solve(model, **kwds)
        except _Submitted:
            self._waiting[ah.id] = (halves, model, kwds)
        return ah

    def _perform_wait_any(self) -> Any:
        for key in list(self.event_handle):
            if key in self._waiting:
                halves, model, kwds = self._waiting.pop(key)
                self.results[key] = halves.solve(model, **kwds)
            elif key not in self.results:
                continue
            ah = self.event_handle[key]
            if ah.status != ActionStatus.done:
                ah.status = ActionStatus.done
                return ah
        return ActionHandle(error=True, explanation="nothing is queued")
