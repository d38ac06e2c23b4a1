"""Sweeps on a real gateway."""

from __future__ import annotations

import models
import numpy as np
import pytest

import solvemesh
from solvemesh import Parameter, Report, Status, Table


def optimum(windows=500.0, p3=18.0):
    """Of the Wyndor model with another price of windows and another capacity of plant 3."""
    corners = [(min(4, p3 / 3), max(0, min(6, (p3 - 3 * min(4, p3 / 3)) / 2)))]
    corners.append((max(0, min(4, (p3 - 12) / 3)), min(6, p3 / 2)))
    return max(300 * doors + windows * panes for doors, panes in corners)


def test_a_grid_is_all_combinations(client):
    prices, capacities = [100.0, 400.0, 900.0], [12.0, 18.0]
    sweep = client.sweep(
        models.wyndor(),
        {"obj:Windows": prices, "rhs:p3": capacities},
        report=Report(variables=["Doors", "Windows"], duals=["p2"]),
    )
    assert len(sweep) == 6
    found = {result.index: result for result in sweep}
    for index, result in found.items():
        windows, p3 = prices[index // 2], capacities[index % 2]
        assert result.parameters == {"obj:Windows": windows, "rhs:p3": p3}
        assert result.status is Status.OPTIMAL
        assert result.objective == pytest.approx(optimum(windows, p3))
        assert 300 * result.values[0] + windows * result.values[1] == pytest.approx(
            result.objective
        )
        assert len(result.duals) == 1
    assert sorted(found) == list(range(6))
    assert sweep.state == "SUCCEEDED"
    assert [result.index for result in sweep.results()] == list(range(6))


def test_a_frame_is_a_table_and_gives_a_frame(client):
    pd = pytest.importorskip("pandas")
    scenarios = pd.DataFrame(
        {"obj:Windows": [100.0, np.nan, 900.0], "rhs:p3": [np.nan, 12.0, 6.0]},
        index=["cheap", "small", "both"],
    )
    frame = client.sweep(models.wyndor(), scenarios, report=Report(variables=True)).frame()
    assert frame["label"].tolist() == ["cheap", "small", "both"]
    expected = [optimum(windows=100), optimum(p3=12), optimum(900, 6)]
    np.testing.assert_allclose(frame["objective"], expected)
    assert np.isnan(frame.loc[0, "rhs:p3"])
    assert frame.loc[2, "rhs:p3"] == 6
    assert frame["status"].tolist() == ["OPTIMAL"] * 3


def test_parameters_can_be_indices_and_scenarios_may_be_infeasible(client):
    table = Table(
        [Parameter("row-lower", constraint=0), Parameter("coef", variable=1, constraint=2)],
        [[5.0, 2.0], [0.0, 4.0]],
    )
    first, second = client.sweep(
        models.wyndor(variable_names=None, constraint_names=None), table
    ).results()
    assert (first.status, first.objective) == (Status.INFEASIBLE, None)
    # 3 D + 4 W <= 18: at D = 4 there is room for 1.5 windows, at W = 4.5 for no doors.
    assert second.objective == pytest.approx(max(300 * 4 + 500 * 1.5, 500 * 4.5))


def test_a_target_stops_a_sweep(client):
    sweep = client.sweep(models.wyndor(), {"obj:Windows": range(1, 2000)}, stop_on_first=3600)
    found = sweep.results()
    assert len(found) < 1999
    assert any(result.objective >= 3600 for result in found)


@pytest.mark.parametrize(
    ("scenarios", "message"),
    [
        ({}, "at least one parameter"),
        ({"price": [1]}, "must be one of"),
        ({"obj:": [1]}, "needs a variable"),
        ({"offset:x": []}, "list with at least one"),
        ({"coef:p1": [1]}, "coef:ROW,VAR"),
        (Table(["obj:Doors"], [[1, 2]]), r"shape \(s, 1\)"),
        (Table(["obj:Doors"], [[1], [2]], ["one"]), "1 labels for 2"),
    ],
)
def test_scenarios_that_make_no_sense_are_refused_before_anything_is_sent(scenarios, message):
    with pytest.raises(ValueError, match=message):
        solvemesh.connect("127.0.0.1:9").sweep(models.wyndor(), scenarios)


def test_the_gateway_names_what_it_refuses(client):
    with pytest.raises(solvemesh.Rejected) as caught:
        client.sweep(models.wyndor(), {"obj:Roofs": [1, 2]})
    assert caught.value.violations[0].field.startswith("sweep.grid.axes[0].parameter")
