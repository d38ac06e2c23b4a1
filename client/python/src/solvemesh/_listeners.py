"""Who gets the events of a job while its result is waited for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TextIO

from . import _convert, _watch
from . import progress as progress_
from .events import AnyEvent, Event, LogLines
from .v1 import job_pb2, job_service_pb2

EventCallback = Callable[[AnyEvent], None]

# What a result is made of. Without a log, a job has no events of that kind.
_RESULT_KINDS = ("solution_part", "log")
# Seconds between events that are only drawn.
_DRAWN_INTERVAL = 0.5


class Listeners(AbstractContextManager["Listeners"]):
    """The callback, the display of the progress and the stream for the log, as they were given.

    See ``Job.result`` for the arguments. At the end of the context, the display is closed.
    """

    def __init__(
        self,
        on_event: EventCallback | None,
        progress: progress_.Progress | bool,
        log: TextIO | bool,
    ) -> None:
        self._drawn = progress_.of(progress)
        self._all: list[Callable[[Any], None]] = []
        if self._drawn is not None:
            self._all.append(self._drawn.update)
        if log:
            self._all.append(_LogWriter(sys.stdout if log is True else log))
        if on_event is not None:
            self._all.append(on_event)
        everything = self._drawn is not None or on_event is not None
        self._kinds = () if everything else _RESULT_KINDS
        self._interval = _DRAWN_INTERVAL if everything and on_event is None else None

    def request(self, job_id: str) -> job_service_pb2.WatchResultsRequest:
        """The request of a watch from the beginning, for the events that are needed."""
        return _watch.request(job_id, self._kinds, self._interval, "")

    def __call__(self, event: job_pb2.JobEvent) -> None:
        """Passes an event on."""
        if self._all and (public := _convert.event(event)) is not None:
            for listener in self._all:
                listener(public)

    def __exit__(self, *_: object) -> None:
        if self._drawn is not None:
            self._drawn.close()


class _LogWriter:
    """Writes the lines of a log as they come."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, event: Event) -> None:
        if isinstance(event, LogLines):
            for line in event.lines:
                self._stream.write(line + "\n")
            if event.omitted:
                self._stream.write(f"({event.omitted} lines omitted)\n")
            self._stream.flush()
