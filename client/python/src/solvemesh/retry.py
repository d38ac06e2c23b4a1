"""When to try again, and for how long."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

from ._status import Failure


@dataclass(frozen=True)
class Retry:
    """Exponential backoff with jitter, within a budget of time. All times are in seconds.

    The budget is a time and not a number of tries: a try may fail at once or last for long.
    """

    budget: float = 15.0
    """The total time of all tries of a call, and of a watch that has not received anything."""
    stream_budget: float = 60.0
    """That of a watch after its stream broke: long enough for the restart of a gateway."""
    initial_backoff: float = 0.1
    """The pause after the first failure; it doubles with each further one."""
    max_backoff: float = 2.0
    """The longest pause, unless the gateway asks for a longer one."""

    def backoff(self, failures: int, asked: float | None, jitter: float) -> float:
        """The pause after this number of failures; ``jitter`` is in [0, 1)."""
        pause: float = min(self.initial_backoff * 2 ** min(failures - 1, 31), self.max_backoff)
        return max(pause * (0.5 + jitter / 2), asked or 0.0)


class Tries:
    """The tries of one call or one watch."""

    def __init__(self, retry: Retry, url: str, *, stream: bool = False) -> None:
        self._retry = retry
        self._url = url
        self._budget = retry.stream_budget if stream else retry.budget
        self.restart()

    def restart(self) -> None:
        """Gives the whole budget again, after progress."""
        self._since = time.monotonic()
        self._failures = 0

    def progressed(self) -> None:
        """Restarts with the budget of a stream that has worked."""
        self._budget = self._retry.stream_budget
        self.restart()

    @property
    def remaining(self) -> float:
        """What is left of the budget."""
        return max(0.0, self._budget - (time.monotonic() - self._since))

    def pause(self, failure: Failure) -> float:
        """The pause before the next try. Raises the failure if there is no time for one."""
        if not failure.transient:
            raise failure.error(self._url)
        self._failures += 1
        pause = self._retry.backoff(self._failures, failure.details.retry_after, random.random())
        if pause >= self.remaining:
            raise failure.error(self._url)
        return pause
