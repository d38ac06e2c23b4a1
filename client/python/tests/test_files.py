"""Files that modelling libraries write, solved on a real gateway. cvxpy and scipy write none."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest

# Each function writes the same model in its library: maximise 300 D + 500 W, D integer, D <= 4,
# 2 W <= 12, 3 D + 2 W <= 18. The optimum is 3600 at (2, 6).


def pulp(path: Path) -> None:
    """PuLP, whose MPS files have the sense only if asked for it."""
    lib = pytest.importorskip("pulp")
    problem = lib.LpProblem("wyndor", lib.LpMaximize)
    doors = problem.add_variable("D", 0, 4, lib.LpInteger)
    windows = problem.add_variable("W", 0)
    problem += 300 * doors + 500 * windows
    problem += 2 * windows <= 12, "plant2"
    problem += 3 * doors + 2 * windows <= 18, "plant3"
    if path.suffix == ".mps":
        problem.writeMPS(str(path), with_objsense=True)
    else:
        problem.writeLP(str(path))


def pyomo(path: Path, **options) -> None:
    """Pyomo."""
    lib = pytest.importorskip("pyomo.environ")
    model = lib.ConcreteModel()
    model.D = lib.Var(bounds=(0, 4), domain=lib.Integers)
    model.W = lib.Var(bounds=(0, None))
    model.plant2 = lib.Constraint(expr=2 * model.W <= 12)
    model.plant3 = lib.Constraint(expr=3 * model.D + 2 * model.W <= 18)
    model.profit = lib.Objective(expr=300 * model.D + 500 * model.W, sense=lib.maximize)
    model.write(str(path), io_options=options)


def pyomo_with_names(path: Path) -> None:
    """Pyomo with the names of the components."""
    pyomo(path, symbolic_solver_labels=True)


def linopy(path: Path, **options) -> None:
    """linopy."""
    lib = pytest.importorskip("linopy")
    model = lib.Model()
    doors = model.add_variables(lower=0, upper=4, integer=True, name="D")
    windows = model.add_variables(lower=0, name="W")
    model.add_constraints(2 * windows <= 12, name="plant2")
    model.add_constraints(3 * doors + 2 * windows <= 18, name="plant3")
    model.add_objective(300 * doors + 500 * windows, sense="max")
    model.to_file(path, progress=False, **options)


def linopy_with_names(path: Path) -> None:
    """linopy with the names of the variables."""
    linopy(path, explicit_coordinate_names=True)


def highspy(path: Path) -> None:
    """highspy."""
    lib = pytest.importorskip("highspy")
    model = lib.Highs()
    model.silent()
    doors = model.addIntegral(ub=4, name="D")
    windows = model.addVariable(name="W")
    model.addConstr(2 * windows <= 12)
    model.addConstr(3 * doors + 2 * windows <= 18)
    model.setMaximize()
    model.changeColCost(doors.index, 300)
    model.changeColCost(windows.index, 500)
    model.writeModel(str(path))


def ortools(path: Path) -> None:
    """OR-Tools, as a text that is written by the test."""
    lib = pytest.importorskip("ortools.linear_solver.python.model_builder")
    model = lib.Model()
    doors, windows = model.new_int_var(0, 4, "D"), model.new_num_var(0, 1e30, "W")
    model.add(2 * windows <= 12)
    model.add(3 * doors + 2 * windows <= 18)
    model.maximize(300 * doors + 500 * windows)
    text = model.export_to_lp_string() if path.suffix == ".lp" else model.export_to_mps_string()
    path.write_text(text)


def gurobipy(path: Path) -> None:
    """gurobipy, which also compresses files and writes ``.rew``: MPS without names."""
    lib = pytest.importorskip("gurobipy")
    with contextlib.redirect_stdout(io.StringIO()):
        model = lib.Model("wyndor")
        doors, windows = model.addVar(ub=4, vtype="I", name="D"), model.addVar(name="W")
        model.addConstr(2 * windows <= 12)
        model.addConstr(3 * doors + 2 * windows <= 18)
        model.setObjective(300 * doors + 500 * windows, lib.GRB.MAXIMIZE)
        model.write(str(path))


@pytest.mark.parametrize(
    ("write", "name"),
    [
        (pulp, "model.lp"),
        (pulp, "model.mps"),
        (pyomo, "model.lp"),
        (pyomo_with_names, "model.lp"),
        (pyomo, "model.mps"),
        (pyomo_with_names, "model.mps"),
        (pyomo, "model.nl"),
        (linopy, "model.lp"),
        (linopy_with_names, "model.lp"),
        (linopy, "model.mps"),
        (highspy, "model.lp"),
        (highspy, "model.mps"),
        (ortools, "model.lp"),
        (ortools, "model.mps"),
        (gurobipy, "model.lp"),
        (gurobipy, "model.mps"),
        (gurobipy, "model.mps.gz"),
        (gurobipy, "model.rew"),
    ],
)
def test_a_file_of_a_library_is_solved(client, tmp_path, write, name):
    path = tmp_path / name
    write(path)
    result = client.solve(path)
    # A writer may minimise the negated objective.
    assert abs(result.objective) == pytest.approx(3600)
    assert sorted(result.x)[-2:] == pytest.approx([2, 6])
    assert not result.warnings
