"""Messages of the API, converted to the public dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from enum import Enum
from typing import Any, TypeVar

import numpy as np

from . import events, info
from .enums import JobState, Limit, StartStatus, Status
from .model import Basis
from .result import (
    InfeasibilityProof,
    InfeasibleSubset,
    Ray,
    StartReport,
    SubsetBound,
    Verification,
)
from .sweep import ScenarioResult
from .v1 import job_pb2, job_service_pb2, model_pb2, options_pb2, result_pb2, sweep_pb2

_Named = TypeVar("_Named", bound=Enum)


def optional(message: Any, field: str) -> Any:
    """The value of a field with presence; ``None`` if it is not set."""
    return getattr(message, field) if message.HasField(field) else None


def enum_name(kind: Any, value: int, prefix: str) -> str:
    """The name of a value without its prefix; ``UNSPECIFIED`` for one that is not known."""
    if value not in kind.values():
        return "UNSPECIFIED"
    return str(kind.Name(value)).removeprefix(prefix)


def _member(members: type[_Named], name: str) -> _Named:
    return members(name) if name in members.__members__ else members("UNSPECIFIED")


def status(value: int) -> Status:
    """A termination reason."""
    return _member(Status, enum_name(result_pb2.TerminationReason, value, "TERMINATION_REASON_"))


def limit(value: int) -> Limit | None:
    """A termination limit."""
    name = enum_name(result_pb2.TerminationLimit, value, "TERMINATION_LIMIT_")
    if value == 0:
        return None
    return Limit(name) if name in Limit.__members__ else Limit.OTHER


def job_state(value: int) -> JobState:
    """The state of a job."""
    return _member(JobState, enum_name(job_pb2.JobState, value, "JOB_STATE_"))


def solver_name(value: int) -> str:
    """The name of a solver, as in ``Options.solver``."""
    return enum_name(options_pb2.Solver, value, "SOLVER_").lower()


def seconds(duration: Any) -> float:
    """A duration."""
    return float(duration.seconds) + float(duration.nanos) * 1e-9


def time(message: Any, field: str) -> datetime | None:
    """A timestamp; ``None`` if it is not set."""
    return _time(getattr(message, field)) if message.HasField(field) else None


def _time(stamp: Any) -> datetime:
    whole = datetime.fromtimestamp(stamp.seconds, timezone.utc)
    return whole + timedelta(microseconds=stamp.nanos // 1000)


def _floats(values: Any) -> Any:
    return np.fromiter(values, np.float64, len(values))


def _indices(values: Any) -> Any:
    return np.fromiter(values, np.int32, len(values))


def verification(message: result_pb2.Verification) -> Verification:
    """The check of a solution."""
    names = (
        "bound_violation",
        "row_violation",
        "integrality_violation",
        "max_violation",
        "dual_violation",
        "complementarity_violation",
    )
    values = {name: optional(message, name) for name in names}
    return Verification(**values, worst=tuple(message.worst))


def basis(message: model_pb2.Basis) -> Basis:
    """A basis."""
    return Basis(
        np.fromiter(message.variables, np.uint8, len(message.variables)),
        np.fromiter(message.constraints, np.uint8, len(message.constraints)),
    )


def proof(message: result_pb2.InfeasibilityProof) -> InfeasibilityProof:
    """A proof of infeasibility."""
    return InfeasibilityProof(
        _indices(message.constraint_indices),
        _floats(message.multipliers),
        optional(message, "distance"),
        message.verified,
    )


def subset(message: result_pb2.InfeasibleSubset) -> InfeasibleSubset:
    """An infeasible subset."""

    def bound(item: result_pb2.SubsetBound) -> SubsetBound:
        side = enum_name(result_pb2.BoundSide, item.side, "BOUND_SIDE_")
        return SubsetBound(item.index, item.name, side, optional(item, "bound"))

    return InfeasibleSubset(
        tuple(bound(item) for item in message.constraints),
        tuple(bound(item) for item in message.variables),
        message.irreducible,
        message.verified,
    )


def ray(message: result_pb2.UnboundedRay) -> Ray:
    """An unbounded ray."""
    return Ray(
        _indices(message.variable_indices),
        _floats(message.values),
        optional(message, "rate"),
        message.verified,
    )


def start_report(message: result_pb2.StartReport) -> StartReport:
    """How a start was used."""
    name = enum_name(result_pb2.StartStatus, message.status, "START_STATUS_")
    return StartReport(_member(StartStatus, name), message.detail, optional(message, "objective"))


def scenario(message: sweep_pb2.ScenarioResult, parameters: Mapping[str, float]) -> ScenarioResult:
    """The result of a scenario."""
    return ScenarioResult(
        index=message.index,
        label=message.label,
        parameters=parameters,
        status=status(message.reason),
        limit=limit(message.limit),
        objective=optional(message, "objective"),
        bound=optional(message, "objective_bound"),
        values=_floats(message.values),
        duals=_floats(message.duals),
        max_violation=optional(message, "max_violation"),
        dual_violation=optional(message, "dual_violation"),
        iterations=message.iteration_count,
        verified=optional(message, "verified"),
        detail=message.detail,
    )


def size(message: job_pb2.ModelSize) -> info.Size:
    """The size of a model."""
    return info.Size(
        message.variable_count,
        message.constraint_count,
        message.nonzero_count,
        message.integer_count,
    )


def job(message: job_pb2.Job) -> info.JobInfo:
    """The state of a job."""
    description, termination = message.description, message.result.termination
    ended = message.HasField("result")
    progress = message.progress
    return info.JobInfo(
        job_id=message.job_id,
        state=job_state(message.state),
        model_name=description.model_name,
        labels=dict(description.labels),
        request_id=description.request_id,
        lane=description.lane,
        size=size(description.size),
        submit_time=time(message, "submit_time"),
        start_time=time(message, "start_time"),
        finish_time=time(message, "finish_time"),
        attempt=message.attempt,
        worker=message.worker,
        cancel_requested=message.cancel_requested,
        status=status(termination.reason) if ended else None,
        objective=optional(termination if ended else progress, "objective"),
        jobs_ahead=message.queue_position.jobs_ahead_count
        if message.HasField("queue_position")
        else None,
        failure=message.failure.message,
        scenarios=description.sweep.scenario_count,
        scenarios_finished=message.sweep_summary.answered_count,
        warnings=tuple(description.warnings),
    )


def validation(message: job_pb2.JobDescription) -> info.Validation:
    """What the gateway found about a model that it has only checked."""
    return info.Validation(size(message.size), message.lane, tuple(message.warnings))


def capabilities(message: job_service_pb2.GetCapabilitiesResponse) -> info.Capabilities:
    """The capabilities of a mesh."""
    types = job_service_pb2.SolverOptionType

    def solver(item: job_service_pb2.SolverCapabilities) -> info.SolverInfo:
        return info.SolverInfo(
            name=solver_name(item.solver),
            available=item.available,
            kinds=tuple(
                enum_name(model_pb2.VariableKind, kind, "VARIABLE_KIND_")
                for kind in item.variable_kinds
            ),
            options={
                option.name: enum_name(types, option.type, "SOLVER_OPTION_TYPE_")
                for option in item.options
            },
            supported_options=tuple(item.supported_options),
        )

    limits = message.limits
    times = ("max_time_limit", "default_time_limit", "max_total_time_limit")
    facts: dict[str, Any] = {name: seconds(getattr(limits, name)) for name in times}
    numbers = info.Limits.__dataclass_fields__.keys() - facts.keys()
    facts.update((name, getattr(limits, name)) for name in numbers)
    return info.Capabilities(
        version=message.version,
        solvers=tuple(solver(item) for item in message.solvers),
        limits=info.Limits(
            **facts,
        ),
        lanes=tuple(lane.name for lane in message.lanes),
        ephemeral=message.ephemeral,
    )


def event(message: job_pb2.JobEvent) -> events.AnyEvent | None:
    """An event; ``None`` for parts of a solution, which ``Job.result`` puts together."""
    base: dict[str, Any] = {
        "job_id": message.job_id,
        "sequence": message.sequence,
        "time": _time(message.time),
        "attempt": message.attempt,
        "skipped": message.skipped_count,
    }
    kind = message.WhichOneof("kind")
    if kind == "solution_part":
        return None
    if kind == "queued":
        return events.Queued(**base, lane=message.queued.description.lane)
    if kind == "started":
        worker, objective = message.started.worker, optional(message.started, "start_objective")
        return events.Started(**base, worker=worker, start_objective=objective)
    if kind == "progress":
        progress = message.progress
        return events.ProgressMade(
            **base,
            **_quality(progress),
            nodes=optional(progress, "node_count"),
            iterations=optional(progress, "iteration_count"),
            elapsed=seconds(progress.elapsed),
        )
    if kind == "incumbent":
        incumbent = message.incumbent
        return events.Incumbent(
            **base,
            **_quality(incumbent),
            elapsed=seconds(incumbent.elapsed),
            values=_floats(incumbent.values),
            indices=_indices(incumbent.variable_indices) if incumbent.variable_indices else None,
            omitted=incumbent.values_omitted,
        )
    if kind == "log":
        return events.LogLines(
            **base, lines=tuple(message.log.lines), omitted=message.log.omitted_count
        )
    if kind == "cancel_requested":
        return events.CancelRequested(**base)
    if kind == "attempt_failed":
        failure = message.attempt_failed.failure
        return events.AttemptFailed(**base, reason=failure.reason, message=failure.message)
    if kind == "scenario_results":
        results = tuple(scenario(item, {}) for item in message.scenario_results.results)
        return events.ScenariosFinished(**base, results=results)
    if kind == "finished":
        return events.Finished(**base, state=job_state(message.finished.state))
    return events.OtherEvent(**base)


def _quality(message: Any) -> dict[str, Any]:
    return {
        "objective": optional(message, "objective"),
        "bound": optional(message, "objective_bound"),
        "gap": optional(message, "relative_gap"),
    }
