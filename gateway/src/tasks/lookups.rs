//! What workers ask about jobs that they get a second time.

use std::time::Duration;

use futures::{StreamExt, stream};
use solvemesh::{
    broker::v1::{LastIncumbent, LookupAnswer, LookupRequest, Standing},
    v1::{JobState, event},
};
use solvemesh_broker::{Consumer, FORMAT_VERSION, MeshError, Question};
use tracing::debug;

use crate::{
    jobs::Jobs,
    table::{Happening, Position, Record, Table},
};

/// The most questions that are answered at once.
const AT_ONCE: usize = 64;

/// The most runs of scenarios that an answer tells of.
const MOST_RUNS: usize = 10_000;

/// Answers questions, once the table is ready. Ends with the mesh.
///
/// # Errors
///
/// When there can be no questions.
pub async fn run(jobs: Jobs) -> Result<(), MeshError> {
    // A gateway that still reads the log leaves the questions to others.
    if jobs.table.ready().wait_for(|ready| *ready).await.is_err() {
        return Ok(());
    }
    let questions: Consumer<Question> = jobs.mesh.questions().await?;
    let questions = stream::unfold(questions, |mut questions| async move {
        Some((questions.next().await?, questions))
    });
    questions
        .for_each_concurrent(AT_ONCE, |Question { request, reply }| {
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

/// What the log says, read to its end; nothing if that can't be had in time.
async fn answer(jobs: &Jobs, request: LookupRequest) -> Option<LookupAnswer> {
    let LookupRequest { version, job_id } = request;
    if version > FORMAT_VERSION {
        return None;
    }
    if let Err(behind) = jobs.table.catch_up(jobs.patience()).await {
        debug!(job = job_id, cause = %behind, "a question can't be answered");
        return None;
    }
    Some(standing(&jobs.table, &job_id))
}

fn standing(table: &Table, job_id: &str) -> LookupAnswer {
    let silence = table.silence(job_id).unwrap_or_default();
    table.read(|fold| match fold.job(job_id) {
        Some(record) => of_record(record, silence),
        None if fold.is_forgotten(job_id) => of(Standing::Ended),
        None => of(Standing::Unknown),
    })
}

fn of(standing: Standing) -> LookupAnswer {
    LookupAnswer { version: FORMAT_VERSION, standing: standing.into(), ..LookupAnswer::default() }
}

fn of_record(record: &Record, silence: Duration) -> LookupAnswer {
    if record.ended() {
        return of(Standing::Ended);
    }
    let failed = record.after(Position::default()).filter(|happening| died(happening)).count();
    let failed_attempts = u32::try_from(failed).unwrap_or(u32::MAX);
    let incumbent = incumbent(record);
    let answered = record.tally.as_ref().map(|tally| tally.runs(MOST_RUNS)).unwrap_or_default();
    match record.attempts.last().filter(|_| record.state == JobState::Running) {
        None => LookupAnswer { failed_attempts, incumbent, answered, ..of(Standing::Queued) },
        Some(attempt) => LookupAnswer {
            failed_attempts,
            incumbent,
            answered,
            attempt_id: attempt.id.clone(),
            worker_id: attempt.worker_id.clone(),
            silent_millis: u64::try_from(silence.as_millis()).unwrap_or(u64::MAX),
            ..of(Standing::Running)
        },
    }
}

/// The last solution that was told whole, by whichever attempt.
fn incumbent(record: &Record) -> Option<LastIncumbent> {
    let asked = record.description.options.as_ref().and_then(|asked| asked.incumbents.as_ref());
    if asked.is_some_and(|asked| !asked.variables.is_empty()) {
        return None;
    }
    let told = record.after(Position::default()).filter_map(|it| match &it.event.kind {
        Some(event::Kind::Incumbent(incumbent)) if !incumbent.values_omitted => Some(incumbent),
        _ => None,
    });
    told.last().map(|last| LastIncumbent {
        variable_indices: last.variable_indices.clone(),
        values: last.values.clone(),
    })
}

fn died(happening: &Happening) -> bool {
    matches!(happening.event.kind, Some(event::Kind::AttemptFailed(_)))
}
