"""One gRPC channel per client and process."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from ._address import Address, read
from ._fork import Gate

if TYPE_CHECKING:
    import grpc

SERVICE = "/solvemesh.v1.JobService/"

# Gateways send at most 1 MiB; the margin is for gateways that are configured differently.
_MAX_RECEIVED_BYTES = 64 << 20


def options(address: Address) -> list[tuple[str, Any]]:
    """The options of a channel, the same for both kinds of clients."""
    chosen: list[tuple[str, Any]] = [
        ("grpc.max_receive_message_length", _MAX_RECEIVED_BYTES),
        ("grpc.max_send_message_length", -1),
        # Pings detect a connection that is broken without being closed.
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.max_pings_without_data", 0),
        # The client retries by itself, so the next try should not meet a connection that waits.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        # A client of its own connection: one that is closed must not leave calls to another.
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if address.is_loopback:
        # gRPC would ask the proxy of the environment for this machine, too.
        chosen.append(("grpc.enable_http_proxy", 0))
    return chosen


def metadata(address: Address) -> tuple[tuple[str, str], ...]:
    """What is sent with each call."""
    return (("authorization", f"Bearer {address.token}"),) if address.token else ()


def credentials(address: Address) -> grpc.ChannelCredentials:
    """The credentials of a channel with TLS. The files are read now, so that they may change."""
    import grpc

    return grpc.ssl_channel_credentials(
        root_certificates=read(address.ca),
        private_key=read(address.key),
        certificate_chain=read(address.cert),
    )


class Channel:
    """A channel that is opened at its first use, and again after the process was forked.

    A fork interrupts the calls of all channels, in the parent as well: gRPC can't be used in the
    child otherwise.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None
        self._calls: weakref.WeakSet[Call] = weakref.WeakSet()
        self._closed = False
        _all.add(self)

    def call(self, method: str, response: Any, request: bytes, timeout: float) -> Any:
        """Makes a call and waits for its response. Raises ``grpc.RpcError``."""
        import_grpc()
        deadline = time.monotonic() + timeout
        while True:
            with _gate.held():
                unary: Any = self._open().unary_unary(
                    SERVICE + method,
                    request_serializer=None,
                    response_deserializer=response.FromString,
                )
                left = max(0.0, deadline - time.monotonic())
                # A future, as only that can be cancelled.
                future = unary.future(request, timeout=left, metadata=metadata(self.address))
                call = self._started(Call(future))
                try:
                    code = future.code()
                except BaseException:
                    # Ctrl-C: nothing waits for the response any longer.
                    future.cancel()
                    raise
                if code.name == "OK":
                    return future.result()
            if not call.was_interrupted:
                # Its `result` would raise another type of error after a cancellation.
                raise future

    def stream(self, method: str, response: Any, request: bytes, timeout: float | None) -> Stream:
        """Starts a call with a stream of responses."""
        import_grpc()
        with _gate.held():
            stream: Callable[..., Any] = self._open().unary_stream(
                SERVICE + method,
                request_serializer=None,
                response_deserializer=response.FromString,
            )
            call = stream(request, timeout=timeout, metadata=metadata(self.address))
            return self._started(Stream(call))

    def close(self) -> None:
        """Closes the connection. Calls that wait end with an error."""
        with _gate.held():
            with self._lock:
                self._closed = True
                channel, self._channel = self._channel, None
            if channel is not None:
                channel.close()

    def _open(self) -> grpc.Channel:
        with self._lock:
            if self._closed:
                raise RuntimeError("the client is closed")
            if self._channel is None:
                self._channel = _new_channel(self.address)
            return self._channel

    def _started(self, call: _C) -> _C:
        with self._lock:
            self._calls.add(call)
        return call

    def _interrupt(self) -> None:
        with self._lock:
            calls = list(self._calls)
        for call in calls:
            call.interrupt()

    def _forget(self) -> None:
        # In a child: the lock may have been held by a thread that does not exist here.
        self._lock = threading.Lock()
        self._channel = None
        self._calls = weakref.WeakSet()


class Call:
    """A call in progress."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self.was_interrupted = False
        """Whether a fork ended it, so that it is to be made again."""

    def interrupt(self) -> None:
        """Ends the call for a fork."""
        # A call that has ended can't be cancelled.
        self.was_interrupted = bool(self._call.cancel())


class Stream(Call):
    """Iterates over the responses of a call. Raises ``grpc.RpcError``."""

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> Any:
        with _gate.held():
            return next(self._call)

    def cancel(self) -> None:
        """Ends the call, unless it has ended."""
        with _gate.held():
            self._call.cancel()


_C = TypeVar("_C", bound=Call)


def _new_channel(address: Address) -> grpc.Channel:
    import grpc

    if address.secure:
        return grpc.secure_channel(address.target, credentials(address), options(address))
    return grpc.insecure_channel(address.target, options(address))


_all: weakref.WeakSet[Channel] = weakref.WeakSet()


def _channels() -> list[Channel]:
    while True:
        try:
            return list(_all)
        except RuntimeError:
            # Another thread just created a client.
            continue


def _interrupt_all() -> None:
    for channel in _channels():
        channel._interrupt()


def _forget_all() -> None:
    for channel in _channels():
        channel._forget()


_gate = Gate(_interrupt_all, _forget_all)
import_grpc = _gate.import_grpc
