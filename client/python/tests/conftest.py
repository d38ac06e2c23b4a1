"""A real gateway for the tests, which solves in its own process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import solvemesh

TESTS = Path(__file__).parent
ROOT = TESTS.parents[2]


def program(name: str) -> Path:
    """A program of the release build, or of SOLVEMESH_BIN."""
    path = Path(os.environ.get("SOLVEMESH_BIN", ROOT / "target" / "release")) / name
    if not path.exists():
        pytest.exit(f"{path} is missing: build it, or set SOLVEMESH_BIN", returncode=2)
    return path


class Gateway:
    """A gateway on the loopback interface."""

    def __init__(self, *flags: str, listen: str = "127.0.0.1:0") -> None:
        with tempfile.TemporaryFile("w+") as errors:
            self.process = subprocess.Popen(
                [program("solvemesh-gateway"), "--listen", listen, *flags],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
            assert self.process.stdout is not None
            line = self.process.stdout.readline()
            if not line.startswith("listening on "):
                self.process.wait()
                errors.seek(0)
                raise RuntimeError(f"the gateway did not start: {errors.read()}")
        self.address = line.split()[-1]
        self.url = f"http://{self.address}"

    def stop(self, how: int = signal.SIGTERM) -> None:
        self.process.send_signal(how)
        self.process.communicate()


@pytest.fixture(scope="session")
def gateway() -> Iterator[Gateway]:
    running = Gateway("--slots", "express=2,standard=4")
    yield running
    running.stop()


@pytest.fixture(scope="session")
def client(gateway: Gateway) -> Iterator[solvemesh.Client]:
    with solvemesh.connect(gateway.url) as client:
        yield client


@pytest.fixture(autouse=True)
def environment(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """What plug-ins without a target use."""
    monkeypatch.setenv("SOLVEMESH_URL", gateway.url)
    monkeypatch.delenv("SOLVEMESH_TOKEN", raising=False)


def start_python(code: str, url: str, **kwargs) -> subprocess.Popen[str]:
    """A Python process that gets SIGINT as one on a terminal does, with the models of the tests.

    A process that a shell or a test runner starts in the background may ignore SIGINT.
    """
    environment = {
        **os.environ,
        "SOLVEMESH_URL": url,
        "PYTHONPATH": f"{TESTS}:{TESTS.parent / 'src'}",
    }
    restore = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    return subprocess.Popen(
        [sys.executable, "-c", restore + code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        **kwargs,
    )
