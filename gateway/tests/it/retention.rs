//! Results that were evicted from memory, and jobs whose entries the log no longer has.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::harness::*;
use solvemesh::{
    broker::v1::{JobEnd, LogEntry, Marker, log_entry},
    v1::{
        GetJobRequest, Job, JobEvent, JobFinished, JobState, JobView, ListJobsRequest, Solution,
        SolveResult, job_event, watch_results_response::Kind as Response,
    },
};
use solvemesh_broker::{MemoryConfig, MemoryMesh, Mesh};
use solvemesh_gateway::{Policy, Retention};
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// A policy that evicts every result at once.
fn evicting() -> Policy {
    let policy = policy();
    Policy { retention: Retention { results: 0, ..policy.retention }, ..policy }
}

fn small_log() -> Arc<dyn Mesh> {
    Arc::new(MemoryMesh::new(MemoryConfig { log_bytes: 100_000, ..MemoryConfig::default() }))
}

fn solved() -> log_entry::Kind {
    let solution = Solution { values: vec![2.0, 6.0], ..Solution::default() };
    let result = SolveResult { solution: Some(solution), ..SolveResult::default() };
    let state = JobState::Succeeded.into();
    let outcome = JobFinished { state, result: Some(result), ..JobFinished::default() };
    log_entry::Kind::Finished(JobEnd { outcome: Some(outcome), ..JobEnd::default() }.into())
}

/// Submits a job, reports it as solved, and waits until the gateway has read that.
async fn solve(gateway: &Gateway, mesh: &Arc<dyn Mesh>) -> String {
    let id = gateway.submit(wyndor()).await.unwrap().job_id;
    let envelope = take(mesh).await;
    report(mesh, &envelope, 1, started(&envelope)).await;
    report(mesh, &envelope, 2, solved()).await;
    gateway.watch(&[&id], "").await.unwrap();
    id
}

async fn get(gateway: &Gateway, job_id: &str) -> Result<Job, Status> {
    let request = GetJobRequest { job_id: job_id.to_owned(), view: JobView::Full.into() };
    Ok(gateway.client.clone().get_job(request).await?.into_inner().job.unwrap())
}

/// Makes a small log drop all its entries.
async fn overrun(mesh: &Arc<dyn Mesh>) {
    for _ in 0..3 {
        let nonce = "x".repeat(60_000);
        let marker = log_entry::Kind::Marker(Marker { nonce, ..Marker::default() });
        let time = Some(SystemTime::now().into());
        mesh.append(LogEntry { time, kind: Some(marker), ..LogEntry::default() }).await.unwrap();
    }
}

fn values(event: &JobEvent) -> Vec<f64> {
    match &event.kind {
        Some(job_event::Kind::Finished(finished)) => {
            finished.result.clone().unwrap().solution.unwrap().values
        }
        other => panic!("no end: {other:?}"),
    }
}

#[tokio::test]
async fn evicted_result_is_read_back_from_the_log() {
    let mesh = memory();
    let gateway = Gateway::over(mesh.clone(), evicting()).await;
    let id = solve(&gateway, &mesh).await;

    let job = get(&gateway, &id).await.unwrap();
    assert_eq!(job.result.unwrap().solution.unwrap().values, [2.0, 6.0]);
    assert!(!job.solution_omitted);
    let watched = gateway.watch(&[&id], "").await.unwrap();
    assert_eq!(values(events(&watched).last().unwrap()), [2.0, 6.0]);

    let request = ListJobsRequest { view: JobView::Full.into(), ..ListJobsRequest::default() };
    let listed = gateway.client.clone().list_jobs(request).await.unwrap().into_inner().jobs;
    assert!(listed[0].solution_omitted, "a list reads nothing back from the log");
}

#[tokio::test]
async fn a_watch_of_many_jobs_is_the_same_however_they_are_kept() {
    let mesh = memory();
    let kept = |decoded, results| {
        let policy = policy();
        let retention = Retention { decoded, results, ..policy.retention };
        Policy { retention, max_jobs_per_watch: 40, ..policy }
    };
    let decoded = Gateway::over(mesh.clone(), kept(usize::MAX, usize::MAX)).await;
    let packed = Gateway::over(mesh.clone(), kept(0, usize::MAX)).await;
    let evicted = Gateway::over(mesh.clone(), kept(0, 0)).await;
    // All of them are queued before the first one ends, half of them before the first one starts.
    let mut ids = Vec::new();
    let mut envelopes = Vec::new();
    for count in 0..40 {
        ids.push(decoded.submit(wyndor()).await.unwrap().job_id);
        envelopes.push(take(&mesh).await);
        if count >= 20 {
            let envelope = &envelopes[count - 20];
            report(&mesh, envelope, 1, started(envelope)).await;
        }
    }
    for (count, envelope) in envelopes.iter().enumerate() {
        if count >= 20 {
            report(&mesh, envelope, 1, started(envelope)).await;
        }
        report(&mesh, envelope, 2, solved()).await;
    }
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let mut whole = decoded.watch(&ids, "").await.unwrap();
    whole.retain(|response| matches!(response.kind, Some(Response::Event(_))));
    let expected: Vec<JobEvent> = events(&whole).into_iter().cloned().collect();
    assert_eq!(expected.len(), 120);
    for gateway in [&packed, &evicted] {
        for resumed in [0_usize, 1, 19, 64, 65, 100, 119] {
            let token = resumed.checked_sub(1).map_or("", |last| &whole[last].resume_token);
            let watched = gateway.watch(&ids, token).await.unwrap();
            let watched: Vec<JobEvent> = events(&watched).into_iter().cloned().collect();
            assert_eq!(watched, expected[resumed..], "from {resumed}");
        }
    }
}

#[tokio::test]
async fn result_that_the_log_dropped_is_forgotten() {
    let mesh = small_log();
    let gateway = Gateway::over(mesh.clone(), evicting()).await;
    let id = solve(&gateway, &mesh).await;
    overrun(&mesh).await;
    let gone = get(&gateway, &id).await.unwrap_err();
    assert_eq!((gone.code(), reason(&gone).as_str()), (Code::NotFound, "JOB_FORGOTTEN"));
    let gone = gateway.watch(&[&id], "").await.unwrap_err();
    assert_eq!((gone.code(), reason(&gone).as_str()), (Code::NotFound, "JOB_FORGOTTEN"));
}

#[tokio::test]
async fn old_tokens_are_refused_after_truncation() {
    let mesh = small_log();
    let gateway = Gateway::over(mesh.clone(), policy()).await;
    let old = solve(&gateway, &mesh).await;
    let watched = gateway.watch(&[&old], "").await.unwrap();
    let token = watched[0].resume_token.clone();
    overrun(&mesh).await;
    let id = gateway.submit(wyndor()).await.unwrap().job_id;

    let later = Gateway::over(mesh.clone(), policy()).await;
    let unknown = get(&later, &old).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    let stale = later.watch(&[&id], &token).await.unwrap_err();
    assert_eq!((stale.code(), reason(&stale).as_str()), (Code::OutOfRange, "TOKEN_TOO_OLD"));
}

#[tokio::test]
async fn submissions_are_refused_before_the_log_drops_a_live_job() {
    let mesh = memory();
    let bounded = Policy { log_bytes: 20_000, ..policy() };
    let gateway = Gateway::over(mesh.clone(), bounded).await;
    let oldest = gateway.submit(wyndor()).await.unwrap();
    let refused = loop {
        match gateway.submit(wyndor()).await {
            Ok(_) => {
                let envelope = tokio::time::timeout(Duration::from_secs(5), take(&mesh)).await;
                let envelope = envelope.unwrap();
                if envelope.job_id != oldest.job_id {
                    report(&mesh, &envelope, 1, started(&envelope)).await;
                    report(&mesh, &envelope, 2, solved()).await;
                }
            }
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains("log_max_bytes"), "{}", refused.message());
    assert!(refused.get_error_details().retry_info().is_some());

    let request = solvemesh::v1::CancelJobRequest { job_id: oldest.job_id.clone() };
    gateway.client.clone().cancel_job(request).await.unwrap();
    // Every other job has finished too, at the latest once the gateway has read the log so far.
    let watched = gateway.watch(&[&oldest.job_id], "").await.unwrap();
    assert!(matches!(watched.last().unwrap().kind, Some(Response::Event(_))));
    gateway.submit(wyndor()).await.unwrap();
}
