"""The events of one job, put together to its result, or to the results of its scenarios."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from . import _convert, _wire
from .enums import JobState, Limit, Status
from .errors import JobExpired, JobFailed, SolvemeshError
from .result import Range, Ranges, Result
from .sweep import Plan, ScenarioResult
from .v1 import job_pb2, result_pb2

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ARRAYS = {3: "values", 4: "reduced_costs", 7: "activities", 8: "duals"}
_RANGES = {9: "costs", 10: "bounds", 11: "right_hand_sides"}


class Assembly:
    """Collects the events of a job that its result is made of.

    An event may be added twice, so that a watch can be repeated after an interruption anywhere.
    """

    def __init__(self, job_id: str, *, names: bool) -> None:
        self._job_id = job_id
        self._names = names
        self._attempt = 0
        self._parts: dict[int, result_pb2.Solution] = {}
        self._log: dict[int, list[str]] = {}

    def add(self, event: job_pb2.JobEvent) -> Result | None:
        """Adds an event. Returns the result if it is the last one.

        Raises ``JobFailed`` and ``JobExpired``, and ``SolvemeshError`` if parts are missing.
        """
        kind = event.WhichOneof("kind")
        if event.attempt != self._attempt:
            # The parts and the log of an attempt that died are not those of the next one.
            self._attempt = event.attempt
            self._parts.clear()
            self._log.clear()
        if kind == "solution_part":
            part = event.solution_part
            if not self._names:
                # Not read one by one, which takes longer than everything else.
                part.solution.ClearField("variable_names")
                part.solution.ClearField("constraint_names")
            self._parts[part.index] = part.solution
        elif kind == "log":
            lines = list(event.log.lines)
            if event.log.omitted_count:
                lines.append(f"({event.log.omitted_count} lines omitted)")
            self._log[event.sequence] = lines
        elif kind == "finished":
            return self._finish(event.finished)
        return None

    def _finish(self, finished: job_pb2.JobFinished) -> Result:
        _raise_failure(self._job_id, finished)
        state = _convert.job_state(finished.state)
        log = "\n".join(line for at in sorted(self._log) for line in self._log[at])
        if not finished.HasField("result"):
            if state is not JobState.CANCELLED:
                raise SolvemeshError(f"job {self._job_id} is {state}, without result or failure")
            # Cancelled before a worker took it: stopped before anything was found.
            return Result(
                job_id=self._job_id,
                state=state,
                status=Status.NO_SOLUTION_FOUND,
                limit=Limit.INTERRUPTED,
                attempts=self._attempt,
                log=log,
            )
        result = finished.result
        termination, statistics = result.termination, result.statistics
        parts = self._solution_parts(result)
        limit = _convert.limit(termination.limit)
        return Result(
            job_id=self._job_id,
            state=state,
            status=_convert.status(termination.reason),
            limit=limit,
            objective=_convert.optional(termination, "objective"),
            bound=_convert.optional(termination, "objective_bound"),
            gap=_convert.optional(termination, "relative_gap"),
            **self._arrays(parts),  # type: ignore[arg-type]
            variable_names=self._joined_names(parts, "variable_names"),
            constraint_names=self._joined_names(parts, "constraint_names"),
            verification=_convert.verification(result.verification)
            if result.HasField("verification")
            else None,
            basis=_convert.basis(result.basis) if result.HasField("basis") else None,
            proof=_convert.proof(result.infeasibility_proof)
            if result.HasField("infeasibility_proof")
            else None,
            subset=_convert.subset(result.infeasible_subset)
            if result.HasField("infeasible_subset")
            else None,
            ray=_convert.ray(result.unbounded_ray) if result.HasField("unbounded_ray") else None,
            start_report=_convert.start_report(result.start_report)
            if result.HasField("start_report")
            else None,
            solver=_convert.solver_name(result.solver),
            solver_version=result.solver_version,
            detail=termination.detail,
            seconds=_convert.seconds(statistics.solve_time),
            threads=_convert.optional(statistics, "thread_count"),
            nodes=_convert.optional(statistics, "node_count"),
            simplex_iterations=_convert.optional(statistics, "simplex_iteration_count"),
            barrier_iterations=_convert.optional(statistics, "barrier_iteration_count"),
            attempts=self._attempt,
            warnings=tuple(termination.warnings),
            log=log,
        )

    def _solution_parts(self, result: result_pb2.SolveResult) -> list[result_pb2.Solution]:
        count = result.solution_part_count
        if count == 0:
            return [result.solution] if result.HasField("solution") else []
        if missing := [at for at in range(count) if at not in self._parts]:
            raise SolvemeshError(
                f"job {self._job_id}: part {missing[0]} of {count} of the solution is missing"
            )
        return [self._parts[at] for at in range(count)]

    def _arrays(self, parts: list[result_pb2.Solution]) -> dict[str, object]:
        """The arrays of a solution, by the names of ``Result``."""
        found: dict[int, list[memoryview]] = {number: [] for number in (*_ARRAYS, *_RANGES)}
        for part in parts:
            if part.variable_names or part.constraint_names:
                numbers_only = result_pb2.Solution()
                numbers_only.CopyFrom(part)
                numbers_only.ClearField("variable_names")
                numbers_only.ClearField("constraint_names")
                part = numbers_only
            for number, value in _wire.fields(part.SerializeToString()):
                if number in found and isinstance(value, memoryview):
                    found[number].append(value)
        arrays = {name: _wire.unpack_doubles(found[number]) for number, name in _ARRAYS.items()}
        self._check(arrays)
        ranges = {name: _range(found[number]) for number, name in _RANGES.items()}
        return {
            "x": arrays["values"],
            "activities": arrays["activities"],
            "reduced_costs": arrays["reduced_costs"] if len(arrays["reduced_costs"]) else None,
            "duals": arrays["duals"] if len(arrays["duals"]) else None,
            "ranges": Ranges(**ranges) if any(ranges.values()) else None,
        }

    def _check(self, arrays: dict[str, NDArray[np.float64]]) -> None:
        for whole, part in (("values", "reduced_costs"), ("activities", "duals")):
            if len(arrays[part]) not in (0, len(arrays[whole])):
                raise SolvemeshError(
                    f"job {self._job_id}: received {len(arrays[part])} of "
                    f"{len(arrays[whole])} {part}"
                )

    def _joined_names(self, parts: list[result_pb2.Solution], field: str) -> list[str] | None:
        if not self._names or not parts:
            return None
        names = [name for part in parts for name in getattr(part, field)]
        return names or None


class SweepAssembly:
    """Collects the results of the scenarios of a sweep."""

    def __init__(self, job_id: str, plan: Plan) -> None:
        self._job_id = job_id
        self._plan = plan
        self._found: dict[int, ScenarioResult] = {}
        self.state: JobState | None = None
        """How the sweep ended; ``None`` until then."""

    def add(self, event: job_pb2.JobEvent) -> list[ScenarioResult]:
        """Adds an event, and returns the results in it. Raises ``JobFailed`` and ``JobExpired``."""
        if event.WhichOneof("kind") == "finished":
            _raise_failure(self._job_id, event.finished)
            self.state = _convert.job_state(event.finished.state)
        batch = []
        for item in event.scenario_results.results:
            found = _convert.scenario(item, self._plan.values(item.index))
            self._found[item.index] = found
            batch.append(found)
        return batch

    def results(self) -> list[ScenarioResult]:
        """All results so far, in the order of the scenarios."""
        return [self._found[index] for index in sorted(self._found)]


def _raise_failure(job_id: str, finished: job_pb2.JobFinished) -> None:
    """Raises ``JobFailed`` or ``JobExpired`` if the job has a failure and no result."""
    if finished.HasField("failure") and not finished.HasField("result"):
        expired = _convert.job_state(finished.state) is JobState.EXPIRED
        error = JobExpired if expired else JobFailed
        raise error(job_id, finished.failure.reason, finished.failure.message)


def _range(parts: list[memoryview]) -> Range | None:
    """One kind of sensitivity ranges, from its messages in all parts."""
    if not parts:
        return None
    found: dict[int, list[memoryview]] = {1: [], 2: [], 3: [], 4: []}
    for part in parts:
        for number, value in _wire.fields(part):
            if number in found and isinstance(value, memoryview):
                found[number].append(value)
    return Range(*(_wire.unpack_doubles(found[number]) for number in (1, 2, 3, 4)))
