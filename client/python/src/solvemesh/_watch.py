"""The events of a job, each once and in order, over as many streams as it takes."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator

from ._channel import Channel, Stream, import_grpc
from ._request import _set_duration
from ._status import Failure
from .errors import _Details
from .retry import Retry, Tries
from .v1 import job_pb2, job_service_pb2

KINDS = {
    name.removeprefix("JOB_EVENT_KIND_").lower(): number
    for name, number in job_pb2.JobEventKind.items()
    if number
}


def request(
    job_id: str, kinds: Collection[str], interval: float | None, token: str
) -> job_service_pb2.WatchResultsRequest:
    """The request of a watch. Raises ``ValueError`` for a kind that does not exist."""
    if unknown := set(kinds) - set(KINDS):
        raise ValueError(f"there are no events {sorted(unknown)}; there are {', '.join(KINDS)}")
    message = job_service_pb2.WatchResultsRequest(
        job_ids=[job_id], resume_token=token, kinds=[KINDS[kind] for kind in kinds]
    )
    if interval is not None:
        _set_duration(message.min_interval, interval)
    return message


class Position:
    """Where a watch is in the events of a job, and whether it goes on after its stream has ended.

    Makes no calls: the watches of both kinds of clients do that, and ask it after each message
    and each failure.
    """

    def __init__(
        self, message: job_service_pb2.WatchResultsRequest, retry: Retry, url: str
    ) -> None:
        self.request = message
        """The request of the next stream; its resume token is kept up to date."""
        self.finished = False
        """Whether no further event will come."""
        self._resumed = bool(message.resume_token)
        self._any_event = False
        self._max_backoff = retry.max_backoff
        self._tries = Tries(retry, url)
        self._opened = 0.0

    def open(self) -> bytes:
        """The request for a stream that is opened now."""
        self._opened = time.monotonic()
        return self.request.SerializeToString()

    def received(self, response: job_service_pb2.WatchResultsResponse) -> job_pb2.JobEvent | None:
        """Moves past a message. Returns its event, if it has one."""
        if response.resume_token:
            self.request.resume_token = response.resume_token
        is_event = response.WhichOneof("kind") == "event"
        # A gateway that opens streams and fails at once must use up the budget.
        if is_event or time.monotonic() - self._opened > self._max_backoff:
            self._tries.progressed()
        if not is_event:
            return None
        self._any_event = True
        self.finished = response.event.WhichOneof("kind") == "finished"
        return response.event

    def closed(self) -> Failure:
        """The gateway ended the stream: a failure, unless there was nothing left to send."""
        # Then the job finished before the caller's token.
        self.finished = self._resumed and not self._any_event
        return Failure("UNAVAILABLE", "the gateway closed the stream early", _Details())

    def pause(self, failure: Failure) -> float:
        """The pause before the next stream. Raises the failure if there is no time for one."""
        return self._tries.pause(failure)


class Watch:
    """Iterates over the messages of a job's events until it has finished.

    If the stream breaks, or the gateway shuts down, it is opened again where it stopped, on
    whatever gateway then answers at the address, until the retry budget is used up.
    """

    def __init__(
        self,
        channel: Channel,
        retry: Retry,
        message: job_service_pb2.WatchResultsRequest,
        deadline: float | None = None,
    ) -> None:
        self._channel = channel
        self._retry = retry
        self._request = message
        self._deadline = deadline

    @property
    def resume_token(self) -> str:
        """The position after the last event, from which another watch can continue."""
        return self._request.resume_token

    def __iter__(self) -> Iterator[job_pb2.JobEvent]:
        grpc = import_grpc()

        position = Position(self._request, self._retry, self._channel.address.url)
        while True:
            call: Stream | None = None
            try:
                call = self._open(position)
                for response in call:
                    if (event := position.received(response)) is not None:
                        yield event
                    if position.finished:
                        return
                failure = position.closed()
                if position.finished:
                    return
            except grpc.RpcError as error:
                if call is not None and call.was_interrupted:
                    continue
                failure = Failure.of(error)
                self._check_deadline()
            finally:
                if call is not None:
                    call.cancel()
            time.sleep(position.pause(failure))

    def _open(self, position: Position) -> Stream:
        self._check_deadline()
        timeout = None if self._deadline is None else self._deadline - time.monotonic()
        response = job_service_pb2.WatchResultsResponse
        return self._channel.stream("WatchResults", response, position.open(), timeout)

    def _check_deadline(self) -> None:
        if self._deadline is not None and time.monotonic() >= self._deadline:
            job_id = self._request.job_ids[0]
            raise TimeoutError(f"job {job_id} has not finished in time; it is still running")
