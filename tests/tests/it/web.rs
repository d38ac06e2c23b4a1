//! Browsers: gRPC-Web over HTTP/1.1, on the port of gRPC.

use solvemesh::v1::{
    GetCapabilitiesRequest, SubmitJobResponse, WatchResultsRequest, WatchResultsResponse,
    job_event::Kind, watch_results_response,
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
    let gateway = Gateway::embedded(&["--allow-origin", ORIGIN]).await;
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
    let gateway = Gateway::embedded(&["--allow-origin", ORIGIN]).await;
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
    let gateway = Gateway::embedded(&["--allow-origin", ORIGIN]).await;
    let headers = [
        ("origin", ORIGIN),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type,x-grpc-web,grpc-timeout"),
    ];
    let head = "OPTIONS /solvemesh.v1.JobService/WatchResults";
    let answer = web::exchange(gateway.address, head, &headers, b"").await;
    assert!((200..300).contains(&answer.status), "{answer:?}");
    assert_eq!(answer.headers["access-control-allow-origin"], ORIGIN);
    let allowed = answer.headers["access-control-allow-headers"].to_lowercase();
    for name in ["content-type", "x-grpc-web", "grpc-timeout"] {
        assert!(allowed == "*" || allowed.contains(name), "{name} in {allowed}");
    }
}

#[tokio::test]
async fn a_page_of_another_origin_is_refused_unless_it_is_allowed() {
    let gateway = Gateway::embedded(&[]).await;
    let answer = post(&gateway, "SubmitJob", &jobs::request(models::wyndor(500.0))).await;
    assert_eq!(answer.status, 403, "{answer:?}");
    let preflight = [("origin", ORIGIN), ("access-control-request-method", "POST")];
    let head = "OPTIONS /solvemesh.v1.JobService/SubmitJob";
    let answer = web::exchange(gateway.address, head, &preflight, b"").await;
    assert!(!answer.headers.contains_key("access-control-allow-origin"), "{answer:?}");
    let own = format!("http://{}", gateway.address);
    for (origin, host, status) in [
        (own.as_str(), gateway.address.to_string(), 200),
        // DNS rebinding: the page's own name resolves to the gateway.
        ("http://rebound.example", "rebound.example".to_owned(), 403),
    ] {
        let headers =
            [("origin", origin), ("host", &host), ("content-type", "application/grpc-web+proto")];
        let head = "POST /solvemesh.v1.JobService/GetCapabilities";
        let frame = web::frame(&GetCapabilitiesRequest {});
        let answer = web::exchange(gateway.address, head, &headers, &frame).await;
        assert_eq!(answer.status, status, "{origin}: {answer:?}");
    }

    let open = Gateway::embedded(&["--allow-origin", "*", "--public-host", "mesh.example"]).await;
    let headers = [("origin", ORIGIN), ("host", "mesh.example")];
    assert_eq!(web::exchange(open.address, "GET /", &headers, b"").await.status, 200);
}

#[tokio::test]
async fn the_page_is_served_cached_and_compressed() {
    let gateway = Gateway::embedded(&[]).await;
    for (path, content_type) in [
        ("/", "text/html"),
        ("/app.js", "text/javascript"),
        ("/app.css", "text/css"),
        ("/icon.svg", "image/svg+xml"),
    ] {
        let head = format!("GET {path}");
        let answer = web::exchange(gateway.address, &head, &[], b"").await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.headers["content-type"].starts_with(content_type), "{path}: {answer:?}");
        assert!(answer.headers["content-security-policy"].contains("default-src 'none'"));
        let etag = answer.headers["etag"].clone();
        let again = web::exchange(gateway.address, &head, &[("if-none-match", &etag)], b"").await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
        let gzip = web::exchange(gateway.address, &head, &[("accept-encoding", "gzip")], b"").await;
        assert_eq!(gzip.headers["content-encoding"], "gzip", "{path}");
        assert!(gzip.body.len() < answer.body.len(), "{path}");
    }
    let script = web::exchange(gateway.address, "GET /app.js", &[], b"").await;
    let script = String::from_utf8(script.body).expect("UTF-8");
    let (_, rest) = script.split_once("import(\"./later.").expect("a script that is loaded later");
    let path = format!("/later.{}", rest.split_once('"').expect("its end").0);
    let later = web::exchange(gateway.address, &format!("GET {path}"), &[], b"").await;
    assert_eq!(later.status, 200, "{path}");
    assert!(later.headers["cache-control"].contains("immutable"), "{later:?}");
    assert!(later.headers["content-security-policy"].contains("default-src 'none'"));
    let other = web::exchange(gateway.address, "GET /later.0123456789ab.js", &[], b"").await;
    assert_eq!(other.status, 404, "the later script of another version");
    let head = web::exchange(gateway.address, "HEAD /", &[], b"").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(web::exchange(gateway.address, "POST /", &[], b"").await.status, 405);
    assert_eq!(web::exchange(gateway.address, "GET /favicon.ico", &[], b"").await.status, 404);

    let without = Gateway::embedded(&["--no-web"]).await;
    assert_eq!(web::exchange(without.address, "GET /", &[], b"").await.status, 404);
}
