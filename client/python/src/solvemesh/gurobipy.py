"""gurobipy models on the mesh.

>>> import solvemesh.gurobipy
>>> solution = solvemesh.gurobipy.solve(model)  # in place of model.optimize()
>>> solution[x], solution.dual(constraint)

Reads the model only. No solve needs a licence, so models may be larger than the licence that comes
with gurobipy allows.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from gurobipy import GRB, Constr, LinExpr, Var

from . import _plugin
from .enums import Limit, Sense, Status
from .errors import NoSolution, SolvemeshError
from .model import Model, Start
from .result import Result

_STATUSES = {
    Status.OPTIMAL: GRB.OPTIMAL,
    Status.INFEASIBLE: GRB.INFEASIBLE,
    Status.UNBOUNDED: GRB.UNBOUNDED,
    Status.INFEASIBLE_OR_UNBOUNDED: GRB.INF_OR_UNBD,
    Status.IMPRECISE: GRB.SUBOPTIMAL,
}
_LIMITS = {
    Limit.TIME: GRB.TIME_LIMIT,
    Limit.ITERATION: GRB.ITERATION_LIMIT,
    Limit.NODE: GRB.NODE_LIMIT,
    Limit.SOLUTION: GRB.SOLUTION_LIMIT,
    Limit.OBJECTIVE: GRB.USER_OBJ_LIMIT,
    Limit.MEMORY: GRB.MEM_LIMIT,
    Limit.INTERRUPTED: GRB.INTERRUPTED,
}
# Parameters that the mesh has too. ``_plugin.options`` knows their names.
_FLOATS = ("TimeLimit", "MIPGap", "MIPGapAbs", "BestObjStop")
_INTEGERS = ("Threads", "Seed", "NodeLimit", "IterationLimit", "SolutionLimit", "Presolve")
# Parameters without an effect on the solve: of logs, and of where Gurobi itself would solve.
_LOCAL = ("Log", "Output", "Display", "CS", "Cloud", "Compute", "Server", "WLS", "Token", "User")


class Solution:
    """The solution of a gurobipy model, by its variables and constraints.

    These are found by their index in the model: read the values before any are removed from it.
    """

    def __init__(self, result: Result, row_sides: np.ndarray[Any, Any]) -> None:
        self.result = result
        """The whole result, with the job's id, the verification and the log."""
        self._row_sides = row_sides

    def __repr__(self) -> str:
        return f"<Solution {self.result!r}>"

    @property
    def Status(self) -> int:
        """The status by Gurobi's numbers, such as ``GRB.OPTIMAL``."""
        result = self.result
        if result.status in (Status.FEASIBLE, Status.NO_SOLUTION_FOUND):
            return int(_LIMITS.get(result.limit or Limit.OTHER, GRB.SUBOPTIMAL))
        return int(_STATUSES.get(result.status, GRB.NUMERIC))

    @property
    def SolCount(self) -> int:
        """1 if there are values, else 0."""
        return int(self.result.has_solution)

    @property
    def ObjVal(self) -> float | None:
        """The objective, the constant included; ``None`` without a solution."""
        return self.result.objective

    @property
    def ObjBound(self) -> float | None:
        """The best proven bound of the objective; ``None`` if there is none."""
        return self.result.bound

    @property
    def MIPGap(self) -> float | None:
        """The relative gap; ``None`` if it is not known."""
        return self.result.gap

    @property
    def Runtime(self) -> float:
        """Seconds inside the solver."""
        return self.result.seconds

    def __getitem__(self, item: Any) -> Any:
        """The value of a variable or a linear expression, or of several.

        An ``MVar`` gives an array of its shape; a list, a ``tupledict`` and a pandas Series of
        variables give the same with values. Raises ``NoSolution`` if there is none.
        """
        return _values(item, self._found(self.result.x))

    def reduced_cost(self, variable: Any) -> Any:
        """The reduced cost of a variable, or of several. Raises ``NoSolution`` for a MIP."""
        return _values(variable, self._found(self.result.reduced_costs))

    def dual(self, constraint: Any) -> Any:
        """The dual of a constraint, or of several. Raises ``NoSolution`` for a MIP."""
        return _values(constraint, self._found(self.result.duals))

    def slack(self, constraint: Any) -> Any:
        """The right-hand side minus the left-hand side of a constraint, or of several."""
        return _values(constraint, self._row_sides - self._found(self.result.activities))

    def _found(self, values: Any) -> Any:
        if values is None or not self.result.has_solution:
            raise NoSolution(f"{self.result!r} has no such values", self.result)
        return values


def solve(model: Any, *, log: Any = False, **options: Any) -> Solution:
    """Solves a ``gurobipy.Model`` on the mesh. The model itself is not changed.

    Parameters that were set on the model and that the mesh has too (``TimeLimit``, ``MIPGap``,
    ``MIPGapAbs``, ``Threads``, ``Seed``, ``Presolve``, ``BestObjStop`` and the limits of nodes,
    iterations and solutions) are used; others are a warning. ``options`` go before them, by
    Gurobi's names or by those of ``Client.solve``. ``log=True`` prints the solver's log. The
    ``Start`` of variables starts a model with integers. The others are arguments of
    ``Client.solve`` and of ``solvemesh.connect``.

    Raises ``Unsupported`` for what is not linear and for several objectives, before anything is
    sent, and ``SolvemeshError`` if the solve failed.
    """
    model.update()
    converted = _model(model)
    client = _plugin.client(_plugin.connection(options))
    arguments = {"start": _start(model, converted), "log": log, **_parameters(model)}
    result = client.solve(converted, **{**arguments, **_plugin.options(options)})
    if result.status in (Status.OTHER_ERROR, Status.NUMERICAL_ERROR):
        raise SolvemeshError(f"job {result.job_id} is {result.status}: {result.detail}")
    return Solution(result, np.array(model.getAttr("RHS", model.getConstrs()), np.float64))


def _model(model: Any) -> Model:
    _plugin.refuse(
        "gurobipy",
        [
            ("a quadratic objective", model.NumQNZs > 0),
            ("quadratic constraints", model.NumQConstrs > 0),
            ("SOS constraints", model.NumSOS > 0),
            ("general constraints", model.NumGenConstrs > 0),
            ("a piecewise-linear objective", model.NumPWLObjVars > 0),
            ("several objectives", model.NumObj > 1),
            ("scenarios (use Client.sweep)", model.NumScenarios > 0),
        ],
    )
    variables, constraints = model.getVars(), model.getConstrs()
    kinds = model.getAttr("VType", variables)
    senses = np.array(model.getAttr("Sense", constraints), "U1")
    sides = np.array(model.getAttr("RHS", constraints), np.float64)
    return Model(
        objective=model.getAttr("Obj", variables),
        offset=model.ObjCon,
        sense=Sense.MAXIMIZE if model.ModelSense == GRB.MAXIMIZE else Sense.MINIMIZE,
        lower=model.getAttr("LB", variables),
        upper=model.getAttr("UB", variables),
        # Gurobi's letters are those of this client.
        kinds=kinds if set(kinds) != {GRB.CONTINUOUS} else None,
        matrix=model.getA(),
        row_lower=np.where(senses == GRB.LESS_EQUAL, -np.inf, sides),
        row_upper=np.where(senses == GRB.GREATER_EQUAL, np.inf, sides),
        name=model.ModelName,
    )


def _start(model: Any, converted: Model) -> Start | None:
    if not converted.is_mip:
        return None
    values = np.array(model.getAttr("Start", model.getVars()), np.float64)
    # GRB.UNDEFINED, where there is none.
    values[values >= GRB.INFINITY] = np.nan
    return None if np.isnan(values).all() else Start(values=values)


def _parameters(model: Any) -> dict[str, Any]:
    """The parameters that differ from Gurobi's defaults, as options of the mesh."""
    used: dict[str, Any] = {}
    unused = []
    for name in dir(model.Params):
        if name.startswith("_"):
            continue
        _, _, value, *_, default = model.getParamInfo(name)
        if value == default:
            continue
        if name in _FLOATS:
            used[name] = value
        elif name in _INTEGERS:
            used[name] = int(value)
        elif name == "MemLimit":
            used["memory_limit_bytes"] = int(value * 1e9)
        elif not name.startswith(_LOCAL):
            unused.append(name)
    if unused:
        warnings.warn(f"the mesh does not have the parameters {', '.join(unused)}", stacklevel=3)
    return _plugin.options(used)


def _values(item: Any, values: Any) -> Any:
    """The values of a variable or a constraint, or of a collection of them."""
    if isinstance(item, (Var, Constr)):
        if not 0 <= item.index < len(values):
            raise ValueError(f"{item} was not in the model that was solved")
        return float(values[item.index])
    if isinstance(item, LinExpr):
        terms = ((item.getCoeff(at), item.getVar(at)) for at in range(item.size()))
        return item.getConstant() + sum(factor * _values(var, values) for factor, var in terms)
    if isinstance(item, Mapping):
        return {key: _values(member, values) for key, member in item.items()}
    if hasattr(item, "map"):  # a pandas Series
        return item.map(lambda member: _values(member, values))
    if hasattr(item, "tolist"):  # an MVar or an MConstr
        return np.array(_values(item.tolist(), values))
    return [_values(member, values) for member in item]
