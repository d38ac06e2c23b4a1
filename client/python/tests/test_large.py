"""Models that are larger than a gateway accepts in one request."""

from __future__ import annotations

import asyncio
import sys

import models
import numpy as np
import pytest
from conftest import Gateway

import solvemesh
from solvemesh import _request, aio

LIMIT = 2 << 20


@pytest.fixture(scope="module")
def small_gateway():
    running = Gateway("--max-message-bytes", str(LIMIT))
    yield running
    running.stop()


def bulky() -> solvemesh.Model:
    """Minimise the sum of x with x[i] >= i % 1000 / 8: 62.4375 on average."""
    n = 120_000
    return solvemesh.Model(
        objective=np.ones(n),
        matrix=solvemesh.Csr(np.arange(n + 1), np.arange(n), np.ones(n)),
        row_lower=np.arange(n) % 1000 / 8,
        name="bulky",
    )


def check(result: solvemesh.Result) -> None:
    assert result.objective == pytest.approx(120_000 * 62.4375)
    np.testing.assert_allclose(result.x, np.arange(120_000) % 1000 / 8)
    np.testing.assert_allclose(result.duals[1:1000], 1)


def test_a_model_above_the_limit_is_sent_as_encoded_arrays(small_gateway):
    submission = _request.submission(bulky(), None, {})
    assert submission.size() > LIMIT > submission.fit(LIMIT, "").size()
    with solvemesh.connect(small_gateway.url) as client:
        assert client.capabilities().limits.max_message_bytes == LIMIT
        job = client.submit(bulky(), solver="highs")
        check(job.result())
        assert job.info().model_name == "bulky"
        # The parameters of a sweep refer to the encoded model.
        first = client.sweep(bulky(), {solvemesh.Parameter("rhs", constraint=0): [8, 16]}).results()
        base = 120_000 * 62.4375
        assert [found.objective for found in first] == pytest.approx([base + 8, base + 16])


def test_gzip_is_used_without_zstd(small_gateway, monkeypatch):
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with solvemesh.connect(small_gateway.url) as client:
        check(client.solve(bulky()))


def test_the_client_of_asyncio_encodes_it_too(small_gateway):
    async def main():
        async with aio.connect(small_gateway.url) as client:
            return await client.solve(bulky())

    check(asyncio.run(main()))


def test_a_model_that_does_not_fit_when_compressed_is_refused(small_gateway):
    # Random numbers are not compressed by much.
    model = models.random_lp(60_000, 60_000, 5)
    with (
        solvemesh.connect(small_gateway.url) as client,
        pytest.raises(solvemesh.ModelTooLarge, match=r"bytes compressed.*max-message-bytes"),
    ):
        client.solve(model)
