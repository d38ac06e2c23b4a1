"""Connections that break while a job is watched."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading

import models
import pytest

import solvemesh
from solvemesh import Status, aio


class Proxy:
    """Forwards connections to a gateway until it drops them."""

    def __init__(self, address: str) -> None:
        host, port = address.rsplit(":", 1)
        self._to = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []
        self.accepted = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._to)
                self.accepted += 1
                self._open += [client, server]
                for one, other in ((client, server), (server, client)):
                    threading.Thread(target=self._copy, args=(one, other), daemon=True).start()

    def _copy(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        self._end(one, other)

    @staticmethod
    def _end(*sockets: socket.socket) -> None:
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def drop(self) -> None:
        """Ends all connections; new ones are accepted."""
        self._end(*self._open)
        self._open.clear()

    def close(self) -> None:
        self._listener.close()
        self.drop()


@pytest.fixture
def proxy(gateway):
    running = Proxy(gateway.address)
    yield running
    running.close()


class Dropping:
    """Drops each of the first connections at its first event, and keeps all events.

    Once for each connection: several events may arrive before the client sees that it is closed.
    """

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.seen: list[int] = []
        self._dropped = 0

    def __call__(self, event) -> None:
        self.seen.append(event.sequence)
        if self._dropped < self.proxy.accepted <= 4:
            self._dropped = self.proxy.accepted
            self.proxy.drop()


def check(result, dropping):
    assert result.status in (Status.FEASIBLE, Status.OPTIMAL)
    assert len(result.x) == 38
    assert dropping.proxy.accepted > 3
    # Each event once and in order, over all connections.
    assert dropping.seen == sorted(set(dropping.seen))


def test_a_watch_that_breaks_goes_on_where_it_stopped(proxy):
    dropping = Dropping(proxy)
    with solvemesh.connect(proxy.url) as client:
        result = client.solve(models.market_split(), time_limit=2, on_event=dropping)
    check(result, dropping)


def test_one_of_asyncio_does_too(proxy):
    dropping = Dropping(proxy)

    async def main():
        async with aio.connect(proxy.url) as client:
            return await client.solve(models.market_split(), time_limit=2, on_event=dropping)

    check(asyncio.run(main()), dropping)
