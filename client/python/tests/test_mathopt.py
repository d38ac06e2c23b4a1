"""OR-Tools' MathOpt on a real gateway."""

from __future__ import annotations

import contextlib
import datetime
import io
import threading

import models
import numpy as np
import pytest
from plugin_cases import Outcome, PluginCases

import solvemesh

mathopt = pytest.importorskip("ortools.math_opt.python.mathopt")
from ortools.util.python import solve_interrupter  # noqa: E402

from solvemesh.mathopt import solve  # noqa: E402


def build(model):
    """A MathOpt model with the numbers of a model of ours."""
    built = mathopt.Model(name=model.name)
    n = model.variable_count
    lower = np.zeros(n) if model.lower is None else np.asarray(model.lower)
    upper = np.full(n, np.inf) if model.upper is None else np.asarray(model.upper)
    kinds = np.ones(n) if model.kinds is None else np.asarray(model.kinds)
    # Ids with holes: the first variable is deleted.
    gone = built.add_variable(name="gone")
    variables = [
        built.add_variable(
            lb=float(lower[at]), ub=float(upper[at]), is_integer=bool(kinds[at] == 2), name=f"x{at}"
        )
        for at in range(n)
    ]
    built.delete_variable(gone)
    rows = []
    for row in range(model.constraint_count):
        low = -np.inf if model.row_lower is None else float(model.row_lower[row])
        high = np.inf if model.row_upper is None else float(model.row_upper[row])
        constraint = built.add_linear_constraint(lb=low, ub=high, name=f"c{row}")
        starts, columns, values = model.matrix
        for at in range(starts[row], starts[row + 1]):
            constraint.set_coefficient(variables[columns[at]], float(values[at]))
        rows.append(constraint)
    for variable, cost in zip(variables, np.asarray(model.objective).tolist(), strict=True):
        built.objective.set_linear_coefficient(variable, cost)
    built.objective.offset = model.offset
    built.objective.is_maximize = str(model.sense) == "MAXIMIZE"
    return built, variables, rows


class TestMathOpt(PluginCases):
    module = "test_mathopt"
    plugin = "solvemesh.mathopt"
    has_semi_continuous = False

    def run(self, model, *, time_limit=None, start=None, log=False, **options):
        built, variables, rows = build(model)
        given = mathopt.ModelSolveParameters()
        if start is not None:
            values = dict(zip(variables, start, strict=True))
            given.solution_hints.append(mathopt.SolutionHint(variable_values=values))
        limit = None if time_limit is None else datetime.timedelta(seconds=time_limit)
        params = mathopt.SolveParameters(time_limit=limit, enable_output=log)
        written = io.StringIO()
        with contextlib.redirect_stdout(written):
            found = solve(built, params=params, model_params=given, **options)
        reason = found.termination.reason.name.lower()
        x = duals = reduced = objective = None
        if found.has_primal_feasible_solution():
            objective = found.objective_value()
            x = found.variable_values(variables)
        if found.has_dual_feasible_solution():
            duals, reduced = found.dual_values(rows), found.reduced_costs(variables)
        return Outcome(
            status="none" if reason == "no_solution_found" else reason,
            objective=objective,
            x=x,
            duals=duals,
            reduced_costs=reduced,
            result=found.mesh_result,
            log=written.getvalue(),
        )

    def test_the_limit_has_the_name_that_the_library_gives_it(self):
        built, _, _ = build(models.market_split())
        params = mathopt.SolveParameters(time_limit=datetime.timedelta(seconds=0.5))
        found = solve(built, mathopt.SolverType.HIGHS, params=params)
        assert found.termination.limit is mathopt.Limit.TIME
        assert found.mesh_result.solver == "highs"
        assert found.dual_bound() <= found.primal_bound()

    def test_a_basis_is_returned_and_starts_the_next_solve(self):
        built, variables, rows = build(models.wyndor())
        first = solve(built, mathopt.SolverType.HIGHS)
        basis = first.solutions[0].basis
        assert basis.variable_status[variables[0]] is mathopt.BasisStatus.BASIC
        assert basis.constraint_status[rows[1]] is mathopt.BasisStatus.AT_UPPER_BOUND
        again = solve(
            built,
            mathopt.SolverType.HIGHS,
            model_params=mathopt.ModelSolveParameters(initial_basis=basis),
        )
        assert again.mesh_result.start_report.status == "USED"
        assert again.solve_stats.simplex_iterations == 0

    def test_lines_of_the_log_come_while_it_runs_and_an_interrupter_stops_it(self):
        interrupter, lines = solve_interrupter.SolveInterrupter(), []

        def listen(more):
            lines.extend(more)
            # As soon as there is a solution, in a thread that is not the solve's.
            if any("H  " in line or "Nodes" in line for line in lines):
                threading.Thread(target=interrupter.interrupt).start()

        built, _, _ = build(models.market_split())
        found = solve(
            built, mathopt.SolverType.HIGHS, msg_cb=listen, interrupter=interrupter, deadline=100
        )
        assert found.termination.limit is mathopt.Limit.INTERRUPTED
        assert lines

    def test_an_interrupter_that_is_triggered_before_stops_it_too(self):
        interrupter = solve_interrupter.SolveInterrupter()
        interrupter.interrupt()
        built, _, _ = build(models.market_split())
        found = solve(built, interrupter=interrupter, deadline=100)
        assert found.termination.limit is mathopt.Limit.INTERRUPTED

    def test_an_unbounded_model_has_its_ray(self):
        built, variables, _ = build(
            solvemesh.Model(objective=[-1, 0], matrix=[[1, -1]], row_upper=3)
        )
        found = solve(built)
        ray = found.primal_rays[0].variable_values
        assert ray[variables[0]] > 0
        assert ray[variables[0]] <= ray[variables[1]] + 1e-9

    def test_what_the_mesh_can_not_do_is_refused_before_anything_is_sent(self):
        nowhere = "http://127.0.0.1:9"
        built, variables, _ = build(models.wyndor())
        with pytest.raises(solvemesh.Unsupported, match="callbacks"):
            solve(built, cb=print, target=nowhere)
        with pytest.raises(solvemesh.Unsupported, match=r"params\.cutoff_limit"):
            solve(built, params=mathopt.SolveParameters(cutoff_limit=3), target=nowhere)
        built.objective.set_quadratic_coefficient(variables[0], variables[0], 1)
        with pytest.raises(solvemesh.Unsupported, match="a quadratic objective"):
            solve(built, target=nowhere)
