"""Ctrl-C in real processes."""

from __future__ import annotations

import signal

import pytest
from conftest import start_python

from solvemesh import JobState

SOLVE = """
import models, solvemesh
{setup}
def ready(event):
    if type(event).__name__ == "Incumbent":
        print("ready", event.job_id, flush=True)
try:
    result = {call}
    print("result", result.status, result.limit, len(result.x), flush=True)
except KeyboardInterrupt as error:
    print("interrupted", *error.__notes__, flush=True)
"""
CALL = (
    "solvemesh.solve(models.market_split(), time_limit=100, on_event=ready, on_interrupt='{how}')"
)


def run(gateway, call, *, signals, setup=""):
    """Sends SIGINT after the first incumbent. Returns the job's id, the output and the errors."""
    process = start_python(SOLVE.format(call=call, setup=setup), gateway.url)
    line = process.stdout.readline()
    assert line.startswith("ready "), process.communicate()
    process.send_signal(signal.SIGINT)
    if signals == 2:
        assert "cancelling" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return line.split()[1], out.splitlines()[-1], errors


def test_the_first_interrupt_returns_the_best_solution(gateway, client):
    job_id, last, errors = run(gateway, CALL.format(how="cancel"), signals=1)
    assert last == "result FEASIBLE INTERRUPTED 38"
    assert "cancelling, Ctrl-C again to leave it running" in errors
    assert client.job(job_id).info().state is JobState.CANCELLED


def test_a_second_interrupt_raises_with_the_jobs_id(gateway, client):
    # Without the cancel, so that the job can't end in between.
    code = CALL.format(how="cancel")
    setup = "solvemesh.Client._cancel = lambda self, job_id: None"
    job_id, last, _ = run(gateway, code, signals=2, setup=setup)
    assert last.startswith(f"interrupted job {job_id} was asked to stop")
    assert f'solvemesh.connect("{gateway.url}").job("{job_id}")' in last
    job = client.job(job_id)
    assert not job.info().finished
    job.cancel()


def test_detach_raises_at_once_and_leaves_the_job_running(gateway, client):
    job_id, last, _ = run(gateway, CALL.format(how="detach"), signals=1)
    assert last.startswith(f"interrupted job {job_id} is still running")
    job = client.job(job_id)
    assert not job.info().cancel_requested
    job.cancel()


def test_raise_cancels_and_raises(gateway, client):
    job_id, last, _ = run(gateway, CALL.format(how="raise"), signals=1)
    assert last.startswith(f"interrupted job {job_id}")
    assert client.job(job_id).info().cancel_requested


def test_a_handler_of_the_program_is_respected(gateway, client):
    # It raises KeyboardInterrupt anywhere, as a debugger's or a framework's does.
    setup = (
        "def handler(*_): raise KeyboardInterrupt\nimport signal\n"
        "signal.signal(signal.SIGINT, handler)"
    )
    _, last, _ = run(gateway, CALL.format(how="cancel"), signals=1, setup=setup)
    assert last == "result FEASIBLE INTERRUPTED 38"


def test_the_handler_is_restored_after_a_solve(gateway):
    code = (
        "import signal, models, solvemesh\n"
        "solvemesh.solve(models.wyndor())\n"
        "print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    )
    process = start_python(code, gateway.url)
    out, errors = process.communicate(timeout=60)
    assert out.strip() == "True", errors


def test_an_interrupt_while_no_gateway_answers_raises(tmp_path):
    code = (
        "import models, solvemesh\n"
        "from solvemesh.retry import Tries\n"
        "def pause(self, failure, pause=Tries.pause):\n"
        "    print('ready', flush=True)\n    return pause(self, failure)\n"
        "Tries.pause = pause\n"
        "client = solvemesh.connect('127.0.0.1:9', retry=solvemesh.Retry(budget=100))\n"
        "try:\n    client.solve(models.wyndor(), request_id='mine')\n"
        "except KeyboardInterrupt as error:\n    print(*error.__notes__)\n"
    )
    process = start_python(code, "")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=30)
    assert 'request_id="mine"' in out, errors


def test_a_sweep_that_is_interrupted_ends_with_what_there_is(gateway, client):
    code = """
import models, solvemesh
sweep = solvemesh.connect().sweep(
    models.market_split(), {solvemesh.Parameter("obj", 0): range(1, 400)}, time_limit=0.2,
)
found = 0
for result in sweep:
    found += 1
    if found == 1:
        print("ready", sweep.id, flush=True)
print("result", sweep.state, found == len(sweep.results()), 0 < found < len(sweep), flush=True)
"""
    process = start_python(code, gateway.url)
    line = process.stdout.readline()
    assert line.startswith("ready "), process.communicate()
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert out.splitlines()[-1] == "result CANCELLED True True", errors


@pytest.mark.parametrize("choice", ["stop", ""])
def test_other_choices_are_refused(client, choice):
    with pytest.raises(ValueError, match="on_interrupt must be one of"):
        client.job("x").result(on_interrupt=choice)
