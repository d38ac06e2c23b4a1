"""Where a gateway is, and how to reach it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

DEFAULT_URL = "http://127.0.0.1:50051"
_PLAIN = {"http": 50051, "grpc": 50051}
_SECURE = {"https": 443, "grpcs": 443}
_LOOPBACK = ("localhost", "::1")


@dataclass(frozen=True)
class Address:
    """The address of a gateway and the credentials for it."""

    url: str
    host: str
    port: int
    secure: bool
    token: str | None = field(default=None, repr=False)
    ca: str | None = None
    cert: str | None = None
    key: str | None = None

    @property
    def target(self) -> str:
        """Host and port as gRPC wants them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether the gateway is on this machine."""
        return self.host in _LOOPBACK or self.host.startswith("127.")


def resolve(
    target: str | None = None,
    *,
    secure: bool | None = None,
    token: str | None = None,
    ca: str | os.PathLike[str] | None = None,
    cert: str | os.PathLike[str] | None = None,
    key: str | os.PathLike[str] | None = None,
) -> Address:
    """The address that the arguments and the environment name.

    Raises ``ValueError`` for a target with parts that would have no effect, and for a token that
    would be sent over a network unencrypted.
    """
    target = target or os.environ.get("SOLVEMESH_URL") or DEFAULT_URL
    token = token or os.environ.get("SOLVEMESH_TOKEN") or None
    url = target if "://" in target else f"{'https' if secure else 'http'}://{target}"
    parts = urlsplit(url)
    if "@" in parts.netloc:
        # Not shown: what is before the @ may have a password.
        raise ValueError("the target must not have a user (before @): use token=")
    schemes = {**_PLAIN, **_SECURE}
    if parts.scheme not in schemes:
        raise ValueError(f"target {target!r} must begin with http:// or https://, or be HOST:PORT")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(f"target {target!r} must end after the port: gRPC defines the paths")
    if not parts.hostname:
        raise ValueError(f"target {target!r} has no host")
    try:
        port = parts.port or schemes[parts.scheme]
    except ValueError:
        raise ValueError(f"target {target!r} must have a port from 1 to 65535") from None
    uses_tls = parts.scheme in _SECURE
    if secure is not None and secure != uses_tls:
        raise ValueError(f"secure={secure} contradicts the target {target!r}")
    if not uses_tls and (ca or cert or key):
        raise ValueError(f"ca, cert and key need a target with https://, not {target!r}")
    if (cert is None) != (key is None):
        raise ValueError("cert and key must be given together")
    address = Address(
        url=f"{parts.scheme}://{parts.netloc}",
        host=parts.hostname,
        port=port,
        secure=uses_tls,
        token=token,
        ca=None if ca is None else os.fspath(ca),
        cert=None if cert is None else os.fspath(cert),
        key=None if key is None else os.fspath(key),
    )
    if token and not uses_tls and not address.is_loopback and secure is None:
        raise ValueError(
            f"the token would be sent unencrypted to {address.host}: use https://, or "
            "secure=False if something else encrypts the connection"
        )
    return address


def read(path: str | None) -> bytes | None:
    """The content of a file of credentials."""
    return None if path is None else Path(path).read_bytes()
