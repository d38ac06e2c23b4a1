"""The Celery peer: one task that solves Wyndor with highspy. SOLVEMESH_BENCH_AMQP is
the URL of the broker; the results return over the same broker (`rpc://`).

The settings favour speed: a classic queue, whose messages Celery publishes without
confirms and acknowledges before the solve (its defaults, so a crash loses jobs);
many tasks prefetched per process; and no events, rate limits, gossip or heartbeats."""

import os

from celery import Celery
from celery.signals import worker_ready

import wyndor_highs

app = Celery("celery_app", broker=os.environ["SOLVEMESH_BENCH_AMQP"], backend="rpc://")
app.conf.update(
    task_serializer="json",
    result_serializer="json",
    accept_content=["json"],
    worker_prefetch_multiplier=100,
    worker_disable_rate_limits=True,
    worker_send_task_events=False,
    # The line that says that it is ready goes to standard output, not to Celery's log.
    worker_redirect_stdouts=False,
    broker_heartbeat=0,
    broker_connection_retry_on_startup=True,
)


@app.task
def solve(rate):
    return wyndor_highs.maximum(rate)


@worker_ready.connect
def ready(**_):
    print("listening", flush=True)
