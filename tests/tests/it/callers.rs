//! Callers with client certificates and JSON Web Tokens, over connections of a real gateway.

use std::{
    fs,
    net::SocketAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use solvemesh::v1::{GetJobRequest, SubmitJobRequest, WatchMeshRequest, WatchMeshResponse};
use solvemesh_tests::{
    certificates::{Authority, Pair},
    files, jobs,
    mesh::{self, Api, Gateway},
    models,
    tls::GatewayFiles,
    tokens::Signer,
    web, within,
};
use tonic::{
    Code, Request, Status,
    transport::{ClientTlsConfig, Endpoint},
};
use tonic_types::StatusExt as _;

const TIMEOUT: Duration = Duration::from_secs(60);
const SLOTS: [&str; 2] = ["--slots", "express=1,standard=1"];

/// A gateway with TLS that recognises callers, and its files.
struct Mesh {
    files: GatewayFiles,
    gateway: Gateway,
}

const LINES: &str = "certificate id=robot uri=spiffe://acme/robot tenant=acme role=submit\n\
    certificate id=agent dns=agent.acme.example tenant=acme role=read\n\
    certificate id=short cn=short tenant=acme role=read\n";

/// The key `secret` of a tenant.
const KEY: &str = "key id=ci tenant=house role=submit \
    hash=sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\n";

impl Mesh {
    async fn start(others: &[&str]) -> Self {
        let files = GatewayFiles::new();
        fs::write(files.path().join("keys"), format!("{LINES}{KEY}")).expect("a file");
        let flags = [
            &SLOTS[..],
            &["--keys", &files.file("keys"), "--tls-client-ca", &files.file("ca.pem")],
            &["--tls-client-optional"],
            others,
        ];
        let flags = files.flags(&flags.concat());
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let gateway = Gateway::with_tls(&flags, files.client()).await;
        Self { files, gateway }
    }

    fn address(&self) -> SocketAddr {
        self.gateway.address
    }

    async fn connect(&self, tls: ClientTlsConfig) -> Result<Api, tonic::transport::Error> {
        let url = format!("https://{}", self.address());
        let endpoint = Endpoint::from_shared(url).expect("a URL").tls_config(tls).expect("TLS");
        endpoint.connect().await.map(mesh::api)
    }

    /// A client with a certificate.
    async fn client(&self, pair: &Pair) -> Api {
        self.connect(self.files.client_with(pair)).await.expect("a connection")
    }

    fn robot(&self) -> Pair {
        self.files.authority.client_with("r-1", &["spiffe://acme/robot"], None)
    }
}

fn with_token<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    if !token.is_empty() {
        let value = format!("Bearer {token}").parse().expect("ASCII");
        request.metadata_mut().insert("authorization", value);
    }
    request
}

/// Submits a job, and returns its tenant and submitter.
async fn submit(api: &mut Api, token: &str) -> Result<(String, String), Status> {
    let request: SubmitJobRequest = jobs::request(models::wyndor(1.0));
    let submitted = api.submit_job(with_token(request, token)).await?.into_inner();
    let job_id = submitted.job.expect("a job").job_id;
    let request = with_token(GetJobRequest { job_id, view: 0 }, token);
    let job = api.get_job(request).await?.into_inner().job.expect("a job");
    let description = job.description.expect("a description");
    Ok((description.tenant, description.submitter))
}

/// The reason of an error, which must be that a caller is not recognised.
fn reason(status: &Status) -> String {
    assert_eq!(status.code(), Code::Unauthenticated, "{status}");
    let details = status.get_error_details();
    details.error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

fn submitter(tenant: &str, id: &str) -> (String, String) {
    (tenant.to_owned(), id.to_owned())
}

#[tokio::test]
async fn a_certificate_recognises_its_caller_and_a_token_takes_precedence() {
    let mesh = Mesh::start(&[]).await;
    let mut robot = mesh.client(&mesh.robot()).await;
    assert_eq!(submit(&mut robot, "").await.expect("a job"), submitter("acme", "robot"));
    assert_eq!(submit(&mut robot, "secret").await.expect("a job"), submitter("house", "ci"));
    let status = submit(&mut robot, "wrong").await.expect_err("a wrong key");
    assert_eq!(reason(&status), "CREDENTIAL_INVALID");

    let mut agent =
        mesh.client(&mesh.files.authority.client_with("x", &["Agent.acme.example"], None)).await;
    let status = submit(&mut agent, "").await.expect_err("a role that is too low");
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");

    // A name counts only in its own place, and a stranger has none.
    for pair in [
        mesh.files.authority.client_with("spiffe://acme/robot", &[], None),
        mesh.files.authority.client("stranger"),
        mesh.files.authority.client_with("short", &["spiffe://acme/robot"], None),
    ] {
        let status = submit(&mut mesh.client(&pair).await, "").await.expect_err("no caller");
        assert_eq!(reason(&status), "CREDENTIAL_INVALID");
    }
    let mut nobody = mesh.connect(mesh.files.client()).await.expect("a connection");
    let status = submit(&mut nobody, "").await.expect_err("no credential");
    assert_eq!(reason(&status), "CREDENTIAL_MISSING");
    assert_eq!(submit(&mut nobody, "secret").await.expect("a job"), submitter("house", "ci"));
}

#[tokio::test]
async fn a_certificate_of_another_ca_does_not_get_as_far_as_a_call() {
    let mesh = Mesh::start(&[]).await;
    let forged = Authority::new("ours").client_with("r-1", &["spiffe://acme/robot"], None);
    let outcome = match mesh.connect(mesh.files.client_with(&forged)).await {
        Ok(mut api) => submit(&mut api, "").await.map_err(|status| status.to_string()),
        Err(error) => Err(error.to_string()),
    };
    outcome.expect_err("another CA");
}

#[tokio::test]
async fn the_streams_of_a_removed_certificate_end_and_its_connection_is_of_no_use() {
    let mesh = Mesh::start(&[]).await;
    let robot = mesh.robot();
    let mut api = mesh.client(&robot).await;
    let states = api.watch_mesh(WatchMeshRequest::default()).await.expect("a stream");
    let mut states = states.into_inner();
    states.message().await.expect("a state");
    // The same over gRPC-Web, which has trailers in its body.
    let stream = mesh.files.open(mesh.address(), &["http/1.1"], Some(&robot)).await;
    let head = "POST /solvemesh.v1.JobService/WatchMesh";
    let headers = [("content-type", "application/grpc-web+proto"), ("x-grpc-web", "1")];
    let body = web::frame(&WatchMeshRequest::default());
    let stream = stream.expect("a connection");
    let answer = web::exchange_over(stream, mesh.address(), head, &headers, &body);

    let native = async {
        loop {
            if let Err(status) = states.message().await {
                return status;
            }
        }
    };
    let remove = async { files::replace(&mesh.files.path().join("keys"), KEY) };
    let all = async { tokio::join!(native, answer, remove) };
    let (status, answer, ()) = within(TIMEOUT, "the ends of the streams", all).await;
    assert_eq!(reason(&status), "CREDENTIAL_INVALID");
    let call = answer.call::<WatchMeshResponse>();
    assert_eq!(call.trailers["grpc-status"], "16");
    let status = submit(&mut api, "").await.expect_err("a removed certificate");
    assert_eq!(reason(&status), "CREDENTIAL_INVALID");
    assert!(mesh.gateway.process.log().contains("call ended"), "{}", mesh.gateway.process.log());
}

#[tokio::test]
async fn a_certificate_that_expires_during_its_connection_ends_its_calls() {
    let mesh = Mesh::start(&[]).await;
    let end = SystemTime::now() + Duration::from_secs(5);
    let pair = mesh.files.authority.client_with("short", &[], Some(end));
    let mut api = mesh.client(&pair).await;
    let states = api.watch_mesh(WatchMeshRequest::default()).await.expect("a stream");
    let mut states = states.into_inner();
    let status = within(TIMEOUT, "the end of the stream", async {
        loop {
            if let Err(status) = states.message().await {
                return status;
            }
        }
    });
    assert_eq!(reason(&status.await), "CREDENTIAL_EXPIRED");
    let status = api.watch_mesh(WatchMeshRequest::default()).await.expect_err("an old certificate");
    assert_eq!(reason(&status), "CREDENTIAL_EXPIRED");
}

#[tokio::test]
async fn a_token_recognises_its_caller_by_the_flags() {
    let signer = Signer::rsa("k");
    let folder = tempfile::TempDir::new().expect("a folder");
    let path = folder.path().join("jwks.json");
    fs::write(&path, Signer::set(&[&signer])).expect("a file");
    let jwks = path.display().to_string();
    let issuer = ["--jwt-issuer", "https://issuer.example", "--jwt-audience", "mesh"];
    let claims = ["--jwt-tenant-claim", "team", "--jwt-role-claim", "mesh_role"];
    let mesh = Mesh::start(&[&["--jwks", &jwks], &issuer[..], &claims].concat()).await;
    let exp = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_secs() + 300;
    let claims = |role: &str| {
        format!(
            r#"{{"iss":"https://issuer.example","aud":"mesh","exp":{exp},"sub":"ada@example",
            "team":"blue","mesh_role":"{role}"}}"#
        )
    };
    let mut api = mesh.connect(mesh.files.client()).await.expect("a connection");
    let found = submit(&mut api, &signer.token(&claims("submit"))).await.expect("a job");
    assert_eq!(found, submitter("blue", "jwt:ada@example"));
    assert_eq!(submit(&mut api, "secret").await.expect("a job"), submitter("house", "ci"));
    let status = submit(&mut api, &signer.token(&claims("root"))).await.expect_err("no role");
    assert_eq!(reason(&status), "CREDENTIAL_INVALID");
    assert!(mesh.gateway.process.log().contains("--jwt-role-claim"), "no reason in the log");
}

#[tokio::test]
async fn certificates_that_can_recognise_nobody_are_in_the_log() {
    let files = GatewayFiles::new();
    fs::write(files.path().join("keys"), format!("{LINES}{KEY}")).expect("a file");
    let flags = files.flags(&[&SLOTS[..], &["--keys", &files.file("keys")]].concat());
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    // Before it listens.
    let gateway = Gateway::with_tls(&flags, files.client()).await;
    let log = gateway.process.log();
    assert!(log.contains("WARN") && log.contains("no --tls-client-ca"), "{log}");
    let mesh = Mesh::start(&[]).await;
    let log = mesh.gateway.process.log();
    assert!(!log.contains("no --tls-client-ca"), "{log}");
}
