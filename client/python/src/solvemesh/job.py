"""Handles of jobs."""

from __future__ import annotations

import concurrent.futures
import threading
import time
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, TextIO

from . import _convert
from . import progress as progress_
from ._assembly import Assembly
from ._interrupt import Interrupts, OnInterrupt
from ._listeners import EventCallback, Listeners
from ._watch import Watch, request
from .errors import SolvemeshError
from .events import AnyEvent
from .info import JobInfo
from .result import Result

if TYPE_CHECKING:
    from .client import Client


class Events(Iterator[AnyEvent]):
    """The events of a job, until it has finished. Can be stopped and continued elsewhere."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._messages = iter(watch)

    def __next__(self) -> AnyEvent:
        while True:
            if (event := _convert.event(next(self._messages))) is not None:
                return event

    @property
    def resume_token(self) -> str:
        """The position after the last event; ``Job.events`` continues there, on any gateway."""
        return self._watch.resume_token


class Job:
    """A handle of a job. It holds nothing: a job runs on, whether there are handles or not.

    Can be pickled, without its credentials: the copy takes those of ``SOLVEMESH_TOKEN``.
    """

    def __init__(self, client: Client, job_id: str, *, names: bool = True) -> None:
        self._client = client
        self.id = job_id
        """The id, assigned by the mesh."""
        self._names = names

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} at {self._client.url}>"

    def __reduce__(self) -> tuple[object, ...]:
        return (_restore, (self._client, self.id, self._names))

    def info(self) -> JobInfo:
        """The present state. Raises ``Rejected`` if there is no such job."""
        return self._client._info(self.id)

    def cancel(self) -> JobInfo:
        """Cancels the job: at once while it is queued; a running one stops with its best solution.

        Returns when the request is stored; ``result`` waits for the end. A finished job stays as
        it is.
        """
        return self._client._cancel(self.id)

    def events(
        self,
        *,
        resume_token: str = "",
        kinds: Collection[str] = (),
        interval: float | None = None,
    ) -> Events:
        """The events, past and future, until the job has finished.

        ``resume_token``: continue after the event that another iterator had this token at.
        ``kinds``: only these of ``progress``, ``incumbent``, ``log``, ``cancel_requested``,
        ``attempt_failed`` and ``scenario_results``; ``queued``, ``started`` and ``finished`` are
        always there. ``interval``: seconds between events of progress and incumbents; those
        between are left out.
        """
        message = request(self.id, kinds, interval, resume_token)
        return Events(Watch(self._client._channel, self._client.retry, message))

    def result(
        self,
        timeout: float | None = None,
        *,
        on_event: EventCallback | None = None,
        progress: progress_.Progress | bool = False,
        log: TextIO | bool = False,
        on_interrupt: OnInterrupt = "cancel",
    ) -> Result:
        """Waits until the job has finished, and returns its result.

        ``timeout``: seconds after which ``TimeoutError`` is raised; the job runs on.
        ``on_event``: called with each event. ``progress``: see ``Client.solve``. ``log``: where to
        write the lines of the solver's log, if the job has one; ``True``: standard output.

        Ctrl-C, with ``on_interrupt="cancel"``, cancels the job and returns the best solution
        found so far (FEASIBLE, limit INTERRUPTED); a second one raises ``KeyboardInterrupt`` with
        the job's id in its notes. With ``"raise"`` the first one cancels the job and raises, and
        with ``"detach"`` it raises and leaves the job running. Only in the main thread, and not
        if the program has a handler of SIGINT of its own, which decides itself.

        Raises ``JobFailed``, ``JobExpired``, ``Rejected`` and ``Unavailable``.
        """
        interrupts = Interrupts(on_interrupt, self._client.url, self._client._cancel)
        with interrupts:
            interrupts.submitted(self.id)
            return self._wait(interrupts, timeout, on_event, progress, log)

    def as_future(self) -> concurrent.futures.Future[Result]:
        """A future of the result, from a thread that waits. Its ``cancel`` has no effect."""
        future: concurrent.futures.Future[Result] = concurrent.futures.Future()
        future.set_running_or_notify_cancel()

        def wait() -> None:
            try:
                future.set_result(self.result())
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=wait, name=f"solvemesh-{self.id}", daemon=True).start()
        return future

    def _wait(
        self,
        interrupts: Interrupts,
        timeout: float | None = None,
        on_event: EventCallback | None = None,
        progress: progress_.Progress | bool = False,
        log: TextIO | bool = False,
    ) -> Result:
        deadline = None if timeout is None else time.monotonic() + timeout
        assembly, seen = Assembly(self.id, names=self._names), 0
        with Listeners(on_event, progress, log) as listeners:
            while True:
                # From the beginning, also after an interruption: an event may have been lost.
                message = listeners.request(self.id)
                watch = Watch(self._client._channel, self._client.retry, message, deadline)
                try:
                    for event in watch:
                        if event.sequence > seen:
                            seen = event.sequence
                            listeners(event)
                        if (result := assembly.add(event)) is not None:
                            return result
                except KeyboardInterrupt as error:
                    if hasattr(error, "job_id"):
                        raise
                    interrupts.again()
                    continue
                raise SolvemeshError(f"the events of job {self.id} ended before it finished")


def _restore(client: Client, job_id: str, names: bool) -> Job:
    return Job(client, job_id, names=names)
