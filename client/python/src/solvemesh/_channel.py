"""One gRPC channel per client and process."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ._address import Address, read

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
    """A channel that is opened at its first use, and again in a process that was forked.

    A channel can't be used in a child of the process that opened it.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None
        self._pid = 0
        self._closed = False
        _all.add(self)

    def unary(self, method: str, response: Any) -> Callable[..., Any]:
        """A method that takes the bytes of its request."""
        return self._open().unary_unary(
            SERVICE + method,
            request_serializer=None,
            response_deserializer=response.FromString,
        )

    def stream(self, method: str, response: Any) -> Callable[..., Any]:
        """A method with a stream of responses, that takes the bytes of its request."""
        return self._open().unary_stream(
            SERVICE + method,
            request_serializer=None,
            response_deserializer=response.FromString,
        )

    def close(self) -> None:
        """Closes the connection. Calls that wait end with an error."""
        with self._lock:
            self._closed = True
            channel, self._channel = self._channel, None
            if channel is not None and self._pid == os.getpid():
                channel.close()

    def _open(self) -> grpc.Channel:
        with self._lock:
            if self._closed:
                raise RuntimeError("the client is closed")
            if self._channel is None or self._pid != os.getpid():
                self._channel, self._pid = _new_channel(self.address), os.getpid()
            return self._channel

    def _forget(self) -> None:
        # In a child: the lock may have been held by a thread that does not exist here.
        self._lock = threading.Lock()
        self._channel = None


def _new_channel(address: Address) -> grpc.Channel:
    # Without it, a process that used gRPC can't use it in its children: they wait for threads
    # that they do not have. gRPC reads it when it is imported, so a program that imported it
    # before has to set it itself.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "1")
    import grpc

    if address.secure:
        return grpc.secure_channel(address.target, credentials(address), options(address))
    return grpc.insecure_channel(address.target, options(address))


_all: weakref.WeakSet[Channel] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for channel in list(_all):
        channel._forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
