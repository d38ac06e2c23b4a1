"""Models as arrays, and models in files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .enums import Kind, Sense

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    FloatArray = NDArray[np.float64]
    IntArray = NDArray[Any]

_KIND_LETTERS = {"C": 1, "I": 2, "B": 3, "S": 4, "N": 5}


class Csr(NamedTuple):
    """A matrix by rows: k entries in m rows."""

    starts: IntArray
    """[m + 1] Where each row begins in the other two; the first is 0, the last is k."""
    columns: IntArray
    """[k] The column of each entry; none twice in a row."""
    values: FloatArray
    """[k] The value of each entry."""


@dataclass(slots=True, eq=False, kw_only=True)
class Model:
    """A linear or mixed-integer model as arrays, with n variables and m constraints.

    Minimise or maximise ``offset + objective @ x`` subject to ``row_lower <= A @ x <= row_upper``
    and ``lower <= x <= upper``. Arrays and sequences of numbers are converted; a shape that does
    not fit is a ``ValueError``. Infinite bounds are ``inf``, or of 1e20 or more. Everything else
    (NaN, infinite coefficients, indices out of range) is checked by the gateway.
    """

    objective: ArrayLike
    """[n] Objective coefficients."""
    lower: ArrayLike | None = None
    """[n] Lower bounds of variables, or one for all. Default 0."""
    upper: ArrayLike | None = None
    """[n] Upper bounds of variables, or one for all. Default infinity; 1 for binary ones."""
    kinds: ArrayLike | None = None
    """[n] Kinds, as ``Kind`` or as letters: C, I, B, S (semi-continuous), N (semi-integer)."""
    matrix: Any = None
    """A: a ``Csr``, a scipy sparse matrix or array, or a dense array of shape (m, n)."""
    row_lower: ArrayLike | None = None
    """[m] Lower bounds of constraints, or one for all. Default -infinity."""
    row_upper: ArrayLike | None = None
    """[m] Upper bounds of constraints, or one for all. Default infinity."""
    sense: Sense | str = Sense.MINIMIZE
    offset: float = 0.0
    """A constant added to the objective."""
    variable_names: Sequence[str] | None = None
    """[n] Names, unique. Without names the answer has none either, which makes it smaller."""
    constraint_names: Sequence[str] | None = None
    """[m] Names, unique."""
    name: str = ""
    """For display only."""

    def __post_init__(self) -> None:
        self.sense = _sense(self.sense)
        self.offset = float(self.offset)
        self.objective = _vector("objective", self.objective)
        n = len(self.objective)
        self.lower = _filled("lower", self.lower, n)
        self.upper = _filled("upper", self.upper, n)
        self.kinds = None if self.kinds is None else _kinds(self.kinds, n)
        self.matrix, rows = _matrix(self.matrix, n)
        for bounds in (self.row_lower, self.row_upper, self.constraint_names):
            if rows is None and bounds is not None and np.ndim(bounds) == 1:
                rows = len(np.asarray(bounds))
        m = rows or 0
        self.row_lower = _filled("row_lower", self.row_lower, m)
        self.row_upper = _filled("row_upper", self.row_upper, m)
        if self.matrix is None and m:
            self.matrix = Csr(np.zeros(m + 1, np.int32), np.empty(0, np.int32), np.empty(0))
        self.variable_names = _names("variable_names", self.variable_names, n)
        self.constraint_names = _names("constraint_names", self.constraint_names, m)

    @property
    def variable_count(self) -> int:
        """n."""
        return len(self.objective)  # type: ignore[arg-type]

    @property
    def constraint_count(self) -> int:
        """m."""
        return 0 if self.matrix is None else len(self.matrix.starts) - 1

    @property
    def is_mip(self) -> bool:
        """Whether any variable is not continuous."""
        return self.kinds is not None and bool(np.any(np.asarray(self.kinds) != Kind.CONTINUOUS))

    @staticmethod
    def from_file(path: str | os.PathLike[str]) -> ModelFile:
        """A model in a file: LP or MPS, plain, gzip or zstd. The gateway reads it."""
        path = Path(path)
        return ModelFile(path.read_bytes(), path.name)

    @staticmethod
    def from_lp(text: str, name: str = "") -> ModelFile:
        """A model as text in the LP format ("CPLEX LP")."""
        return ModelFile(text.encode(), name, "LP")

    @staticmethod
    def from_mps(text: str, name: str = "") -> ModelFile:
        """A model as text in the MPS format, fixed or free."""
        return ModelFile(text.encode(), name, "MPS")

    @staticmethod
    def from_frames(
        variables: pd.DataFrame,
        constraints: pd.DataFrame,
        entries: pd.DataFrame,
        *,
        sense: Sense | str = Sense.MINIMIZE,
        offset: float = 0.0,
        name: str = "",
    ) -> Model:
        """A model from three frames.

        ``variables``: the names are its index; columns ``objective``, ``lower``, ``upper`` and
        ``kind``, all optional. ``constraints``: the names are its index; columns ``lower`` and
        ``upper``. ``entries``: columns ``constraint``, ``variable`` and ``coefficient``; several
        of the same place are added. Raises ``ValueError`` for a name that is not in an index.
        """
        from ._frames import from_frames

        return from_frames(variables, constraints, entries, sense=sense, offset=offset, name=name)


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model as the content of a file, which the gateway reads."""

    content: bytes
    """The bytes of the file."""
    name: str = ""
    """Its name, for errors, and for its extension, which determines the format."""
    format: str = ""
    """``"LP"`` or ``"MPS"``, if the name has no such extension; else it is detected."""


ModelLike = Model | ModelFile | str | os.PathLike[str]
"""A model, or the path of a file."""


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """A basis of an LP, as of an earlier result (``return_basis=True``)."""

    variables: IntArray
    """[n] The ``BasisStatus`` of each variable."""
    constraints: IntArray
    """[m] The ``BasisStatus`` of each constraint."""


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """Where a solve begins: values for a model with integers, a basis for an LP. HiGHS only."""

    values: Mapping[str, float] | Mapping[int, float] | ArrayLike | None = None
    """Values by name or by index, or [n] an array in which NaN is no value."""
    basis: Basis | None = None


def _sense(value: Sense | str) -> Sense:
    name = str(value).upper()
    if name in ("MIN", "MINIMIZE", "MINIMISE"):
        return Sense.MINIMIZE
    if name in ("MAX", "MAXIMIZE", "MAXIMISE"):
        return Sense.MAXIMIZE
    raise ValueError(f"sense must be MINIMIZE or MAXIMIZE, not {value!r}")


def _vector(name: str, values: ArrayLike) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name} must have one dimension, not {array.ndim}")
    return array


def _filled(name: str, values: ArrayLike | None, count: int) -> FloatArray | None:
    """An array of full length, from one or from a single number for all."""
    if values is None:
        return None
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 0:
        return np.full(count, array)
    if array.shape != (count,):
        raise ValueError(f"{name} must have length {count}, but its shape is {array.shape}")
    return array


def _kinds(values: ArrayLike, count: int) -> IntArray:
    array = np.asarray(values)
    if array.dtype.kind in "OUS":
        try:
            array = np.array([_kind(value) for value in array.tolist()], np.uint8)
        except KeyError as letter:
            raise ValueError(
                f"kinds must be of {Kind.__name__} or C, I, B, S, N: {letter}"
            ) from None
    if array.shape != (count,):
        raise ValueError(f"kinds must have length {count}, but its shape is {array.shape}")
    wrong = (array < 1) | (array > 5)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise ValueError(f"kinds[{at}] is {array[at]}, which is no Kind")
    return array.astype(np.uint8)


def _kind(value: object) -> int:
    if isinstance(value, str):
        return _KIND_LETTERS[value]
    if isinstance(value, bytes):
        return _KIND_LETTERS[value.decode()]
    return int(value)  # type: ignore[call-overload, no-any-return]


def _matrix(matrix: Any, n: int) -> tuple[Csr | None, int | None]:
    """The matrix by rows, and the number of its rows."""
    if matrix is None:
        return None, None
    if not isinstance(matrix, Csr):
        if not hasattr(matrix, "tocsr"):
            dense = np.asarray(matrix, dtype=np.float64)
            if dense.ndim != 2:
                raise ValueError(f"matrix must have two dimensions, not {dense.ndim}")
            rows, columns = np.nonzero(dense)
            counts = np.bincount(rows, minlength=len(dense))
            csr = Csr(np.concatenate([[0], np.cumsum(counts)]), columns, dense[rows, columns])
            shape = dense.shape
        else:
            shape, sparse = matrix.shape, matrix.tocsr()
            if not sparse.has_canonical_format:
                # The API has no duplicates. Not in place: the caller's matrix is not ours.
                sparse = sparse.copy()
                sparse.sum_duplicates()
            csr = Csr(sparse.indptr, sparse.indices, sparse.data)
        if shape[1] != n:
            raise ValueError(f"matrix has {shape[1]} columns, but objective has length {n}")
        matrix = csr
    starts, columns, values = (np.asarray(array) for array in matrix)
    if starts.ndim != 1 or len(starts) == 0:
        raise ValueError("matrix.starts must have one entry more than there are constraints")
    if len(columns) != len(values) or int(starts[-1]) != len(values):
        raise ValueError(
            f"matrix has {len(columns)} columns and {len(values)} values, "
            f"but matrix.starts ends with {starts[-1]}"
        )
    return Csr(starts, columns, np.asarray(values, np.float64)), len(starts) - 1


def _names(name: str, values: Sequence[str] | None, count: int) -> Sequence[str] | None:
    if values is None:
        return None
    if isinstance(values, str):
        raise TypeError(f"{name} must be a sequence of names, not a single str")
    values = [str(value) for value in values]
    if len(values) != count:
        raise ValueError(f"{name} must have length {count}, not {len(values)}")
    return values
