"""Sweeps of Pyomo models over their mutable parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from pyomo.core.base.constraint import Constraint
from pyomo.core.base.param import Param
from pyomo.core.expr.visitor import identify_mutable_parameters
from pyomo.repn import generate_standard_repn

from . import _plugin, _plugin_sweep
from ._plugin_sweep import Chosen
from ._pyomo_form import Form
from .errors import Unsupported
from .model import Csr, Model
from .sweep import Parameter
from .sweep_job import SweepJob


def sweep(
    model: Any,
    scenarios: Any,
    *,
    variables: Sequence[Any] = (),
    duals: Sequence[Any] = (),
    labels: Sequence[str] = (),
    **options: Any,
) -> SweepJob:
    """Solves a model for many values of its mutable parameters, as one job.

    ``scenarios``: ``{"p": [1, 2], "q": [3, 4]}`` is the grid of all combinations;
    ``[{"p": 1, "q": 3}, {"p": 2}]`` is a list. Keys are names of parameters (``"block.p"``,
    ``"p[1]"``); in a ``ComponentMap``, they may be the parameters themselves, which Pyomo does not
    let a dictionary have. The value of an indexed parameter is a mapping from indices to numbers.
    What a scenario does not have is as in the model, whose own values are not changed.
    ``variables`` and ``duals``: variables and constraints, indexed or not, whose values to return.
    ``labels``: one for each scenario. The others are those of ``Client.sweep`` and
    ``solvemesh.connect``.

    Iterate over the result to get scenarios as they are found; ``frame()`` is all of them. Raises
    ``ValueError`` for a parameter that is not mutable, or that is nowhere in the model.
    """
    keys, rows, shown = _plugin_sweep.scenarios(_by_identity(model, scenarios))
    for key in keys:
        if not key.component.parent_component().mutable:
            raise ValueError(f"{key} is not mutable: declare it as Param(mutable=True)")
    swept = [data for key in keys for data in _members(key.component)]
    form = Form(model, False)
    affected = _Affected(model, form, swept)
    before = [(data, data.value) for data in swept]
    base = affected.numbers()
    changes = []
    try:
        for row in rows:
            for data, value in before:
                data.set_value(value)
            for key, value in row.items():
                key.set(value)
            changes.append(affected.numbers())
    finally:
        for data, value in before:
            data.set_value(value)
    plan = _plugin_sweep.plan(
        changes,
        {**dict.fromkeys((key for change in changes for key in change), 0.0), **base},
        [key.component.name for key in keys],
        shown,
        variables=_chosen("variables", variables, affected.columns),
        duals=_chosen("duals", duals, affected.rows),
        labels=labels,
    )
    connection = _plugin.connection(options)
    chosen = _plugin.options(options)
    return _plugin.client(connection).sweep(
        _plugin_sweep.named(affected.model, plan), plan, **chosen
    )


class _Key:
    """A parameter as a key of a mapping: Pyomo's own are compared by value."""

    def __init__(self, component: Any) -> None:
        owner = getattr(component, "parent_component", lambda: None)()
        if getattr(owner, "ctype", None) is not Param:
            raise TypeError(f"{component} must be a Param")
        self.component = component

    def __hash__(self) -> int:
        return id(self.component)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.component is self.component

    def __str__(self) -> str:
        return str(self.component.name)

    def set(self, value: Any) -> None:
        """Gives the parameter a value."""
        if not self.component.is_indexed():
            self.component.set_value(value)
            return
        if not isinstance(value, Mapping):
            raise ValueError(
                f"a value of {self.component.name}, which is indexed, must be a mapping"
            )
        for index, number in value.items():
            self.component[index].set_value(number)


def _by_identity(model: Any, scenarios: Any) -> Any:
    def found(key: Any) -> _Key:
        if not isinstance(key, str):
            return _Key(key)
        component = model.find_component(key)
        if component is None:
            raise ValueError(f"the model has no parameter {key!r}")
        return _Key(component)

    def keyed(row: Any) -> dict[_Key, Any]:
        return {found(key): value for key, value in row.items()}

    if isinstance(scenarios, Mapping):
        return keyed(scenarios)
    return [keyed(row) for row in scenarios]


class _Affected:
    """The rows, columns and objective that depend on some parameters.

    Only these are evaluated again in each scenario. What a model leaves out since its coefficient
    is 0 may come back in a scenario, so rows and columns are added to the form for them.
    """

    def __init__(self, model: Any, form: Form, parameters: Sequence[Any]) -> None:
        self.columns = {id(variable): at for at, variable in enumerate(form.columns)}
        self.rows = {id(constraint): at for at, constraint in enumerate(form.rows)}
        self._variables = list(form.columns)
        wanted = {id(data): data for data in parameters}
        found: set[int] = set()

        def depends(*expressions: Any) -> bool:
            names = {
                id(data)
                for expression in expressions
                if expression is not None
                for data in identify_mutable_parameters(expression)
            }
            found.update(names & wanted.keys())
            return not names.isdisjoint(wanted)

        self._constraints = [
            constraint
            for constraint in model.component_data_objects(Constraint, active=True)
            if depends(constraint.expr)
        ]
        self._objective = form.objective if depends(form.objective.expr) else None
        new_rows = [row for row in self._constraints if id(row) not in self.rows]
        for row in new_rows:
            self.rows[id(row)] = len(self.rows)
        new_columns = list(self._missing())
        for variable in new_columns:
            self.columns[id(variable)] = len(self.columns)
            self._variables.append(variable)
        # Bounds may be expressions of parameters too.
        self._bounded = [
            variable for variable in self._variables if depends(variable.lower, variable.upper)
        ]
        unused = [data.name for key, data in wanted.items() if key not in found]
        if unused:
            raise ValueError(
                f"{', '.join(unused[:5])}: no constraint, objective or bound of this model "
                "depends on it"
            )
        self.model = _extended(form.model, new_rows, new_columns)

    def _missing(self) -> Iterator[Any]:
        """The variables of what depends on the parameters that are not in the form."""
        from pyomo.core.expr.visitor import identify_variables

        expressions = [row.body for row in self._constraints]
        if self._objective is not None:
            expressions.append(self._objective.expr)
        seen = set(self.columns)
        for expression in expressions:
            for variable in identify_variables(expression, include_fixed=False):
                if id(variable) not in seen:
                    seen.add(id(variable))
                    yield variable

    def numbers(self) -> dict[Parameter, float]:
        """Everything that depends on the parameters, with their values of now."""
        numbers: dict[Parameter, float] = {}
        for variable in self._bounded:
            at = self.columns[id(variable)]
            low, high = variable.bounds
            numbers[Parameter("lower", variable=at)] = -np.inf if low is None else float(low)
            numbers[Parameter("upper", variable=at)] = np.inf if high is None else float(high)
        for constraint in self._constraints:
            at = self.rows[id(constraint)]
            low, body, high = constraint.to_bounded_expression(evaluate_bounds=True)
            terms, constant = self._terms(body, constraint.name)
            numbers[Parameter("row-lower", constraint=at)] = (
                -np.inf if low is None else float(low) - constant
            )
            numbers[Parameter("row-upper", constraint=at)] = (
                np.inf if high is None else float(high) - constant
            )
            for column, value in terms.items():
                numbers[Parameter("coef", variable=column, constraint=at)] = value
        if self._objective is not None:
            terms, constant = self._terms(self._objective.expr, self._objective.name)
            numbers[Parameter("offset")] = constant
            for column, value in terms.items():
                numbers[Parameter("obj", variable=column)] = value
        return numbers

    def _terms(self, expression: Any, name: str) -> tuple[dict[int, float], float]:
        """The coefficients of all variables of an expression, those of 0 too."""
        from pyomo.core.expr.visitor import identify_variables

        repn = generate_standard_repn(expression, compute_values=True, quadratic=False)
        if repn.nonlinear_expr is not None:
            raise Unsupported(f"{name} is not linear in a scenario. Nothing was sent")
        terms = {
            self.columns[id(variable)]: 0.0
            for variable in identify_variables(expression, include_fixed=False)
        }
        for value, variable in zip(repn.linear_coefs, repn.linear_vars, strict=True):
            terms[self.columns[id(variable)]] = float(value)
        return terms, float(repn.constant)


def _extended(model: Model, rows: Sequence[Any], columns: Sequence[Any]) -> Model:
    """The model with rows and columns that have no coefficients yet."""
    if not rows and not columns:
        return model
    starts, indices, values = model.matrix
    starts = np.concatenate([starts, np.full(len(rows), starts[-1])])
    bounds = [variable.bounds for variable in columns]
    kinds = np.ones(model.variable_count) if model.kinds is None else np.asarray(model.kinds)
    added = [1 if variable.is_continuous() else 2 for variable in columns]
    low = [-np.inf if bound is None else bound for bound, _ in bounds]
    high = [np.inf if bound is None else bound for _, bound in bounds]

    def longer(array: Any, more: Any) -> Any:
        return np.concatenate([np.asarray(array), more])

    # Rows that hold without coefficients: the model as it stands was checked by Pyomo.
    return replace(
        model,
        objective=longer(model.objective, np.zeros(len(columns))),
        lower=longer(model.lower, low),
        upper=longer(model.upper, high),
        kinds=longer(kinds, added).astype(np.uint8),
        matrix=Csr(starts, indices, values),
        row_lower=longer(model.row_lower, np.full(len(rows), -np.inf)),
        row_upper=longer(model.row_upper, np.full(len(rows), np.inf)),
    )


def _members(component: Any) -> list[Any]:
    """The members of an indexed component; one of them, or one without an index, is itself."""
    return list(component.values()) if component.is_indexed() else [component]


def _chosen(what: str, components: Sequence[Any], positions: Mapping[int, int]) -> Chosen:
    """Where some components are in the model, indexed ones with all their members."""
    found: list[int] = []
    names: list[str] = []
    for component in components:
        for data in _members(component):
            if id(data) not in positions:
                raise ValueError(f"{what}: {data.name} is not in the model that is sent")
            found.append(positions[id(data)])
            names.append(data.name)
    return Chosen(tuple(found), tuple(names))
