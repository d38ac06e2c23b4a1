"""Sweeps of linopy models on a real gateway, beside solves of the same numbers."""

from __future__ import annotations

import numpy as np
import pytest

import solvemesh

linopy = pytest.importorskip("linopy")
xr = pytest.importorskip("xarray")
import solvemesh.linopy  # noqa: E402
from solvemesh.linopy import Mesh  # noqa: E402

HOURS = [0, 1, 2]


def dispatch(demand, cost, most=8.0):
    """Two plants that meet a demand in three hours; the second one is off in hour 1."""
    model = linopy.Model()
    on = np.array([[True, True], [True, False], [True, True]])
    coords = {"hour": HOURS, "plant": ["coal", "gas"]}
    power = model.add_variables(lower=0, upper=most, coords=coords, mask=on, name="power")
    slack = model.add_variables(lower=0, coords={"hour": HOURS}, name="slack")
    model.add_constraints(power.sum("plant") + slack == demand, name="demand")
    model.add_constraints(power.sum("hour") <= 20, name="fuel")
    model.add_objective((power * cost).sum() + 100 * slack.sum())
    return model


BASE = xr.DataArray([5.0, 6, 7], {"hour": HOURS})
COST = xr.DataArray([1.0, 3], {"plant": ["coal", "gas"]})


def test_a_list_of_arrays_has_the_objectives_of_single_solves():
    model = dispatch(BASE, COST)
    scenarios = [
        {},
        {"rhs:demand": BASE + 3},
        {"rhs:demand": [1, 2, 3], "obj:power": COST * 2},
        {"upper:power": 4},
        {"rhs:demand": 30, "rhs:fuel": [5, 6]},
    ]
    sweep = solvemesh.linopy.sweep(model, scenarios, variables=["power"], duals=["demand"])
    assert sorted(result.index for result in sweep) == [0, 1, 2, 3, 4]
    frame = sweep.frame()
    alone = [
        dispatch(BASE, COST),
        dispatch(BASE + 3, COST),
        dispatch(BASE - BASE + [1, 2, 3], COST * 2),
        dispatch(BASE, COST, most=4),
    ]
    for at, single in enumerate(alone):
        mesh = Mesh()
        single.solve(remote=mesh)
        assert frame["objective"][at] == pytest.approx(single.objective.value)
    # 90 units of demand, of which 11 are made, for 5 and 18.
    assert frame["objective"][4] == pytest.approx(100 * 79 + 5 + 18)
    # Masked members have no columns.
    assert [name for name in frame if name.startswith("power")] == [
        "power[0,coal]",
        "power[0,gas]",
        "power[1,coal]",
        "power[2,coal]",
        "power[2,gas]",
    ]
    assert frame["power[1,coal]"][0] == pytest.approx(6)
    assert frame["dual:demand[1]"][0] == pytest.approx(1)


def test_a_grid_of_numbers_is_shown_in_the_frame():
    model = dispatch(BASE, COST)
    frame = solvemesh.linopy.sweep(
        model, {"upper:power": [4, 8], "fix:slack": [0.0, 1.0]}, time_limit=10
    ).frame()
    assert frame["upper:power"].tolist() == [4, 4, 8, 8]
    assert frame["fix:slack"].tolist() == [0, 1, 0, 1]
    # At hour 1 only coal runs: 4 of 6.
    assert frame["status"].tolist() == ["INFEASIBLE", "INFEASIBLE", "OPTIMAL", "OPTIMAL"]
    assert frame["objective"][2] == pytest.approx(18)
    assert frame["objective"][3] == pytest.approx(15 + 300)
    assert model.variables["power"].upper.max() == 8


@pytest.mark.parametrize(
    ("scenarios", "message"),
    [
        ({"demand": [1]}, "must be one of"),
        ({"rhs:power": [1]}, "no constraint 'power'"),
        ({"obj:demand": [1]}, "no variable 'demand'"),
        ({"rhs:demand": [[1, 2]]}, r"shape \(2,\), not \(3,\)"),
        ({"rhs:demand": [xr.DataArray([1.0], {"day": [0]})]}, "dimensions"),
        ({"rhs:demand": [xr.DataArray([1.0], {"hour": [0]})]}, "not all coordinates"),
        ({}, "at least one parameter"),
        ([{}], "at least one parameter"),
    ],
)
def test_what_can_not_be_swept_is_refused_by_name_before_anything_is_sent(scenarios, message):
    with pytest.raises(ValueError, match=message):
        solvemesh.linopy.sweep(dispatch(BASE, COST), scenarios, target="http://127.0.0.1:9")
