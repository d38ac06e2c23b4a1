"""Handles of sweeps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ._assembly import SweepAssembly
from ._interrupt import Interrupts, OnInterrupt
from ._watch import Watch, request
from .errors import SolvemeshError
from .job import Job
from .sweep import Plan, ScenarioResult, results_frame

if TYPE_CHECKING:
    import pandas as pd

    from .client import Client
    from .enums import JobState


class SweepJob(Job):
    """A handle of a sweep. Iterate over it to get the results of scenarios as they are found."""

    def __init__(self, client: Client, job_id: str, plan: Plan, on_interrupt: OnInterrupt) -> None:
        super().__init__(client, job_id)
        self._plan = plan
        self._on_interrupt = on_interrupt
        self._assembly = SweepAssembly(job_id, plan)

    def __reduce__(self) -> tuple[object, ...]:
        return (SweepJob, (self._client, self.id, self._plan, self._on_interrupt))

    @property
    def state(self) -> JobState | None:
        """How the sweep ended, once an iteration has come to its end: SUCCEEDED or CANCELLED."""
        return self._assembly.state

    def __len__(self) -> int:
        """Number of scenarios."""
        return self._plan.count

    def __iter__(self) -> Iterator[ScenarioResult]:
        """The results, in the order in which they are found.

        Ctrl-C while waiting cancels the sweep, and the iteration ends with what there is; see
        ``Job.result``. Raises ``JobFailed`` and ``JobExpired``.
        """
        return _Iterator(self, self._on_interrupt)

    def results(self) -> list[ScenarioResult]:
        """Waits for all results, and returns them in the order of the scenarios."""
        if self.state is None:
            for _ in self:
                pass
        return self._assembly.results()

    def frame(self) -> pd.DataFrame:
        """Waits for all results, and returns one row for each.

        Index: the number of the scenario. Columns: ``label`` if there are labels, one for each
        parameter, ``status``, ``objective``, ``bound``, ``iterations``, and one for each value
        and each dual (``dual:NAME``) of the report.
        """
        return results_frame(self._plan, self.results())

    def _messages(self) -> Iterator[list[ScenarioResult]]:
        message = request(self.id, ("scenario_results",), None, "")
        for event in Watch(self._client._channel, self._client.retry, message):
            if batch := self._assembly.add(event):
                yield batch
            if self.state is not None:
                return
        raise SolvemeshError(f"the events of sweep {self.id} ended before it finished")


class _Iterator(Iterator[ScenarioResult]):
    def __init__(self, job: SweepJob, on_interrupt: OnInterrupt) -> None:
        self._batches = job._messages()
        self._batch: list[ScenarioResult] = []
        client = job._client
        self._interrupts = Interrupts(on_interrupt, client.url, client._cancel)
        self._interrupts.submitted(job.id)

    def __next__(self) -> ScenarioResult:
        while not self._batch:
            # Only while waiting: in the caller's own code, Ctrl-C is the caller's.
            with self._interrupts:
                self._batch = next(self._batches)[::-1]
        return self._batch.pop()
