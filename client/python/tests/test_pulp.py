"""PuLP on a real gateway."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from plugin_cases import Outcome, PluginCases

import solvemesh

pulp = pytest.importorskip("pulp")
from solvemesh.pulp import _V4, SolveMesh  # noqa: E402


def build(model):
    """A problem with the numbers of a model of ours."""
    sense = pulp.LpMaximize if model.sense == "MAXIMIZE" else pulp.LpMinimize
    problem = pulp.LpProblem("test", sense)
    n = model.variable_count
    lower = np.zeros(n) if model.lower is None else model.lower
    upper = np.full(n, np.inf) if model.upper is None else model.upper
    kinds = np.ones(n) if model.kinds is None else model.kinds
    add = problem.add_variable if _V4 and hasattr(problem, "add_variable") else pulp.LpVariable
    variables = [
        add(
            f"x{at:03}",
            None if np.isinf(lower[at]) else lower[at],
            None if np.isinf(upper[at]) else upper[at],
            pulp.LpInteger if kinds[at] == 2 else pulp.LpContinuous,
        )
        for at in range(n)
    ]
    objective = zip(np.asarray(model.objective).tolist(), variables, strict=True)
    problem += pulp.lpSum(c * v for c, v in objective) + model.offset
    if model.matrix is not None:
        starts, columns, values = model.matrix
        for row in range(model.constraint_count):
            entries = range(starts[row], starts[row + 1])
            terms = pulp.lpSum(float(values[at]) * variables[columns[at]] for at in entries)
            low = -np.inf if model.row_lower is None else model.row_lower[row]
            high = np.inf if model.row_upper is None else model.row_upper[row]
            if low == high:
                problem += terms == float(low)
            elif np.isfinite(low):
                problem += terms >= float(low)
            else:
                problem += terms <= float(high)
    return problem, variables


class TestPulp(PluginCases):
    module = "test_pulp"
    plugin = "solvemesh.pulp"
    has_ranges = False
    has_semi_continuous = False

    def run(self, model, *, time_limit=None, start=None, log=False, **options):
        problem, variables = build(model)
        if start is not None:
            for variable, value in zip(variables, start, strict=True):
                variable.setInitialValue(value)
        solver = SolveMesh(msg=log, timeLimit=time_limit, warmStart=start is not None, **options)
        written = io.StringIO()
        with contextlib.redirect_stdout(written):
            stats = problem.solve(solver)
        return Outcome(
            status=_status(problem, stats),
            objective=pulp.value(problem.objective),
            x=[variable.varValue for variable in variables],
            duals=[constraint.pi for constraint in problem.constraints()],
            reduced_costs=[variable.dj for variable in variables],
            result=solver.result,
            log=written.getvalue(),
            extra={"problem": problem, "stats": stats},
        )

    def test_slacks_are_distances_to_the_right_hand_side(self):
        found = self.run(
            solvemesh.Model(
                objective=[1, 1],
                matrix=[[1, 0], [0, 1], [1, 1]],
                row_lower=[2, -np.inf, 5],
                row_upper=[np.inf, 3, np.inf],
                upper=[np.inf, 1],
            )
        )
        slacks = [constraint.slack for constraint in found.extra["problem"].constraints()]
        values = dict(zip("xy", found.x, strict=True))
        assert slacks == pytest.approx([values["x"] - 2, 3 - values["y"], 0])

    def test_the_solver_is_registered_by_its_name(self):
        solver = pulp.getSolver("solvemesh", timeLimit=10, gapRel=0.1)
        assert isinstance(solver, SolveMesh)
        assert "solvemesh" in pulp.listSolvers(onlyAvailable=True)
        again = pulp.getSolverFromDict(solver.toDict())
        assert (again.timeLimit, again.optionsDict["gapRel"]) == (10, 0.1)

    def test_a_copy_keeps_the_target_and_the_options(self):
        solver = SolveMesh("http://mesh:1", timeLimit=3, gapRel=0.5, keep_names=True)
        copy = solver.copy()
        assert copy._connection == solver._connection
        assert (copy.timeLimit, copy.optionsDict, copy.keep_names) == (
            3,
            solver.optionsDict,
            True,
        )

    def test_options_as_text_are_read(self):
        problem, _ = build(solvemesh.Model(objective=[1], matrix=[[1]], row_lower=2))
        problem.solve(SolveMesh(options=["threads=1", "simplex_strategy=4"]))
        with pytest.raises(pulp.PulpSolverError, match="name=value"):
            problem.solve(SolveMesh(options=["threads"]))

    def test_integers_are_relaxed_without_mip(self):
        model = solvemesh.Model(objective=[-1], matrix=[[2]], row_upper=3, kinds=["I"])
        problem, (x,) = build(model)
        problem.solve(SolveMesh(mip=False))
        assert x.varValue == pytest.approx(1.5)

    def test_names_are_sent_if_they_are_kept(self, client):
        problem, _ = build(solvemesh.Model(objective=[1], matrix=[[1]], row_lower=2))
        solver = SolveMesh(keep_names=True)
        problem.solve(solver)
        assert solver.result.variable_names == ["x000"]

    def test_sos_constraints_are_refused_before_anything_is_sent(self):
        problem, (x, y) = build(solvemesh.Model(objective=[1, 1]))
        if _V4:
            pytest.importorskip("pulp._rustcore")
            problem.add_sos1("s", [(x, 1), (y, 2)]) if hasattr(problem, "add_sos1") else (
                pytest.skip("this version adds them in another way")
            )
        else:
            problem.sos1 = {"s": {x: 1, y: 2}}
        with pytest.raises(solvemesh.Unsupported, match="SOS"):
            problem.solve(SolveMesh("http://127.0.0.1:9"))

    def test_the_log_is_written_to_a_path(self, tmp_path):
        problem, _ = build(solvemesh.Model(objective=[1], kinds=["I"], matrix=[[1]], row_lower=2))
        problem.solve(SolveMesh(logPath=tmp_path / "log", msg=False))
        assert "Solving report" in (tmp_path / "log").read_text()

    def test_a_gateway_that_is_not_there_is_an_error_of_pulp(self, monkeypatch):
        from solvemesh.retry import Tries

        monkeypatch.setattr(Tries, "remaining", 0.0)
        problem, _ = build(solvemesh.Model(objective=[1]))
        with pytest.raises(pulp.PulpSolverError, match=r"127\.0\.0\.1:9"):
            problem.solve(SolveMesh("http://127.0.0.1:9"))


def _status(problem, stats):
    if _V4:
        status, has_solution = stats.status.name, stats.has_solution
        if status == "Optimal":
            return "optimal"
        if status in ("Infeasible", "Unbounded"):
            return status.lower()
        return "feasible" if has_solution else "none"
    return {
        (1, 1): "optimal",
        (1, 2): "feasible",
        (-1, -1): "infeasible",
        (-2, -2): "unbounded",
        (0, 0): "none",
    }[problem.status, problem.sol_status]
