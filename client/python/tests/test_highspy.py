"""highspy on a real gateway, beside HiGHS in this process."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from plugin_cases import Outcome, PluginCases

import solvemesh

highspy = pytest.importorskip("highspy")
from solvemesh.highspy import Highs  # noqa: E402

STATUS = {
    "kOptimal": "optimal",
    "kInfeasible": "infeasible",
    "kUnbounded": "unbounded",
}


def build(highs, model):
    """Gives the numbers of a model of ours to HiGHS."""
    n, m = model.variable_count, model.constraint_count
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = n, m
    lp.col_cost_ = np.asarray(model.objective)
    lp.col_lower_ = np.zeros(n) if model.lower is None else model.lower
    lp.col_upper_ = np.full(n, np.inf) if model.upper is None else model.upper
    lp.row_lower_ = np.full(m, -np.inf) if model.row_lower is None else model.row_lower
    lp.row_upper_ = np.full(m, np.inf) if model.row_upper is None else model.row_upper
    lp.offset_ = model.offset
    if model.sense == "MAXIMIZE":
        lp.sense_ = highspy.ObjSense.kMaximize
    if model.matrix is not None:
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        lp.a_matrix_.start_ = model.matrix.starts
        lp.a_matrix_.index_ = model.matrix.columns
        lp.a_matrix_.value_ = model.matrix.values
    if model.kinds is not None:
        types = list(highspy.HighsVarType.__members__.values())
        lp.integrality_ = [types[[0, 0, 1, 1, 2, 3][kind]] for kind in model.kinds]
    highs.passModel(lp)


class TestHighspy(PluginCases):
    module = "test_highspy"
    plugin = "solvemesh.highspy"

    def run(self, model, *, time_limit=None, start=None, log=False, **options):
        highs = Highs(**options)
        highs.silent(not log)
        build(highs, model)
        if time_limit is not None:
            highs.setOptionValue("time_limit", float(time_limit))
        if start is not None:
            solution = highspy.HighsSolution()
            solution.col_value = list(start)
            highs.setSolution(solution)
        written = io.StringIO()
        with contextlib.redirect_stdout(written):
            highs.run()
        status = STATUS.get(highs.getModelStatus().name)
        solution = highs.getSolution()
        status = status or ("feasible" if solution.value_valid else "none")
        return Outcome(
            status=status,
            objective=highs.getObjectiveValue(),
            x=list(solution.col_value),
            duals=list(solution.row_dual),
            reduced_costs=list(solution.col_dual),
            result=highs.result,
            log=written.getvalue(),
        )

    @pytest.mark.parametrize("kind", [Highs, highspy.Highs])
    def test_a_program_of_highspy_runs_unchanged(self, kind):
        highs = kind()
        highs.silent()
        x = highs.addVariable(lb=0, ub=4)
        y = highs.addVariable(lb=0)
        first = highs.addConstr(3 * x + 2 * y <= 18)
        highs.addConstr(2 * y <= 12)
        highs.maximize(300 * x + 500 * y)
        assert highs.getObjectiveValue() == pytest.approx(3600)
        assert (highs.val(x), highs.val(y)) == (pytest.approx(2), pytest.approx(6))
        assert highs.vals([x, y]) == pytest.approx([2, 6])
        assert highs.val(x + y) == pytest.approx(8)
        assert highs.constrDual(first) == pytest.approx(100)
        assert highs.constrValue(first) == pytest.approx(18)
        assert list(highs.allVariableDuals()) == pytest.approx([0, 0])
        assert highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
        assert highs.getInfo().objective_function_value == pytest.approx(3600)
        assert highs.getBasis().valid
        highs.changeColCost(1, 100.0)
        highs.solve()
        assert highs.getObjectiveValue() == pytest.approx(1500)

    def test_the_last_basis_starts_the_next_solve(self):
        highs = Highs()
        highs.silent()
        x, y = highs.addVariable(ub=4), highs.addVariable(ub=6)
        highs.addConstr(3 * x + 2 * y <= 18)
        highs.maximize(300 * x + 500 * y)
        highs.optimize()
        assert highs.result.start_report.status == "USED"
        assert highs.getInfo().simplex_iteration_count == 0

    def test_options_are_sent_and_refused_by_name(self):
        highs = Highs()
        highs.silent()
        build(highs, solvemesh.Model(objective=[1], matrix=[[1]], row_lower=2))
        highs.setOptionValue("simplex_strategy", 4)
        assert highs.run() == highspy.HighsStatus.kOk
        highs.setOptionValue("qp_iteration_limit", 7)
        with pytest.raises(solvemesh.Rejected, match="qp_iteration_limit"):
            highs.run()

    def test_a_hessian_is_refused_before_anything_is_sent(self):
        highs = Highs("http://127.0.0.1:9")
        highs.silent()
        build(highs, solvemesh.Model(objective=[1], upper=1))
        highs.passHessian(1, 1, 1, np.array([0]), np.array([0]), np.array([2.0]))
        with pytest.raises(solvemesh.Unsupported, match="Hessian"):
            highs.run()
