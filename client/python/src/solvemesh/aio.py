"""The client for asyncio, with the same names as the other one.

>>> async with solvemesh.aio.connect() as client:
...     result = await client.solve(model, time_limit=60)

A task that is cancelled while it waits for a result cancels its job, unless
``on_interrupt="detach"``.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, TextIO

from . import _channel, _convert, _listing, _sweep_request
from . import progress as progress_
from . import sweep as sweep_
from ._address import resolve
from ._aio_job import Events, Job, SweepJob
from ._interrupt import OnInterrupt
from ._listeners import EventCallback
from ._request import SUBMISSION_TIMEOUT, SURE_TO_FIT, Priority, StartLike, Submission, submission
from ._status import Failure
from ._watch import Position
from .enums import JobState
from .errors import Rejected
from .info import Capabilities, JobInfo, Validation
from .model import ModelLike
from .options import Options
from .result import Result
from .retry import Retry, Tries
from .v1 import job_pb2, job_service_pb2

if TYPE_CHECKING:
    import grpc.aio

__all__ = ["Client", "Events", "Job", "SweepJob", "connect"]

Path = str | os.PathLike[str]


class Client(AbstractAsyncContextManager["Client"]):
    """A client of one mesh, for one event loop. See ``solvemesh.Client``."""

    def __init__(
        self,
        target: str | None = None,
        *,
        secure: bool | None = None,
        token: str | None = None,
        ca: Path | None = None,
        cert: Path | None = None,
        key: Path | None = None,
        retry: Retry | None = None,
    ) -> None:
        """See ``solvemesh.connect`` for the arguments."""
        self._address = resolve(target, secure=secure, token=token, ca=ca, cert=cert, key=key)
        self._open: grpc.aio.Channel | None = None
        self.retry = retry or Retry()
        self._capabilities: Capabilities | None = None
        self._knows_omit_names = True

    @property
    def url(self) -> str:
        """The address of the gateway."""
        return self._address.url

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection. Jobs run on."""
        channel, self._open = self._open, None
        if channel is not None:
            await channel.close()

    async def solve(
        self,
        model: ModelLike,
        options: Options | None = None,
        *,
        labels: Mapping[str, str] | None = None,
        request_id: str | None = None,
        lane: str | None = None,
        priority: Priority | None = None,
        deadline: float | None = None,
        queue_deadline: float | None = None,
        start: StartLike | None = None,
        progress: progress_.Progress | bool = False,
        on_event: EventCallback | None = None,
        log: TextIO | bool = False,
        on_interrupt: OnInterrupt = "cancel",
        **opts: Any,
    ) -> Result:
        """Submits a model, waits for the result and returns it: see ``solvemesh.Client.solve``."""
        prepared = submission(
            model,
            options,
            opts,
            request_id=request_id,
            labels=labels,
            lane=lane,
            priority=priority,
            deadline=deadline,
            queue_deadline=queue_deadline,
            start=start,
            want_log=bool(log),
        )
        # Shielded: a submission that is on its way can only be cancelled once its id is known.
        sending = asyncio.ensure_future(self._submit(prepared))
        try:
            answer = await asyncio.shield(sending)
        except asyncio.CancelledError:
            if on_interrupt != "detach":
                await self._cancel((await sending).job_id)
            raise
        job = Job(self, answer.job_id, names=prepared.has_names)
        return await job.result(
            on_event=on_event, progress=progress, log=log, on_interrupt=on_interrupt
        )

    async def submit(
        self,
        model: ModelLike,
        options: Options | None = None,
        *,
        labels: Mapping[str, str] | None = None,
        request_id: str | None = None,
        lane: str | None = None,
        priority: Priority | None = None,
        deadline: float | None = None,
        queue_deadline: float | None = None,
        start: StartLike | None = None,
        **opts: Any,
    ) -> Job:
        """Submits a model: see ``solvemesh.Client.submit``."""
        prepared = submission(
            model,
            options,
            opts,
            request_id=request_id,
            labels=labels,
            lane=lane,
            priority=priority,
            deadline=deadline,
            queue_deadline=queue_deadline,
            start=start,
        )
        return Job(self, (await self._submit(prepared)).job_id, names=prepared.has_names)

    async def sweep(
        self,
        model: ModelLike,
        scenarios: sweep_.Scenarios,
        options: Options | None = None,
        *,
        report: sweep_.Report | None = None,
        stop_on_first: bool | float = False,
        labels: Mapping[str, str] | None = None,
        request_id: str | None = None,
        lane: str | None = None,
        priority: Priority | None = None,
        deadline: float | None = None,
        on_interrupt: OnInterrupt = "cancel",
        **opts: Any,
    ) -> SweepJob:
        """Solves a model for many scenarios: see ``solvemesh.Client.sweep``."""
        plan = sweep_.plan(scenarios, report)
        prepared = submission(
            model,
            options,
            opts,
            request_id=request_id,
            labels=labels,
            lane=lane,
            priority=priority,
            deadline=deadline,
            sweep=_sweep_request.message(plan, stop_on_first=stop_on_first),
        )
        return SweepJob(self, (await self._submit(prepared)).job_id, plan, on_interrupt)

    async def validate(
        self,
        model: ModelLike,
        options: Options | None = None,
        *,
        start: StartLike | None = None,
        **opts: Any,
    ) -> Validation:
        """Checks a model and options, and queues nothing: see ``solvemesh.Client.validate``."""
        prepared = submission(model, options, opts, start=start, validate_only=True)
        return _convert.validation((await self._submit(prepared)).description)

    def job(self, job_id: str) -> Job:
        """A handle of a job that exists. Makes no call."""
        return Job(self, job_id)

    async def jobs(
        self,
        *,
        states: Iterable[JobState | str] = (),
        labels: Mapping[str, str] | None = None,
    ) -> AsyncIterator[JobInfo]:
        """The jobs that match, the latest first: see ``solvemesh.Client.jobs``."""
        message = _listing.request(states, labels)
        more = True
        while more:
            page = await self._call("ListJobs", message, job_service_pb2.ListJobsResponse)
            for job in page.jobs:
                yield _convert.job(job)
            more = _listing.advance(message, page)

    async def capabilities(self) -> Capabilities:
        """The solvers, options and limits of the mesh."""
        message = job_service_pb2.GetCapabilitiesRequest()
        answer = await self._call(
            "GetCapabilities", message, job_service_pb2.GetCapabilitiesResponse
        )
        self._capabilities = _convert.capabilities(answer)
        return self._capabilities

    async def _info(self, job_id: str) -> JobInfo:
        message = job_service_pb2.GetJobRequest(job_id=job_id, view=job_service_pb2.JOB_VIEW_BASIC)
        answer = await self._call("GetJob", message, job_service_pb2.GetJobResponse)
        return _convert.job(answer.job)

    async def _cancel(self, job_id: str) -> JobInfo:
        message = job_service_pb2.CancelJobRequest(job_id=job_id)
        answer = await self._call("CancelJob", message, job_service_pb2.CancelJobResponse)
        return _convert.job(answer.job)

    async def _submit(self, prepared: Submission) -> job_pb2.Job:
        if not self._knows_omit_names:
            prepared = prepared.with_names()
        if prepared.size() > SURE_TO_FIT:
            limits = (self._capabilities or await self.capabilities()).limits
            prepared = prepared.fit(limits.max_message_bytes, self.url)
        try:
            return await self._send(prepared)
        except Rejected as error:
            answer = await self._send(prepared.after(error))
            self._knows_omit_names = False
            return answer

    async def _send(self, prepared: Submission) -> job_pb2.Job:
        response = job_service_pb2.SubmitJobResponse
        data, least = prepared.message(), SUBMISSION_TIMEOUT
        answer = await self._call("SubmitJob", data, response, min_timeout=least)
        job: job_pb2.Job = answer.job
        return job

    async def _call(
        self, name: str, message: Any, response: Any, *, min_timeout: float = 0.1
    ) -> Any:
        data = message if isinstance(message, bytes) else message.SerializeToString()
        channel = self._channel()
        method: Any = channel.unary_unary(
            _channel.SERVICE + name, response_deserializer=response.FromString
        )
        import grpc

        tries = Tries(self.retry, self.url)
        while True:
            timeout = max(tries.remaining, min_timeout)
            try:
                return await method(
                    data, timeout=timeout, metadata=_channel.metadata(self._address)
                )
            except grpc.RpcError as error:
                failure = Failure.of(error)
            await asyncio.sleep(tries.pause(failure))

    def _channel(self) -> grpc.aio.Channel:
        if self._open is None:
            import grpc.aio

            address = self._address
            options = _channel.options(address)
            if address.secure:
                credentials = _channel.credentials(address)
                self._open = grpc.aio.secure_channel(address.target, credentials, options)
            else:
                self._open = grpc.aio.insecure_channel(address.target, options)
        return self._open

    async def _watch(
        self, message: job_service_pb2.WatchResultsRequest
    ) -> AsyncIterator[job_pb2.JobEvent]:
        """The messages of a job's events; keeps the resume token in the request."""
        import grpc

        position = Position(message, self.retry, self.url)
        while True:
            method: Any = self._channel().unary_stream(
                _channel.SERVICE + "WatchResults",
                response_deserializer=job_service_pb2.WatchResultsResponse.FromString,
            )
            call = method(position.open(), metadata=_channel.metadata(self._address))
            try:
                async for response in call:
                    if (event := position.received(response)) is not None:
                        yield event
                    if position.finished:
                        return
                failure = position.closed()
                if position.finished:
                    return
            except grpc.RpcError as error:
                failure = Failure.of(error)
            finally:
                call.cancel()
            await asyncio.sleep(position.pause(failure))


def connect(
    target: str | None = None,
    *,
    secure: bool | None = None,
    token: str | None = None,
    ca: Path | None = None,
    cert: Path | None = None,
    key: Path | None = None,
    retry: Retry | None = None,
) -> Client:
    """A client. Opens nothing: see ``solvemesh.connect``."""
    return Client(target, secure=secure, token=token, ca=ca, cert=cert, key=key, retry=retry)
