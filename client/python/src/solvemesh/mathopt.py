"""OR-Tools' MathOpt on the mesh.

>>> from solvemesh.mathopt import solve
>>> result = solve(model)
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable
from typing import Any

from ortools.math_opt.python import mathopt

from . import _plugin
from ._mathopt_model import converted_model, start
from ._mathopt_result import converted_result
from .enums import Status
from .errors import Unsupported
from .events import Event, LogLines

__all__ = ["solve"]

_SOLVERS = {"HIGHS": "highs", "GSCIP": "scip"}
_PARAMETERS = {
    "iteration_limit": "iteration_limit",
    "node_limit": "node_limit",
    "solution_limit": "solution_limit",
    "objective_limit": "objective_target",
    "threads": "threads",
    "random_seed": "seed",
    "absolute_gap_tolerance": "absolute_gap",
    "relative_gap_tolerance": "relative_gap",
}


def solve(
    opt_model: Any,
    solver_type: Any = None,
    *,
    params: Any = None,
    model_params: Any = None,
    msg_cb: Callable[[list[str]], None] | None = None,
    callback_reg: Any = None,
    cb: Any = None,
    streamable_init_args: Any = None,
    remove_names: bool = True,
    interrupter: Any = None,
    **mesh: Any,
) -> Any:
    """Solves a model as ``mathopt.solve`` does, and returns its ``SolveResult``.

    ``solver_type`` HIGHS and GSCIP choose that solver; with others, and without one, the mesh
    chooses. ``params``: limits, gaps, threads, seed, presolve (off or not), ``enable_output``, and
    options of HiGHS. ``model_params``: the first solution hint, and the initial basis. ``msg_cb``
    gets lines of the log as the solver writes them. An ``interrupter`` and Ctrl-C cancel the job,
    and the result is the best solution found so far. ``mesh``: arguments of ``Client.solve`` and
    of ``solvemesh.connect``. The ``mesh_result`` of the returned object has the whole result of
    the mesh.

    Raises ``Unsupported`` for what the mesh can't do, before anything is sent, and
    ``RuntimeError`` if the solve failed.
    """
    params = params or mathopt.SolveParameters()
    model_params = model_params or mathopt.ModelSolveParameters()
    del streamable_init_args  # of local solvers
    if cb is not None or callback_reg is not None:
        raise Unsupported("the mesh has no callbacks into a solve: leave out cb and callback_reg")
    proto = opt_model.export_model()
    model = converted_model(proto, names=not remove_names)
    options = {**_options(solver_type, params), **mesh}
    connection = _plugin.connection(options)
    options.setdefault("start", start(model_params, proto, model))
    if options["start"] is None or not model.is_mip:
        # A basis is part of a solution of MathOpt's.
        options.setdefault("return_basis", not model.is_mip and options.get("solver") == "highs")
    client = _plugin.client(connection)
    listener = _Listener(client, msg_cb, options.pop("on_event", None))
    log: Any = False
    if msg_cb is not None:
        log = _Nothing()
    elif params.enable_output:
        log = sys.stdout
    watched = contextlib.nullcontext()
    if interrupter is not None:
        watched = interrupter.interruption_callback(listener.interrupt)
    with watched:
        result = client.solve(model, log=log, on_event=listener, **options)
    if result.status is Status.OTHER_ERROR:
        raise RuntimeError(f"job {result.job_id} is {result.status}: {result.detail}")
    found = mathopt.parse_solve_result(converted_result(result, proto, model), opt_model)
    found.mesh_result = result
    return found


class _Listener:
    """Gives lines of the log to a callback, and cancels a job once its id is known."""

    def __init__(self, client: Any, msg_cb: Any, on_event: Any) -> None:
        self._client = client
        self._msg_cb = msg_cb
        self._on_event = on_event
        self._lock = threading.Lock()
        self._job_id = ""
        self._interrupted = False

    def __call__(self, event: Event) -> None:
        with self._lock:
            first = not self._job_id
            self._job_id = event.job_id
            cancel = first and self._interrupted
        if cancel:
            self._client.job(event.job_id).cancel()
        if self._msg_cb is not None and isinstance(event, LogLines):
            self._msg_cb(list(event.lines))
        if self._on_event is not None:
            self._on_event(event)

    def interrupt(self) -> None:
        """Called by another thread, perhaps before the job exists."""
        with self._lock:
            self._interrupted = True
            job_id = self._job_id
        if job_id:
            self._client.job(job_id).cancel()


class _Nothing:
    """A stream for a log that a callback gets."""

    def write(self, text: str) -> int:
        """Drops it."""
        return len(text)

    def flush(self) -> None:
        """Nothing is kept."""


def _options(solver_type: Any, params: Any) -> dict[str, Any]:
    options: dict[str, Any] = {}
    name = getattr(solver_type, "name", None)
    if name in _SOLVERS:
        options["solver"] = _SOLVERS[name]
    if params.time_limit is not None:
        options["time_limit"] = params.time_limit.total_seconds()
    for theirs, ours in _PARAMETERS.items():
        value = getattr(params, theirs)
        if value is not None:
            options[ours] = value
    refused = [
        (f"params.{theirs}", getattr(params, theirs, None) is not None)
        for theirs in (
            "cutoff_limit",
            "best_bound_limit",
            "solution_pool_size",
            "lp_algorithm",
            "cuts",
            "heuristics",
            "scaling",
        )
    ]
    names = [theirs for theirs, given in refused if given]
    if names:
        raise Unsupported(f"the mesh does not have {', '.join(names)}. Nothing was sent")
    if params.presolve is not None:
        options["presolve"] = params.presolve is not mathopt.Emphasis.OFF
    highs = getattr(params, "highs", None)
    for kind in ("string_options", "double_options", "int_options", "bool_options"):
        options.update(getattr(highs, kind, None) or {})
    return options
