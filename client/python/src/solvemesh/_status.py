"""The errors of gRPC, converted to the exceptions of this package."""

from __future__ import annotations

from typing import Any

from . import _wire
from .errors import ConnectionFailed, Rejected, Unavailable, Violation, _Details

# As the Rust client: what may be different at the next try.
_TRANSIENT = frozenset({"UNAVAILABLE", "UNKNOWN", "ABORTED", "CANCELLED", "DEADLINE_EXCEEDED"})
_PREFIX = "type.googleapis.com/google.rpc."


class Failure:
    """A call that failed."""

    def __init__(self, code: str, message: str, details: _Details) -> None:
        self.code = code
        self.message = message
        self.details = details

    @classmethod
    def of(cls, error: Any) -> Failure:
        """From an error of gRPC, of either kind of client."""
        details = _Details()
        for key, value in error.trailing_metadata() or ():
            if key == "grpc-status-details-bin":
                details = _parse(value)
        return cls(error.code().name, error.details() or "", details)

    @property
    def transient(self) -> bool:
        """Whether another try may succeed."""
        # gRPC reports a stream that the peer reset as INTERNAL.
        reset = self.code == "INTERNAL" and "RST_STREAM" in self.message
        return reset or self.code in _TRANSIENT or self.details.retry_after is not None

    @property
    def unknown_field(self) -> str:
        """The name of the message with a field that the gateway is too old for; else empty."""
        if self.details.reason != "UNKNOWN_FIELD":
            return ""
        return self.details.metadata.get("message", "") or "?"

    def error(self, url: str) -> Rejected:
        """The exception to raise."""
        facts = {
            "code": self.code,
            "reason": self.details.reason,
            "violations": tuple(self.details.violations),
            "metadata": self.details.metadata,
        }
        message = self.message or self.code
        listed = [
            f"{violation.field}: {violation.description}"
            for violation in self.details.violations
            if violation.description not in message
        ]
        if listed:
            message = "\n  ".join([message, *listed])
        if not self.transient:
            return Rejected(message, **facts)  # type: ignore[arg-type]
        if not self.details.reason and "connect" in message.lower():
            message = f"could not connect to {url}: {message}"
            return ConnectionFailed(message, **facts)  # type: ignore[arg-type]
        return Unavailable(f"{url}: {message}", **facts)  # type: ignore[arg-type]


def _parse(data: bytes) -> _Details:
    """Reads a ``google.rpc.Status``; what can't be read is left out, the code says enough."""
    details = _Details()
    try:
        for number, value in _wire.fields(data):
            if number == 3 and isinstance(value, memoryview):
                parts = dict(_wire.fields(value))
                kind = _text(parts.get(1, b"")).removeprefix(_PREFIX)
                content = parts.get(2, memoryview(b""))
                if isinstance(content, memoryview):
                    _add(details, kind, content)
    except ValueError:
        pass
    return details


def _add(details: _Details, kind: str, content: memoryview) -> None:
    if kind == "ErrorInfo":
        for number, value in _wire.fields(content):
            if number == 1:
                details.reason = _text(value)
            elif number == 3 and isinstance(value, memoryview):
                entry = dict(_wire.fields(value))
                details.metadata[_text(entry.get(1, b""))] = _text(entry.get(2, b""))
    elif kind == "BadRequest":
        for number, value in _wire.fields(content):
            if number == 1 and isinstance(value, memoryview):
                entry = dict(_wire.fields(value))
                violation = Violation(_text(entry.get(1, b"")), _text(entry.get(2, b"")))
                details.violations.append(violation)
    elif kind == "RetryInfo":
        details.retry_after = 0.0
        for number, value in _wire.fields(content):
            if number == 1 and isinstance(value, memoryview):
                duration = dict(_wire.fields(value))
                seconds, nanos = duration.get(1, 0), duration.get(2, 0)
                if isinstance(seconds, int) and isinstance(nanos, int):
                    details.retry_after = seconds + nanos * 1e-9


def _text(value: object) -> str:
    return bytes(value).decode(errors="replace") if isinstance(value, (bytes, memoryview)) else ""
