"""Sweeps: one model, many scenarios."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .enums import Limit, Status

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

_KINDS = {
    "obj": "OBJECTIVE",
    "offset": "OBJECTIVE_OFFSET",
    "lower": "VARIABLE_LOWER",
    "upper": "VARIABLE_UPPER",
    "fix": "VARIABLE_FIXED",
    "rhs": "RIGHT_HAND_SIDE",
    "row-lower": "CONSTRAINT_LOWER",
    "row-upper": "CONSTRAINT_UPPER",
    "coef": "COEFFICIENT",
}
_OF_VARIABLE = frozenset({"obj", "lower", "upper", "fix", "coef"})
_OF_CONSTRAINT = frozenset({"rhs", "row-lower", "row-upper", "coef"})


@dataclass(frozen=True)
class Parameter:
    """A number of the base model that scenarios change."""

    kind: str
    """``obj``, ``offset``, ``lower``, ``upper``, ``fix``, ``rhs``, ``row-lower``, ``row-upper``
    or ``coef``, as in docs/sweeps.md."""
    variable: str | int | None = None
    """By name or by index; for ``obj``, ``lower``, ``upper``, ``fix`` and ``coef``."""
    constraint: str | int | None = None
    """By name or by index; for ``rhs``, ``row-lower``, ``row-upper`` and ``coef``."""

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise ValueError(f"parameter {self.kind!r} must be one of {', '.join(_KINDS)}")
        for what, wanted in (("variable", _OF_VARIABLE), ("constraint", _OF_CONSTRAINT)):
            given = getattr(self, what) not in (None, "")
            if given != (self.kind in wanted):
                need = "needs a" if self.kind in wanted else "has no"
                raise ValueError(f"parameter {self.kind} {need} {what}")

    def __str__(self) -> str:
        names = [str(name) for name in (self.constraint, self.variable) if name is not None]
        return f"{self.kind}:{','.join(names)}" if names else self.kind

    @staticmethod
    def parse(text: str | Parameter) -> Parameter:
        """Reads ``obj:VAR``, ``rhs:ROW``, ``coef:ROW,VAR``, ``offset`` and so on."""
        if isinstance(text, Parameter):
            return text
        kind, _, name = str(text).partition(":")
        if kind == "coef":
            row, comma, variable = name.partition(",")
            if not comma:
                raise ValueError(f"parameter {text!r} must be coef:ROW,VAR")
            return Parameter(kind, variable, row)
        if kind in _OF_VARIABLE:
            return Parameter(kind, variable=name)
        if kind in _OF_CONSTRAINT:
            return Parameter(kind, constraint=name)
        return Parameter(kind)


Grid = Mapping["str | Parameter", "ArrayLike"]
"""All combinations of the values of some parameters; the last parameter changes fastest."""


@dataclass(frozen=True, eq=False)
class Table:
    """A list of scenarios."""

    parameters: Sequence[str | Parameter]
    """[p] The parameters."""
    values: ArrayLike
    """[s, p] The value of each parameter in each scenario; NaN: as in the base model."""
    labels: Sequence[str] = ()
    """[s] A label for each scenario, or none."""


Scenarios = Any
"""A ``Grid``, a ``Table``, or a DataFrame whose columns are parameters and whose index has the
labels."""


@dataclass(frozen=True)
class Report:
    """What to return of the solution of each scenario, beside its objective."""

    variables: Sequence[str] | bool = ()
    """Names of variables whose values to return, or ``True``: all, in the order of the model."""
    duals: Sequence[str] | bool = ()
    """Names of constraints whose duals to return, or ``True``: all. LPs only."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ScenarioResult:
    """The result of one scenario. Numbers that are not known are ``None``."""

    index: int
    label: str
    parameters: Mapping[str, float]
    """The values of this scenario. Empty in events, and for sweeps of another client."""
    status: Status
    limit: Limit | None
    objective: float | None
    bound: float | None
    values: NDArray[np.float64]
    """The values that ``Report.variables`` selects, in its order."""
    duals: NDArray[np.float64]
    """The duals that ``Report.duals`` selects, in its order."""
    max_violation: float | None
    dual_violation: float | None
    iterations: int
    verified: bool | None
    detail: str


@dataclass(frozen=True, eq=False)
class Shown:
    """How a plug-in shows its scenarios: by parameters of its own, each of which may change many
    numbers of the model."""

    parameters: tuple[str, ...]
    rows: NDArray[np.float64]
    """[s, p]"""
    variables: tuple[str, ...] = ()
    """The names of what the report selects."""
    duals: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Plan:
    """The scenarios of a sweep, kept to label its results."""

    parameters: tuple[Parameter, ...]
    axes: tuple[NDArray[np.float64], ...] = ()
    """The values of a grid."""
    rows: NDArray[np.float64] | None = None
    """[s, p] Those of a table."""
    labels: tuple[str, ...] = ()
    report: Report = field(default_factory=Report)
    shown: Shown | None = None

    @property
    def count(self) -> int:
        """Number of scenarios."""
        if self.rows is not None:
            return len(self.rows)
        total = 1
        for axis in self.axes:
            total *= len(axis)
        return total

    def values(self, index: int) -> dict[str, float]:
        """The values of a scenario; those that are as in the base model are left out."""
        if self.shown is not None:
            numbers = self.shown.rows[index].tolist()
            return dict(zip(self.shown.parameters, numbers, strict=True))
        if self.rows is not None:
            row = self.rows[index].tolist()
            pairs = zip(self.parameters, row, strict=True)
            return {str(name): value for name, value in pairs if value == value}
        found = {}
        for name, axis in zip(reversed(self.parameters), reversed(self.axes), strict=True):
            index, at = divmod(index, len(axis))
            found[str(name)] = float(axis[at])
        return dict(reversed(found.items()))


def plan(scenarios: Scenarios, report: Report | None) -> Plan:
    """Reads scenarios in any of their forms. Raises ``ValueError`` for shapes that do not fit."""
    import numpy as np

    if isinstance(scenarios, Plan):  # of a plug-in
        return scenarios
    report = report or Report()
    if isinstance(scenarios, Mapping):
        if not scenarios:
            raise ValueError("a grid must have at least one parameter")
        axes = tuple(np.atleast_1d(np.asarray(axis, np.float64)) for axis in scenarios.values())
        names = tuple(Parameter.parse(name) for name in scenarios)
        for name, axis in zip(names, axes, strict=True):
            if axis.ndim != 1 or len(axis) == 0:
                raise ValueError(f"the values of {name} must be a list with at least one number")
        return Plan(names, axes=axes, report=report)
    if not isinstance(scenarios, Table):
        scenarios = _table_of_frame(scenarios)
    names = tuple(Parameter.parse(name) for name in scenarios.parameters)
    rows = np.asarray(scenarios.values, np.float64)
    if rows.ndim != 2 or rows.shape[1] != len(names):
        raise ValueError(f"values must have shape (s, {len(names)}), not {rows.shape}")
    labels = tuple(str(label) for label in scenarios.labels)
    if labels and len(labels) != len(rows):
        raise ValueError(f"there are {len(labels)} labels for {len(rows)} scenarios")
    return Plan(names, rows=rows, labels=labels, report=report)


def _table_of_frame(frame: Any) -> Table:
    if not hasattr(frame, "columns") or not hasattr(frame, "to_numpy"):
        raise TypeError(f"scenarios must be a mapping, a Table or a DataFrame, not {type(frame)}")
    # The default index says nothing that the number of the scenario does not.
    numbered = type(frame.index).__name__ == "RangeIndex"
    labels = () if numbered else [str(label) for label in frame.index]
    return Table(list(frame.columns), frame.to_numpy(float), labels)


def results_frame(plan: Plan, results: Sequence[ScenarioResult]) -> pd.DataFrame:
    """One row for each result, by scenario."""
    import pandas as pd

    results = sorted(results, key=lambda result: result.index)
    columns: dict[str, Any] = {}
    if any(result.label for result in results):
        columns["label"] = [result.label for result in results]
    shown = plan.shown
    for name in map(str, plan.parameters) if shown is None else shown.parameters:
        columns[name] = [result.parameters.get(name, float("nan")) for result in results]
    columns["status"] = [str(result.status) for result in results]
    for name in ("objective", "bound"):
        columns[name] = pd.array([getattr(result, name) for result in results], "Float64").astype(
            float
        )
    columns["iterations"] = [result.iterations for result in results]
    for prefix, chosen, kind in (
        ("", plan.report.variables if shown is None else shown.variables, "values"),
        ("dual:", plan.report.duals if shown is None else shown.duals, "duals"),
    ):
        width = max((len(getattr(result, kind)) for result in results), default=0)
        names = list(chosen) if not isinstance(chosen, bool) else list(map(str, range(width)))
        for at, name in enumerate(names[:width]):
            columns[prefix + str(name)] = [
                float(values[at]) if at < len(values := getattr(result, kind)) else float("nan")
                for result in results
            ]
    index = pd.Index([result.index for result in results], name="scenario")
    frame: pd.DataFrame = pd.DataFrame(columns, index=index)
    return frame
