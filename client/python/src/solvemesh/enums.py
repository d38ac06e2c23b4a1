"""The enumerations of results, jobs and models. Members compare equal to their names."""

from __future__ import annotations

from enum import Enum, IntEnum


class _Name(str, Enum):
    """Members that are their own names, so that ``status == "OPTIMAL"`` is true."""

    def __str__(self) -> str:
        return str(self.value)


class Sense(_Name):
    """The direction of optimisation."""

    MINIMIZE = "MINIMIZE"
    MAXIMIZE = "MAXIMIZE"


class Kind(IntEnum):
    """Which values a variable may take between its bounds."""

    CONTINUOUS = 1
    INTEGER = 2
    BINARY = 3
    """0 or 1. Where a model has no array of upper bounds, its upper bound is 1."""
    SEMI_CONTINUOUS = 4
    """0, or any value between its bounds; the upper one is finite."""
    SEMI_INTEGER = 5
    """0, or any integer between its bounds; the upper one is finite."""


class Status(_Name):
    """How a solve ended, and what it found out about the model."""

    UNSPECIFIED = "UNSPECIFIED"
    """A status that this client does not know, from a newer gateway."""
    OPTIMAL = "OPTIMAL"
    FEASIBLE = "FEASIBLE"
    """A limit stopped the solve (``Result.limit``); the solution is not proven to be optimal."""
    INFEASIBLE = "INFEASIBLE"
    UNBOUNDED = "UNBOUNDED"
    INFEASIBLE_OR_UNBOUNDED = "INFEASIBLE_OR_UNBOUNDED"
    IMPRECISE = "IMPRECISE"
    """The check outside the solver rejects what the solver claims."""
    NO_SOLUTION_FOUND = "NO_SOLUTION_FOUND"
    """A limit stopped the solve before a solution was found."""
    NUMERICAL_ERROR = "NUMERICAL_ERROR"
    OTHER_ERROR = "OTHER_ERROR"


class Limit(_Name):
    """The limit that stopped a solve."""

    TIME = "TIME"
    ITERATION = "ITERATION"
    NODE = "NODE"
    SOLUTION = "SOLUTION"
    MEMORY = "MEMORY"
    OBJECTIVE = "OBJECTIVE"
    INTERRUPTED = "INTERRUPTED"
    """The job was cancelled."""
    OTHER = "OTHER"


class JobState(_Name):
    """The state of a job, which says nothing about its model."""

    UNSPECIFIED = "UNSPECIFIED"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


class BasisStatus(IntEnum):
    """The status of a variable or a constraint in a basis."""

    LOWER = 1
    BASIC = 2
    UPPER = 3
    ZERO = 4
    NONBASIC = 5


class StartStatus(_Name):
    """How a starting point was used."""

    UNSPECIFIED = "UNSPECIFIED"
    USED = "USED"
    COMPLETED = "COMPLETED"
    REJECTED = "REJECTED"
    SUPERSEDED = "SUPERSEDED"
