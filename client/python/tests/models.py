"""Models of the tests, with their answers."""

from __future__ import annotations

import numpy as np

import solvemesh


def wyndor(**changes) -> solvemesh.Model:
    """Maximise 300 D + 500 W: 3600 at (2, 6), duals (0, 150, 100)."""
    facts = {
        "objective": [300, 500],
        "sense": "MAXIMIZE",
        "matrix": [[1, 0], [0, 2], [3, 2]],
        "row_upper": [4, 12, 18],
        "variable_names": ["Doors", "Windows"],
        "constraint_names": ["p1", "p2", "p3"],
        "name": "wyndor",
    }
    return solvemesh.Model(**{**facts, **changes})


def market_split(rows: int = 4, columns: int = 30, seed: int = 7) -> solvemesh.Model:
    """A MIP that has solutions at once, and whose proof of optimality takes hours.

    Minimise the slack of equations with large coefficients (Cornuejols and Dawande 1998).
    """
    rng = np.random.default_rng(seed)
    numbers = rng.integers(0, 100, (rows, columns)).astype(float)
    matrix = np.hstack([numbers, np.eye(rows), -np.eye(rows)])
    half = np.floor(numbers.sum(axis=1) / 2)
    return solvemesh.Model(
        objective=[0.0] * columns + [1.0] * (2 * rows),
        upper=[1.0] * columns + [np.inf] * (2 * rows),
        kinds=["I"] * columns + ["C"] * (2 * rows),
        matrix=matrix,
        row_lower=half,
        row_upper=half,
        name="market split",
    )


def random_lp(n: int, m: int, per_row: int, seed: int = 1) -> solvemesh.Model:
    """An LP with m rows of the same number of entries, feasible and bounded."""
    rng = np.random.default_rng(seed)
    # Distinct columns in each row: one in each of `per_row` intervals.
    width = n // per_row
    columns = rng.integers(0, width, (m, per_row)) + width * np.arange(per_row)
    starts = np.arange(m + 1) * per_row
    return solvemesh.Model(
        objective=rng.random(n),
        matrix=solvemesh.Csr(starts, columns.ravel(), 1 + rng.random(m * per_row)),
        upper=10.0,
        row_lower=1.0,
    )
