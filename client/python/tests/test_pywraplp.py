"""OR-Tools' linear solver wrapper on a real gateway."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from plugin_cases import Outcome, PluginCases

import solvemesh

pywraplp = pytest.importorskip("ortools.linear_solver.pywraplp")
import solvemesh.pywraplp  # noqa: E402

STATUS = {0: "optimal", 1: "feasible", 2: "infeasible", 3: "unbounded", 6: "none"}


def build(model):
    """A solver of OR-Tools with the numbers of a model of ours."""
    solver = pywraplp.Solver.CreateSolver("SCIP" if model.is_mip else "GLOP")
    n = model.variable_count
    lower = np.zeros(n) if model.lower is None else np.asarray(model.lower)
    upper = np.full(n, np.inf) if model.upper is None else np.asarray(model.upper)
    kinds = np.ones(n) if model.kinds is None else np.asarray(model.kinds)
    variables = [
        solver.Var(float(lower[at]), float(upper[at]), bool(kinds[at] == 2), f"x{at}")
        for at in range(n)
    ]
    rows = []
    for row in range(model.constraint_count):
        low = -np.inf if model.row_lower is None else float(model.row_lower[row])
        high = np.inf if model.row_upper is None else float(model.row_upper[row])
        constraint = solver.Constraint(low, high, f"c{row}")
        starts, columns, values = model.matrix
        for at in range(starts[row], starts[row + 1]):
            constraint.SetCoefficient(variables[columns[at]], float(values[at]))
        rows.append(constraint)
    objective = solver.Objective()
    for variable, cost in zip(variables, np.asarray(model.objective).tolist(), strict=True):
        objective.SetCoefficient(variable, cost)
    objective.SetOffset(model.offset)
    if str(model.sense) == "MAXIMIZE":
        objective.SetMaximization()
    else:
        objective.SetMinimization()
    return solver, variables, rows


class TestPywraplp(PluginCases):
    module = "test_pywraplp"
    plugin = "solvemesh.pywraplp"
    has_semi_continuous = False

    def run(self, model, *, time_limit=None, start=None, log=False, **options):
        solver, variables, rows = build(model)
        if start is not None:
            solver.SetHint(variables, start)
        written = io.StringIO()
        with contextlib.redirect_stdout(written):
            answer = solvemesh.pywraplp.solve(solver, log=log, time_limit=time_limit, **options)
        status = STATUS[answer]
        x = duals = reduced = objective = None
        if status in ("optimal", "feasible"):
            objective = solver.Objective().Value()
            x = [variable.solution_value() for variable in variables]
            if answer.result.duals is not None:
                duals = [row.dual_value() for row in rows]
                reduced = [variable.reduced_cost() for variable in variables]
        return Outcome(
            status=status,
            objective=objective,
            x=x,
            duals=duals,
            reduced_costs=reduced,
            result=answer.result,
            log=written.getvalue(),
        )

    def test_the_answer_is_a_status_of_the_library(self):
        solver, _, _ = build(solvemesh.Model(objective=[1], matrix=[[1]], row_lower=2))
        assert solvemesh.pywraplp.solve(solver) == pywraplp.Solver.OPTIMAL
