"""One list of tests for the plug-ins of all libraries.

A plug-in's test derives from ``PluginCases`` and says how a model of ours is built and solved in
its library.
"""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass, field
from typing import Any

import models
import numpy as np
import pytest
from conftest import start_python

import solvemesh
from solvemesh import Model, Result

INF = float("inf")


@dataclass
class Outcome:
    """What a library says about a solve."""

    status: str
    """``optimal``, ``feasible``, ``infeasible``, ``unbounded`` or ``none`` (no solution)."""
    objective: float | None = None
    x: Any = None
    duals: Any = None
    reduced_costs: Any = None
    result: Result | None = None
    log: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


class PluginCases:
    """The tests. ``run`` builds a model in the library, solves it and reads everything back."""

    module = ""
    has_maximize = True
    has_ranges = True
    has_constant = True
    has_duals = True
    has_semi_continuous = True
    has_start = True

    def run(self, model: Model, *, time_limit=None, start=None, log=False, **options) -> Outcome:
        raise NotImplementedError

    def test_an_lp_that_is_minimised_has_duals_and_reduced_costs(self):
        # min 2x + 3y, x + y >= 4, x <= 3: 9 at (3, 1)
        model = Model(objective=[2, 3], matrix=[[1, 1]], row_lower=4, upper=[3, INF])
        found = self.run(model)
        assert found.status == "optimal"
        assert found.objective == pytest.approx(9)
        np.testing.assert_allclose(found.x, [3, 1])
        if self.has_duals:
            np.testing.assert_allclose(found.duals, [3])
            np.testing.assert_allclose(found.reduced_costs, [-1, 0], atol=1e-9)

    def test_an_lp_that_is_maximised_has_duals_of_the_same_meaning(self):
        if not self.has_maximize:
            pytest.skip("the library only minimises")
        found = self.run(models.wyndor())
        assert found.objective == pytest.approx(3600)
        np.testing.assert_allclose(found.x, [2, 6])
        if self.has_duals:
            np.testing.assert_allclose(found.duals, [0, 150, 100], atol=1e-9)

    def test_a_mip_is_solved_to_integers(self):
        # min -5x - 4y, 6x + 4y <= 24, x + 2y <= 6: -21 at (3, 1.5), -20 at (4, 0)
        model = Model(
            objective=[-5, -4], matrix=[[6, 4], [1, 2]], row_upper=[24, 6], kinds=["I", "I"]
        )
        found = self.run(model)
        assert found.status == "optimal"
        assert found.objective == pytest.approx(-20)
        np.testing.assert_allclose(found.x, [4, 0], atol=1e-6)

    def test_an_infeasible_model_is_infeasible(self):
        found = self.run(Model(objective=[1], matrix=[[1]], row_lower=2, upper=1))
        assert found.status == "infeasible"

    def test_an_unbounded_model_is_unbounded(self):
        found = self.run(Model(objective=[-1, 0], matrix=[[1, -1]], row_upper=3))
        assert found.status == "unbounded"

    def test_a_time_limit_with_a_solution_is_not_called_optimal(self):
        found = self.run(models.market_split(), time_limit=1)
        assert found.status == "feasible"
        # The sum of the slacks, in a model whose other costs are 0.
        assert found.objective == pytest.approx(sum(found.x[30:]), abs=1e-6)
        assert found.objective >= 0

    def test_a_time_limit_without_a_solution_has_no_values(self):
        model = models.market_split(rows=5, columns=40)
        model.upper[40:] = 0
        found = self.run(model, time_limit=0.5)
        assert found.status == "none"

    def test_a_range_row_has_both_sides(self):
        if not self.has_ranges:
            pytest.skip("the library has no ranges")
        for sign, at in ((1, 2), (-1, 5)):
            model = Model(objective=[sign, 0], matrix=[[1, 1]], row_lower=2, row_upper=5)
            model.upper = np.array([INF, 0.0])
            found = self.run(model)
            assert found.objective == pytest.approx(sign * at)
            if self.has_duals:
                np.testing.assert_allclose(found.duals, [sign])

    def test_a_constant_is_part_of_the_objective(self):
        if not self.has_constant:
            pytest.skip("the library has none")
        found = self.run(Model(objective=[1], matrix=[[2]], row_lower=6, offset=100))
        assert found.objective == pytest.approx(103)

    def test_free_and_fixed_variables_keep_their_bounds(self):
        # min x + y + z, x free, y = 7, z in [-2, -1], x + y + z >= -10
        model = Model(
            objective=[1, 1, 2],
            lower=[-INF, 7, -2],
            upper=[INF, 7, -1],
            matrix=[[1, 1, 1]],
            row_lower=-10,
        )
        found = self.run(model)
        np.testing.assert_allclose(found.x, [-15, 7, -2])
        assert found.objective == pytest.approx(-12)

    def test_an_empty_objective_asks_for_any_solution(self):
        model = Model(objective=[0, 0], matrix=[[1, 1]], row_lower=3, row_upper=3)
        found = self.run(model)
        assert found.status == "optimal"
        assert sum(found.x) == pytest.approx(3)

    def test_a_semi_continuous_variable_is_0_or_within_its_bounds(self):
        if not self.has_semi_continuous:
            pytest.skip("the library has none")
        model = Model(
            objective=[1, 5],
            lower=[2, 0],
            upper=[8, 10],
            kinds=["S", "C"],
            matrix=[[1, 1]],
            row_lower=[1],
        )
        found = self.run(model)
        assert found.objective == pytest.approx(2)
        np.testing.assert_allclose(found.x, [2, 0], atol=1e-6)

    def test_a_start_is_used(self):
        if not self.has_start:
            pytest.skip("the library has none")
        model = Model(
            objective=[-5, -4], matrix=[[6, 4], [1, 2]], row_upper=[24, 6], kinds=["I", "I"]
        )
        found = self.run(model, start=[4.0, 0.0])
        assert found.objective == pytest.approx(-20)
        assert found.result.start_report.status == "USED"

    def test_the_log_is_shown(self):
        found = self.run(models.market_split(), time_limit=0.5, log=True)
        assert "HiGHS run time" in found.log or "Solving report" in found.log

    def test_the_result_has_the_job_and_its_verification(self, client):
        found = self.run(Model(objective=[1], matrix=[[1]], row_lower=2))
        assert client.job(found.result.job_id).info().finished
        assert found.result.verification.max_violation <= 1e-9

    def test_an_option_that_does_not_exist_is_refused_by_name(self):
        with pytest.raises(Exception, match="no_such_option"):
            self.run(Model(objective=[1]), no_such_option=3)

    def test_an_interrupt_returns_the_best_solution(self, gateway, client):
        name = type(self).__name__
        code = (
            f"import models, {self.module}\n"
            f"found = {self.module}.{name}().run(models.market_split(), time_limit=100)\n"
            "print('found', found.status, found.result.limit, len(found.x))\n"
        )
        others = {info.job_id for info in client.jobs(states=["RUNNING"])}
        process = start_python(code, gateway.url)
        job = self._running(client, process, others)
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=60)
        assert out.splitlines()[-1:] == ["found feasible INTERRUPTED 38"], errors
        assert client.job(job).info().state == "CANCELLED"

    def test_an_import_opens_nothing_and_makes_no_call(self):
        code = (
            "import threading\nbefore = threading.active_count()\n"
            f"import {self.module}\nimport sys\n"
            "print(threading.active_count() == before, 'grpc' in sys.modules)\n"
        )
        process = start_python(code.replace(self.module, self.plugin), "")
        out, errors = process.communicate(timeout=60)
        assert out.split() == ["True", "False"], errors

    plugin = ""

    def _running(self, client: solvemesh.Client, process, others: set[str]) -> str:
        """The id of the job of the other process, once it has a solution."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert process.poll() is None, process.communicate()
            for info in client.jobs(states=["RUNNING"]):
                if info.job_id not in others:
                    for event in client.job(info.job_id).events(kinds=["incumbent"]):
                        if type(event).__name__ == "Incumbent":
                            return info.job_id
            time.sleep(0.05)  # there is no event of a job that is not known yet
        raise AssertionError("the process submitted nothing")
