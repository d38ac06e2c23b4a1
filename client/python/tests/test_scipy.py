"""scipy's functions on a real gateway, beside scipy's own."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from plugin_cases import Outcome, PluginCases

import solvemesh

optimize = pytest.importorskip("scipy.optimize")
from scipy import sparse  # noqa: E402

from solvemesh.scipy import linprog, milp  # noqa: E402

STATUS = {0: "optimal", 2: "infeasible", 3: "unbounded"}


class _Scipy(PluginCases):
    has_maximize = False

    def outcome(self, model, found, written):
        status = STATUS.get(found.status) or ("feasible" if found.x is not None else "none")
        objective = None if found.fun is None else found.fun + model.offset
        return Outcome(status, objective, found.x, result=found.result, log=written.getvalue())


class TestMilp(_Scipy):
    module = "test_scipy"
    plugin = "solvemesh.scipy"
    has_duals = False

    def run(self, model, *, time_limit=None, start=None, log=False, **options):
        constraints = None
        if model.matrix is not None:
            starts, columns, values = model.matrix
            shape = (model.constraint_count, model.variable_count)
            low = -np.inf if model.row_lower is None else model.row_lower
            high = np.inf if model.row_upper is None else model.row_upper
            matrix = sparse.csr_array((values, columns, starts), shape)
            constraints = optimize.LinearConstraint(matrix, low, high)
        kinds = None if model.kinds is None else np.array([0, 0, 1, 0, 2, 3])[model.kinds]
        written = io.StringIO()
        with contextlib.redirect_stdout(written):
            found = milp(
                model.objective,
                integrality=kinds,
                bounds=optimize.Bounds(
                    0 if model.lower is None else model.lower,
                    np.inf if model.upper is None else model.upper,
                ),
                constraints=constraints,
                options={"disp": log, "time_limit": time_limit, **options},
                start=start,
            )
        return self.outcome(model, found, written)


class TestLinprog(_Scipy):
    module = "test_scipy"
    plugin = "solvemesh.scipy"
    has_ranges = False

    def run(self, model, *, time_limit=None, start=None, log=False, **options):
        n, m = model.variable_count, model.constraint_count
        dense, low, high = np.zeros((m, n)), np.full(m, -np.inf), np.full(m, np.inf)
        if model.matrix is not None:
            starts, columns, values = model.matrix
            dense = sparse.csr_array((values, columns, starts), (m, n)).toarray()
            low = low if model.row_lower is None else model.row_lower
            high = high if model.row_upper is None else model.row_upper
        equal = low == high
        lower = ~equal & np.isfinite(low)
        upper = ~equal & np.isfinite(high)
        kinds = None if model.kinds is None else np.array([0, 0, 1, 0, 2, 3])[model.kinds]
        lows = np.zeros(n) if model.lower is None else model.lower
        highs = np.full(n, np.inf) if model.upper is None else model.upper
        bounds = [
            (None if np.isinf(a) else a, None if np.isinf(b) else b)
            for a, b in zip(lows, highs, strict=True)
        ]
        written = io.StringIO()
        with contextlib.redirect_stdout(written):
            found = linprog(
                model.objective,
                np.vstack([dense[upper], -dense[lower]]),
                np.concatenate([high[upper], -low[lower]]),
                dense[equal],
                low[equal],
                bounds,
                options={"disp": log, "time_limit": time_limit, **options},
                x0=start,
                integrality=kinds,
            )
        outcome = self.outcome(model, found, written)
        if found.ineqlin.marginals is not None:
            duals = np.zeros(m)
            duals[upper] = found.ineqlin.marginals[: upper.sum()]
            duals[lower] = -found.ineqlin.marginals[upper.sum() :]
            duals[equal] = found.eqlin.marginals
            outcome.duals = duals
            outcome.reduced_costs = found.lower.marginals + found.upper.marginals
        return outcome


LP = {
    "c": [-1.0, 4.0, 0.5],
    "A_ub": [[-3.0, 1.0, 1.0], [-1.0, -2.0, 0.0]],
    "b_ub": [6.0, 4.0],
    "A_eq": [[1.0, 1.0, 1.0]],
    "b_eq": [7.0],
    "bounds": [(None, 5), (-3, None), (0, 4)],
}


@pytest.mark.parametrize("method", ["highs", "highs-ds", "highs-ipm"])
def test_linprog_gives_what_scipy_gives(method):
    ours, theirs = linprog(**LP, method=method), optimize.linprog(**LP, method=method)
    assert ours.fun == pytest.approx(theirs.fun)
    for name in ("x", "slack", "con"):
        np.testing.assert_allclose(ours[name], theirs[name], atol=1e-7)
    for side in ("ineqlin", "eqlin", "lower", "upper"):
        for kind in ("residual", "marginals"):
            np.testing.assert_allclose(ours[side][kind], theirs[side][kind], atol=1e-7)
    assert (ours.status, ours.success) == (theirs.status, theirs.success)


def test_milp_gives_what_scipy_gives():
    arguments = {
        "c": [-1.0, -2.0, -3.0],
        "integrality": [1, 0, 2],
        "bounds": ([0, 0, 2], [4, 3.5, 3]),
        "constraints": [([[1, 1, 1]], -np.inf, 7.3), ([[1, -1, 0]], 0.5, np.inf)],
    }
    ours, theirs = milp(**arguments), optimize.milp(**arguments)
    assert ours.fun == pytest.approx(theirs.fun)
    np.testing.assert_allclose(ours.x, theirs.x, atol=1e-7)
    assert ours.mip_dual_bound == pytest.approx(theirs.mip_dual_bound)
    assert ours.success


@pytest.mark.parametrize("bounds", [None, (0, None), [(0, 3), (1, None)], [], (None, 2)])
def test_bounds_mean_what_they_mean_in_scipy(bounds):
    arguments = {"c": [1, 2], "A_ub": [[-1, -1]], "b_ub": [-2], "bounds": bounds}
    ours, theirs = linprog(**arguments), optimize.linprog(**arguments)
    assert ours.status == theirs.status
    assert ours.fun == (None if theirs.fun is None else pytest.approx(theirs.fun))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"c": [1, np.nan]}, "c must be"),
        ({"c": [1], "A_ub": [[1]]}, "given together"),
        ({"c": [1], "A_ub": [[1, 2]], "b_ub": [1]}, "A_ub must have 1 columns"),
        ({"c": [1], "A_eq": [[1]], "b_eq": [1, 2]}, "b_eq must have length 1"),
        ({"c": [1, 2], "bounds": [(0, 1)] * 3}, "bounds must be"),
        ({"c": [1], "integrality": 7}, "integrality"),
        ({"c": [1], "method": "simplex"}, "method must be one of"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_sent(arguments, message):
    with pytest.raises(ValueError, match=message):
        linprog(**arguments, target="http://127.0.0.1:9")


def test_a_callback_is_refused_by_name():
    with pytest.raises(solvemesh.Unsupported, match="callback"):
        linprog([1], callback=print, target="http://127.0.0.1:9")
