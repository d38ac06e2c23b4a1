"""What the mesh says about jobs and about itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from .enums import JobState, Status


@dataclass(frozen=True, slots=True)
class Size:
    """The size of a model."""

    variables: int
    constraints: int
    nonzeros: int
    integers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobInfo:
    """The state of a job. Times have a time zone (UTC); ``None``: not yet, or not known."""

    job_id: str
    state: JobState
    model_name: str
    labels: Mapping[str, str]
    request_id: str
    lane: str
    size: Size
    submit_time: datetime | None
    start_time: datetime | None
    finish_time: datetime | None
    attempt: int
    worker: str
    cancel_requested: bool
    status: Status | None
    """How the solve ended; ``None`` until then, and for sweeps."""
    objective: float | None
    """Of the result or, before, of the best solution so far."""
    jobs_ahead: int | None
    """Number of queued jobs before it in its lane, while it is queued."""
    failure: str
    """Why it failed."""
    scenarios: int
    """Number of scenarios of a sweep; 0 for other jobs."""
    scenarios_finished: int
    warnings: tuple[str, ...]
    """Warnings of the model's reader."""

    @property
    def finished(self) -> bool:
        """Whether the job has finished, in whatever state."""
        return self.finish_time is not None


@dataclass(frozen=True, slots=True)
class Validation:
    """A request that is valid; nothing was queued."""

    size: Size
    lane: str
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SolverInfo:
    """What a solver supports."""

    name: str
    """As in ``Options.solver``."""
    available: bool
    """Whether a worker that has it is connected."""
    kinds: tuple[str, ...]
    options: Mapping[str, str]
    """The raw options that are allowed, with their types: BOOL, INT, DOUBLE or STRING."""
    supported_options: tuple[str, ...]
    """The fields of ``SolveOptions`` that it supports beside those that all solvers do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of a mesh. Times are in seconds."""

    max_message_bytes: int
    max_model_bytes: int
    max_variables: int
    max_constraints: int
    max_nonzeros: int
    max_time_limit: float
    default_time_limit: float
    max_total_time_limit: float
    max_live_jobs: int
    max_watchers: int
    max_jobs_per_watch: int
    max_scenarios: int


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The solvers, options and limits of a mesh."""

    version: str
    """The version of the gateway."""
    solvers: tuple[SolverInfo, ...]
    limits: Limits
    lanes: tuple[str, ...]
    ephemeral: bool
    """Whether jobs end with the gateway's process, because it runs without a broker."""
