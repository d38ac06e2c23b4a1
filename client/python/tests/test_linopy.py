"""linopy on a real gateway."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from plugin_cases import Outcome, PluginCases

import solvemesh

linopy = pytest.importorskip("linopy")
import solvemesh.linopy  # noqa: E402
from solvemesh.linopy import Mesh  # noqa: E402


def build(model):
    """A linopy model with the numbers of a model of ours; one variable and constraint each."""
    built = linopy.Model()
    n = model.variable_count
    lower = np.zeros(n) if model.lower is None else model.lower
    upper = np.full(n, np.inf) if model.upper is None else model.upper
    kinds = np.ones(n, int) if model.kinds is None else model.kinds
    variables = [
        built.add_variables(
            lower=float(lower[at]),
            upper=float(upper[at]),
            name=f"x{at}",
            integer=bool(kinds[at] == 2),
            semi_continuous=bool(kinds[at] == 4),
        )
        for at in range(n)
    ]
    if model.matrix is not None:
        starts, columns, values = model.matrix
        for row in range(model.constraint_count):
            entries = range(starts[row], starts[row + 1])
            terms = sum(float(values[at]) * variables[columns[at]] for at in entries)
            low = -np.inf if model.row_lower is None else float(model.row_lower[row])
            high = np.inf if model.row_upper is None else float(model.row_upper[row])
            if low == high:
                built.add_constraints(terms == low, name=f"c{row}")
            elif np.isfinite(low):
                built.add_constraints(terms >= low, name=f"c{row}")
            else:
                built.add_constraints(terms <= high, name=f"c{row}")
    costs = zip(np.asarray(model.objective).tolist(), variables, strict=True)
    built.add_objective(
        sum(cost * variable for cost, variable in costs),
        sense="max" if model.sense == "MAXIMIZE" else "min",
    )
    return built


class TestLinopy(PluginCases):
    module = "test_linopy"
    plugin = "solvemesh.linopy"
    has_ranges = False
    has_constant = False

    def run(self, model, *, time_limit=None, start=None, log=False, **options):
        built = build(model)
        mesh = Mesh(start=start)
        written = io.StringIO()
        with contextlib.redirect_stdout(written):
            status, condition = built.solve(
                remote=mesh, log_to_console=log, time_limit=time_limit, **options
            )
        solved = status == "ok" and condition == "optimal"
        x = None
        if mesh.result.has_solution:
            x = [float(built.variables[f"x{at}"].solution) for at in range(model.variable_count)]
        found = "optimal" if solved else condition
        if condition in ("time_limit", "terminated_by_limit"):
            found = "none" if x is None else "feasible"
        duals = reduced = None
        if mesh.result.duals is not None:
            duals = [float(built.constraints[name].dual) for name in built.constraints]
            reduced = mesh.result.reduced_costs
        return Outcome(
            status=found,
            objective=built.objective.value,
            x=x,
            duals=duals,
            reduced_costs=reduced,
            result=mesh.result,
            log=written.getvalue(),
        )

    def test_values_are_matched_by_label_where_a_mask_leaves_holes(self):
        built = linopy.Model()
        mask = np.array([True, False, True])
        x = built.add_variables(lower=0, coords=[range(3)], mask=mask, name="x")
        y = built.add_variables(lower=[1, 2], coords=[range(2)], name="y")
        built.add_constraints(1 * x >= [5, 6, 7], mask=mask, name="c")
        built.add_objective(x.sum() + y.sum())
        built.solve(remote=Mesh())
        np.testing.assert_allclose(built.variables["x"].solution, [5, np.nan, 7])
        np.testing.assert_allclose(built.variables["y"].solution, [1, 2])
        np.testing.assert_allclose(built.constraints["c"].dual, [1, np.nan, 1])
        assert built.objective.value == pytest.approx(15)

    def test_a_solver_that_the_mesh_has_not_is_a_warning(self):
        built = build(solvemesh.Model(objective=[1], matrix=[[1]], row_lower=2))
        mesh = Mesh()
        with pytest.warns(UserWarning, match="gurobi"):
            built.solve(solver_name="gurobi", remote=mesh)
        assert mesh.result.objective == pytest.approx(2)
        built.solve(solver_name="clarabel", remote=mesh)
        assert mesh.result.solver == "clarabel"

    def test_a_quadratic_objective_is_refused_before_anything_is_sent(self):
        built = linopy.Model()
        x = built.add_variables(lower=0, name="x")
        built.add_objective(x * x)
        with pytest.raises(solvemesh.Unsupported, match="quadratic"):
            built.solve(remote=Mesh("http://127.0.0.1:9"))

    def test_the_function_solves_too(self, tmp_path):
        built = build(solvemesh.Model(objective=[1], matrix=[[1]], row_lower=2))
        assert solvemesh.linopy.solve(built) == ("ok", "optimal")
        built.solve(remote=Mesh(), solver_name="highs", log_fn=tmp_path / "log")
        assert "Optimal" in (tmp_path / "log").read_text()
