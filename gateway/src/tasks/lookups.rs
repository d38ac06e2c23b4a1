//! Answers the lookups of workers: what is the status of this job? Workers ask about deliveries
//! that may be duplicates.

use std::time::Duration;

use futures::{StreamExt, stream};
use solvemesh::{
    broker::v1::{JobStatus, LastIncumbent, LookupRequest, LookupResponse},
    v1::{JobState, job_event},
};
use solvemesh_broker::{Consumer, FORMAT_VERSION, Lookup, MeshError};
use tracing::debug;

use crate::{
    jobs::Jobs,
    table::{HistoryEvent, Position, Record, Table},
};

/// Maximum number of lookups that are answered at the same time.
const MAX_CONCURRENT: usize = 64;

/// Maximum number of ranges of answered scenarios in a response. A worker solves the other answered
/// scenarios again, which does no harm.
const MAX_RANGES: usize = 10_000;

/// Answers lookups once the table is ready, until the mesh is closed.
///
/// # Errors
///
/// If lookups can't be consumed.
pub async fn run(jobs: Jobs) -> Result<(), MeshError> {
    // While this gateway is still reading the log, others answer.
    if jobs.ready().wait_for(|ready| *ready).await.is_err() {
        return Ok(());
    }
    let lookups: Consumer<Lookup> = jobs.mesh().consume_lookups().await?;
    let lookups =
        stream::unfold(
            lookups,
            |mut lookups| async move { Some((lookups.next().await?, lookups)) },
        );
    lookups
        .for_each_concurrent(MAX_CONCURRENT, |Lookup { request, reply }| {
            let jobs = &jobs;
            async move {
                if let Some(answer) = answer(jobs, request).await {
                    reply.send(answer).await;
                }
            }
        })
        .await;
    Ok(())
}

/// The response to a lookup, after the log has been read to its end. `None` if that fails or if
/// the request has a later format: then the worker's lookup times out.
async fn answer(jobs: &Jobs, request: LookupRequest) -> Option<LookupResponse> {
    let LookupRequest { version, job_id } = request;
    if version > FORMAT_VERSION {
        return None;
    }
    if let Err(error) = jobs.catch_up().await {
        debug!(job = job_id, cause = %error, "lookup can't be answered");
        return None;
    }
    Some(job_status(jobs.table(), &job_id))
}

fn job_status(table: &Table, job_id: &str) -> LookupResponse {
    let silence = table.since_last_entry(job_id).unwrap_or_default();
    table.read(|fold| match fold.job(job_id) {
        Some(record) => status_of(&record, silence),
        None if fold.is_forgotten(job_id) => status_only(JobStatus::Finished),
        None => status_only(JobStatus::Unknown),
    })
}

/// A response with a status and nothing else.
fn status_only(status: JobStatus) -> LookupResponse {
    LookupResponse { version: FORMAT_VERSION, status: status.into(), ..LookupResponse::default() }
}

fn status_of(record: &Record, silence: Duration) -> LookupResponse {
    if record.is_finished() {
        return status_only(JobStatus::Finished);
    }
    let failed =
        record.events_after(Position::default()).filter(|it| is_failed_attempt(it)).count();
    let failed_attempts = u32::try_from(failed).unwrap_or(u32::MAX);
    let incumbent = incumbent(record);
    let answered =
        record.tally().map(|tally| tally.answered_ranges(MAX_RANGES)).unwrap_or_default();
    match record.attempts.last().filter(|_| record.state() == JobState::Running) {
        None => LookupResponse {
            failed_attempts,
            incumbent,
            answered,
            ..status_only(JobStatus::Queued)
        },
        Some(attempt) => LookupResponse {
            failed_attempts,
            incumbent,
            answered,
            attempt_id: attempt.id.clone(),
            worker_id: attempt.worker_id.clone(),
            silent_millis: u64::try_from(silence.as_millis()).unwrap_or(u64::MAX),
            ..status_only(JobStatus::Running)
        },
    }
}

/// The last incumbent with the values of all variables, of any attempt: the next attempt can
/// start from it. `None` if the job requested the values of some variables only.
fn incumbent(record: &Record) -> Option<LastIncumbent> {
    let options = record.description.options.as_ref().and_then(|it| it.incumbents.as_ref());
    if options.is_some_and(|options| !options.variables.is_empty()) {
        return None;
    }
    let complete = record.events_after(Position::default()).filter_map(|it| match &it.event.kind {
        Some(job_event::Kind::Incumbent(incumbent)) if !incumbent.values_omitted => Some(incumbent),
        _ => None,
    });
    complete.last().map(|last| LastIncumbent {
        variable_indices: last.variable_indices.clone(),
        values: last.values.clone(),
    })
}

fn is_failed_attempt(history_event: &HistoryEvent) -> bool {
    matches!(history_event.event.kind, Some(job_event::Kind::AttemptFailed(_)))
}
