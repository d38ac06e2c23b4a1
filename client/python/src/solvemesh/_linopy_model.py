"""linopy models as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _plugin
from .enums import Sense
from .model import Model

_KINDS = {"C": 1, "B": 2, "I": 2, "S": 4}


def converted_model(model: Any, matrices: Any, files: list[Any]) -> Model:
    """A linopy model as arrays. Raises ``Unsupported`` for what is not linear."""
    sos = getattr(model.variables, "sos", ())
    _plugin.refuse(
        "linopy",
        [
            ("a quadratic objective", bool(model.is_quadratic)),
            ("SOS constraints", len(sos) > 0),
            ("indicator constraints", _indicators(model)),
            ("a file of a start (use Mesh(start=...))", any(f is not None for f in files)),
        ],
    )
    letters = np.asarray(matrices.vtypes)
    kinds = np.ones(len(letters), np.uint8)
    for letter, kind in _KINDS.items():
        kinds[letters == letter] = kind
    senses, sides = np.asarray(matrices.sense), np.asarray(matrices.b, np.float64)
    return Model(
        objective=matrices.c,
        sense=Sense.MAXIMIZE if model.objective.sense == "max" else Sense.MINIMIZE,
        lower=matrices.lb,
        upper=matrices.ub,
        kinds=kinds if (kinds != 1).any() else None,
        matrix=matrices.A,
        row_lower=np.where(senses == "<", -np.inf, sides),
        row_upper=np.where(senses == ">", np.inf, sides),
        name=getattr(model, "name", "") or "",
    )


def _indicators(model: Any) -> bool:
    found = getattr(model, "indicator_constraints", None)
    return found is not None and len(found) > 0
