"""Wyndor with Pyomo and GLPK: builds the model and runs a `glpsol` process, for each
solve."""

import pyomo.environ as pyo


def maximum(rate):
    """The best profit of Wyndor at this rate."""
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
