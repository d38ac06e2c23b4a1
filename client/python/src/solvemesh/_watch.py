"""The events of a job, each once and in order, over as many streams as it takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from typing import Any

from ._channel import Channel, metadata
from ._request import _set_duration
from ._status import Failure
from .errors import _Details
from .retry import Retry, Tries
from .v1 import job_pb2, job_service_pb2

CLOSED_EARLY = Failure("UNAVAILABLE", "the gateway closed the stream early", _Details())

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
        self._resumed = bool(message.resume_token)
        self._deadline = deadline

    @property
    def resume_token(self) -> str:
        """The position after the last event, from which another watch can continue."""
        return self._request.resume_token

    def __iter__(self) -> Iterator[job_pb2.JobEvent]:
        import grpc

        tries = Tries(self._retry, self._channel.address.url)
        any_event = False
        while True:
            call: Any = None
            opened = time.monotonic()
            try:
                call = self._open()
                for response in call:
                    if response.resume_token:
                        self._request.resume_token = response.resume_token
                    # A gateway that opens streams and fails at once must use up the budget.
                    is_event = response.WhichOneof("kind") == "event"
                    if is_event or time.monotonic() - opened > self._retry.max_backoff:
                        tries.progressed()
                    if is_event:
                        any_event = True
                        yield response.event
                        if response.event.WhichOneof("kind") == "finished":
                            return
                if self._resumed and not any_event:
                    # The job finished before the caller's token.
                    return
                failure = CLOSED_EARLY
            except grpc.RpcError as error:
                failure = Failure.of(error)
                self._check_deadline()
            finally:
                if call is not None:
                    call.cancel()
            time.sleep(tries.pause(failure))

    def _open(self) -> Any:
        self._check_deadline()
        timeout = None if self._deadline is None else self._deadline - time.monotonic()
        method: Callable[..., Any] = self._channel.stream(
            "WatchResults", job_service_pb2.WatchResultsResponse
        )
        return method(
            self._request.SerializeToString(),
            timeout=timeout,
            metadata=metadata(self._channel.address),
        )

    def _check_deadline(self) -> None:
        if self._deadline is not None and time.monotonic() >= self._deadline:
            job_id = self._request.job_ids[0]
            raise TimeoutError(f"job {job_id} has not finished in time; it is still running")
