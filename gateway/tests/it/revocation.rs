//! Calls that last end when their caller is no longer one, over a mesh in memory.

use std::time::{Duration, SystemTime};

use crate::{callers::*, harness::*};
use prost_types::Timestamp;
use solvemesh::v1::{
    SolveRequest, SubmitJobRequest, WatchMeshRequest, WatchMeshResponse, WatchResultsRequest,
    WatchResultsResponse,
};
use solvemesh_testkit::tokens::Signer;
use tokio::time::timeout;
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt as _;

const TIMEOUT: Duration = Duration::from_secs(30);

/// The open streams of a caller: of a job that nobody solves, and of the mesh.
struct Streams {
    results: Streaming<WatchResultsResponse>,
    mesh: Streaming<WatchMeshResponse>,
}

impl Streams {
    async fn open(gateway: &Gateway, key: &str, job: &str) -> Self {
        let mut client = gateway.client.clone();
        let request = WatchResultsRequest { job_ids: vec![job.to_owned()], ..Default::default() };
        let results = client.watch_results(with_key(request, key)).await.unwrap().into_inner();
        let request = with_key(WatchMeshRequest::default(), key);
        let mesh = client.watch_mesh(request).await.unwrap().into_inner();
        Self { results, mesh }
    }

    /// Waits until both end, and returns the reasons.
    async fn ends(self) -> [Status; 2] {
        let ends = async { tokio::join!(end(self.results), end(self.mesh)) };
        let (results, mesh) = timeout(TIMEOUT, ends).await.unwrap();
        [results, mesh]
    }
}

async fn end<T>(mut stream: Streaming<T>) -> Status {
    loop {
        match stream.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the stream ended without an error"),
            Err(status) => return status,
        }
    }
}

fn assert_ended(status: &Status, expected: &str) {
    assert_eq!((status.code(), reason(status).as_str()), (Code::Unauthenticated, expected));
}

#[tokio::test]
async fn streams_end_when_their_key_is_removed_and_those_of_others_do_not() {
    let mesh = memory();
    let mut keys = Keys::new();
    let staying = keys.add("staying", "acme", "submit");
    let line = keys.text.clone();
    let removed = keys.add("removed", "acme", "submit");
    let gateway = keys.gateway(&mesh).await;
    let job = submit(&gateway, &staying, "").await;
    let streams = Streams::open(&gateway, &removed, &job).await;
    let mut others = Streams::open(&gateway, &staying, &job).await;
    let waiting = {
        let SubmitJobRequest { model, .. } = wyndor();
        let request = with_key(SolveRequest { model, ..Default::default() }, &removed);
        let mut client = gateway.client.clone();
        tokio::spawn(async move { client.solve(request).await })
    };
    until_submitted(&gateway, &staying, 2).await;

    keys.text = line;
    keys.write();
    for status in streams.ends().await {
        assert_ended(&status, "CREDENTIAL_INVALID");
    }
    let status = timeout(TIMEOUT, waiting).await.unwrap().unwrap().unwrap_err();
    assert_ended(&status, "CREDENTIAL_INVALID");
    for _ in 0..3 {
        assert!(others.results.message().await.unwrap().is_some());
    }
    assert!(others.mesh.message().await.unwrap().is_some());
}

/// Waits until there is this number of jobs.
async fn until_submitted(gateway: &Gateway, key: &str, count: usize) {
    let reached = async {
        loop {
            let request = with_key(Default::default(), key);
            let jobs = gateway.client.clone().list_jobs(request).await.unwrap().into_inner().jobs;
            if jobs.len() == count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(TIMEOUT, reached).await.unwrap();
}

#[tokio::test]
async fn streams_end_when_their_key_expires() {
    let mesh = memory();
    let mut keys = Keys::new();
    let submitter = keys.add("submitter", "acme", "submit");
    let expires = seconds_from_now(3);
    let text = Timestamp { seconds: expires, nanos: 0 }.to_string();
    let key = keys.add_with(&["--id=k", "--tenant=acme", "--role=read", "--expires", &text]);
    let gateway = keys.gateway(&mesh).await;
    let job = submit(&gateway, &submitter, "").await;
    for status in Streams::open(&gateway, &key, &job).await.ends().await {
        assert_ended(&status, "CREDENTIAL_EXPIRED");
    }
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(expires.try_into().unwrap());
    let late = SystemTime::now().duration_since(end).unwrap();
    assert!(late < Duration::from_secs(2), "{late:?} after the key expired");
}

#[tokio::test]
async fn streams_end_when_the_role_of_their_key_changes_and_can_be_opened_again() {
    let mesh = memory();
    let mut keys = Keys::new();
    let key = keys.add("k", "acme", "admin");
    let gateway = keys.gateway(&mesh).await;
    let job = submit(&gateway, &key, "").await;
    let streams = Streams::open(&gateway, &key, &job).await;
    keys.text = keys.text.replace("role=admin", "role=read");
    keys.write();
    for status in streams.ends().await {
        assert_ended(&status, "CREDENTIAL_CHANGED");
        assert!(status.get_error_details().retry_info().is_some());
    }
    Streams::open(&gateway, &key, &job).await;
}

#[tokio::test]
async fn streams_of_a_token_end_when_it_expires_or_its_key_is_removed() {
    let mesh = memory();
    let issuer = Issuer::new();
    let gateway = issuer.gateway(&mesh, None).await;
    let job = submit(&gateway, &issuer.token("ada", "acme", "submit"), "").await;
    let mut claims = Issuer::claims("ada", "acme", "read");
    // Tokens are accepted for 60 s longer.
    claims["exp"] = seconds_from_now(-57).into();
    let expiring = Streams::open(&gateway, &issuer.signer.token(&claims), &job).await;
    let removed = Streams::open(&gateway, &issuer.token("ada", "acme", "read"), &job).await;
    for status in expiring.ends().await {
        assert_ended(&status, "CREDENTIAL_EXPIRED");
    }
    issuer.publish(&[&Signer::p256("second")]);
    for status in removed.ends().await {
        assert_ended(&status, "CREDENTIAL_INVALID");
    }
}
