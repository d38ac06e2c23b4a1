//! Browsers: gRPC-Web over HTTP/1.1, on the port of gRPC.

use solvemesh::v1::{
    SubmitJobResponse, WatchResultsRequest, WatchResultsResponse, job_event::Kind,
    watch_results_response,
};
use solvemesh_tests::{
    jobs::{self, Story, agree},
    mesh::Gateway,
    models,
    web::{self, Answer},
};

const ORIGIN: &str = "http://localhost:8080";

async fn post(gateway: &Gateway, method: &str, message: &impl prost::Message) -> Answer {
    let headers = [
        ("origin", ORIGIN),
        ("content-type", "application/grpc-web+proto"),
        ("accept", "application/grpc-web+proto"),
        ("x-grpc-web", "1"),
    ];
    let head = format!("POST /solvemesh.v1.JobService/{method}");
    web::exchange(gateway.address, &head, &headers, &web::frame(message)).await
}

#[tokio::test]
async fn a_whole_watch_streams_to_a_browser_trailers_included() {
    let gateway = Gateway::embedded(&[]).await;
    let answer = post(&gateway, "SubmitJob", &jobs::request(models::wyndor(500.0))).await;
    let submitted = answer.call::<SubmitJobResponse>();
    assert_eq!(submitted.trailers["grpc-status"], "0");
    let job = submitted.messages[0].job.as_ref().expect("a job").job_id.clone();

    let request = WatchResultsRequest { job_ids: vec![job], ..WatchResultsRequest::default() };
    let answer = post(&gateway, "WatchResults", &request).await;
    assert!(answer.headers["content-type"].starts_with("application/grpc-web"));
    let watched = answer.call::<WatchResultsResponse>();
    assert_eq!(watched.trailers["grpc-status"], "0");
    let events = watched.messages.into_iter().filter_map(|response| match response.kind {
        Some(watch_results_response::Kind::Event(event)) => Some(event),
        _ => None,
    });
    let story = Story::new(events.collect());
    assert!(story.events.iter().any(|event| matches!(event.kind, Some(Kind::Started(_)))));
    assert!(agree(story.objective(), 3600.0), "{story:?}");
}

#[tokio::test]
async fn an_error_reaches_a_browser_with_its_status() {
    let gateway = Gateway::embedded(&[]).await;
    let request = jobs::request(models::lp("Maximize 3 x +"));
    let answer = post(&gateway, "SubmitJob", &request).await;
    // A response without messages may have its status in the headers.
    let status = match answer.headers.get("grpc-status") {
        Some(status) => status.clone(),
        None => answer.call::<SubmitJobResponse>().trailers["grpc-status"].clone(),
    };
    assert_eq!(status, "3", "INVALID_ARGUMENT: {answer:?}");
    let exposed = answer.headers["access-control-expose-headers"].to_lowercase();
    for name in ["grpc-status", "grpc-message", "grpc-status-details-bin"] {
        assert!(exposed.contains(name), "{name} in {exposed}");
    }
}

#[tokio::test]
async fn a_preflight_request_of_a_browser_is_allowed() {
    let gateway = Gateway::embedded(&[]).await;
    let headers = [
        ("origin", ORIGIN),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type,x-grpc-web,grpc-timeout"),
    ];
    let head = "OPTIONS /solvemesh.v1.JobService/WatchResults";
    let answer = web::exchange(gateway.address, head, &headers, b"").await;
    assert!((200..300).contains(&answer.status), "{answer:?}");
    let origin = &answer.headers["access-control-allow-origin"];
    assert!(origin == "*" || origin == ORIGIN, "{answer:?}");
    let allowed = answer.headers["access-control-allow-headers"].to_lowercase();
    for name in ["content-type", "x-grpc-web", "grpc-timeout"] {
        assert!(allowed == "*" || allowed.contains(name), "{name} in {allowed}");
    }
}
