"""What the plug-ins of all libraries share. Imports nothing that is slow."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .errors import Unsupported

if TYPE_CHECKING:
    from .client import Client

# The arguments of ``solvemesh.connect`` that every plug-in takes.
CONNECTION = ("target", "token", "secure", "ca", "cert", "key")

# Names that other solvers have for options of ours, in lower case.
_ALIASES = {
    "timelimit": "time_limit",
    "sec": "time_limit",
    "seconds": "time_limit",
    "tm_limit": "time_limit",
    "mipgap": "relative_gap",
    "ratiogap": "relative_gap",
    "gaprel": "relative_gap",
    "rel_gap": "relative_gap",
    "mip_rel_gap": "relative_gap",
    "epgap": "relative_gap",
    "mipgapabs": "absolute_gap",
    "gapabs": "absolute_gap",
    "abs_gap": "absolute_gap",
    "allowablegap": "absolute_gap",
    "mip_abs_gap": "absolute_gap",
    "random_seed": "seed",
    "randomseed": "seed",
    "maxnodes": "node_limit",
    "nodelimit": "node_limit",
    "mip_max_nodes": "node_limit",
    "maxiter": "iteration_limit",
    "iterationlimit": "iteration_limit",
    "simplex_iteration_limit": "iteration_limit",
    "mip_max_improving_sols": "solution_limit",
    "solutionlimit": "solution_limit",
    "bestobjstop": "objective_target",
}
_OWN = frozenset(
    {
        "time_limit",
        "relative_gap",
        "absolute_gap",
        "threads",
        "seed",
        "presolve",
        "solver",
        "node_limit",
        "iteration_limit",
        "solution_limit",
        "objective_target",
        "memory_limit_bytes",
    }
)
_WORDS = {"on": True, "true": True, "yes": True, "off": False, "false": False, "no": False}


def available() -> bool:
    """Whether the client can be used. Opens no connection: it is often asked."""
    return importlib.util.find_spec("grpc") is not None


def connection(arguments: dict[str, Any]) -> dict[str, Any]:
    """Removes the arguments of ``solvemesh.connect`` from others, and returns them."""
    return {name: arguments.pop(name) for name in CONNECTION if name in arguments}


def client(connection: Mapping[str, Any]) -> Client:
    """The client for arguments of ``solvemesh.connect``."""
    from .client import shared

    return shared(**connection)


def options(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Options by the names of other solvers, as arguments of ``Client.solve``.

    ``None`` is left out. A name that is not known is an option of the solver; the gateway refuses
    those that the solver does not have.
    """
    found: dict[str, Any] = {}
    for name, value in raw.items():
        known = _ALIASES.get(name.lower(), name.lower())
        if value is None:
            continue
        if known == "presolve":
            truth = _WORDS.get(str(value).lower(), value)
            if truth not in ("choose", "auto"):
                found[known] = bool(truth)
        elif known in _OWN:
            found[known] = value
        else:
            found[name] = value
    return found


def refuse(library: str, found: Iterable[tuple[str, Any]]) -> None:
    """Raises ``Unsupported`` with the names of what a model has and the mesh can't solve."""
    names = [name for name, present in found if present]
    if names:
        raise Unsupported(
            f"solvemesh solves linear and mixed-integer models; this {library} model has "
            f"{', '.join(names)}. Nothing was sent"
        )


class Streams:
    """A stream for a log, that writes to others."""

    def __init__(self, *streams: Any) -> None:
        self._streams = streams

    def write(self, text: str) -> int:
        """Writes to all of them."""
        for stream in self._streams:
            stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flushes all of them."""
        for stream in self._streams:
            stream.flush()
