"""The result of a solve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .enums import JobState, Limit, StartStatus, Status
from .errors import Imprecise, Infeasible, NoSolution, Unbounded
from .model import Basis

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Verification:
    """A check of the solution outside the solver.

    Violations are absolute; ``None``: not checked.
    """

    bound_violation: float | None
    row_violation: float | None
    integrality_violation: float | None
    max_violation: float | None
    """The largest of the three above."""
    dual_violation: float | None
    complementarity_violation: float | None
    worst: tuple[str, ...]
    """Names of the most violated variables and constraints, for display only."""


@dataclass(frozen=True, slots=True, eq=False)
class Range:
    """Ranges in which numbers may move, each by itself, and the objective at their ends."""

    lower: FloatArray
    upper: FloatArray
    objective_at_lower: FloatArray
    objective_at_upper: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Ranges:
    """Sensitivity ranges of an LP. ``None``: the answer has none of this kind."""

    costs: Range | None
    """[n] Ranges of objective coefficients in which the solution stays optimal."""
    bounds: Range | None
    """[n] Ranges of the active bound of each variable in which the basis stays optimal."""
    right_hand_sides: Range | None
    """[m] Ranges of right-hand sides in which the basis stays optimal."""


@dataclass(frozen=True, slots=True, eq=False)
class InfeasibilityProof:
    """Multipliers of constraints that show that there is no solution (Farkas)."""

    constraints: NDArray[np.int32]
    multipliers: FloatArray
    distance: float | None
    """How far all bounds may be widened at once with the model still infeasible."""
    verified: bool
    """Whether the proof holds, computed outside the solver."""


@dataclass(frozen=True, slots=True)
class SubsetBound:
    """A bound in an infeasible subset."""

    index: int
    name: str
    side: str
    """``"LOWER"`` or ``"UPPER"``."""
    bound: float | None


@dataclass(frozen=True, slots=True)
class InfeasibleSubset:
    """Bounds that no x satisfies together, integers aside."""

    constraints: tuple[SubsetBound, ...]
    variables: tuple[SubsetBound, ...]
    irreducible: bool
    verified: bool


@dataclass(frozen=True, slots=True, eq=False)
class Ray:
    """A direction in which solutions stay feasible and improve without limit."""

    variables: NDArray[np.int32]
    values: FloatArray
    rate: float | None
    verified: bool


@dataclass(frozen=True, slots=True)
class StartReport:
    """How a starting point was used."""

    status: StartStatus
    detail: str
    objective: float | None


@dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class Result:
    """The result of a job: of n variables and m constraints, in the order of the model.

    Numbers that are not known are ``None``. Duals and reduced costs are those of the model as
    submitted: the change of the objective per unit of the right-hand side or of the variable, for
    minimisation and maximisation alike.
    """

    job_id: str
    state: JobState
    """SUCCEEDED or CANCELLED; a job in another state has no result."""
    status: Status
    limit: Limit | None = None
    """The limit that stopped the solve; INTERRUPTED if the job was cancelled."""
    objective: float | None = None
    """The objective of ``x``, the constant included, computed outside the solver."""
    bound: float | None = None
    """The best proven bound of the objective."""
    gap: float | None = None
    """``|bound - objective| / |objective|``."""
    x: FloatArray = field(default_factory=lambda: np.empty(0))
    """[n] Values; [0] if there is no solution."""
    activities: FloatArray = field(default_factory=lambda: np.empty(0))
    """[m] The value of each constraint, ``A @ x``; [0] if there is no solution."""
    reduced_costs: FloatArray | None = None
    """[n] LPs only."""
    duals: FloatArray | None = None
    """[m] LPs only."""
    variable_names: Sequence[str] | None = None
    """[n] ``None`` if the model was submitted as arrays without names."""
    constraint_names: Sequence[str] | None = None
    """[m]"""
    verification: Verification | None = None
    basis: Basis | None = None
    """If ``return_basis`` was set."""
    ranges: Ranges | None = None
    """If ``return_sensitivity`` was set."""
    proof: InfeasibilityProof | None = None
    """Only for INFEASIBLE."""
    subset: InfeasibleSubset | None = None
    """Only for INFEASIBLE, if ``return_infeasible_subset`` was set."""
    ray: Ray | None = None
    """Only for UNBOUNDED."""
    start_report: StartReport | None = None
    solver: str = ""
    """The solver that was used, such as ``"highs"``."""
    solver_version: str = ""
    detail: str = ""
    """The solver's own status, for display only."""
    seconds: float = 0.0
    """Wall time inside the solver."""
    threads: int | None = None
    """Number of threads that were used. The default of the mesh is 1."""
    nodes: int | None = None
    """Number of branch-and-bound nodes."""
    simplex_iterations: int | None = None
    barrier_iterations: int | None = None
    attempts: int = 0
    """The number of the attempt that gave the result; above 1 if workers died."""
    warnings: tuple[str, ...] = ()
    log: str = ""
    """The solver's log, if it was asked for."""
    _index: dict[str, int] = field(default_factory=dict)

    @property
    def has_solution(self) -> bool:
        """Whether ``x`` has values. A model without variables has an objective only."""
        return len(self.x) > 0 or self.objective is not None

    @property
    def is_optimal(self) -> bool:
        """Whether the solution is optimal within the gaps."""
        return self.status is Status.OPTIMAL

    def __getitem__(self, variable: str | int) -> float:
        """The value of a variable, by name or by index.

        Raises ``NoSolution`` if there is none, ``KeyError`` for an unknown name or a result
        without names, and ``IndexError``.
        """
        if len(self.x) == 0:
            raise NoSolution(f"{self._summary()} has no values", self)
        if isinstance(variable, str):
            return float(self.x[self._position(variable)])
        return float(self.x[variable])

    def _position(self, name: str) -> int:
        if self.variable_names is None:
            raise KeyError(f"{name!r}: the model was submitted without names; use an index")
        if not self._index:
            self._index.update((name, at) for at, name in enumerate(self.variable_names))
        return self._index[name]

    def raise_for_status(self) -> Result:
        """Returns this result if it is OPTIMAL or FEASIBLE.

        Raises ``Infeasible``, ``Unbounded``, ``Imprecise``, and ``NoSolution`` for all others.
        """
        if self.status in (Status.OPTIMAL, Status.FEASIBLE):
            return self
        kinds: Mapping[Status, type[NoSolution]] = {
            Status.INFEASIBLE: Infeasible,
            Status.UNBOUNDED: Unbounded,
            Status.IMPRECISE: Imprecise,
        }
        raise kinds.get(self.status, NoSolution)(self._summary(), self)

    def variables_frame(self) -> pd.DataFrame:
        """[n rows] ``value`` and, for LPs, ``reduced_cost``, by name if there are names."""
        from ._frames import frame

        columns = {"value": self.x, "reduced_cost": self.reduced_costs}
        return frame(columns, self.variable_names, "variable")

    def constraints_frame(self) -> pd.DataFrame:
        """[m rows] ``activity`` and, for LPs, ``dual``, by name if there are names."""
        from ._frames import frame

        columns = {"activity": self.activities, "dual": self.duals}
        return frame(columns, self.constraint_names, "constraint")

    def _summary(self) -> str:
        parts = [f"job {self.job_id} is {self.status}"]
        if self.limit is not None:
            parts.append(f"limit {self.limit}")
        if self.objective is not None:
            parts.append(f"objective {self.objective:.10g}")
        if self.detail:
            parts.append(self.detail)
        return ", ".join(parts)

    def __repr__(self) -> str:
        shape = f"{len(self.x)} variables, {self.threads or 1} threads, {self.seconds:.3g} s"
        return f"<Result {self._summary()}: {shape}>"

    def _repr_html_(self) -> str:
        rows: list[tuple[str, Any]] = [
            ("status", self.status),
            ("limit", self.limit),
            ("objective", self.objective),
            ("bound", self.bound),
            ("gap", self.gap),
            ("largest violation", self.verification and self.verification.max_violation),
            ("solver", f"{self.solver} {self.solver_version}".strip()),
            ("threads", self.threads),
            ("seconds", round(self.seconds, 3)),
            ("job", self.job_id),
        ]
        from html import escape

        cells = "".join(
            f"<tr><th>{key}</th><td>{escape(str(value))}</td></tr>"
            for key, value in rows
            if value is not None
        )
        return f"<table>{cells}</table>"
