//! Who may call what, and that tenants cannot see one another, over a mesh in memory.

use std::{fs, time::Duration};

use crate::{callers::*, harness::*};
use solvemesh::{
    broker::v1::{BusySlot, Heartbeat, WorkerHeartbeat, heartbeat::Process},
    v1::{
        GetUsageRequest, ListJobsRequest, MeshState, SolveOptions, SubmitJobRequest,
        WatchMeshRequest,
    },
};
use tokio::time::timeout;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

async fn list(gateway: &Gateway, key: &str, page_token: &str) -> Result<Vec<String>, Status> {
    let request = ListJobsRequest {
        page_size: 1,
        page_token: page_token.to_owned(),
        ..ListJobsRequest::default()
    };
    let response = gateway.client.clone().list_jobs(with_key(request, key)).await?.into_inner();
    let mut found: Vec<String> = response.jobs.into_iter().map(|job| job.job_id).collect();
    found.push(response.next_page_token);
    Ok(found)
}

#[tokio::test]
async fn each_role_may_call_its_methods_and_no_others() {
    let mesh = memory();
    let mut keys = Keys::new();
    let of_roles = ROLES.map(|role| keys.add(role, "acme", role));
    let gateway = keys.gateway(&mesh).await;
    check_roles(&gateway, &of_roles).await;
}

#[tokio::test]
async fn callers_without_a_valid_key_are_refused_everywhere() {
    let mesh = memory();
    let mut keys = Keys::new();
    let key = keys.add("a", "acme", "admin");
    let expired = keys.add_with(&[
        "--id=old",
        "--tenant=acme",
        "--role=admin",
        "--expires=2020-01-01T00:00:00Z",
    ]);
    let gateway = keys.gateway(&mesh).await;
    let forged = format!("{}x", &key[..key.len() - 1]);
    for method in methods() {
        for (key, expected) in [
            ("", "CREDENTIAL_INVALID"),
            (forged.as_str(), "CREDENTIAL_INVALID"),
            (expired.as_str(), "CREDENTIAL_EXPIRED"),
        ] {
            let status = call(&gateway, key, &method, "x").await.unwrap_err();
            assert_eq!(status.code(), Code::Unauthenticated, "{method}");
            assert_eq!(reason(&status), expected, "{method}");
        }
    }
    let status = gateway.submit(wyndor()).await.unwrap_err();
    assert_eq!(reason(&status), "CREDENTIAL_MISSING");
}

#[tokio::test]
async fn a_tenant_cannot_see_cancel_watch_or_collide_with_another() {
    let mesh = memory();
    let mut keys = Keys::new();
    let [acme, other] = ["acme", "other"].map(|tenant| keys.add(tenant, tenant, "operate"));
    let admin = keys.add("admin", "house", "admin");
    let gateway = keys.gateway(&mesh).await;
    let job = submit(&gateway, &acme, "r-1").await;
    for method in methods() {
        let outcome = call(&gateway, &other, &method, &job).await;
        if ["WatchResults", "GetJob", "CancelJob"].contains(&method.as_str()) {
            let status = outcome.unwrap_err();
            assert_eq!(status.code(), Code::NotFound, "{method}");
            assert_eq!(reason(&status), "JOB_NOT_FOUND", "{method}");
            // What is said about a job that does not exist.
            let unknown = call(&gateway, &other, &method, "unknown").await.unwrap_err();
            let (seen, expected) = (status.message().replace(&job, "J"), unknown.message());
            assert_eq!(seen, expected.replace("unknown", "J"), "{method}");
        } else {
            assert!(outcome.is_ok(), "{method}: {outcome:?}");
        }
    }
    // The same request id, with the same payload and with another one, is a job of its own.
    let theirs = submit(&gateway, &other, "r-1").await;
    assert_ne!(theirs, job);
    assert_eq!(submit(&gateway, &acme, "r-1").await, job);
    submit(&gateway, &acme, "").await;

    let page = list(&gateway, &acme, "").await.unwrap();
    assert_ne!(page[0], theirs);
    let token = page.last().unwrap();
    assert_eq!(list(&gateway, &acme, token).await.unwrap()[0], job);
    assert_eq!(list(&gateway, &other, token).await.unwrap_err().code(), Code::InvalidArgument);
    assert!(call(&gateway, &admin, "GetJob", &job).await.is_ok());
    assert!(call(&gateway, &admin, "CancelJob", &job).await.is_ok());
}

#[tokio::test]
async fn a_submitter_cancels_only_what_its_own_key_submitted() {
    let mesh = memory();
    let mut keys = Keys::new();
    let [one, two] = ["one", "two"].map(|id| keys.add(id, "acme", "submit"));
    let operator = keys.add("operator", "acme", "operate");
    let gateway = keys.gateway(&mesh).await;
    let job = submit(&gateway, &one, "").await;
    let status = call(&gateway, &two, "CancelJob", &job).await.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::PermissionDenied, "NOT_SUBMITTER")
    );
    assert!(call(&gateway, &one, "CancelJob", &job).await.is_ok());
    let job = submit(&gateway, &one, "").await;
    assert!(call(&gateway, &operator, "CancelJob", &job).await.is_ok());
}

#[tokio::test]
async fn the_state_of_the_mesh_names_no_job_of_another_tenant() {
    let mesh = memory();
    let mut keys = Keys::new();
    let [acme, other] = ["acme", "other"].map(|tenant| keys.add(tenant, tenant, "read"));
    let submitter = keys.add("s", "acme", "submit");
    let admin = keys.add("admin", "house", "admin");
    let gateway = keys.gateway(&mesh).await;
    let job = submit(&gateway, &submitter, "").await;
    let slot = BusySlot { job_id: job.clone(), lane: "express".to_owned(), start_time: None };
    let worker = WorkerHeartbeat { busy_slots: vec![slot], ..WorkerHeartbeat::default() };
    let heartbeat = Heartbeat {
        process_id: "w".to_owned(),
        process: Some(Process::Worker(worker)),
        ..Heartbeat::default()
    };
    mesh.send_heartbeat(heartbeat).await.unwrap();
    for (key, expected) in [(&acme, job.as_str()), (&other, ""), (&admin, job.as_str())] {
        let state = state_with_a_worker(&gateway, key).await;
        assert_eq!(state.workers[0].busy_slots[0].job_id, expected);
    }
}

/// The first state of the mesh with a worker.
async fn state_with_a_worker(gateway: &Gateway, key: &str) -> MeshState {
    let interval = Duration::from_millis(500).try_into().ok();
    let request = with_key(WatchMeshRequest { interval }, key);
    let mut states = gateway.client.clone().watch_mesh(request).await.unwrap().into_inner();
    let found = async {
        loop {
            let state = states.message().await.unwrap().unwrap().mesh.unwrap();
            if !state.workers.is_empty() {
                return state;
            }
        }
    };
    timeout(Duration::from_secs(30), found).await.unwrap()
}

/// Submits jobs at the same time, to the gateways in turn. Returns the ids of those that were
/// accepted; the others must be refused for this quota.
async fn submit_at_once(
    gateways: &[&Gateway],
    key: &str,
    count: usize,
    quota: &str,
) -> Vec<String> {
    let submissions = (0..count).map(|index| {
        let mut client = gateways[index % gateways.len()].client.clone();
        async move { client.submit_job(with_key(wyndor(), key)).await }
    });
    let outcomes = futures::future::join_all(submissions).await;
    let accepted = outcomes.into_iter().filter_map(|outcome| match outcome {
        Ok(response) => Some(response.into_inner().job.unwrap().job_id),
        Err(status) => {
            assert_eq!(status.code(), Code::ResourceExhausted);
            assert_eq!(reason(&status), "QUOTA_EXCEEDED");
            let details = status.get_error_details();
            assert_eq!(details.error_info().unwrap().metadata["quota"], quota);
            assert!(details.retry_info().is_some());
            None
        }
    });
    accepted.collect()
}

#[tokio::test]
async fn a_quota_of_live_jobs_holds_for_many_submissions_at_once() {
    let mesh = memory();
    let mut keys = Keys::new();
    let [one, two] = ["one", "two"].map(|id| keys.add(id, "acme", "submit"));
    let other = keys.add("other", "other", "submit");
    keys.text.push_str("tenant name=acme max_live_jobs=10\n");
    let gateway = keys.gateway(&mesh).await;
    let accepted = submit_at_once(&[&gateway], &one, 100, "max_live_jobs").await;
    assert_eq!(accepted.len(), 10);
    // All keys of the tenant share its quota; another tenant has its own.
    assert_eq!(submit_at_once(&[&gateway], &two, 3, "max_live_jobs").await.len(), 0);
    assert_eq!(submit_at_once(&[&gateway], &other, 3, "max_live_jobs").await.len(), 3);
    // A job that has ended makes room for another.
    call(&gateway, &one, "CancelJob", &accepted[0]).await.unwrap();
    assert_eq!(submit_at_once(&[&gateway], &two, 3, "max_live_jobs").await.len(), 1);

    let usage = gateway.client.clone().get_usage(with_key(GetUsageRequest {}, &two)).await;
    let usage = usage.unwrap().into_inner();
    let live: Vec<_> = usage.live.iter().map(|it| (it.submitter.as_str(), it.job_count)).collect();
    assert_eq!(live, [("one", 9), ("two", 1)]);
    assert_eq!(usage.days.iter().map(|it| it.job_count).sum::<i64>(), 1);
    assert!(usage.days.iter().all(|it| it.tenant == "acme" && it.day.len() == 10));
}

#[tokio::test]
async fn two_gateways_exceed_a_quota_by_no_more_than_what_is_in_flight_at_the_other() {
    let mesh = memory();
    let mut keys = Keys::new();
    let key = keys.add("k", "acme", "submit");
    keys.text.push_str("tenant name=acme max_live_jobs=10\n");
    let (first, second) = (keys.gateway(&mesh).await, keys.gateway(&mesh).await);
    let accepted = submit_at_once(&[&first, &second], &key, 200, "max_live_jobs").await.len();
    assert!((10..=20).contains(&accepted), "{accepted}");
    for gateway in [&first, &second] {
        let request = with_key(ListJobsRequest::default(), &key);
        // A list is read after the log was read to its end.
        gateway.client.clone().list_jobs(request).await.unwrap();
        assert_eq!(submit_at_once(&[gateway], &key, 5, "max_live_jobs").await.len(), 0);
    }
}

#[tokio::test]
async fn a_rate_and_a_time_limit_of_a_key_hold() {
    let mesh = memory();
    let mut keys = Keys::new();
    let key = keys.add("k", "acme", "submit");
    keys.text = keys.text.replace(" role=submit", " role=submit requests_per_second=5");
    let slow = keys.add("slow", "acme", "submit");
    keys.text = keys.text.trim_end().to_owned() + " max_time_limit=30\n";
    let gateway = keys.gateway(&mesh).await;
    let accepted = submit_at_once(&[&gateway], &key, 50, "requests_per_second").await.len();
    assert!((5..50).contains(&accepted), "{accepted}");

    let with_limit = |seconds| {
        let time_limit = Some(prost_types::Duration { seconds, nanos: 0 });
        let options = Some(SolveOptions { time_limit, ..SolveOptions::default() });
        with_key(SubmitJobRequest { options, ..wyndor() }, &slow)
    };
    let status = gateway.client.clone().submit_job(with_limit(31)).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    assert!(gateway.client.clone().submit_job(with_limit(30)).await.is_ok());
}

#[tokio::test]
async fn keys_are_added_and_revoked_without_a_restart() {
    let mesh = memory();
    let mut keys = Keys::new();
    let first = keys.add("first", "acme", "read");
    let gateway = keys.gateway(&mesh).await;
    let old = std::mem::take(&mut keys.text);
    let second = keys.add("second", "acme", "read");
    keys.write();
    until(&gateway, &second, |outcome| outcome.is_ok()).await;
    let status = call(&gateway, &first, "GetCapabilities", "").await.unwrap_err();
    assert_eq!(reason(&status), "CREDENTIAL_INVALID");

    // While the file is invalid, the keys stay as they are; once it is valid again, it is read.
    fs::write(keys.path(), "key id=x").unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(call(&gateway, &second, "GetCapabilities", "").await.is_ok());
    keys.text = old;
    keys.write();
    until(&gateway, &first, |outcome| outcome.is_ok()).await;
}
