"""gurobipy on a real gateway."""

from __future__ import annotations

import contextlib
import io

import models
import numpy as np
import pytest
from plugin_cases import Outcome, PluginCases

import solvemesh

gurobipy = pytest.importorskip("gurobipy")
from gurobipy import GRB  # noqa: E402

import solvemesh.gurobipy  # noqa: E402
from solvemesh.gurobipy import solve  # noqa: E402

LETTERS = {1: "C", 2: "I", 3: "B", 4: "S", 5: "N"}
STATUSES = {GRB.OPTIMAL: "optimal", GRB.INFEASIBLE: "infeasible", GRB.UNBOUNDED: "unbounded"}


def build(model):
    """A gurobipy model with the numbers of a model of ours, its variables and constraints."""
    with contextlib.redirect_stdout(io.StringIO()):  # the licence
        built = gurobipy.Model("test")
    built.Params.OutputFlag = 0
    n = model.variable_count
    kinds = np.ones(n, int) if model.kinds is None else model.kinds
    lower = np.zeros(n) if model.lower is None else model.lower
    upper = np.full(n, np.inf) if model.upper is None else model.upper
    variables = [
        built.addVar(lower[at], upper[at], vtype=LETTERS[int(kinds[at])]) for at in range(n)
    ]
    constraints = []
    if model.matrix is not None:
        starts, columns, values = model.matrix
        for row in range(model.constraint_count):
            entries = range(starts[row], starts[row + 1])
            terms = gurobipy.LinExpr([(values[at], variables[columns[at]]) for at in entries])
            low = -np.inf if model.row_lower is None else float(model.row_lower[row])
            high = np.inf if model.row_upper is None else float(model.row_upper[row])
            if low == high:
                constraints.append(built.addConstr(terms == low))
            elif np.isfinite(low) and np.isfinite(high):
                constraints.append(built.addRange(terms, low, high))
            elif np.isfinite(low):
                constraints.append(built.addConstr(terms >= low))
            else:
                constraints.append(built.addConstr(terms <= high))
    built.setObjective(
        gurobipy.LinExpr(np.asarray(model.objective).tolist(), variables) + model.offset,
        GRB.MAXIMIZE if model.sense == "MAXIMIZE" else GRB.MINIMIZE,
    )
    built.update()
    return built, variables, constraints


class TestGurobipy(PluginCases):
    module = "test_gurobipy"
    plugin = "solvemesh.gurobipy"

    def run(self, model, *, time_limit=None, start=None, log=False, **options):
        built, variables, constraints = build(model)
        if start is not None:
            built.setAttr("Start", variables, start)
        if time_limit is not None:
            built.Params.TimeLimit = time_limit
        written = io.StringIO()
        with contextlib.redirect_stdout(written):
            solution = solve(built, log=log, **options)
        status = STATUSES.get(solution.Status, "feasible" if solution.SolCount else "none")
        outcome = Outcome(status, solution.ObjVal, result=solution.result, log=written.getvalue())
        if solution.SolCount:
            outcome.x = solution[variables]
        if solution.result.duals is not None and solution.SolCount:
            outcome.duals = solution.dual(constraints)
            outcome.reduced_costs = solution.reduced_cost(variables)
        return outcome

    def test_values_are_read_by_variables_expressions_and_collections_of_them(self):
        built = gurobipy.Model("test")
        x = built.addVars(["a", "b"], ub=3, name="x")
        y = built.addMVar((2, 2), lb=1, name="y")
        rows = built.addConstr(y.sum(axis=0) >= np.array([5.0, 2.0]))
        built.setObjective(y.sum() - x.sum())
        solution = solve(built)
        assert solution[x] == pytest.approx({"a": 3, "b": 3})
        assert solution[2 * x["a"] + 1] == pytest.approx(7)
        assert solution[y].shape == (2, 2)
        assert solution[y].sum(axis=0) == pytest.approx([5, 2])
        assert solution[y[0, 0]] == pytest.approx(solution[y][0, 0])
        assert solution.dual(rows)[0] == pytest.approx(1)
        assert solution.slack(rows) == pytest.approx([0, 0])
        assert (solution.Status, solution.ObjVal, solution.ObjBound) == (GRB.OPTIMAL, 1, 1)

    def test_a_series_of_variables_gives_a_series_of_values(self):
        pd = pytest.importorskip("pandas")
        built, variables, _ = build(solvemesh.Model(objective=[1, 1], matrix=[[1, 2]], row_lower=6))
        series = pd.Series(variables, index=["a", "b"])
        assert solve(built)[series].to_dict() == pytest.approx({"a": 0, "b": 3})

    def test_a_model_without_a_solution_has_no_values(self):
        built, variables, _ = build(
            solvemesh.Model(objective=[1], matrix=[[1]], row_lower=2, upper=1)
        )
        solution = solve(built)
        assert (solution.SolCount, solution.ObjVal) == (0, None)
        with pytest.raises(solvemesh.NoSolution):
            solution[variables]
        late = built.addVar()
        with pytest.raises(solvemesh.NoSolution):
            solution[late]

    def test_a_variable_that_was_added_later_has_no_value(self):
        built, _, _ = build(solvemesh.Model(objective=[1], matrix=[[1]], row_lower=2))
        solution = solve(built)
        with pytest.raises(ValueError, match="not in the model"):
            solution[built.addVar()]

    def test_parameters_of_the_model_are_used_and_others_are_a_warning(self):
        built, _, _ = build(models.market_split())
        built.Params.TimeLimit = 100
        built.Params.SolutionLimit = 1
        built.Params.MIPFocus = 1
        with pytest.warns(UserWarning, match="parameters MIPFocus"):
            assert solve(built).Status == GRB.SOLUTION_LIMIT
        built.Params.SolutionLimit = 10**9
        with pytest.warns(UserWarning, match="MIPFocus"):
            assert solve(built, TimeLimit=0.5).Status == GRB.TIME_LIMIT

    def test_a_model_above_the_limit_of_the_licence_is_solved(self):
        built = gurobipy.Model("test")
        x = built.addMVar(2500, obj=1.0)
        built.addConstr(x >= np.arange(2500.0))
        assert solve(built).ObjVal == pytest.approx(2499 * 2500 / 2)

    @pytest.mark.parametrize(
        ("change", "name"),
        [
            (lambda m, x, y: m.setObjective(x * x), "a quadratic objective"),
            (lambda m, x, y: m.addConstr(x * x + y <= 1), "quadratic constraints"),
            (lambda m, x, y: m.addSOS(GRB.SOS_TYPE1, [x, y]), "SOS constraints"),
            (lambda m, x, y: m.addGenConstrMax(x, [y]), "general constraints"),
            (lambda m, x, y: m.setPWLObj(x, [0, 1], [0, 2]), "a piecewise-linear objective"),
            (lambda m, x, y: [m.setObjectiveN(v, at) for at, v in enumerate((x, y))], "several"),
        ],
    )
    def test_what_is_not_linear_is_refused_before_anything_is_sent(self, change, name):
        built, (x, y), _ = build(solvemesh.Model(objective=[1, 1]))
        change(built, x, y)
        with pytest.raises(solvemesh.Unsupported, match=name):
            solve(built, target="http://127.0.0.1:9")
