"""cvxpy on a real gateway."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from plugin_cases import Outcome, PluginCases

import solvemesh

cp = pytest.importorskip("cvxpy")
from solvemesh.cvxpy import SolveMesh  # noqa: E402


def build(model):
    """A cvxpy problem with the numbers of a model of ours, and its variables and rows."""
    n = model.variable_count
    lower = np.zeros(n) if model.lower is None else np.asarray(model.lower)
    upper = np.full(n, np.inf) if model.upper is None else np.asarray(model.upper)
    kinds = np.ones(n) if model.kinds is None else np.asarray(model.kinds)
    variables = [
        cp.Variable(integer=bool(kinds[at] == 2), bounds=[float(lower[at]), float(upper[at])])
        for at in range(n)
    ]
    rows = []
    if model.matrix is not None:
        starts, columns, values = model.matrix
        for row in range(model.constraint_count):
            entries = range(starts[row], starts[row + 1])
            body = sum(float(values[at]) * variables[columns[at]] for at in entries)
            low = -np.inf if model.row_lower is None else float(model.row_lower[row])
            high = np.inf if model.row_upper is None else float(model.row_upper[row])
            rows.append(
                body == low if low == high else body >= low if high == np.inf else body <= high
            )
    costs = np.asarray(model.objective).tolist()
    goal = sum(cost * variables[at] for at, cost in enumerate(costs)) + model.offset
    sense = cp.Maximize if model.sense == "MAXIMIZE" else cp.Minimize
    return cp.Problem(sense(goal), rows), variables, rows


class TestCvxpy(PluginCases):
    module = "test_cvxpy"
    plugin = "solvemesh.cvxpy"
    has_ranges = False
    has_semi_continuous = False
    # Starts are values of the solve before: see below.
    has_start = False

    def run(self, model, *, time_limit=None, start=None, log=False, **options):
        problem, variables, rows = build(model)
        solver = SolveMesh()
        written = io.StringIO()
        with contextlib.redirect_stdout(written):
            try:
                problem.solve(solver=solver, verbose=log, time_limit=time_limit, **options)
                status = {"user_limit": "feasible"}.get(problem.status, problem.status)
            except cp.error.SolverError:
                if solver.result is None:
                    raise
                status = "none"
        x = duals = None
        if solver.result.has_solution:
            x = [float(variable.value) for variable in variables]
            if solver.result.duals is not None:
                sign = {"MINIMIZE": 1, "MAXIMIZE": -1}[str(model.sense)]
                # cvxpy's are never negative for inequalities; ours have the sign of the change.
                duals = [
                    sign * float(row.dual_value) * (1 if low > -np.inf else -1)
                    for row, low in zip(rows, self.lows(model), strict=True)
                ]
        reduced = solver.result.reduced_costs
        return Outcome(
            status=status,
            objective=problem.value,
            x=x,
            duals=duals,
            reduced_costs=reduced,
            result=solver.result,
            log=written.getvalue(),
        )

    @staticmethod
    def lows(model):
        m = model.constraint_count
        return np.full(m, -np.inf) if model.row_lower is None else model.row_lower

    def test_the_multiplier_of_an_equation_is_that_of_cvxpys_own_solvers(self):
        found = []
        for solver in (SolveMesh(), "HIGHS"):
            x = cp.Variable(2, nonneg=True)
            rows = [x[0] + 2 * x[1] == 4, x[0] >= 1, x[1] <= 5]
            problem = cp.Problem(cp.Minimize(3 * x[0] + 5 * x[1] + cp.norm1(x + 1)), rows)
            problem.solve(solver=solver)
            found.append([problem.value, *x.value, *(float(row.dual_value) for row in rows)])
        np.testing.assert_allclose(found[0], found[1], atol=1e-7)

    def test_a_solution_starts_the_next_solve_of_a_model_with_integers(self):
        price = cp.Parameter(2, value=[5, 4])
        x = cp.Variable(2, integer=True, bounds=[0, 10])
        rows = [6 * x[0] + 4 * x[1] <= 24, x[0] + 2 * x[1] <= 6]
        problem = cp.Problem(cp.Maximize(price @ x), rows)
        solver = SolveMesh(solver="highs")
        problem.solve(solver=solver)
        assert solver.result.start_report is None
        price.value = [5, 4.5]
        assert problem.solve(solver=solver) == pytest.approx(20)
        assert solver.result.start_report.status == "USED"

    def test_boolean_variables_are_0_or_1(self):
        x = cp.Variable(3, boolean=True)
        problem = cp.Problem(cp.Maximize([3, 2, 2] @ x), [[3, 2, 2] @ x <= 4.5])
        assert problem.solve(solver=SolveMesh()) == pytest.approx(4)
        np.testing.assert_allclose(x.value, [0, 1, 1], atol=1e-6)

    def test_what_is_not_linear_is_refused_before_anything_is_sent(self):
        x = cp.Variable(2)
        with pytest.raises(cp.error.SolverError, match="SOLVEMESH"):
            cp.Problem(cp.Minimize(cp.norm2(x)), [x >= 1]).solve(
                solver=SolveMesh("http://127.0.0.1:9")
            )

    def test_a_gateway_that_is_not_there_is_an_error_of_ours(self):
        x = cp.Variable()
        quick = SolveMesh("http://127.0.0.1:9", token=None)
        with pytest.raises(solvemesh.SolvemeshError):
            cp.Problem(cp.Minimize(x), [x >= 1]).solve(solver=quick)
