"""Progress on the standard error, or in a notebook."""

from __future__ import annotations

import sys
import time
from typing import Any, Protocol

from . import events


class Progress(Protocol):
    """Draws what happens to a job."""

    def update(self, event: events.Event) -> None:
        """Called with each event of the job."""

    def close(self) -> None:
        """Called once, when the wait ends, also with an exception."""


def of(choice: Progress | bool) -> Progress | None:
    """The progress of an argument: ``True`` draws on a terminal and in Jupyter, else not at all."""
    if not isinstance(choice, bool):
        return choice
    if not choice:
        return None
    if "ipykernel" in sys.modules:
        try:
            return _Notebook()
        except ImportError:
            return None
    if not sys.stderr.isatty():
        return None
    for make in (_Rich, _Tqdm):
        try:
            return make()
        except ImportError:
            continue
    return _Lines()


def line(event: events.Event) -> str | None:
    """What to say about an event; ``None``: nothing."""
    if isinstance(event, events.Queued):
        return f"queued in lane {event.lane}"
    if isinstance(event, events.Started):
        return f"started by {event.worker}"
    if isinstance(event, events.CancelRequested):
        return "cancelling"
    if isinstance(event, events.AttemptFailed):
        return f"attempt {event.attempt} failed: {event.message}"
    if isinstance(event, (events.ProgressMade, events.Incumbent)):
        parts = [f"{event.elapsed:.0f} s"]
        if event.objective is not None:
            parts.append(f"objective {event.objective:.8g}")
        if event.bound is not None:
            parts.append(f"bound {event.bound:.8g}")
        if event.gap is not None:
            parts.append(f"gap {event.gap:.2%}")
        return ", ".join(parts)
    return None


class _Rich:
    def __init__(self) -> None:
        from rich.console import Console
        from rich.status import Status

        self._status = Status("submitted", console=Console(stderr=True))
        self._status.start()

    def update(self, event: events.Event) -> None:
        if text := line(event):
            self._status.update(text)

    def close(self) -> None:
        self._status.stop()


class _Tqdm:
    def __init__(self) -> None:
        from tqdm import tqdm

        self._bar: Any = tqdm(file=sys.stderr, bar_format="{desc} [{elapsed}]", leave=False)

    def update(self, event: events.Event) -> None:
        if text := line(event):
            self._bar.set_description_str(text)

    def close(self) -> None:
        self._bar.close()


class _Notebook:
    def __init__(self) -> None:
        from IPython.display import display

        self._handle: Any = display({"text/plain": "submitted"}, raw=True, display_id=True)

    def update(self, event: events.Event) -> None:
        if text := line(event):
            self._handle.update({"text/plain": text}, raw=True)

    def close(self) -> None:
        pass


class _Lines:
    """One line in ten seconds, where neither rich nor tqdm is installed."""

    def __init__(self) -> None:
        self._last = -10.0

    def update(self, event: events.Event) -> None:
        text, now = line(event), time.monotonic()
        if text and now - self._last >= 10:
            self._last = now
            print(f"solvemesh: {text}", file=sys.stderr, flush=True)  # noqa: T201

    def close(self) -> None:
        pass
