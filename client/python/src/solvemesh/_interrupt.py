"""What Ctrl-C does while a job is waited for."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Literal

OnInterrupt = Literal["cancel", "detach", "raise"]
CHOICES = ("cancel", "detach", "raise")


class Interrupts:
    """Handles SIGINT while a job is submitted and waited for.

    With ``"cancel"``, the first one asks for a cancel, and the wait goes on: it ends with the best
    solution found so far. The second one raises ``KeyboardInterrupt`` with the job's id in its
    notes. A signal handler, and not ``except KeyboardInterrupt``, so that no event that is just
    being received is lost.
    """

    def __init__(
        self, choice: str, url: str, cancel: Callable[[str], object], request_id: str = ""
    ) -> None:
        if choice not in CHOICES:
            raise ValueError(f"on_interrupt must be one of {', '.join(CHOICES)}, not {choice!r}")
        self._choice = choice
        self._url = url
        self._cancel = cancel
        self._request_id = request_id
        self._job_id = ""
        self._count = 0
        self._asked = False
        self._previous: Any = None

    def __enter__(self) -> Interrupts:
        # Only the main thread gets signals, and a handler of the program's own is left alone.
        if (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        ):
            self._previous = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
            self._previous = None

    @property
    def requested(self) -> bool:
        """Whether there was an interrupt."""
        return self._count > 0

    def submitted(self, job_id: str) -> None:
        """Tells the job's id, which cancels the job if there was an interrupt before."""
        self._job_id = job_id
        if self._count:
            self._interrupt()

    def stop_if_requested(self) -> None:
        """Raises ``KeyboardInterrupt`` if there was one, before a submission is repeated."""
        if self._count and not self._job_id:
            raise self.error()

    def again(self) -> None:
        """Handles a ``KeyboardInterrupt`` that a handler of the program's own raised."""
        self._count += 1
        self._interrupt()

    def error(self) -> KeyboardInterrupt:
        """The exception that says how to find the job."""
        error = KeyboardInterrupt()
        if self._job_id:
            state = "was asked to stop" if self._asked else "is still running"
            note = (
                f"job {self._job_id} {state}; "
                f'solvemesh.connect("{self._url}").job("{self._job_id}") finds it'
            )
        else:
            note = (
                f"the job may have been submitted: repeat the call with "
                f'request_id="{self._request_id}" to find it'
            )
        error.__notes__ = [note]  # type: ignore[attr-defined]
        error.job_id = self._job_id  # type: ignore[attr-defined]
        return error

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        self._count += 1
        if self._job_id:
            self._interrupt()
        elif self._count > 1 or self._choice != "cancel":
            raise self.error()
        else:
            # It may be on its way. Once its id is known, it can be cancelled.
            _say("cancelling once the job is submitted, Ctrl-C again to give up waiting")

    def _interrupt(self) -> None:
        # Set before anything else: the second signal may arrive within the handler of the first.
        if self._choice == "detach" or self._asked:
            raise self.error()
        self._asked = True
        if self._choice == "raise":
            self._start_cancel().join(timeout=5)
            raise self.error()
        _say("cancelling, Ctrl-C again to leave it running")
        self._start_cancel()

    def _start_cancel(self) -> threading.Thread:
        # In a thread: the signal may have arrived while gRPC holds its locks in this one.
        thread = threading.Thread(target=self._try_cancel, name="solvemesh-cancel", daemon=True)
        thread.start()
        return thread

    def _try_cancel(self) -> None:
        try:
            self._cancel(self._job_id)
        except Exception as error:
            _say(f"could not cancel job {self._job_id}: {error}")


def _say(message: str) -> None:
    try:
        print(f"solvemesh: {message}", file=sys.stderr, flush=True)  # noqa: T201
    except RuntimeError:
        # The signal interrupted a write to the same stream, which can't be entered twice.
        os.write(2, f"solvemesh: {message}\n".encode())
