"""The client."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, TextIO

from . import _convert, _listing, _sweep_request
from . import sweep as sweep_
from ._address import Address, resolve
from ._channel import Channel, import_grpc
from ._interrupt import Interrupts, OnInterrupt
from ._listeners import EventCallback
from ._request import (
    SUBMISSION_TIMEOUT,
    SURE_TO_FIT,
    Priority,
    StartLike,
    Submission,
    submission,
)
from ._status import Failure
from .enums import JobState
from .errors import Rejected
from .info import Capabilities, JobInfo, Validation
from .job import Job
from .model import ModelLike
from .options import Options
from .progress import Progress
from .result import Result
from .retry import Retry, Tries
from .sweep_job import SweepJob
from .v1 import job_pb2, job_service_pb2

Path = str | os.PathLike[str]


class Client(AbstractContextManager["Client"]):
    """A client of one mesh.

    Opens a connection at its first call, and another one in each process that is forked. Calls
    may be made from several threads. Close it, or use it in a ``with`` statement. Can be pickled,
    without its token: the copy takes that of ``SOLVEMESH_TOKEN``.
    """

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
        """See ``connect`` for the arguments."""
        address = resolve(target, secure=secure, token=token, ca=ca, cert=cert, key=key)
        self._channel = Channel(address)
        self.retry = retry or Retry()
        """When calls are repeated."""
        self._capabilities: Capabilities | None = None
        self._knows_omit_names = True

    @property
    def url(self) -> str:
        """The address of the gateway."""
        return self._channel.address.url

    def __repr__(self) -> str:
        return f"<Client of {self.url}>"

    def __reduce__(self) -> tuple[object, ...]:
        # Without the token: a pickle is often written to a file.
        address = self._channel.address
        return (_restore, (address.url, address.ca, address.cert, address.key))

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection. Jobs run on."""
        self._channel.close()

    def solve(
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
        progress: Progress | bool = False,
        on_event: EventCallback | None = None,
        log: TextIO | bool = False,
        on_interrupt: OnInterrupt = "cancel",
        **opts: Any,
    ) -> Result:
        """Submits a model, waits for the result and returns it.

        ``options`` and keywords are those of ``Options`` (``time_limit=60``); a keyword that is
        none of them is an option of the solver by its own name. ``progress=True`` draws the
        progress to standard error on a terminal, or in a notebook. ``log=True`` writes the
        solver's log to standard output as it comes, and a stream gets it instead. The others are
        those of ``submit``, and ``on_event``, Ctrl-C and exceptions those of ``Job.result``.
        """
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
        with Interrupts(on_interrupt, self.url, self._cancel, prepared.request_id) as interrupts:
            answer = self._submit(prepared, interrupts)
            interrupts.submitted(answer.job_id)
            job = Job(self, answer.job_id, names=prepared.has_names)
            return job._wait(interrupts, on_event=on_event, progress=progress, log=log)

    def submit(
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
        """Submits a model. Returns when the mesh has stored the job durably.

        ``labels``: to find the job by, with ``jobs``. ``request_id``: the same id with the same
        model is the same job, however often it is submitted; without one, a UUID is used, so that
        retries do not make second jobs. ``priority``: how urgent the job is, among those of your
        tenant. ``deadline``: seconds after which the job is given up,
        queue and solve together; ``queue_deadline``: if no worker has taken it by then.
        ``start``: values by name or index, [n] an array in which NaN is no value, a ``Basis``, a
        ``Start``, or an earlier ``Result`` (its basis if it has one, else its values).

        Raises ``Rejected`` with ``violations`` for an invalid model or option, ``Unavailable``
        and ``ModelTooLarge``.
        """
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
        return Job(self, self._submit(prepared).job_id, names=prepared.has_names)

    def sweep(
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
        """Solves a model for many scenarios, as one job that workers share.

        ``scenarios``: a mapping from parameters to their values, which is the grid of all
        combinations; a ``Table``; or a DataFrame with a column for each parameter and a row for
        each scenario, NaN where it is as the model. Parameters are ``obj:VAR``, ``offset``,
        ``lower:VAR``, ``upper:VAR``, ``fix:VAR``, ``rhs:ROW``, ``row-lower:ROW``,
        ``row-upper:ROW``, ``coef:ROW,VAR``, or ``Parameter`` with indices. ``report``: which
        values to return beside the objective. ``stop_on_first``: stop at the first scenario with
        a solution (``True``), or with an objective at least as good as this. The others are those
        of ``submit``; limits of ``options`` are of each scenario, and ``deadline`` of all.
        """
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
        return SweepJob(self, self._submit(prepared).job_id, plan, on_interrupt)

    def validate(
        self,
        model: ModelLike,
        options: Options | None = None,
        *,
        start: StartLike | None = None,
        **opts: Any,
    ) -> Validation:
        """Checks a model and options, and queues nothing. Raises ``Rejected`` as ``submit``."""
        prepared = submission(model, options, opts, start=start, validate_only=True)
        return _convert.validation(self._submit(prepared).description)

    def job(self, job_id: str) -> Job:
        """A handle of a job that exists. Makes no call."""
        return Job(self, job_id)

    def jobs(
        self,
        *,
        states: Iterable[JobState | str] = (),
        labels: Mapping[str, str] | None = None,
    ) -> Iterator[JobInfo]:
        """The jobs that match, the latest first. Pages are fetched as they are needed."""
        request = _listing.request(states, labels)
        more = True
        while more:
            page = self._call("ListJobs", request, job_service_pb2.ListJobsResponse)
            yield from (_convert.job(job) for job in page.jobs)
            more = _listing.advance(request, page)

    def capabilities(self) -> Capabilities:
        """The solvers, options and limits of the mesh."""
        request = job_service_pb2.GetCapabilitiesRequest()
        answer = self._call("GetCapabilities", request, job_service_pb2.GetCapabilitiesResponse)
        self._capabilities = _convert.capabilities(answer)
        return self._capabilities

    def _info(self, job_id: str) -> JobInfo:
        request = job_service_pb2.GetJobRequest(job_id=job_id, view=job_service_pb2.JOB_VIEW_BASIC)
        return _convert.job(self._call("GetJob", request, job_service_pb2.GetJobResponse).job)

    def _cancel(self, job_id: str) -> JobInfo:
        request = job_service_pb2.CancelJobRequest(job_id=job_id)
        return _convert.job(self._call("CancelJob", request, job_service_pb2.CancelJobResponse).job)

    def _submit(self, prepared: Submission, interrupts: Interrupts | None = None) -> job_pb2.Job:
        if not self._knows_omit_names:
            prepared = prepared.with_names()
        if prepared.size() > SURE_TO_FIT:
            limits = (self._capabilities or self.capabilities()).limits
            prepared = prepared.fit(limits.max_message_bytes, self.url)
        try:
            return self._send(prepared, interrupts)
        except Rejected as error:
            answer = self._send(prepared.after(error), interrupts)
            self._knows_omit_names = False
            return answer

    def _send(self, prepared: Submission, interrupts: Interrupts | None) -> job_pb2.Job:
        answer = self._call(
            "SubmitJob",
            prepared.message(),
            job_service_pb2.SubmitJobResponse,
            min_timeout=SUBMISSION_TIMEOUT,
            interrupts=interrupts,
        )
        job: job_pb2.Job = answer.job
        return job

    def _call(
        self,
        name: str,
        request: Any,
        response: Any,
        *,
        min_timeout: float = 0.1,
        interrupts: Interrupts | None = None,
    ) -> Any:
        """Makes a call until there is an answer or the retry budget is used up."""
        data = request if isinstance(request, bytes) else request.SerializeToString()
        grpc = import_grpc()

        tries = Tries(self.retry, self.url)
        while True:
            try:
                timeout = max(tries.remaining, min_timeout)
                return self._channel.call(name, response, data, timeout)
            except grpc.RpcError as error:
                failure = Failure.of(error)
            if interrupts is not None:
                interrupts.stop_if_requested()
            time.sleep(tries.pause(failure))


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
    """A client. Opens nothing: the connection is made by the first call.

    ``target``: ``http://HOST:PORT``, ``https://HOST:PORT`` or ``HOST:PORT``; else that of
    ``SOLVEMESH_URL``, else ``http://127.0.0.1:50051``. ``secure``: TLS or not, where the target
    does not say it. ``token``: sent with each call, else that of ``SOLVEMESH_TOKEN``. ``ca``: a
    PEM file with the certificates to trust instead of gRPC's; ``cert`` and ``key``: PEM files
    with a certificate of the client's own. Raises ``ValueError`` for a target that is none.
    """
    return Client(target, secure=secure, token=token, ca=ca, cert=cert, key=key, retry=retry)


def shared(
    target: str | None = None,
    *,
    secure: bool | None = None,
    token: str | None = None,
    ca: Path | None = None,
    cert: Path | None = None,
    key: Path | None = None,
) -> Client:
    """The client that ``solve`` and the plug-ins use: one for each address and credentials.

    It lives as long as the process, so that many solves share a connection. Do not close it.
    """
    address = resolve(target, secure=secure, token=token, ca=ca, cert=cert, key=key)
    with _shared_lock:
        if address not in _shared:
            _shared[address] = Client(
                address.url, secure=secure, token=address.token, ca=ca, cert=cert, key=key
            )
        return _shared[address]


def solve(
    model: ModelLike, options: Options | None = None, *, target: str | None = None, **kwargs: Any
) -> Result:
    """Solves a model on the mesh at ``target``; see ``connect`` and ``Client.solve``."""
    return shared(target).solve(model, options, **kwargs)


def _restore(url: str, ca: str | None, cert: str | None, key: str | None) -> Client:
    return shared(url, ca=ca, cert=cert, key=key)


_shared: dict[Address, Client] = {}
_shared_lock = threading.Lock()


def _close_shared() -> None:
    for client in _shared.values():
        client.close()


def _renew_lock() -> None:
    global _shared_lock
    _shared_lock = threading.Lock()


atexit.register(_close_shared)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)
