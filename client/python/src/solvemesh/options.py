"""How to solve a model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any

Seconds = float
_NONE: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to solve a model. ``None`` is the default of the mesh (``Client.capabilities``).

    An option that the chosen solver does not support is refused by the gateway, with its name.
    """

    time_limit: Seconds | None = None
    """How long the solver may run, in seconds, above 0. Time in the queue does not count."""
    relative_gap: float | None = None
    """A MIP is optimal once ``|bound - objective| / |objective|`` is at most this."""
    absolute_gap: float | None = None
    """A MIP is optimal once ``|bound - objective|`` is at most this."""
    threads: int | None = None
    """Number of threads of the solver. The default of the mesh is 1."""
    seed: int | None = None
    """The seed of the solver's random numbers."""
    presolve: bool | None = None
    """Whether to presolve; ``None``: the solver decides."""
    solver: str | None = None
    """``"highs"``, ``"scip"``, ``"cbc"``, ``"clarabel"``, ``"microlp"`` or ``"auto"``."""
    node_limit: int | None = None
    """Stop after this number of branch-and-bound nodes."""
    iteration_limit: int | None = None
    """Stop after this number of iterations. LPs only."""
    solution_limit: int | None = None
    """Stop after this number of improving solutions. MIPs only."""
    objective_target: float | None = None
    """Stop at the first solution that is at least as good as this. MIPs only."""
    memory_limit_bytes: int | None = None
    """Maximum memory of the solver process."""
    return_basis: bool = False
    """Return the basis at the end of an LP: ``Result.basis``."""
    return_sensitivity: bool = False
    """Return sensitivity ranges of an LP: ``Result.ranges``."""
    return_infeasible_subset: bool = False
    """Return contradicting bounds of an infeasible model: ``Result.subset``."""
    return_log: bool = False
    """Return the solver's log: ``Result.log``. Only HiGHS writes one."""
    incumbents_of: Sequence[str] = ()
    """Incumbents contain the values of these variables only, by name."""
    incumbents_nonzero: bool = False
    """Incumbents omit values of 0."""
    solver_options: Mapping[str, Any] = field(default_factory=lambda: _NONE)
    """Options by the solver's own names. Booleans and numbers become text."""

    def __post_init__(self) -> None:
        for name in ("time_limit", "relative_gap", "absolute_gap", "objective_target"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise ValueError(f"{name} must be finite, not {value}")
        if self.time_limit is not None and self.time_limit <= 0:
            raise ValueError(f"time_limit must be above 0, not {self.time_limit}")
        object.__setattr__(self, "solver_options", MappingProxyType(dict(self.solver_options)))

    def with_(self, **changes: Any) -> Options:
        """A copy with other values. Names that are not fields are options of the solver."""
        known = {name: value for name, value in changes.items() if name in FIELDS}
        raw = {name: value for name, value in changes.items() if name not in FIELDS}
        if raw:
            known["solver_options"] = {
                **self.solver_options,
                **known.get("solver_options", {}),
                **raw,
            }
        return replace(self, **known)

    def __reduce__(self) -> tuple[object, ...]:
        values = {name: getattr(self, name) for name in FIELDS}
        return (_unpickle, ({**values, "solver_options": dict(self.solver_options)},))


FIELDS = frozenset(item.name for item in fields(Options))


def option_text(value: object) -> str:
    """The text of a raw option: ``true`` for ``True``, and numbers with all their digits."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int)):
        return str(value)
    try:
        return repr(float(value))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise TypeError(
            f"an option of a solver must be text, a number or a bool, not {value!r}"
        ) from None


def _unpickle(values: dict[str, Any]) -> Options:
    return Options(**values)
