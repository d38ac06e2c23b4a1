"""The exceptions of this package.

A model that is infeasible or unbounded is not an exception: see ``Result.status`` and
``Result.raise_for_status``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .result import Result


class SolvemeshError(Exception):
    """The base of all exceptions of this package."""


@dataclass(frozen=True)
class Violation:
    """An invalid field of a request."""

    field: str
    """Its path, such as ``model.linear.variable_lower[3]``."""
    description: str
    """What is wrong with it, with line and column if it is in a text."""


class Rejected(SolvemeshError):
    """The gateway refused the request. To repeat it as it is would not help."""

    def __init__(
        self,
        message: str,
        *,
        code: str = "UNKNOWN",
        reason: str = "",
        violations: tuple[Violation, ...] = (),
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        """The gRPC code, such as ``INVALID_ARGUMENT``."""
        self.reason = reason
        """The stable reason, such as ``INVALID_MODEL``; docs/errors.md lists them."""
        self.violations = violations
        """The invalid fields, for an invalid request."""
        self.metadata = dict(metadata or {})
        """Further facts, such as ``line`` and ``column``."""

    def __reduce__(self) -> tuple[object, ...]:
        # The default pickles only the message. These exceptions cross processes, from pools.
        return (_unpickle, (type(self), str(self), self.__dict__.copy()))


class Unavailable(Rejected):
    """No gateway served the request until the retries were used up.

    A submission may have been accepted all the same: repeat it with the same ``request_id``.
    """


class ConnectionFailed(Unavailable):
    """No connection to the gateway could be opened."""


class ModelTooLarge(SolvemeshError):
    """The request is larger than the gateway accepts, also when compressed."""


class JobFailed(SolvemeshError):
    """The job failed, so nothing is known about its model."""

    def __init__(self, job_id: str, reason: str, message: str) -> None:
        super().__init__(f"job {job_id} failed: {message} ({reason})")
        self.job_id = job_id
        """The job."""
        self.reason = reason
        """A stable name, such as ``SOLVER_CRASHED``."""
        self.message = message
        """An explanation, for display only."""

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.job_id, self.reason, self.message))


class JobExpired(JobFailed):
    """No worker took the job within its queue time limit."""


class NoSolution(SolvemeshError):
    """A value was read from a result that has no solution, or ``raise_for_status`` was called."""

    def __init__(self, message: str, result: Result) -> None:
        super().__init__(message)
        self.result = result
        """The result."""

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (str(self), self.result))


class Infeasible(NoSolution):
    """The model has no solution."""


class Unbounded(NoSolution):
    """The model has solutions of arbitrarily good objective."""


class Imprecise(NoSolution):
    """The check outside the solver rejects what the solver claims."""


class Unsupported(SolvemeshError):
    """A plug-in met a part of a model that the mesh can't solve; nothing was sent."""


@dataclass
class _Details:
    """What a status carries beside its code and its message."""

    reason: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)
    retry_after: float | None = None


def _unpickle(kind: type[Rejected], message: str, attributes: dict[str, object]) -> Rejected:
    error = kind(message)
    error.__dict__.update(attributes)
    return error
