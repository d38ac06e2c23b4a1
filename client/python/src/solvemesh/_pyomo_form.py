"""Pyomo models as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler

from .enums import Sense
from .model import Basis, Csr, Model, Start


class Form:
    """A Pyomo model as arrays, and which component each row and column is."""

    def __init__(self, model: Any, names: bool) -> None:
        # Ranged constraints become two neighbouring rows, the upper one first.
        form = LinearStandardFormCompiler().write(model, mixed_form=True, set_sense=None)
        if len(form.objectives) != 1:
            raise ValueError(
                f"a model must have one active objective; this one has {len(form.objectives)}"
            )
        self.columns = list(form.columns)
        matrix = form.A.tocsr()
        sides = np.asarray(form.rhs, np.float64)
        self.rows: list[Any] = []
        lower: list[float] = []
        upper: list[float] = []
        kept: list[int] = []
        for at, (constraint, bound_type) in enumerate(form.rows):
            if kept and self.rows[-1] is constraint:
                # The other side of the row before.
                if bound_type < 0:
                    lower[-1] = sides[at]
                else:
                    upper[-1] = sides[at]
                continue
            kept.append(at)
            self.rows.append(constraint)
            lower.append(-np.inf if bound_type > 0 else sides[at])
            upper.append(np.inf if bound_type < 0 else sides[at])
        if len(kept) < len(form.rows):
            matrix = matrix[kept]
        bounds = [variable.bounds for variable in self.columns]
        kinds = [1 if variable.is_continuous() else 2 for variable in self.columns]
        objective = self.objective = form.objectives[0]
        self.model = Model(
            objective=np.asarray(form.c.todense()).ravel(),
            offset=float(np.asarray(form.c_offset).ravel()[0]),
            sense=Sense.MAXIMIZE if objective.sense == -1 else Sense.MINIMIZE,
            lower=[-np.inf if low is None else low for low, _ in bounds],
            upper=[np.inf if high is None else high for _, high in bounds],
            kinds=kinds if 2 in kinds else None,
            matrix=Csr(matrix.indptr, matrix.indices, matrix.data),
            row_lower=lower,
            row_upper=upper,
            variable_names=[variable.name for variable in self.columns] if names else None,
            constraint_names=[constraint.name for constraint in self.rows] if names else None,
            name=model.name if model.name != "unknown" else "",
        )

    def start(self) -> Start | None:
        """The values of the integer variables that have one."""
        kinds = np.asarray(self.model.kinds)
        values = {
            at: float(variable.value)
            for at, variable in enumerate(self.columns)
            if kinds[at] == 2 and variable.value is not None
        }
        return Start(values=values) if values else None

    def fits(self, basis: Basis) -> bool:
        """Whether a basis has the size of this model."""
        sizes = (len(basis.variables), len(basis.constraints))
        return sizes == (len(self.columns), len(self.rows))
