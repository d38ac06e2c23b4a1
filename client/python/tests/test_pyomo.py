"""Pyomo on a real gateway, by its new and by its old interface."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from plugin_cases import Outcome, PluginCases

import solvemesh

pyo = pytest.importorskip("pyomo.environ")
from pyomo.contrib.solver.common.factory import SolverFactory  # noqa: E402
from pyomo.contrib.solver.common.util import NoOptimalSolutionError  # noqa: E402

import solvemesh.pyomo  # noqa: E402


def build(model):
    """A Pyomo model with the numbers of a model of ours."""
    built = pyo.ConcreteModel()
    n = model.variable_count
    kinds = np.ones(n) if model.kinds is None else model.kinds
    lower = np.zeros(n) if model.lower is None else model.lower
    upper = np.full(n, np.inf) if model.upper is None else model.upper
    built.x = pyo.Var(range(n))
    for at in range(n):
        built.x[at].domain = pyo.Integers if kinds[at] == 2 else pyo.Reals
        built.x[at].setlb(None if np.isinf(lower[at]) else float(lower[at]))
        built.x[at].setub(None if np.isinf(upper[at]) else float(upper[at]))
    built.c = pyo.ConstraintList()
    if model.matrix is not None:
        starts, columns, values = model.matrix
        for row in range(model.constraint_count):
            entries = range(starts[row], starts[row + 1])
            body = sum(float(values[at]) * built.x[columns[at]] for at in entries)
            low = -np.inf if model.row_lower is None else float(model.row_lower[row])
            high = np.inf if model.row_upper is None else float(model.row_upper[row])
            sides = [None if np.isinf(side) else side for side in (low, high)]
            built.c.add(body == low if low == high else (sides[0], body, sides[1]))
    costs = np.asarray(model.objective).tolist()
    built.o = pyo.Objective(
        expr=sum(cost * built.x[at] for at, cost in enumerate(costs)) + model.offset,
        sense=pyo.maximize if model.sense == "MAXIMIZE" else pyo.minimize,
    )
    built.dual = pyo.Suffix(direction=pyo.Suffix.IMPORT)
    built.rc = pyo.Suffix(direction=pyo.Suffix.IMPORT)
    return built


def values(built, model, has_solution):
    if not has_solution:
        return None, None, None
    x = [built.x[at].value for at in range(model.variable_count)]
    duals = [built.dual.get(constraint) for constraint in built.c.values()]
    reduced = [built.rc.get(built.x[at]) for at in range(model.variable_count)]
    return x, duals, reduced


class TestNewInterface(PluginCases):
    module = "test_pyomo"
    plugin = "solvemesh.pyomo"
    has_semi_continuous = False

    def run(self, model, *, time_limit=None, start=None, log=False, **options):
        built = build(model)
        for at, value in enumerate(start or ()):
            built.x[at].value = value
        written = io.StringIO()
        with contextlib.redirect_stdout(written):
            results = SolverFactory("solvemesh").solve(
                built,
                tee=log,
                time_limit=time_limit,
                warmstart=start is not None,
                raise_exception_on_nonoptimal_result=False,
                solver_options=options,
            )
        status = {
            "convergenceCriteriaSatisfied": "optimal",
            "provenInfeasible": "infeasible",
            "unbounded": "unbounded",
        }.get(results.termination_condition.name)
        has_solution = results.incumbent_objective is not None
        x, duals, reduced = values(built, model, has_solution)
        return Outcome(
            status=status or ("feasible" if has_solution else "none"),
            objective=results.incumbent_objective,
            x=x,
            duals=duals,
            reduced_costs=reduced,
            result=results.extra_info.result,
            log=written.getvalue(),
        )

    def test_a_result_that_is_not_optimal_raises_with_the_job(self):
        built = build(solvemesh.Model(objective=[1], matrix=[[1]], row_lower=2, upper=1))
        with pytest.raises(NoOptimalSolutionError, match=r"job .* is INFEASIBLE"):
            SolverFactory("solvemesh").solve(built)

    def test_the_last_basis_starts_the_next_solve(self):
        built = build(solvemesh.Model(objective=[2, 3], matrix=[[1, 1]], row_lower=4, upper=3))
        solver = SolverFactory("solvemesh")
        solver.config.warm_basis = True
        solver.config.solver_options = {"solver": "highs"}
        solver.solve(built)
        again = solver.solve(built)
        assert again.extra_info.result.start_report.status == "USED"

    def test_a_constraint_that_is_false_without_variables_is_infeasible(self):
        built = pyo.ConcreteModel()
        built.x = pyo.Var(bounds=(0, 1))
        built.y = pyo.Var()
        built.y.fix(3)
        built.c = pyo.Constraint(expr=built.y <= 2)
        built.o = pyo.Objective(expr=built.x)
        results = SolverFactory("solvemesh").solve(
            built, load_solutions=False, raise_exception_on_nonoptimal_result=False
        )
        assert results.termination_condition.name == "provenInfeasible"


class TestOldInterface(PluginCases):
    module = "test_pyomo"
    plugin = "solvemesh.pyomo"
    has_semi_continuous = False

    def run(self, model, *, time_limit=None, start=None, log=False, **options):
        built = build(model)
        for at, value in enumerate(start or ()):
            built.x[at].value = value
        found = []
        solver = pyo.SolverFactory("solvemesh")
        solver.config.on_event = found.append
        written = io.StringIO()
        with contextlib.redirect_stdout(written):
            results = solver.solve(
                built,
                tee=log,
                timelimit=time_limit,
                warmstart=start is not None,
                suffixes=["slack"],
                options=options,
            )
        condition = str(results.solver.termination_condition)
        result = solvemesh.connect().job(found[-1].job_id).result()
        has_solution = result.has_solution
        x, duals, reduced = values(built, model, has_solution)
        if has_solution and condition != "optimal":
            condition = "feasible"
        return Outcome(
            status="none" if condition in ("maxTimeLimit",) else condition,
            objective=pyo.value(built.o) if has_solution else None,
            x=x,
            duals=duals,
            reduced_costs=reduced,
            result=result,
            log=written.getvalue(),
        )

    def test_the_idioms_of_the_old_interface_work(self, tmp_path):
        built = build(solvemesh.Model(objective=[2, 3], matrix=[[1, 1]], row_lower=4, upper=3))
        solver = pyo.SolverFactory("solvemesh")
        assert solver.available()
        assert solver.warm_start_capable()
        solver.options["mipgap"] = 0.01
        results = solver.solve(built, load_solutions=False, logfile=str(tmp_path / "log"))
        assert built.x[0].value is None
        built.solutions.load_from(results)
        assert built.x[0].value == pytest.approx(3)
        pyo.assert_optimal_termination(results)
        assert (tmp_path / "log").exists()
        with pytest.raises(ValueError, match="suffixes must be"):
            solver.solve(built, suffixes=["iis"])

    def test_slacks_are_imported_if_they_are_asked_for(self):
        built = build(solvemesh.Model(objective=[1], matrix=[[1], [1]], row_lower=[2, 1]))
        pyo.SolverFactory("solvemesh").solve(built, suffixes=["slack"])
        assert [built.slack[row] for row in built.c.values()] == pytest.approx([0, 1])

    def test_what_is_not_linear_is_refused_before_anything_is_sent(self):
        built = pyo.ConcreteModel()
        built.x = pyo.Var(bounds=(1, 2))
        built.o = pyo.Objective(expr=built.x**2)
        solver = pyo.SolverFactory("solvemesh")
        solver.config.target = "http://127.0.0.1:9"
        with pytest.raises(Exception, match=r"nonlinear|quadratic"):
            solver.solve(built)


class TestSolverManager:
    def test_a_script_for_neos_needs_another_word_only(self):
        built = build(solvemesh.Model(objective=[2, 3], matrix=[[1, 1]], row_lower=4, upper=3))
        manager = pyo.SolverManagerFactory("solvemesh")
        results = manager.solve(built, opt="highs")
        pyo.assert_optimal_termination(results)
        assert pyo.value(built.o) == pytest.approx(9)
        assert built.dual[built.c[1]] == pytest.approx(3)
        with pytest.warns(UserWarning, match="cplex"):
            manager.solve(built, opt="cplex", timelimit=10)

    def test_queued_models_are_solved_at_the_same_time_as_they_were_when_queued(self, client):
        manager = pyo.SolverManagerFactory("solvemesh")
        models = [
            build(solvemesh.Model(objective=[1], matrix=[[1]], row_lower=low)) for low in (2, 3, 4)
        ]
        handles = [
            manager.queue(built, opt="highs", labels={"manager": "queued"}) for built in models
        ]
        assert len(list(client.jobs(labels={"manager": "queued"}))) == 3
        models[0].c[1].set_value(models[0].x[0] >= 99)
        manager.wait_all(handles)
        assert [pyo.value(built.o) for built in models] == pytest.approx([2, 3, 4])
        for handle in handles:
            pyo.assert_optimal_termination(manager.get_results(handle))
        assert manager.num_queued() == 0

    def test_a_model_without_a_solution_and_an_option_that_does_not_exist(self):
        built = build(solvemesh.Model(objective=[1], matrix=[[1]], row_lower=2, upper=1))
        manager = pyo.SolverManagerFactory("solvemesh")
        results = manager.solve(built)
        assert str(results.solver.termination_condition) == "infeasible"
        with pytest.raises(solvemesh.Rejected, match="no_such_option"):
            manager.solve(built, options={"no_such_option": 1})
        with pytest.raises(TypeError, match="name of a solver"):
            manager.solve(built, opt=3)
