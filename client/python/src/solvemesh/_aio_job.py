"""Handles of jobs and of sweeps, for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from typing import TYPE_CHECKING, TextIO

from . import _convert
from . import progress as progress_
from ._assembly import Assembly, SweepAssembly
from ._interrupt import CHOICES, OnInterrupt
from ._listeners import EventCallback, Listeners
from ._watch import request
from .errors import SolvemeshError
from .events import AnyEvent
from .info import JobInfo
from .result import Result
from .sweep import Plan, ScenarioResult, results_frame
from .v1 import job_pb2, job_service_pb2

if TYPE_CHECKING:
    import pandas as pd

    from .aio import Client
    from .enums import JobState


class Events(AsyncIterator[AnyEvent]):
    """The events of a job: see ``solvemesh.Events``."""

    def __init__(
        self,
        messages: AsyncIterator[job_pb2.JobEvent],
        message: job_service_pb2.WatchResultsRequest,
    ) -> None:
        self._messages = messages
        self._request = message

    async def __anext__(self) -> AnyEvent:
        while True:
            if (event := _convert.event(await anext(self._messages))) is not None:
                return event

    @property
    def resume_token(self) -> str:
        """The position after the last event."""
        return self._request.resume_token


class Job:
    """A handle of a job: see ``solvemesh.Job``."""

    def __init__(self, client: Client, job_id: str, *, names: bool = True) -> None:
        self._client = client
        self.id = job_id
        self._names = names

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} at {self._client.url}>"

    async def info(self) -> JobInfo:
        """The present state."""
        return await self._client._info(self.id)

    async def cancel(self) -> JobInfo:
        """Cancels the job: see ``solvemesh.Job.cancel``."""
        return await self._client._cancel(self.id)

    def events(
        self,
        *,
        resume_token: str = "",
        kinds: Collection[str] = (),
        interval: float | None = None,
    ) -> Events:
        """The events, past and future: see ``solvemesh.Job.events``."""
        message = request(self.id, kinds, interval, resume_token)
        return Events(self._client._watch(message), message)

    async def result(
        self,
        timeout: float | None = None,
        *,
        on_event: EventCallback | None = None,
        progress: progress_.Progress | bool = False,
        log: TextIO | bool = False,
        on_interrupt: OnInterrupt = "cancel",
    ) -> Result:
        """Waits for the result: see ``solvemesh.Job.result``.

        If the task is cancelled, the job is cancelled too, unless ``on_interrupt="detach"``; after
        ``timeout`` it runs on.
        """
        if on_interrupt not in CHOICES:
            raise ValueError(f"on_interrupt must be one of {', '.join(CHOICES)}")
        waiting = asyncio.ensure_future(self._wait(on_event, progress, log))
        try:
            done, _ = await asyncio.wait([waiting], timeout=timeout)
        except asyncio.CancelledError:
            waiting.cancel()
            if on_interrupt != "detach":
                await asyncio.shield(self._client._cancel(self.id))
            raise
        if not done:
            waiting.cancel()
            raise TimeoutError(f"job {self.id} has not finished in time; it is still running")
        return waiting.result()

    async def _wait(
        self,
        on_event: EventCallback | None,
        progress: progress_.Progress | bool,
        log: TextIO | bool,
    ) -> Result:
        assembly = Assembly(self.id, names=self._names)
        with Listeners(on_event, progress, log) as listeners:
            async for event in self._client._watch(listeners.request(self.id)):
                listeners(event)
                if (result := assembly.add(event)) is not None:
                    return result
            raise SolvemeshError(f"the events of job {self.id} ended before it finished")


class SweepJob(Job):
    """A handle of a sweep: see ``solvemesh.SweepJob``. Iterate with ``async for``."""

    def __init__(self, client: Client, job_id: str, plan: Plan, on_interrupt: OnInterrupt) -> None:
        super().__init__(client, job_id)
        self._plan = plan
        self._on_interrupt = on_interrupt
        self._assembly = SweepAssembly(job_id, plan)

    @property
    def state(self) -> JobState | None:
        """How the sweep ended, once an iteration has come to its end: SUCCEEDED or CANCELLED."""
        return self._assembly.state

    def __len__(self) -> int:
        """Number of scenarios."""
        return self._plan.count

    async def __aiter__(self) -> AsyncIterator[ScenarioResult]:
        """The results, in the order in which they are found."""
        message = request(self.id, ("scenario_results",), None, "")
        try:
            async for event in self._client._watch(message):
                for found in self._assembly.add(event):
                    yield found
                if self.state is not None:
                    return
        except asyncio.CancelledError:
            if self._on_interrupt != "detach":
                await asyncio.shield(self._client._cancel(self.id))
            raise
        raise SolvemeshError(f"the events of sweep {self.id} ended before it finished")

    async def results(self) -> list[ScenarioResult]:
        """Waits for all results, and returns them in the order of the scenarios."""
        if self.state is None:
            async for _ in self:
                pass
        return self._assembly.results()

    async def frame(self) -> pd.DataFrame:
        """Waits for all results, and returns one row for each: see ``solvemesh.SweepJob.frame``."""
        return results_frame(self._plan, await self.results())
