"""The pages of a list of jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .enums import JobState
from .v1 import job_pb2, job_service_pb2


def request(
    states: Iterable[JobState | str], labels: Mapping[str, str] | None
) -> job_service_pb2.ListJobsRequest:
    """The request for the first page. Raises ``ValueError`` for a state that does not exist."""
    numbers = [
        job_pb2.JobState.Value(f"JOB_STATE_{JobState(str(state).upper())}") for state in states
    ]
    return job_service_pb2.ListJobsRequest(
        page_size=200,
        filter=job_service_pb2.JobFilter(states=numbers, labels=dict(labels or {})),
    )


def advance(
    message: job_service_pb2.ListJobsRequest, page: job_service_pb2.ListJobsResponse
) -> bool:
    """Changes the request to that of the next page. False: there is none."""
    # The same token again would be an endless loop.
    if page.next_page_token in ("", message.page_token):
        return False
    message.page_token = page.next_page_token
    return True
