"""From a model in a library to its result: on a mesh, and with HiGHS in this process.

Builds one transport model of 90,000 variables in Pyomo, PuLP and linopy, and solves it in turns
by the plug-in and by the interface of the library to HiGHS, each with one thread. Prints the
medians of 5 as a table. The first solve of each, which imports, is not counted.

    SOLVEMESH_URL=http://127.0.0.1:50051 python client/python/bench/overhead.py
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import statistics
import time
from collections.abc import Callable

import numpy as np

Solve = Callable[[], float]


def numbers(side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Costs, supplies and demands of a transport model with ``side`` places on each side."""
    rng = np.random.default_rng(3)
    ends = rng.random((2, side, 2))
    costs = np.hypot(*(ends[0][:, None, :] - ends[1][None, :, :]).transpose(2, 0, 1)) * 100
    demands = rng.integers(10, 40, side).astype(float)
    supplies = np.full(side, demands.sum() / side * 1.2)
    return costs, supplies, demands


def of_pyomo(side: int) -> tuple[Solve, Solve]:
    """Pyomo's own interface is ``highs``, which keeps nothing between these solves."""
    import pyomo.environ as pyo
    from pyomo.contrib.solver.common.factory import SolverFactory

    import solvemesh.pyomo  # noqa: F401

    costs, supplies, demands = numbers(side)
    model = pyo.ConcreteModel()
    places = range(side)
    model.x = pyo.Var(places, places, bounds=(0, None))
    model.supply = pyo.Constraint(
        places, rule=lambda m, i: sum(m.x[i, j] for j in places) <= supplies[i]
    )
    model.demand = pyo.Constraint(
        places, rule=lambda m, j: sum(m.x[i, j] for i in places) >= demands[j]
    )
    model.cost = pyo.Objective(
        expr=sum(float(costs[i, j]) * model.x[i, j] for i in places for j in places)
    )

    def mesh() -> float:
        results = SolverFactory("solvemesh").solve(model, solver_options={"solver": "highs"})
        return float(results.incumbent_objective)

    def local() -> float:
        results = SolverFactory("highs").solve(model, threads=1)
        return float(results.incumbent_objective)

    return mesh, local


def of_pulp(side: int) -> tuple[Solve, Solve]:
    """PuLP's own interface is ``HiGHS``."""
    import pulp

    from solvemesh.pulp import SolveMesh

    costs, supplies, demands = numbers(side)
    problem = pulp.LpProblem("transport", pulp.LpMinimize)
    places = range(side)
    x = [[pulp.LpVariable(f"x_{i}_{j}", lowBound=0) for j in places] for i in places]
    problem += pulp.LpAffineExpression(
        [(x[i][j], float(costs[i, j])) for i in places for j in places]
    )
    for i in places:
        problem += pulp.LpAffineExpression([(x[i][j], 1) for j in places]) <= float(supplies[i])
    for j in places:
        problem += pulp.LpAffineExpression([(x[i][j], 1) for i in places]) >= float(demands[j])

    def solve(solver: object) -> float:
        problem.solve(solver)
        return float(pulp.value(problem.objective))

    return (
        lambda: solve(SolveMesh(solver="highs")),
        lambda: solve(pulp.HiGHS(msg=False, threads=1)),
    )


def of_linopy(side: int) -> tuple[Solve, Solve]:
    """linopy's own interface is ``highs`` with ``io_api="direct"``, its fastest."""
    import linopy

    from solvemesh.linopy import Mesh

    costs, supplies, demands = numbers(side)
    model = linopy.Model()
    coords = {"source": range(side), "sink": range(side)}
    x = model.add_variables(lower=0, coords=coords, name="x")
    model.add_constraints(x.sum("sink") <= supplies, name="supply")
    model.add_constraints(x.sum("source") >= demands, name="demand")
    model.add_objective((x * costs).sum())

    def mesh() -> float:
        model.solve(solver_name="highs", remote=Mesh())
        return float(model.objective.value)

    def local() -> float:
        model.solve(
            solver_name="highs", io_api="direct", log_to_console=False, output_flag=False, threads=1
        )
        return float(model.objective.value)

    return mesh, local


def timed(solve: Solve) -> tuple[float, float]:
    """The seconds of a solve, and its objective."""
    begin = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        objective = solve()
    return time.perf_counter() - begin, objective


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=300, help="square root of the variables")
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    os.environ.setdefault("SOLVEMESH_URL", "http://127.0.0.1:50051")
    print(f"{arguments.side**2} variables, medians of {arguments.runs}")
    print("| library | mesh, s | HiGHS in the process, s | ratio |")
    print("| --- | --- | --- | --- |")
    for name, build in (("Pyomo", of_pyomo), ("PuLP", of_pulp), ("linopy", of_linopy)):
        solves = build(arguments.side)
        _, mesh = timed(solves[0])
        _, local = timed(solves[1])
        if abs(mesh - local) > 1e-6 * abs(local):
            raise SystemExit(f"{name}: {mesh} on the mesh, but {local} in the process")
        seconds: tuple[list[float], list[float]] = ([], [])
        for _ in range(arguments.runs):
            for at, solve in enumerate(solves):
                seconds[at].append(timed(solve)[0])
        first, second = map(statistics.median, seconds)
        print(f"| {name} | {first:.2f} | {second:.2f} | {first / second:.2f} |", flush=True)


if __name__ == "__main__":
    main()
