"""The client for asyncio, on a real gateway."""

from __future__ import annotations

import asyncio
import inspect

import models
import numpy as np
import pytest

import solvemesh
from solvemesh import Limit, Status, aio
from solvemesh.client import Client
from solvemesh.job import Job
from solvemesh.sweep_job import SweepJob


def run(gateway, body):
    """Runs a coroutine function with a client."""

    async def main():
        async with aio.connect(gateway.url) as client:
            return await asyncio.wait_for(body(client), 60)

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("ours", "theirs"), [(aio.Client, Client), (aio.Job, Job), (aio.SweepJob, SweepJob)]
)
def test_both_clients_have_the_same_names_and_arguments(ours, theirs):
    def public(kind):
        members = inspect.getmembers(kind, inspect.isfunction)
        return {
            name: list(inspect.signature(member).parameters)
            for name, member in members
            if not name.startswith("_")
        }

    expected = public(theirs)
    expected.pop("as_future", None)  # a task does that
    assert public(ours) == expected


def test_solves_run_side_by_side(gateway):
    async def body(client):
        solves = [client.solve(models.wyndor(offset=at)) for at in range(10)]
        return await asyncio.gather(*solves)

    results = run(gateway, body)
    assert [round(result.objective) for result in results] == [3600 + at for at in range(10)]
    np.testing.assert_allclose(results[0].duals, [0, 150, 100], atol=1e-9)


def test_jobs_events_lists_and_capabilities_are_there(gateway):
    async def body(client):
        job = await client.submit(models.wyndor(), labels={"kind": "aio"})
        events = job.events()
        kinds = [type(event).__name__ async for event in events]
        assert [event async for event in job.events(resume_token=events.resume_token)] == []
        infos = [info async for info in client.jobs(labels={"kind": "aio"})]
        assert (await job.info()).job_id == infos[0].job_id == job.id
        assert (await client.validate(models.wyndor())).size.nonzeros == 4
        assert (await client.capabilities()).solvers
        return kinds

    assert run(gateway, body) == ["Queued", "Started", "Finished"]


def test_sweeps_are_streamed(gateway):
    async def body(client):
        sweep = await client.sweep(models.wyndor(), {"obj:Windows": [100, 500]})
        streamed = [scenario.objective async for scenario in sweep]
        assert sorted(streamed) == pytest.approx([1500, 3600])
        assert [found.objective for found in await sweep.results()] == pytest.approx([1500, 3600])
        return sweep.state

    assert run(gateway, body) == "SUCCEEDED"


def test_scenarios_of_a_sweep_have_their_labels(gateway):
    table = solvemesh.Table(["obj:Windows"], [[100], [500]], ["cheap", "dear"])

    async def body(client):
        sweep = await client.sweep(models.wyndor(), table)
        return {scenario.label: scenario.objective async for scenario in sweep}

    assert run(gateway, body) == pytest.approx({"cheap": 1500, "dear": 3600})


async def started(client, label):
    """The handle of the job with a label, once it runs."""
    while True:
        async for info in client.jobs(labels={"run": label}):
            async for event in client.job(info.job_id).events():
                if type(event).__name__ == "Started":
                    return client.job(info.job_id)
        await asyncio.sleep(0.02)  # there is no event of a job that is not known yet


@pytest.mark.parametrize(("choice", "cancelled"), [("cancel", True), ("detach", False)])
def test_a_cancelled_task_cancels_its_job_unless_it_is_to_be_left(gateway, choice, cancelled):
    async def body(client):
        solve = client.solve(
            models.market_split(),
            time_limit=100,
            labels={"run": f"aio {choice}"},
            on_interrupt=choice,
        )
        task = asyncio.create_task(solve)
        job = await started(client, f"aio {choice}")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await job.info()).cancel_requested is cancelled
        await job.cancel()
        return await job.result()

    result = run(gateway, body)
    assert result.limit is Limit.INTERRUPTED


def test_a_timeout_leaves_the_job_running(gateway):
    async def body(client):
        job = await client.submit(models.market_split(), time_limit=100)
        with pytest.raises(TimeoutError):
            await job.result(timeout=0.3)
        assert not (await job.info()).cancel_requested
        await job.cancel()
        return await job.result()

    assert run(gateway, body).status in (Status.FEASIBLE, Status.NO_SOLUTION_FOUND)


def test_errors_are_those_of_the_other_client(gateway):
    async def body(client):
        with pytest.raises(solvemesh.Rejected, match="no_such_option"):
            await client.solve(models.wyndor(), no_such_option=1)
        gone = aio.connect("127.0.0.1:9", retry=solvemesh.Retry(budget=0.3))
        with pytest.raises(solvemesh.ConnectionFailed):
            await gone.capabilities()
        await gone.close()

    run(gateway, body)
