"""Client of solvemesh, optimisation as a service.

>>> import solvemesh
>>> model = solvemesh.Model(
...     objective=[300, 500],
...     sense="MAXIMIZE",
...     matrix=[[1, 0], [0, 2], [3, 2]],
...     row_upper=[4, 12, 18],
... )
>>> solvemesh.solve(model).objective
3600.0

Importing this package imports neither grpc nor protobuf nor numpy, and opens nothing: its parts
are imported when they are used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "client": ("Client", "connect", "solve"),
    "enums": ("BasisStatus", "JobState", "Kind", "Limit", "Sense", "StartStatus", "Status"),
    "errors": (
        "ConnectionFailed",
        "Imprecise",
        "Infeasible",
        "JobExpired",
        "JobFailed",
        "ModelTooLarge",
        "NoSolution",
        "Rejected",
        "SolvemeshError",
        "Unavailable",
        "Unbounded",
        "Unsupported",
        "Violation",
    ),
    "info": ("Capabilities", "JobInfo", "Limits", "Size", "SolverInfo", "Validation"),
    "job": ("Events", "Job"),
    "model": ("Basis", "Csr", "Model", "ModelFile", "Start"),
    "options": ("Options",),
    "progress": ("Progress",),
    "result": ("Result",),
    "retry": ("Retry",),
    "sweep": ("Parameter", "Report", "ScenarioResult", "Table"),
    "sweep_job": ("SweepJob",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

if TYPE_CHECKING:
    from . import aio
    from .client import Client, connect, solve
    from .enums import BasisStatus, JobState, Kind, Limit, Sense, StartStatus, Status
    from .errors import (
        ConnectionFailed,
        Imprecise,
        Infeasible,
        JobExpired,
        JobFailed,
        ModelTooLarge,
        NoSolution,
        Rejected,
        SolvemeshError,
        Unavailable,
        Unbounded,
        Unsupported,
        Violation,
    )
    from .info import Capabilities, JobInfo, Limits, Size, SolverInfo, Validation
    from .job import Events, Job
    from .model import Basis, Csr, Model, ModelFile, Start
    from .options import Options
    from .progress import Progress
    from .result import Result
    from .retry import Retry
    from .sweep import Parameter, Report, ScenarioResult, Table
    from .sweep_job import SweepJob

__all__ = [
    "Basis",
    "BasisStatus",
    "Capabilities",
    "Client",
    "ConnectionFailed",
    "Csr",
    "Events",
    "Imprecise",
    "Infeasible",
    "Job",
    "JobExpired",
    "JobFailed",
    "JobInfo",
    "JobState",
    "Kind",
    "Limit",
    "Limits",
    "Model",
    "ModelFile",
    "ModelTooLarge",
    "NoSolution",
    "Options",
    "Parameter",
    "Progress",
    "Rejected",
    "Report",
    "Result",
    "Retry",
    "ScenarioResult",
    "Sense",
    "Size",
    "SolvemeshError",
    "SolverInfo",
    "Start",
    "StartStatus",
    "Status",
    "SweepJob",
    "Table",
    "Unavailable",
    "Unbounded",
    "Unsupported",
    "Validation",
    "Violation",
    "aio",
    "connect",
    "solve",
]


def __getattr__(name: str) -> Any:
    if name == "aio":
        return import_module(".aio", __name__)
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF})
