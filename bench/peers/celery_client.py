"""Sends jobs to the Celery peer and checks every result. The arguments are the
number of jobs and how many are in flight; prints the seconds that they took."""

import sys
import time
from collections import deque

import wyndor
from celery_app import solve

TIMEOUT = 60


def run(jobs, in_flight):
    waiting = deque()

    def take():
        rate, result = waiting.popleft()
        # While it waits for the oldest, it stores the others that arrive.
        wyndor.check(result.get(timeout=TIMEOUT), rate)

    for rate in wyndor.rates(jobs):
        if len(waiting) >= in_flight:
            take()
        waiting.append((rate, solve.apply_async((rate,))))
    while waiting:
        take()


def main():
    jobs, in_flight = int(sys.argv[1]), int(sys.argv[2])
    run(16, 16)  # warm-up: connections, and the first solve of each process
    begin = time.perf_counter()
    run(jobs, in_flight)
    print(time.perf_counter() - begin)


main()
