"""The events of a job."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from .enums import JobState

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .sweep import ScenarioResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event of a job."""

    job_id: str
    sequence: int
    """Numbers the events of a job from 1."""
    time: datetime
    """By the clock of the process where it happened; with a time zone (UTC)."""
    attempt: int
    """The attempt that it belongs to; 0 before the first."""
    skipped: int
    """Number of events directly before this one that were not sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued(Event):
    """The job was accepted."""

    lane: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(Event):
    """An attempt started."""

    worker: str
    start_objective: float | None
    """The objective of the solution of an earlier attempt that this one starts from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressMade(Event):
    """The solve made progress. Sent once or twice per second."""

    objective: float | None
    bound: float | None
    gap: float | None
    nodes: int | None
    iterations: int | None
    elapsed: float
    """Seconds since the solve started."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Incumbent(Event):
    """The solver found a better solution. Only the final one is verified."""

    objective: float | None
    bound: float | None
    gap: float | None
    elapsed: float
    values: NDArray[np.float64]
    """Values of variables: of all, in the order of the model, or of ``indices``."""
    indices: NDArray[np.int32] | None
    """The variable of each value; ``None``: all of them."""
    omitted: bool
    """Whether the values were too large to be sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLines(Event):
    """Lines of the solver's log, without line breaks."""

    lines: tuple[str, ...]
    omitted: int
    """Number of lines after these that were not sent, because the log is too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRequested(Event):
    """A cancel was requested while the job was running."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFailed(Event):
    """An attempt failed because of the solver; the job will be tried again."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenariosFinished(Event):
    """Scenarios of a sweep are finished."""

    results: tuple[ScenarioResult, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished(Event):
    """The job finished. Always its last event. ``Job.result`` returns the result."""

    state: JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherEvent(Event):
    """An event of a kind that this client does not know."""


AnyEvent = (
    Queued
    | Started
    | ProgressMade
    | Incumbent
    | LogLines
    | CancelRequested
    | AttemptFailed
    | ScenariosFinished
    | Finished
    | OtherEvent
)

__all__ = [
    "AnyEvent",
    "AttemptFailed",
    "CancelRequested",
    "Event",
    "Finished",
    "Incumbent",
    "LogLines",
    "OtherEvent",
    "ProgressMade",
    "Queued",
    "ScenariosFinished",
    "Started",
]
