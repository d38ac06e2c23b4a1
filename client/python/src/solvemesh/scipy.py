"""``scipy.optimize.milp`` and ``linprog`` on the mesh, with the same arguments and results.

>>> from solvemesh.scipy import linprog, milp

Results have ``job_id`` and ``result`` beside what scipy's have. Arguments that scipy's functions
do not have (``target``, ``labels``, ``deadline``, ``progress`` and so on) are those of
``solvemesh.connect`` and ``Client.solve``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult

from . import _plugin
from .enums import Status
from .model import Model
from .result import Result

# scipy's kinds: continuous, integer, semi-continuous, semi-integer.
_KINDS = np.array([1, 2, 4, 5], np.uint8)
_MESSAGES = {
    0: "Optimization terminated successfully.",
    1: "A limit was reached.",
    2: "The problem is infeasible.",
    3: "The problem is unbounded.",
    4: "The solve failed.",
}
_METHODS = {"highs": None, "highs-ds": "simplex", "highs-ipm": "ipm"}


def milp(
    c: Any,
    *,
    integrality: Any = None,
    bounds: Any = None,
    constraints: Any = None,
    options: Mapping[str, Any] | None = None,
    **mesh: Any,
) -> OptimizeResult:
    """Minimises ``c @ x``: see ``scipy.optimize.milp``.

    ``options``: ``disp``, ``presolve``, ``time_limit``, ``node_limit``, ``mip_rel_gap``; others
    are those of the solver. Raises ``ValueError`` for shapes that do not fit.
    """
    c = _cost(c)
    lower, upper = _milp_bounds(bounds, len(c))
    matrix, row_lower, row_upper = _constraints(constraints, len(c))
    model = Model(
        objective=c,
        lower=lower,
        upper=upper,
        kinds=_kinds(integrality, len(c)),
        matrix=matrix,
        row_lower=row_lower,
        row_upper=row_upper,
    )
    result = _solve(model, options, mesh)
    return _milp_result(result)


def linprog(
    c: Any,
    A_ub: Any = None,
    b_ub: Any = None,
    A_eq: Any = None,
    b_eq: Any = None,
    bounds: Any = (0, None),
    method: str = "highs",
    callback: Any = None,
    options: Mapping[str, Any] | None = None,
    x0: Any = None,
    integrality: Any = None,
    **mesh: Any,
) -> OptimizeResult:
    """Minimises ``c @ x``: see ``scipy.optimize.linprog``.

    ``method`` is ``highs``, ``highs-ds`` or ``highs-ipm``. ``x0`` starts models with integers. A
    ``callback`` is refused: use ``on_event``. ``options``: ``disp``, ``presolve``,
    ``time_limit``, ``maxiter``, ``mip_rel_gap``; others are those of the solver. Raises
    ``ValueError`` for shapes that do not fit.
    """
    c = _cost(c)
    n = len(c)
    _plugin.refuse("scipy", [("a callback (use on_event=)", callback is not None)])
    if method not in _METHODS:
        raise ValueError(f"method must be one of {', '.join(_METHODS)}, not {method!r}")
    upper_rows, upper_side = _rows("A_ub", A_ub, "b_ub", b_ub, n)
    equal_rows, equal_side = _rows("A_eq", A_eq, "b_eq", b_eq, n)
    lower, upper = _linprog_bounds(bounds, n)
    model = Model(
        objective=c,
        lower=lower,
        upper=upper,
        kinds=_kinds(integrality, n),
        matrix=sparse.vstack([upper_rows, equal_rows], format="csr"),
        row_lower=np.concatenate([np.full(len(upper_side), -np.inf), equal_side]),
        row_upper=np.concatenate([upper_side, equal_side]),
    )
    if x0 is not None and model.is_mip:
        mesh.setdefault("start", x0)
    options = dict(options or {})
    if _METHODS[method] is not None:
        options.setdefault("solver", "highs")
        mesh["solver_options"] = {"solver": _METHODS[method], **mesh.get("solver_options", {})}
    result = _solve(model, options, mesh)
    return _linprog_result(result, model, len(upper_side))


def _solve(model: Model, options: Mapping[str, Any] | None, mesh: dict[str, Any]) -> Result:
    connection = _plugin.connection(mesh)
    options = dict(options or {})
    if options.pop("disp", False):
        mesh.setdefault("log", True)
    return _plugin.client(connection).solve(model, **{**_plugin.options(options), **mesh})


def _outcome(result: Result) -> dict[str, Any]:
    """What both kinds of results have."""
    codes = {Status.OPTIMAL: 0, Status.INFEASIBLE: 2, Status.UNBOUNDED: 3}
    limited = result.status in (Status.FEASIBLE, Status.NO_SOLUTION_FOUND)
    code = 1 if limited else codes.get(result.status, 4)
    detail = "" if code == 0 else f" ({result.status}, {result.limit or result.detail})"
    usable = len(result.x) > 0
    return {
        "status": code,
        "success": code == 0,
        "message": f"{_MESSAGES[code]}{detail} Job {result.job_id}.",
        "x": np.array(result.x) if usable else None,
        "fun": result.objective if usable else None,
        "mip_node_count": result.nodes,
        "mip_dual_bound": result.bound,
        "mip_gap": result.gap,
        "job_id": result.job_id,
        "result": result,
    }


def _milp_result(result: Result) -> OptimizeResult:
    return _made(_outcome(result))


def _linprog_result(result: Result, model: Model, upper_rows: int) -> OptimizeResult:
    found = _outcome(result)
    rows: Any = None
    slack = con = lower = upper = None
    if found["x"] is not None:
        gaps = np.asarray(model.row_upper) - result.activities
        slack, con = gaps[:upper_rows], gaps[upper_rows:]
        lower = found["x"] - np.asarray(model.lower)
        upper = np.asarray(model.upper) - found["x"]
        rows = result.duals
    reduced = result.reduced_costs
    found.update(
        slack=slack,
        con=con,
        nit=(result.simplex_iterations or 0) + (result.barrier_iterations or 0),
        crossover_nit=None,
        ineqlin=_side(slack, None if rows is None else rows[:upper_rows]),
        eqlin=_side(con, None if rows is None else rows[upper_rows:]),
        lower=_side(lower, None if reduced is None else np.maximum(reduced, 0)),
        upper=_side(upper, None if reduced is None else np.minimum(reduced, 0)),
    )
    return _made(found)


def _made(facts: Mapping[str, Any]) -> OptimizeResult:
    made = OptimizeResult()
    made.update(facts)
    return made


def _side(residual: Any, marginals: Any) -> OptimizeResult:
    return _made({"residual": residual, "marginals": marginals})


def _cost(c: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    if sparse.issparse(c):
        raise ValueError("c must be a dense array")
    values = np.atleast_1d(np.asarray(c, np.float64).squeeze())
    if values.ndim != 1 or len(values) == 0 or not np.isfinite(values).all():
        raise ValueError("c must be a one-dimensional array of finite numbers, at least one")
    return values


def _kinds(integrality: Any, n: int) -> Any:
    if integrality is None:
        return None
    try:
        values = np.broadcast_to(np.asarray(integrality, np.float64), (n,))
    except (TypeError, ValueError):
        raise ValueError(f"integrality must have length {n}") from None
    if not np.isin(values, (0, 1, 2, 3)).all():
        raise ValueError("integrality must contain integers from 0 to 3")
    return _KINDS[values.astype(int)] if values.any() else None


def _milp_bounds(bounds: Any, n: int) -> tuple[Any, Any]:
    if bounds is None:
        bounds = Bounds(0, np.inf)
    elif not isinstance(bounds, Bounds):
        try:
            bounds = Bounds(*bounds)
        except TypeError:
            raise ValueError("bounds must be Bounds, or (lower, upper)") from None
    try:
        return (
            np.array(np.broadcast_to(bounds.lb, (n,)), np.float64),
            np.array(np.broadcast_to(bounds.ub, (n,)), np.float64),
        )
    except (TypeError, ValueError):
        raise ValueError(f"bounds must be real numbers of length {n}") from None


def _linprog_bounds(bounds: Any, n: int) -> tuple[Any, Any]:
    message = f"bounds must be (min, max), or {n} such pairs"
    if bounds is None:
        bounds = (0, None)
    try:
        pairs = np.array(bounds, dtype=np.float64)  # None becomes NaN
    except (TypeError, ValueError):
        raise ValueError(message) from None
    if (pairs.ndim == 1 and pairs.shape == (2,)) or pairs.shape == (1, 2):
        pairs = np.broadcast_to(pairs.reshape(1, 2), (n, 2))
    elif pairs.size == 0:
        pairs = np.broadcast_to(np.array([0.0, np.nan]), (n, 2))
    if pairs.shape != (n, 2):
        raise ValueError(message)
    lower, upper = pairs.T.copy()
    lower[np.isnan(lower)] = -np.inf
    upper[np.isnan(upper)] = np.inf
    return lower, upper


def _constraints(constraints: Any, n: int) -> tuple[Any, Any, Any]:
    message = "constraints must be LinearConstraint, (A, lower, upper), or a sequence of these"
    if constraints is None or (isinstance(constraints, Sequence) and not len(constraints)):
        return None, None, None
    if isinstance(constraints, LinearConstraint):
        constraints = [constraints]
    else:
        try:
            items = list(constraints)
        except TypeError:
            raise ValueError(message) from None
        if len(items) == 3 and not isinstance(items[0], LinearConstraint):
            try:
                items = [LinearConstraint(*items)]
            except (TypeError, ValueError):
                items = list(constraints)
        constraints = items
    matrices, lowers, uppers = [], [], []
    for item in constraints:
        if not isinstance(item, LinearConstraint):
            try:
                item = LinearConstraint(*item)
            except (TypeError, ValueError):
                raise ValueError(message) from None
        rows: Any = item.A
        rows = rows if sparse.issparse(rows) else np.atleast_2d(rows)
        matrix = sparse.csr_array(rows)
        m = matrix.shape[0]
        if matrix.shape[1] != n:
            raise ValueError(f"A must have {n} columns, not {matrix.shape[1]}")
        try:
            lowers.append(np.broadcast_to(np.asarray(item.lb, np.float64), (m,)))
            uppers.append(np.broadcast_to(np.asarray(item.ub, np.float64), (m,)))
        except ValueError:
            raise ValueError(f"the bounds of a constraint must have length {m}") from None
        matrices.append(matrix)
    return sparse.vstack(matrices, format="csr"), np.concatenate(lowers), np.concatenate(uppers)


def _rows(matrix_name: str, matrix: Any, side_name: str, side: Any, n: int) -> tuple[Any, Any]:
    if matrix is None and side is None:
        return sparse.csr_array((0, n)), np.empty(0)
    if matrix is None or side is None:
        raise ValueError(f"{matrix_name} and {side_name} must be given together")
    if not sparse.issparse(matrix):
        matrix = np.asarray(matrix, np.float64)
        matrix = matrix.reshape(0, n) if matrix.size == 0 else np.atleast_2d(matrix)
    matrix = sparse.csr_array(matrix)
    side = np.atleast_1d(np.asarray(side, np.float64).squeeze())
    if matrix.shape[1] != n:
        raise ValueError(f"{matrix_name} must have {n} columns, not {matrix.shape[1]}")
    if side.shape != (matrix.shape[0],):
        raise ValueError(f"{side_name} must have length {matrix.shape[0]}, not {side.size}")
    return matrix, side
