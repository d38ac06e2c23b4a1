"""Solves on a real gateway."""

from __future__ import annotations

import io
import pickle
import sys
import time

import models
import numpy as np
import pytest

import solvemesh
from solvemesh import JobState, Kind, Limit, Options, Status


def test_an_lp_has_values_duals_reduced_costs_and_names(client):
    result = client.solve(models.wyndor())
    assert result.status is Status.OPTIMAL
    assert result.state is JobState.SUCCEEDED
    assert result.objective == pytest.approx(3600)
    assert result.bound == pytest.approx(3600)
    np.testing.assert_allclose(result.x, [2, 6])
    np.testing.assert_allclose(result.activities, [2, 12, 18])
    np.testing.assert_allclose(result.duals, [0, 150, 100])
    np.testing.assert_allclose(result.reduced_costs, [0, 0], atol=1e-9)
    assert result["Windows"] == pytest.approx(6)
    assert result[0] == pytest.approx(2)
    assert result.verification.max_violation <= 1e-9
    assert list(result.constraint_names) == ["p1", "p2", "p3"]
    with pytest.raises(KeyError):
        result["Roofs"]


def test_duals_of_a_minimisation_are_changes_of_the_objective(client):
    # min 2x + 3y, x + y >= 4, x <= 3
    model = solvemesh.Model(objective=[2, 3], matrix=[[1, 1]], row_lower=4, upper=[3, np.inf])
    result = client.solve(model)
    assert result.objective == pytest.approx(9)
    np.testing.assert_allclose(result.duals, [3])
    np.testing.assert_allclose(result.reduced_costs, [-1, 0])


def test_a_model_without_names_has_a_result_without_names(client):
    model = models.wyndor(variable_names=None, constraint_names=None)
    result = client.solve(model)
    assert result.variable_names is None
    with pytest.raises(KeyError, match="without names"):
        result["x0"]


def test_kinds_offset_and_constants_are_kept(client):
    # 0 or [2, 5]; integer; binary; fixed. The constant is part of the objective.
    model = solvemesh.Model(
        objective=[-1, -1, -1, 1],
        lower=[2, 0, 0, 7],
        upper=[5, 2.5, 1, 7],
        kinds=[Kind.SEMI_CONTINUOUS, Kind.INTEGER, Kind.BINARY, Kind.CONTINUOUS],
        matrix=[[1, 1, 1, 0]],
        row_upper=6.5,
        offset=100,
    )
    result = client.solve(model)
    assert result.objective == pytest.approx(100 + 7 - 6.5)
    assert result.x[3] == 7
    assert result.x[1] == round(result.x[1])
    assert result.duals is None


def test_a_model_without_constraints_and_one_without_variables_are_solved(client):
    assert client.solve(solvemesh.Model(objective=[1.0], lower=3.0)).objective == 3
    empty = client.solve(solvemesh.Model(objective=[], offset=2.5))
    assert (empty.has_solution, empty.objective, len(empty.x)) == (True, 2.5, 0)


def test_an_infeasible_model_is_no_exception_until_asked(client):
    model = models.wyndor(row_lower=[5, -np.inf, -np.inf])
    result = client.solve(model, return_infeasible_subset=True)
    assert result.status is Status.INFEASIBLE
    assert len(result.x) == 0
    assert result.proof.verified
    assert {bound.name for bound in result.subset.constraints} == {"p1"}
    with pytest.raises(solvemesh.Infeasible) as caught:
        result.raise_for_status()
    assert caught.value.result is result
    with pytest.raises(solvemesh.NoSolution):
        result["Doors"]


def test_an_unbounded_model_has_a_ray(client):
    result = client.solve(models.wyndor(matrix=None, row_upper=None, constraint_names=None))
    assert result.status is Status.UNBOUNDED
    assert result.ray.verified
    assert result.ray.rate > 0
    with pytest.raises(solvemesh.Unbounded):
        result.raise_for_status()


def test_a_limit_with_a_solution_is_feasible(client):
    result = client.solve(models.market_split(), time_limit=1)
    assert (result.status, result.limit) == (Status.FEASIBLE, Limit.TIME)
    assert result.bound <= result.objective
    assert len(result.x) == models.market_split().variable_count
    assert result.raise_for_status() is result


def test_a_limit_without_a_solution_is_no_solution_found(client):
    # Equations without slack: no solution is known when the limit stops the solve.
    model = models.market_split(rows=5, columns=40)
    model.upper[40:] = 0
    result = client.solve(model, time_limit=0.5)
    assert (result.status, result.limit) == (Status.NO_SOLUTION_FOUND, Limit.TIME)
    assert not result.has_solution
    with pytest.raises(solvemesh.NoSolution):
        result.raise_for_status()


def test_large_solutions_come_in_parts_and_are_put_together(client):
    n = 300_000
    lower = np.arange(n) % 1000 / 8
    model = solvemesh.Model(
        objective=np.ones(n),
        matrix=solvemesh.Csr(np.arange(n + 1), np.arange(n), np.full(n, 2.0)),
        row_lower=2 * lower,
    )
    result = client.solve(model)
    np.testing.assert_allclose(result.x, lower)
    np.testing.assert_allclose(result.duals, np.where(lower > 0, 0.5, result.duals))
    assert len(result.reduced_costs) == n
    named = client.job(result.job_id).result()
    np.testing.assert_array_equal(named.x, result.x)


def test_a_basis_and_values_start_the_next_solve(client):
    first = client.solve(models.wyndor(), return_basis=True, solver="highs")
    assert first.basis.variables.tolist() == [2, 2]
    again = client.solve(models.wyndor(), start=first)
    assert again.start_report.status == "USED"
    assert again.simplex_iterations == 0

    mip = models.wyndor(kinds=["I", "I"])
    for start in (
        {"Doors": 2, "Windows": 6},
        {0: 2.0, 1: 6.0},
        [2.0, 6.0],
        [2.0, np.nan],
        solvemesh.Start(values={"Windows": 6}),
    ):
        result = client.solve(mip, start=start)
        assert result.start_report.status in ("USED", "COMPLETED")
        assert result.objective == pytest.approx(3600)


def test_sensitivity_ranges_are_arrays(client):
    ranges = client.solve(models.wyndor(), return_sensitivity=True).ranges
    np.testing.assert_allclose(ranges.costs.lower, [0, 200])
    np.testing.assert_allclose(ranges.costs.upper, [750, np.inf])
    assert len(ranges.right_hand_sides.lower) == 3


def test_the_log_is_streamed_and_kept(client, capsys):
    stream = io.StringIO()
    result = client.solve(models.wyndor(), solver="highs", log=stream)
    assert "Optimal" in stream.getvalue()
    assert result.log == stream.getvalue().rstrip("\n")
    client.solve(models.wyndor(), solver="highs", log=True)
    assert "Optimal" in capsys.readouterr().out
    assert "Optimal" in client.solve(models.wyndor(), solver="highs", return_log=True).log
    assert client.solve(models.wyndor(), solver="highs").log == ""


def test_log_lines_arrive_before_the_end(client):
    arrived = []

    class Stream(io.StringIO):
        def write(self, text):
            arrived.append(time.monotonic())
            return super().write(text)

    client.solve(models.market_split(), time_limit=2, log=Stream())
    assert arrived[-1] - arrived[0] > 0.5


def test_incumbents_and_progress_are_events(client):
    found = []
    client.solve(models.market_split(), time_limit=2, on_event=found.append)
    kinds = [type(event).__name__ for event in found]
    assert kinds[:2] == ["Queued", "Started"]
    assert kinds[-1] == "Finished"
    assert "ProgressMade" in kinds
    incumbents = [event for event in found if type(event).__name__ == "Incumbent"]
    assert len(incumbents[-1].values) == models.market_split().variable_count
    objectives = [event.objective for event in incumbents]
    assert objectives == sorted(objectives, reverse=True)


def test_files_and_texts_are_sent_as_they_are(client, tmp_path):
    text = "Maximize\n obj: 300 D + 500 W\nSubject To\n c1: D <= 4\n c2: 2 W <= 12\n"
    text += " c3: 3 D + 2 W <= 18\nEnd\n"
    assert client.solve(solvemesh.Model.from_lp(text))["W"] == pytest.approx(6)
    path = tmp_path / "model.lp"
    path.write_text(text)
    for model in (path, str(path), solvemesh.Model.from_file(path)):
        assert client.solve(model).objective == pytest.approx(3600)
    with pytest.raises(solvemesh.Rejected) as caught:
        client.solve(solvemesh.Model.from_lp("Minimize\n obj: x + + / 2\nEnd\n"))
    assert caught.value.reason == "SYNTAX_ERROR"
    assert caught.value.metadata["line"] == "2"
    with pytest.raises(FileNotFoundError):
        client.solve(tmp_path / "other.lp")


def test_scipy_matrices_of_any_kind_are_accepted(client):
    sparse = pytest.importorskip("scipy.sparse")
    dense = np.array([[1.0, 0], [0, 2], [3, 2]])
    doubled = sparse.coo_array(([0.5, 0.5, 2, 3, 2], ([0, 0, 1, 2, 2], [0, 0, 1, 0, 1])))
    for matrix in (sparse.csr_array(dense), sparse.csc_matrix(dense), doubled):
        assert client.solve(models.wyndor(matrix=matrix)).objective == pytest.approx(3600)


def test_frames_make_a_model_and_show_a_result(client):
    pd = pytest.importorskip("pandas")
    model = solvemesh.Model.from_frames(
        pd.DataFrame({"objective": [300, 500]}, index=["D", "W"]),
        pd.DataFrame({"upper": [4, 12, 18]}, index=["a", "b", "c"]),
        pd.DataFrame(
            [("c", "D", 3), ("a", "D", 1), ("b", "W", 1), ("b", "W", 1), ("c", "W", 2)],
            columns=["constraint", "variable", "coefficient"],
        ),
        sense="max",
    )
    result = client.solve(model)
    assert result.variables_frame().loc["W", "value"] == pytest.approx(6)
    assert result.constraints_frame().loc["b", "dual"] == pytest.approx(150)
    assert "3600" in result._repr_html_()


def test_what_is_wrong_is_named(client):
    with pytest.raises(solvemesh.Rejected) as caught:
        client.solve(models.wyndor(), no_such_option=3)
    assert caught.value.code == "INVALID_ARGUMENT"
    assert "no_such_option" in caught.value.violations[0].field
    with pytest.raises(solvemesh.Rejected) as caught:
        client.solve(solvemesh.Model(objective=[1.0, np.nan]))
    assert caught.value.violations[0].field == "model.linear.objective[1]"
    assert pickle.loads(pickle.dumps(caught.value)).violations == caught.value.violations
    with pytest.raises(ValueError, match="solver must be one of"):
        client.solve(models.wyndor(), solver="cplex")
    with pytest.raises(ValueError, match="time_limit"):
        client.solve(models.wyndor(), time_limit=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objective": [[1, 2]]}, "objective must have one dimension"),
        ({"lower": [1, 2, 3]}, "lower must have length 2"),
        ({"row_upper": [1, 2]}, "row_upper must have length 3"),
        ({"matrix": [[1, 2, 3]]}, "matrix has 3 columns"),
        ({"matrix": solvemesh.Csr([0, 5], [0], [1.0])}, "matrix.starts ends with 5"),
        ({"kinds": ["C", "Z"]}, "kinds"),
        ({"kinds": [1, 9]}, r"kinds\[1\] is 9"),
        ({"variable_names": ["x"]}, "variable_names must have length 2"),
        ({"sense": "up"}, "sense"),
    ],
)
def test_shapes_that_do_not_fit_are_refused_before_anything_is_sent(changes, message):
    with pytest.raises(ValueError, match=message):
        models.wyndor(**changes)


def test_options_are_immutable_and_unknown_names_are_the_solvers():
    base = Options(time_limit=3)
    changed = base.with_(threads=2, simplex_strategy=4)
    assert (changed.time_limit, changed.threads) == (3, 2)
    assert dict(changed.solver_options) == {"simplex_strategy": 4}
    assert dict(base.solver_options) == {}
    assert pickle.loads(pickle.dumps(changed)) == changed


def test_ten_million_nonzeros_are_encoded_within_a_second():
    # 0.26 s on an idle core; the limit is for a loaded one.
    from solvemesh import _request

    n, m, per_row = 2_000_000, 1_000_000, 10
    columns = np.arange(m * per_row, dtype=np.int32) * 7 % n
    model = solvemesh.Model(
        objective=np.ones(n),
        matrix=solvemesh.Csr(np.arange(m + 1) * per_row, columns, np.ones(m * per_row)),
        row_lower=1.0,
    )
    begin = time.process_time()
    data = _request.submission(model, None, {}).message()
    assert time.process_time() - begin < 1
    from solvemesh.v1 import job_service_pb2

    linear = job_service_pb2.SubmitJobRequest.FromString(data).model.linear
    assert len(linear.coefficients) == m * per_row
    np.testing.assert_array_equal(
        np.fromiter(linear.column_indices, np.int32, m * per_row), columns
    )
    del data, linear
    sys.stdout.flush()
