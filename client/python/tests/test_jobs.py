"""Handles, lists, retries and what outlives a process."""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import socket
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import models
import pytest
from conftest import Gateway

import solvemesh
from solvemesh import Limit, Retry, Status
from solvemesh.events import Finished, ProgressMade


def test_a_job_can_be_found_by_its_id_and_by_its_labels(client):
    label = uuid.uuid4().hex
    job = client.submit(models.wyndor(), labels={"run": label})
    assert job.result().objective == pytest.approx(3600)
    (info,) = client.jobs(labels={"run": label}, states=["SUCCEEDED"])
    assert (info.job_id, info.model_name, info.finished) == (job.id, "wyndor", True)
    assert info.size == solvemesh.Size(2, 3, 4, 0)
    assert info.status is Status.OPTIMAL
    assert client.job(job.id).info().objective == pytest.approx(3600)
    assert pickle.loads(pickle.dumps(job)).result().objective == pytest.approx(3600)
    with pytest.raises(solvemesh.Rejected) as caught:
        client.job("none").info()
    assert caught.value.reason == "JOB_NOT_FOUND"


def test_lists_of_jobs_have_several_pages(client):
    label = uuid.uuid4().hex
    jobs = [client.submit(models.wyndor(), labels={"run": label}) for _ in range(205)]
    for job in jobs:
        job.result()
    assert {info.job_id for info in client.jobs(labels={"run": label})} == {job.id for job in jobs}


def test_the_same_request_id_is_the_same_job(client):
    request_id = uuid.uuid4().hex
    first = client.submit(models.wyndor(), request_id=request_id)
    assert client.submit(models.wyndor(), request_id=request_id).id == first.id
    with pytest.raises(solvemesh.Rejected) as caught:
        client.submit(models.wyndor(offset=1), request_id=request_id)
    assert caught.value.reason == "REQUEST_ID_TAKEN"


def test_a_cancelled_job_returns_its_best_solution(client):
    job = client.submit(models.market_split(), time_limit=100)
    for event in job.events():
        if isinstance(event, ProgressMade) and event.objective is not None:
            assert job.cancel().cancel_requested
            break
    result = job.result()
    assert (result.status, result.limit) == (Status.FEASIBLE, Limit.INTERRUPTED)
    assert result.objective is not None


def test_a_job_that_was_cancelled_in_the_queue_has_no_solution():
    gateway = Gateway("--slots", "express=1,standard=1")
    try:
        with solvemesh.connect(gateway.url) as client:
            running = client.submit(models.market_split(), time_limit=100)
            next(event for event in running.events() if type(event).__name__ == "Started")
            queued = client.submit(models.market_split(seed=8), time_limit=100)
            assert queued.info().jobs_ahead == 0
            queued.cancel()
            result = queued.result()
            assert (result.status, result.limit) == (Status.NO_SOLUTION_FOUND, Limit.INTERRUPTED)
            assert result.state == "CANCELLED"
            with pytest.raises(solvemesh.JobExpired):
                client.submit(models.market_split(seed=9), queue_deadline=0.2).result()
            running.cancel()
    finally:
        gateway.stop(signal.SIGKILL)


def test_a_wait_with_a_timeout_leaves_the_job_running(client):
    job = client.submit(models.market_split(), time_limit=100)
    with pytest.raises(TimeoutError, match=job.id):
        job.result(timeout=0.3)
    assert not job.info().finished
    job.cancel()
    assert job.result(timeout=60).limit is Limit.INTERRUPTED


def test_events_continue_after_a_resume_token(client):
    job = client.submit(models.market_split(), time_limit=2)
    events = job.events()
    seen = [next(events) for _ in range(3)]
    rest = list(job.events(resume_token=events.resume_token))
    assert rest[0].sequence - rest[0].skipped == seen[-1].sequence + 1
    assert isinstance(rest[-1], Finished)
    numbers = [event.sequence for event in seen + rest]
    assert numbers == sorted(set(numbers))
    last = job.events()
    assert [*last][-1] == rest[-1]
    assert list(job.events(resume_token=last.resume_token)) == []
    with pytest.raises(ValueError, match="there are no events"):
        job.events(kinds=["music"])


def test_futures_and_threads_share_a_client(client):
    futures = [client.submit(models.wyndor(offset=at)).as_future() for at in range(8)]
    assert [round(future.result(60).objective) for future in futures] == [
        3600 + at for at in range(8)
    ]


def _objective(client):
    return client.solve(models.wyndor()).objective


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_client_can_be_used_in_processes_that_were_forked(client):
    running = client.submit(models.market_split(), time_limit=100)
    waiting = running.as_future()
    try:
        with multiprocessing.get_context("fork").Pool(2) as pool:
            found = pool.map_async(_objective, [client] * 4).get(timeout=60)
        assert found == [pytest.approx(3600)] * 4
    finally:
        running.cancel()
    assert waiting.result(60).limit is Limit.INTERRUPTED
    assert _objective(client) == pytest.approx(3600)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_process_forks_while_its_threads_make_calls(gateway):
    with solvemesh.connect(gateway.url) as client:
        stopped = threading.Event()

        def solve_until_stopped() -> int:
            solved = 0
            while not stopped.is_set():
                assert _objective(client) == pytest.approx(3600)
                solved += 1
            return solved

        with ThreadPoolExecutor(4) as threads:
            solving = [threads.submit(solve_until_stopped) for _ in range(4)]
            try:
                # From the first call on, which opens the connection.
                for _ in range(20):
                    child = multiprocessing.get_context("fork").Process(
                        target=_objective, args=[client]
                    )
                    child.start()
                    child.join(timeout=60)
                    exitcode = child.exitcode
                    child.kill()
                    assert exitcode == 0
            finally:
                stopped.set()
        assert all(thread.result() > 0 for thread in solving)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forks_do_not_use_up_the_retries(gateway):
    retry = Retry(budget=0.5, stream_budget=0.5)
    with solvemesh.connect(gateway.url, retry=retry) as client:
        waiting = client.submit(models.market_split(), time_limit=3).as_future()
        while not waiting.done():
            child = multiprocessing.get_context("fork").Process(target=str)
            child.start()
            child.join()
        assert waiting.result().limit is Limit.TIME


def test_a_submission_is_repeated_until_the_gateway_is_there():
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    outcome = []
    client = solvemesh.connect(f"127.0.0.1:{port}")
    thread = threading.Thread(target=lambda: outcome.append(client.solve(models.wyndor())))
    thread.start()
    gateway = Gateway(listen=f"127.0.0.1:{port}")
    thread.join()
    client.close()
    gateway.stop()
    assert outcome[0].objective == pytest.approx(3600)


def test_a_gateway_that_is_not_there_is_named():
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        client = solvemesh.connect(f"http://127.0.0.1:{port}", retry=Retry(budget=0.5))
        with pytest.raises(solvemesh.ConnectionFailed, match=f"127.0.0.1:{port}"):
            client.solve(models.wyndor())


def test_a_closed_client_says_so(gateway):
    client = solvemesh.connect(gateway.url)
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        client.capabilities()


def test_a_request_beyond_the_limit_names_it():
    gateway = Gateway("--max-message-bytes", "2000000")
    try:
        with solvemesh.connect(gateway.url) as client:
            model = models.random_lp(200_000, 20_000, 2)
            with pytest.raises(solvemesh.ModelTooLarge, match="2000000"):
                client.submit(solvemesh.ModelFile(b"\0" * 2_100_000, "x.lp"))
            from solvemesh import _request

            if _request._LINEAR_FORMAT is None:
                with pytest.raises(solvemesh.ModelTooLarge, match="max_message_bytes"):
                    client.submit(model)
            else:
                assert client.validate(model).size.variables == 200_000
    finally:
        gateway.stop()


def test_capabilities_and_validation_queue_nothing(client):
    capabilities = client.capabilities()
    highs = next(solver for solver in capabilities.solvers if solver.name == "highs")
    assert highs.available
    assert highs.options["simplex_strategy"] == "INT"
    assert "SEMI_CONTINUOUS" in highs.kinds
    assert capabilities.limits.max_message_bytes >= 1 << 20
    assert capabilities.ephemeral
    name = uuid.uuid4().hex
    assert client.validate(models.wyndor(name=name)).size.nonzeros == 4
    assert name not in [info.model_name for info in client.jobs()]
    with pytest.raises(solvemesh.Rejected):
        client.validate(models.wyndor(), time_limit=1e9)
