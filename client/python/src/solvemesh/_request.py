"""Submissions as bytes."""

from __future__ import annotations

import os
import uuid
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from . import _wire
from .errors import ModelTooLarge, NoSolution, Rejected
from .model import Basis, Model, ModelFile, ModelLike, Start
from .options import Options, option_text
from .result import Result
from .v1 import job_pb2, job_service_pb2, model_pb2, options_pb2, sweep_pb2

# Numbers of fields, from the descriptors: a name that the contract does not have fails here.
_MODEL = {field.name: field.number for field in model_pb2.Model.DESCRIPTOR.fields}
_LINEAR = {field.name: field.number for field in model_pb2.LinearModel.DESCRIPTOR.fields}
_SUBMIT = {field.name: field.number for field in job_service_pb2.SubmitJobRequest.DESCRIPTOR.fields}
_START = {field.name: field.number for field in model_pb2.StartingPoint.DESCRIPTOR.fields}

# Of a later contract than this package may be generated from.
_LINEAR_FORMAT = dict(model_pb2.FileFormat.items()).get("FILE_FORMAT_LINEAR")
_OMIT_NAMES = "omit_names" in options_pb2.SolveOptions.DESCRIPTOR.fields_by_name

# Below this, a request is sent without a look at the gateway's limit.
SURE_TO_FIT = 1 << 20

# The least time for a submission, however little is left of the retry budget: a large model takes
# long to send and to be read. In seconds.
SUBMISSION_TIMEOUT = 60.0

Priority = Literal["low", "normal", "high"]

StartLike = Start | Result | Basis | Mapping[Any, float] | Any


@dataclass(frozen=True)
class Submission:
    """A submission, ready to be sent."""

    model: _wire.Fragment
    """The content of its ``Model``."""
    linear: _wire.Fragment | None
    """The content of its ``LinearModel``, if it is one."""
    rest: bytes
    """Everything else."""
    name: str
    request_id: str
    has_names: bool
    """Whether the answer has names that are worth reading."""
    rest_with_names: bytes | None
    """``rest`` without ``omit_names``, for gateways that do not know it."""

    def message(self) -> bytes:
        """The request."""
        return b"".join([*_wire.message(_SUBMIT["model"], self.model), self.rest])

    def size(self) -> int:
        """The size of ``message()``, about."""
        return _wire.size(self.model) + len(self.rest) + 16

    def with_names(self) -> Submission:
        """The same for a gateway that does not know ``omit_names``."""
        if self.rest_with_names is None:
            return self
        return replace(self, rest=self.rest_with_names, rest_with_names=None)

    def after(self, error: Rejected) -> Submission:
        """What to send after a gateway refused this one, as it does not know ``omit_names``.

        It stored nothing, so the request id can be used again. Raises the error if it has another
        cause.
        """
        if error.reason != "UNKNOWN_FIELD" or self.rest_with_names is None:
            raise error
        return self.with_names()

    def fit(self, max_bytes: int, gateway: str) -> Submission:
        """The same, compressed if it is larger than the gateway accepts.

        Raises ``ModelTooLarge`` if that does not help.
        """
        if self.size() <= max_bytes:
            return self
        size = self.size()
        if self.linear is None or _LINEAR_FORMAT is None:
            raise ModelTooLarge(
                f"the request has {size} bytes, and {gateway} accepts {max_bytes} "
                "(max_message_bytes). Send the model as a compressed file (.mps.gz, .lp.zst), or "
                "start the gateway with a larger --max-message-bytes"
            )
        file = [*_wire.message(1, [_compressed(self.linear)]), _wire.integer(3, _LINEAR_FORMAT)]
        model = [*_wire.message(_MODEL["file"], file)]
        if self.name:
            model.append(_wire.text(_MODEL["name"], self.name))
        packed = replace(self, model=model, linear=None)
        if packed.size() > max_bytes:
            raise ModelTooLarge(
                f"the request has {packed.size()} bytes compressed, and {gateway} accepts "
                f"{max_bytes} (max_message_bytes): start it with a larger --max-message-bytes"
            )
        return packed


def _priority(priority: Priority | None) -> job_pb2.Priority.ValueType:
    if priority is None:
        return job_pb2.PRIORITY_UNSPECIFIED
    if priority not in get_args(Priority):
        allowed = ", ".join(get_args(Priority))
        raise ValueError(f"priority must be one of {allowed}, not {priority!r}")
    return job_pb2.Priority.Value(f"PRIORITY_{priority.upper()}")


def submission(
    model: ModelLike,
    options: Options | None,
    changes: Mapping[str, Any],
    *,
    request_id: str | None = None,
    labels: Mapping[str, str] | None = None,
    lane: str | None = None,
    priority: Priority | None = None,
    deadline: float | None = None,
    queue_deadline: float | None = None,
    start: StartLike | None = None,
    sweep: sweep_pb2.Sweep | None = None,
    want_log: bool = False,
    validate_only: bool = False,
) -> Submission:
    """Encodes a submission. See ``Client.submit`` for the arguments.

    ``changes`` are the keywords that go before ``options``. A job without a request id gets one.
    """
    options = (options or Options()).with_(**changes)
    if not request_id:
        request_id = "" if validate_only else str(uuid.uuid4())
    if isinstance(model, (str, os.PathLike)):
        path = Path(model)
        model = ModelFile(path.read_bytes(), path.name)
    if not isinstance(model, (Model, ModelFile)):
        raise TypeError(f"model must be a Model, a ModelFile or a path, not {type(model).__name__}")
    linear = None
    if isinstance(model, Model):
        linear = linear_model(model)
        parts = _wire.message(_MODEL["linear"], linear)
    else:
        parts = _wire.message(_MODEL["file"], _file(model))
    if isinstance(model, Model) and model.name:
        parts.append(_wire.text(_MODEL["name"], model.name))
    has_names = not isinstance(model, Model) or model.variable_names is not None
    has_names = has_names or model.constraint_names is not None  # type: ignore[union-attr]

    request = job_service_pb2.SubmitJobRequest(
        options=_options(options, want_log or options.return_log),
        labels=dict(labels or {}),
        request_id=request_id,
        validate_only=validate_only,
        lane=lane or "",
        priority=_priority(priority),
        sweep=sweep,
    )
    for name, seconds in (("total_time_limit", deadline), ("queue_time_limit", queue_deadline)):
        if seconds is not None:
            _set_duration(getattr(request, name), seconds)
    start_parts = [] if start is None else _wire.message(_SUBMIT["starts"], _start(start))
    start_bytes = b"".join(start_parts)
    rest_with_names = None
    if _OMIT_NAMES and not has_names:
        rest_with_names = request.SerializeToString() + start_bytes
        setattr(request.options, "omit_names", True)  # noqa: B010  (may not be generated)
    return Submission(
        model=parts,
        linear=linear,
        rest=request.SerializeToString() + start_bytes,
        name=model.name,
        request_id=request_id,
        has_names=has_names,
        rest_with_names=rest_with_names,
    )


def linear_model(model: Model) -> _wire.Fragment:
    """The content of a ``LinearModel``."""
    parts: _wire.Fragment = []

    def add(name: str, values: Any, encode: Any) -> None:
        if values is not None:
            parts.extend(encode(_LINEAR[name], np.asarray(values)))

    sense = model_pb2.ObjectiveSense.Value(f"OBJECTIVE_SENSE_{model.sense}")
    parts.append(_wire.integer(_LINEAR["sense"], sense))
    if model.offset != 0:
        parts.append(_wire.double(_LINEAR["objective_offset"], model.offset))
    parts.append(_wire.integer(_LINEAR["variable_count"], model.variable_count))
    parts.append(_wire.integer(_LINEAR["constraint_count"], model.constraint_count))
    add("variable_lower", model.lower, _wire.doubles)
    add("variable_upper", model.upper, _wire.doubles)
    add("objective", model.objective, _wire.doubles)
    add("variable_kinds", model.kinds, _wire.integers)
    add("constraint_lower", model.row_lower, _wire.doubles)
    add("constraint_upper", model.row_upper, _wire.doubles)
    if model.variable_names is not None:
        parts.append(_wire.texts(_LINEAR["variable_names"], model.variable_names))
    if model.constraint_names is not None:
        parts.append(_wire.texts(_LINEAR["constraint_names"], model.constraint_names))
    if model.matrix is not None:
        add("row_starts", model.matrix.starts, _wire.integers)
        add("column_indices", model.matrix.columns, _wire.integers)
        add("coefficients", model.matrix.values, _wire.doubles)
    return parts


def _file(model: ModelFile) -> _wire.Fragment:
    parts = _wire.message(1, [model.content])
    if model.name:
        parts.append(_wire.text(2, model.name))
    if model.format:
        known = dict(model_pb2.FileFormat.items())
        number = known.get(f"FILE_FORMAT_{model.format.upper()}")
        if number is None:
            raise ValueError(f"format must be LP or MPS, not {model.format!r}")
        parts.append(_wire.integer(3, number))
    return parts


def _options(options: Options, want_log: bool) -> options_pb2.SolveOptions:
    message = options_pb2.SolveOptions(
        return_basis=options.return_basis,
        return_sensitivity=options.return_sensitivity,
        return_infeasible_subset=options.return_infeasible_subset,
        return_log=want_log,
        solver_options={name: option_text(value) for name, value in options.solver_options.items()},
    )
    if options.time_limit is not None:
        _set_duration(message.time_limit, options.time_limit)
    for name in (
        "relative_gap",
        "absolute_gap",
        "threads",
        "seed",
        "node_limit",
        "iteration_limit",
        "solution_limit",
        "objective_target",
        "memory_limit_bytes",
    ):
        value = getattr(options, name)
        if value is not None:
            setattr(message, name, value)
    if options.presolve is not None:
        message.presolve = options_pb2.PRESOLVE_ON if options.presolve else options_pb2.PRESOLVE_OFF
    if options.solver:
        number = dict(options_pb2.Solver.items()).get(f"SOLVER_{options.solver.upper()}")
        if number is None:
            names = ", ".join(
                name.removeprefix("SOLVER_").lower()
                for name in options_pb2.Solver.keys()  # noqa: SIM118  (not a dict)
                if name not in ("SOLVER_UNSPECIFIED", "SOLVER_DENSE_SIMPLEX")
            )
            raise ValueError(f"solver must be one of {names}, not {options.solver!r}")
        message.solver = number
    if options.incumbents_of or options.incumbents_nonzero:
        message.incumbents.variables.extend(options.incumbents_of)
        message.incumbents.nonzeros_only = options.incumbents_nonzero
    return message


def _start(start: StartLike) -> _wire.Fragment:
    """The content of a ``StartingPoint``."""
    if isinstance(start, Result):
        if start.basis is None and len(start.x) == 0:
            raise NoSolution(f"start: job {start.job_id} has neither a basis nor values", start)
        start = Start(basis=start.basis) if start.basis is not None else Start(values=start.x)
    elif isinstance(start, Basis):
        start = Start(basis=start)
    elif not isinstance(start, Start):
        start = Start(values=start)
    parts: _wire.Fragment = []
    if start.values is not None:
        parts.extend(_start_values(start.values))
    if start.basis is not None:
        basis = _wire.integers(1, np.asarray(start.basis.variables))
        basis += _wire.integers(2, np.asarray(start.basis.constraints))
        parts.extend(_wire.message(_START["basis"], basis))
    return parts


def _start_values(values: Any) -> _wire.Fragment:
    if isinstance(values, Mapping):
        keys = list(values)
        numbers = np.array([float(value) for value in values.values()], np.float64)
        if all(isinstance(key, str) for key in keys):
            names = _wire.texts(_START["variable_names"], keys)
            return [names, *_wire.doubles(_START["values"], numbers)]
        indices = np.array([int(key) for key in keys], np.int64)
    else:
        array = np.asarray(values, np.float64)
        if array.ndim != 1:
            raise ValueError(f"start must have one dimension, not {array.ndim}")
        indices = np.flatnonzero(~np.isnan(array))
        numbers = array[indices]
    return _wire.integers(_START["variable_indices"], indices) + _wire.doubles(
        _START["values"], numbers
    )


def _set_duration(duration: Any, seconds: float) -> None:
    whole = int(seconds // 1)
    duration.seconds = whole
    duration.nanos = min(round((seconds - whole) * 1e9), 999_999_999)


def _compressed(parts: _wire.Fragment) -> bytes:
    """zstd where it is installed, else gzip: both at the fastest level."""
    try:
        import zstandard
    except ImportError:
        packer = zlib.compressobj(1, zlib.DEFLATED, 31)
        return b"".join([*(packer.compress(part) for part in parts), packer.flush()])
    compressor = zstandard.ZstdCompressor(level=1).compressobj()
    return b"".join([*(compressor.compress(part) for part in parts), compressor.flush()])
