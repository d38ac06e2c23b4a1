//! Requests that no client would send, over real connections: none gets in without a key, and none
//! makes the gateway fail or hang. The requests are random, and the same ones in each run.

use std::{net::SocketAddr, time::Duration};

use crate::{callers::*, harness::*};
use http::{HeaderMap, HeaderValue, Method, Request, Response, uri::PathAndQuery};
use proptest::{prelude::*, sample::select, strategy::ValueTree as _, test_runner::TestRunner};
use solvemesh::v1::ListJobsRequest;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tonic::body::Body;
use tower::{Service as _, ServiceExt as _};

const TIMEOUT: Duration = Duration::from_secs(30);

/// Number of requests over each version of HTTP.
const CASES: usize = 400;

/// The paths that are answered without a key: the page's. Health checks are, too.
const PAGE: [&[u8]; 4] = [b"/", b"/app.js", b"/app.css", b"/icon.svg"];
const HEALTH: &[u8] = b"/grpc.health.v1.Health/";

const CONTENT_TYPES: [&str; 8] = [
    "application/grpc",
    "application/grpc+proto",
    "application/grpc-web",
    "application/grpc-web-text",
    "application/grpc;charset=\u{fc}",
    "application/json",
    "text/html",
    "",
];

/// A request.
#[derive(Clone, Debug)]
struct Hostile {
    method: String,
    path: Vec<u8>,
    content_type: Vec<u8>,
    authorization: Option<Vec<u8>>,
    /// The value of another header.
    other: Vec<u8>,
    body: Vec<u8>,
}

impl Hostile {
    /// The request over HTTP/1.1. Ends of lines in its parts are left out: they would make several
    /// requests of it.
    fn over_http1(&self) -> Vec<u8> {
        let mut lines = vec![[self.method.as_bytes(), b" ", &self.path, b" HTTP/1.1"].concat()];
        for (name, value) in [
            ("host", Some(&b"gateway"[..])),
            ("connection", Some(b"close")),
            ("content-type", Some(&self.content_type)),
            ("authorization", self.authorization.as_deref()),
            ("x", Some(&self.other)),
            ("content-length", Some(self.body.len().to_string().as_bytes())),
        ] {
            lines.extend(value.map(|value| [name.as_bytes(), b": ", value].concat()));
        }
        for line in &mut lines {
            line.retain(|byte| !b"\r\n".contains(byte));
            line.extend(b"\r\n");
        }
        [lines.concat(), b"\r\n".to_vec(), self.body.clone()].concat()
    }
}

/// The value of a header: mostly one that may be sent.
fn value(length: usize) -> impl Strategy<Value = Vec<u8>> {
    let allowed = prop_oneof![b' '..=b'~', 0x80..=0xff_u8];
    prop_oneof![
        8 => prop::collection::vec(allowed, 0..length),
        1 => prop::collection::vec(any::<u8>(), 0..length),
    ]
}

/// A path, mostly close to one that exists.
fn path() -> impl Strategy<Value = Vec<u8>> {
    let known = methods().into_iter().map(|method| format!("/solvemesh.v1.JobService/{method}"));
    let known: Vec<String> = known
        .chain(
            ["/", "/app.js", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"]
                .map(Into::into),
        )
        .collect();
    let before = select(vec![
        "/",
        "/.",
        "/..",
        "/x/..",
        "/%2e%2e",
        "http://other",
        "/grpc.health.v1.Health/..",
        "/grpc.health.v1.Health/Check/../..",
    ]);
    let before = prop_oneof![Just(""), before];
    let after = select(vec!["/", "?x=y", "%00", "/../ListJobs", "#x", ";x", "%2f", "\u{fc}"]);
    let after = prop_oneof![Just(""), after];
    let around = (before, select(known), after);
    prop_oneof![
        6 => around.prop_map(|(before, known, after)| format!("{before}{known}{after}").into_bytes()),
        1 => "/solvemesh\\.v1\\.JobService/[A-Za-z%/.]{0,20}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..60),
        1 => (1..100_000_usize).prop_map(|length| vec![b'/'; length]),
    ]
}

/// The value of a header with a credential that is not valid. `valid` is a token.
fn authorization(valid: String) -> impl Strategy<Value = Vec<u8>> {
    let changed =
        (0..valid.len(), "[A-Za-z0-9_.-]").prop_filter_map("the valid token", move |(at, with)| {
            let mut token = valid.clone();
            token.replace_range(at..=at, &with);
            (token != valid).then(|| format!("Bearer {token}").into_bytes())
        });
    prop_oneof![
        2 => changed,
        1 => value(200),
        1 => value(200).prop_map(|bytes| [b"Bearer ", bytes.as_slice()].concat()),
        1 => "(Bearer|bearer|Basic) ?[ -~]{0,80}".prop_map(String::into_bytes),
        1 => "Bearer [a-zA-Z0-9_-]{0,40}\\.[a-zA-Z0-9_-]{0,40}\\.[a-zA-Z0-9_-]{0,40}".prop_map(String::into_bytes),
        1 => (1..70_000_usize).prop_map(|length| [b"Bearer ", vec![b'.'; length].as_slice()].concat()),
    ]
}

fn hostile(valid: String) -> impl Strategy<Value = Hostile> {
    let method = prop_oneof![
        6 => Just("POST".to_owned()),
        2 => select(vec!["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PRI"]).prop_map(Into::into),
        1 => "[A-Za-z!]{1,30}",
    ];
    let content_type = prop_oneof![
        8 => select(CONTENT_TYPES.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
        1 => value(40),
    ];
    let body = prop::collection::vec(any::<u8>(), 0..100);
    (method, path(), content_type, prop::option::of(authorization(valid)), value(100), body)
        .prop_map(|(method, path, content_type, authorization, other, body)| Hostile {
            method,
            path,
            content_type,
            authorization,
            other,
            body,
        })
}

/// The same requests in each run.
fn requests(valid: &str) -> Vec<Hostile> {
    let mut runner = TestRunner::deterministic();
    let strategy = hostile(valid.to_owned());
    (0..CASES).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

/// Whether a path, as it is or after a scheme and a host, is answered without a key.
fn is_free(path: &[u8]) -> bool {
    let path = path.strip_prefix(b"http://other").unwrap_or(path);
    let end = path.iter().position(|byte| b"?#".contains(byte)).unwrap_or(path.len());
    PAGE.contains(&&path[..end]) || path.starts_with(HEALTH)
}

/// A gateway with tokens, a valid one, and its address.
async fn gateway() -> (Gateway, String, Issuer) {
    let mesh = memory();
    let issuer = Issuer::new();
    let gateway = issuer.gateway(&mesh, None).await;
    let token = issuer.token("ada", "acme", "admin");
    (gateway, token, issuer)
}

/// Checks that the gateway works as before, and that nobody has submitted a job.
async fn check_unharmed(gateway: &Gateway, token: &str) {
    let request = with_key(ListJobsRequest::default(), token);
    let jobs = gateway.client.clone().list_jobs(request).await.unwrap().into_inner().jobs;
    assert!(jobs.is_empty(), "{jobs:?}");
    submit(gateway, token, "").await;
}

/// Sends bytes over a new connection, and returns what comes back until it is closed.
async fn exchange(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (mut read, mut write) = stream.split();
    let mut answer = Vec::new();
    let both = async {
        // The gateway may close the connection before all is sent.
        tokio::join!(write.write_all(bytes), read.read_to_end(&mut answer))
    };
    let _ = timeout(TIMEOUT, both).await.expect("an answer, or the end of the connection");
    answer
}

#[tokio::test]
async fn no_request_over_http1_gets_in_without_a_key() {
    let (gateway, token, _issuer) = gateway().await;
    let mut codes = std::collections::BTreeMap::<String, usize>::new();
    for request in requests(&token) {
        let answer = exchange(gateway.address, &request.over_http1()).await;
        let answer = String::from_utf8_lossy(&answer);
        let code = answer.split(' ').nth(1).unwrap_or("closed").to_owned();
        *codes.entry(code.clone()).or_default() += 1;
        assert!(!code.starts_with('5'), "{request:?} {answer}");
        // All requests with the method OPTIONS are answered so, without headers that permit anything.
        if code == "200" && !is_free(&request.path) && request.method != "OPTIONS" {
            let refused = answer.to_lowercase().replace(' ', "").contains("grpc-status:16");
            assert!(refused, "{request:?} {answer}");
        }
    }
    println!("answers: {codes:?}");
    assert!(codes["200"] > 10, "{codes:?}");
    check_unharmed(&gateway, &token).await;
}

/// What the headers of a response say of a call; `None` if it is not one of gRPC.
fn grpc_status(response: &Response<Body>) -> Option<&str> {
    response.headers().get("grpc-status")?.to_str().ok()
}

#[tokio::test]
async fn no_request_over_http2_gets_in_without_a_key() {
    let (gateway, token, _issuer) = gateway().await;
    let mut sent = 0;
    for hostile in requests(&token) {
        let path = PathAndQuery::try_from(hostile.path.as_slice()).ok();
        let method = Method::from_bytes(hostile.method.as_bytes()).ok();
        // What HTTP/2 can't express was not sent.
        let Some((path, method)) = path.zip(method.filter(|it| it != Method::CONNECT)) else {
            continue;
        };
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("content-type", Some(&hostile.content_type)),
            ("authorization", hostile.authorization.as_ref()),
            ("x", Some(&hostile.other)),
        ] {
            let value = value.and_then(|value| HeaderValue::from_bytes(value).ok());
            headers.extend(value.map(|value| (http::HeaderName::from_static(name), value)));
        }
        let body = Body::new(axum::body::Body::from(hostile.body.clone()));
        let mut request = Request::new(body);
        *request.uri_mut() = path.clone().into();
        *request.method_mut() = method;
        *request.headers_mut() = headers;
        let mut channel = gateway.channel.clone();
        let response =
            timeout(TIMEOUT, async { channel.ready().await.unwrap().call(request).await });
        // An error is one of the connection or of the stream: the gateway has refused it.
        let Ok(response) = response.await.expect("a response") else { continue };
        sent += 1;
        assert!(!response.status().is_server_error(), "{hostile:?} {response:?}");
        if response.status() == 200 && !is_free(&hostile.path) && hostile.method != "OPTIONS" {
            assert_eq!(grpc_status(&response), Some("16"), "{hostile:?} {response:?}");
        }
    }
    assert!(sent > CASES / 2, "{sent}");
    check_unharmed(&gateway, &token).await;
}
