"""Sweeps of Pyomo models on a real gateway, beside solves of the same numbers."""

from __future__ import annotations

import numpy as np
import pytest

import solvemesh

pyo = pytest.importorskip("pyomo.environ")
import solvemesh.pyomo  # noqa: E402


def doors(price=500.0, hours=18.0):
    """Wyndor, with a price, a capacity, and a factor that is in several places."""
    model = pyo.ConcreteModel()
    model.price = pyo.Param(initialize=price, mutable=True)
    model.hours = pyo.Param(initialize=hours, mutable=True)
    model.most = pyo.Param(
        ["doors", "windows"], initialize={"doors": 4, "windows": 6}, mutable=True
    )
    model.make = pyo.Var(["doors", "windows"], bounds=lambda m, i: (0, m.most[i]))
    model.value = pyo.Expression(expr=model.price * model.make["windows"])
    model.assembly = pyo.Constraint(
        expr=3 * model.make["doors"] + 2 * model.make["windows"] <= model.hours
    )
    model.profit = pyo.Objective(
        expr=300 * model.make["doors"] + model.value - 10 * model.hours, sense=pyo.maximize
    )
    return model


def solved(model):
    pyo.SolverFactory("solvemesh").solve(model)
    return pyo.value(model.profit)


def test_a_grid_of_parameters_has_the_objectives_of_single_solves():
    model = doors()
    prices, hours = [100.0, 400.0, 900.0], [12.0, 18.0]
    sweep = solvemesh.pyomo.sweep(model, {"price": prices, "hours": hours}, variables=[model.make])
    found = {result.index: result for result in sweep}
    assert len(found) == 6
    assert found[3].parameters == {"price": 400, "hours": 18}
    frame = sweep.frame()
    expected = [solved(doors(price, hour)) for price in prices for hour in hours]
    np.testing.assert_allclose(frame["objective"], expected)
    assert frame["price"].tolist() == [100, 100, 400, 400, 900, 900]
    assert frame["hours"].tolist() == [12, 18] * 3
    assert frame.loc[5, ["make[doors]", "make[windows]"]].tolist() == pytest.approx([2, 6])
    # The model's own numbers are as before.
    assert (model.price.value, model.hours.value) == (500, 18)


def test_a_list_changes_indexed_parameters_in_bounds_and_has_labels_and_duals():
    model = doors()
    scenarios = [{}, {"most": {"windows": 3}}, {"price": 0, "most": {"doors": 1}}]
    frame = solvemesh.pyomo.sweep(
        model, scenarios, labels=["as is", "few", "free"], duals=[model.assembly]
    ).frame()
    assert frame["label"].tolist() == ["as is", "few", "free"]
    # 2 and 6; 4 and 3; 1 and any: less 180 for the hours.
    np.testing.assert_allclose(frame["objective"], [3600 - 180, 2700 - 180, 300 - 180])
    assert frame["dual:assembly"][0] == pytest.approx(100)
    assert np.isnan(frame["price"][0])
    assert frame["price"][2] == 0


def test_a_coefficient_that_is_0_in_the_model_comes_back_in_a_scenario():
    model = pyo.ConcreteModel()
    model.p = pyo.Param(initialize=0, mutable=True)
    model.x = pyo.Var(bounds=(0, 10))
    model.y = pyo.Var(bounds=(0, 10), domain=pyo.Integers)
    model.fixed = pyo.Var(initialize=2)
    model.fixed.fix()
    # With p = 0, y is nowhere and the second constraint has no variables.
    model.first = pyo.Constraint(expr=model.x + model.p * model.y >= 5 * model.fixed)
    model.second = pyo.Constraint(expr=model.p * model.y <= 7)
    model.both = pyo.Constraint(expr=(-model.p, model.x - model.p * model.y, 9 + model.p))
    model.cost = pyo.Objective(expr=model.x + model.p * model.p * model.y)
    values = [0.0, 0.5, 1.0, 2.0]
    frame = solvemesh.pyomo.sweep(model, {"p": values}, variables=[model.y]).frame()
    for value, status, objective in zip(values, frame["status"], frame["objective"], strict=True):
        model.p.set_value(value)
        results = pyo.SolverFactory("solvemesh").solve(model, load_solutions=False)
        alone = str(results.solver.termination_condition)
        assert status == {"optimal": "OPTIMAL", "infeasible": "INFEASIBLE"}[alone]
        if alone == "optimal":
            model.solutions.load_from(results)
            assert objective == pytest.approx(pyo.value(model.cost))
    assert frame["status"].tolist() == ["INFEASIBLE", "OPTIMAL", "OPTIMAL", "OPTIMAL"]


def test_keys_can_be_the_parameters_themselves_or_members():
    model = doors()
    prices = pyo.ComponentMap([(model.price, [100.0, 900.0])])
    frame = solvemesh.pyomo.sweep(model, prices).frame()
    assert frame["objective"].tolist() == pytest.approx([1500 - 180, 6000 - 180])
    frame = solvemesh.pyomo.sweep(model, {"most[windows]": [0, 3]}).frame()
    assert frame["objective"].tolist() == pytest.approx([1200 - 180, 2700 - 180])
    assert frame["most[windows]"].tolist() == [0, 3]


def test_scenarios_that_are_as_the_model_are_solved_too():
    model = doors()
    frame = solvemesh.pyomo.sweep(model, {"price": [500.0, 500.0]}).frame()
    np.testing.assert_allclose(frame["objective"], [3420, 3420])


def test_what_can_not_be_swept_is_refused_by_name_before_anything_is_sent():
    model = doors()
    model.constant = pyo.Param(["a"], initialize=3)
    model.idle = pyo.Param(initialize=3, mutable=True)
    model.power = pyo.Param(initialize=1, mutable=True)

    def sweep(scenarios, **more):
        return solvemesh.pyomo.sweep(model, scenarios, target="http://127.0.0.1:9", **more)

    with pytest.raises(ValueError, match=r"constant.* is not mutable"):
        sweep({"constant": [{"a": 1}]})
    with pytest.raises(ValueError, match="idle: no constraint"):
        sweep({"idle": [1]})
    with pytest.raises(ValueError, match="no parameter 'cost'"):
        sweep({"cost": [1]})
    with pytest.raises(TypeError, match="must be a Param"):
        sweep({"make": [1]})
    with pytest.raises(ValueError, match=r"most, which is indexed"):
        sweep({"most": [1]})
    with pytest.raises(ValueError, match="at least one entry"):
        sweep({"price": []})
    with pytest.raises(ValueError, match="at least one scenario"):
        sweep([])
    with pytest.raises(ValueError, match="1 labels for 2"):
        sweep({"price": [1, 2]}, labels=["one"])
    model.bent = pyo.Constraint(expr=model.make["doors"] ** model.power <= 3)
    with pytest.raises(solvemesh.Unsupported, match="bent is not linear"):
        sweep({"power": [2]})
    assert model.power.value == 1
