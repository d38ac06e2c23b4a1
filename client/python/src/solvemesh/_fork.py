"""Keeps threads out of gRPC while the process forks.

gRPC works in a child only if no thread of the parent was in it at the moment of the fork
(https://github.com/grpc/grpc/blob/master/doc/fork_support.md); else calls of the child may wait
for ever for threads that it does not have. A program can't see to that by itself: the threads
that wait for jobs are this package's.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType

# As gRPC, which waits that long for its own threads.
_TIMEOUT_SECONDS = 5.0
# How soon a call that was just being started is interrupted as well.
_PERIOD_SECONDS = 0.01

_logger = logging.getLogger("solvemesh")


class Gate:
    """What a thread holds while it is in gRPC. A fork waits until no other thread holds it.

    ``interrupt`` makes the calls end that threads wait in; they are to be repeated after it.
    ``forget`` drops what a child can't use.
    """

    def __init__(self, interrupt: Callable[[], None], forget: Callable[[], None]) -> None:
        self._interrupt = interrupt
        self._forget = forget
        # Held while gRPC is imported, and by a fork.
        self._importing = threading.RLock()
        self._grpc: ModuleType | None = None
        self._clear()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._begin, after_in_parent=self._end, after_in_child=self._end_in_child
            )

    @contextmanager
    def held(self) -> Iterator[None]:
        """Holds the gate for a block, which may be within another one: the garbage collector ends
        abandoned calls anywhere."""
        this, is_inner = threading.get_ident(), False
        try:
            with self._changed:
                is_inner = this in self._inside
                # The thread that forks may make calls, in handlers of the program.
                while not is_inner and self._forking - {this}:
                    self._changed.wait()
                self._inside.add(this)
            yield
        finally:
            if not is_inner:
                with self._changed:
                    self._inside.discard(this)
                    self._changed.notify_all()

    def import_grpc(self) -> ModuleType:
        """gRPC, with its support for forks. To be called before, not within, a use of the gate.

        gRPC reads the variable when it is imported, so a program that imports it before the first
        call has to set the variable itself.
        """
        if self._grpc is not None:
            return self._grpc
        with self._importing:
            os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "1")
            import grpc

            if self._grpc is None and hasattr(os, "register_at_fork"):
                # Handlers before a fork run in the reverse order. gRPC's stops the threads that
                # end its calls, so this one has to be after it, which comes with a channel.
                grpc.insecure_channel("localhost").close()
                os.register_at_fork(before=self._close, after_in_child=self._forget)
            self._grpc = grpc
            return grpc

    def _begin(self) -> None:
        try:
            # Has nothing to wait for if the other handler was there when the fork began.
            self._close()
        finally:
            # Also after Ctrl-C, since the fork goes on and `_end` releases it.
            self._importing.acquire()

    def _close(self) -> None:
        """Keeps other threads out, and waits for those that are inside."""
        this = threading.get_ident()
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        with self._changed:
            self._forking.add(this)
        # This thread is inside itself if a signal handler forks.
        while self._inside - {this}:
            if time.monotonic() >= deadline:
                _logger.warning("a call did not end before a fork: the child may hang in its own")
                return
            self._interrupt()
            with self._changed:
                if self._inside - {this}:
                    self._changed.wait(_PERIOD_SECONDS)

    def _end(self) -> None:
        with self._changed:
            self._forking.discard(threading.get_ident())
            self._changed.notify_all()
        self._importing.release()

    def _end_in_child(self) -> None:
        self._clear()
        self._importing = threading.RLock()

    def _clear(self) -> None:
        self._changed = threading.Condition()
        # The ids of threads.
        self._forking: set[int] = set()
        self._inside: set[int] = set()
