"""Models and results as pandas frames. The only module that needs pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .model import Csr, Model

if TYPE_CHECKING:
    import pandas as pd

    from .enums import Sense


def from_frames(
    variables: pd.DataFrame,
    constraints: pd.DataFrame,
    entries: pd.DataFrame,
    *,
    sense: Sense | str,
    offset: float,
    name: str,
) -> Model:
    """See ``Model.from_frames``."""
    n, m = len(variables), len(constraints)
    rows = _positions("constraint", constraints, entries)
    columns = _positions("variable", variables, entries)
    # By row, then by column; entries of the same place are added.
    places, inverse = np.unique(rows * max(n, 1) + columns, return_inverse=True)
    coefficients = entries["coefficient"].to_numpy(np.float64)
    values = np.bincount(inverse, coefficients, len(places)).astype(np.float64)
    starts = np.searchsorted(places, np.arange(m + 1) * max(n, 1))

    def column(frame: pd.DataFrame, key: str) -> Any:
        return frame[key].to_numpy() if key in frame else None

    objective = column(variables, "objective")
    return Model(
        objective=np.zeros(n) if objective is None else objective,
        lower=column(variables, "lower"),
        upper=column(variables, "upper"),
        kinds=column(variables, "kind"),
        matrix=Csr(starts, places % max(n, 1), values),
        row_lower=column(constraints, "lower"),
        row_upper=column(constraints, "upper"),
        variable_names=[str(label) for label in variables.index],
        constraint_names=[str(label) for label in constraints.index],
        sense=sense,
        offset=offset,
        name=name,
    )


def _positions(what: str, labelled: pd.DataFrame, entries: pd.DataFrame) -> Any:
    import pandas as pd

    if not labelled.index.is_unique:
        raise ValueError(f"the index of {what}s has a name twice")
    found = labelled.index.get_indexer(pd.Index(entries[what]))
    if (found < 0).any():
        missing = entries[what].iloc[int(np.argmax(found < 0))]
        raise ValueError(f"entries: there is no {what} {missing!r}")
    return found.astype(np.int64)


def frame(columns: dict[str, Any], names: Any, index_name: str) -> pd.DataFrame:
    """A frame of those columns that are not ``None``."""
    import pandas as pd

    kept = {key: values for key, values in columns.items() if values is not None}
    index = None if names is None else pd.Index(list(names), name=index_name)
    made: pd.DataFrame = pd.DataFrame(kept, index=index)
    made.index.name = index_name
    return made
