"""Fills the web form of the classic stack, and checks every answer. The arguments
are the port, the number of jobs and how many are in flight; prints the seconds that
they took."""

import asyncio
import sys
import time

import wyndor
from tornado.httpclient import AsyncHTTPClient

TIMEOUT = 300


async def run(port, jobs, in_flight):
    client = AsyncHTTPClient(max_clients=in_flight)

    async def post(rate):
        response = await client.fetch(
            f"http://127.0.0.1:{port}/",
            method="POST",
            body=f"rate={rate}",
            connect_timeout=TIMEOUT,
            request_timeout=TIMEOUT,
        )
        wyndor.check(float(response.body), rate)

    # The client keeps at most `in_flight` of them in flight; the others wait in it.
    await asyncio.gather(*(post(rate) for rate in wyndor.rates(jobs)))


async def main():
    port, jobs, in_flight = (int(argument) for argument in sys.argv[1:])
    begin = time.perf_counter()
    await run(port, jobs, in_flight)
    print(time.perf_counter() - begin)


asyncio.run(main())
