"""Solves scenarios of Wyndor with Pyomo and GLPK: for each, builds the model and runs a GLPK
process. The argument is the number of scenarios; prints the seconds they took."""

import sys
import time

import pyomo.environ as pyo


def optimum(rate):
    model = pyo.ConcreteModel()
    model.doors = pyo.Var(within=pyo.NonNegativeReals)
    model.windows = pyo.Var(within=pyo.NonNegativeReals)
    model.profit = pyo.Objective(
        expr=300 * model.doors + rate * model.windows, sense=pyo.maximize
    )
    model.plant_1 = pyo.Constraint(expr=model.doors <= 4)
    model.plant_2 = pyo.Constraint(expr=2 * model.windows <= 12)
    model.plant_3 = pyo.Constraint(expr=3 * model.doors + 2 * model.windows <= 18)
    pyo.SolverFactory("glpk").solve(model)
    return pyo.value(model.profit)


def main():
    scenarios = int(sys.argv[1])
    optimum(100)  # warm-up: the first solve loads what all need
    begin = time.perf_counter()
    for scenario in range(scenarios):
        rate = 100 + 900 * scenario / (scenarios - 1)
        best = max(1200 + 3 * rate, 600 + 6 * rate)
        found = optimum(rate)
        assert abs(found - best) <= 1e-6 * best, f"{found} at {rate} instead of {best}"
    print(time.perf_counter() - begin)


main()
