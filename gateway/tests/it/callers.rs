//! Callers of a gateway over a mesh in memory: files of keys and of token keys, and calls of all
//! methods.

use std::{
    collections::BTreeMap,
    future,
    io::Write as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use crate::harness::*;
use clap::Parser as _;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use serde_json::{Value, json};
use solvemesh::v1::{
    CancelJobRequest, GetCapabilitiesRequest, GetJobRequest, GetUsageRequest, Job, JobFilter,
    ListJobsRequest, SolveRequest, SubmitJobRequest, WatchMeshRequest, WatchResultsRequest,
};
use solvemesh_broker::Mesh;
use solvemesh_gateway::{Access, Args, Command, KeyCommand, TokenRules};
use solvemesh_testkit::tokens::Signer;
use tempfile::TempDir;
use tokio::time::timeout;
use tonic::{Code, Request, Status};

/// A file of keys.
pub(crate) struct Keys {
    folder: TempDir,
    pub(crate) text: String,
}

impl Keys {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), text: String::new() }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("keys")
    }

    /// Adds a key, and returns it.
    pub(crate) fn add(&mut self, id: &str, tenant: &str, role: &str) -> String {
        self.add_with(&["--id", id, "--tenant", tenant, "--role", role])
    }

    pub(crate) fn add_with(&mut self, flags: &[&str]) -> String {
        let words = ["solvemesh-gateway", "key", "new"].into_iter().chain(flags.iter().copied());
        let Some(Command::Key { command: KeyCommand::New(new) }) =
            Args::try_parse_from(words).unwrap().command
        else {
            panic!("another command");
        };
        let (key, line) = new.make().unwrap();
        self.text = format!("{}{line}\n", self.text);
        key
    }

    pub(crate) fn write(&self) {
        replace(&self.path(), &self.text);
    }

    pub(crate) async fn gateway(&self, mesh: &Arc<dyn Mesh>) -> Gateway {
        self.write();
        let access = Access::open(Some(self.path()), None).unwrap();
        tokio::spawn(access.clone().follow());
        Gateway::with_access(mesh.clone(), policy(), access).await
    }
}

pub(crate) fn with_key<T>(message: T, key: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
    request
}

/// The names of all methods, from the contract.
pub(crate) fn methods() -> Vec<String> {
    let files = FileDescriptorSet::decode(solvemesh::DESCRIPTORS).unwrap().file;
    let services = files.iter().flat_map(|file| &file.service);
    let service = services.filter(|service| service.name() == "JobService");
    service.flat_map(|it| &it.method).map(|method| method.name().to_owned()).collect()
}

/// Calls a method by its name, about a job where it takes one. Fails for a method that this test
/// does not know, so that a new one gets its line here.
pub(crate) async fn call(
    gateway: &Gateway,
    key: &str,
    method: &str,
    job: &str,
) -> Result<(), Status> {
    let mut client = gateway.client.clone();
    let job_id = job.to_owned();
    match method {
        "SubmitJob" => client.submit_job(with_key(wyndor(), key)).await.map(drop),
        "Solve" => solve(gateway, key).await,
        "WatchResults" => {
            let request = WatchResultsRequest { job_ids: vec![job_id], ..Default::default() };
            client.watch_results(with_key(request, key)).await.map(drop)
        }
        "GetJob" => {
            client.get_job(with_key(GetJobRequest { job_id, view: 0 }, key)).await.map(drop)
        }
        "ListJobs" => client.list_jobs(with_key(ListJobsRequest::default(), key)).await.map(drop),
        "CancelJob" => {
            client.cancel_job(with_key(CancelJobRequest { job_id }, key)).await.map(drop)
        }
        "GetCapabilities" => {
            client.get_capabilities(with_key(GetCapabilitiesRequest {}, key)).await.map(drop)
        }
        "GetUsage" => client.get_usage(with_key(GetUsageRequest {}, key)).await.map(drop),
        "WatchMesh" => {
            client.watch_mesh(with_key(WatchMeshRequest::default(), key)).await.map(drop)
        }
        other => panic!("add a call of {other}"),
    }
}

/// Calls `Solve`. Nobody solves the job: the call ends because the job is cancelled once it is there,
/// or because the caller is refused.
async fn solve(gateway: &Gateway, key: &str) -> Result<(), Status> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed).to_string();
    let labels = BTreeMap::from([("solve".to_owned(), number)]);
    let cancel = async {
        let mut client = gateway.client.clone();
        loop {
            let filter = Some(JobFilter { labels: labels.clone(), ..JobFilter::default() });
            let request = ListJobsRequest { filter, ..ListJobsRequest::default() };
            let listed = client.list_jobs(with_key(request, key)).await;
            let found = listed.ok().and_then(|listed| listed.into_inner().jobs.into_iter().next());
            if let Some(Job { job_id, .. }) = found {
                let cancelled = client.cancel_job(with_key(CancelJobRequest { job_id }, key)).await;
                assert!(cancelled.is_ok(), "{cancelled:?}");
                future::pending::<()>().await;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let SubmitJobRequest { model, .. } = wyndor();
    let request = SolveRequest { model, labels: labels.clone(), ..SolveRequest::default() };
    let mut client = gateway.client.clone();
    tokio::select! {
        outcome = client.solve(with_key(request, key)) => outcome.map(drop),
        () = cancel => unreachable!("it waits for the call"),
    }
}

pub(crate) async fn submit(gateway: &Gateway, key: &str, request_id: &str) -> String {
    let request = SubmitJobRequest { request_id: request_id.to_owned(), ..wyndor() };
    let response = gateway.client.clone().submit_job(with_key(request, key)).await.unwrap();
    response.into_inner().job.unwrap().job_id
}

/// The names of the roles.
pub(crate) const ROLES: [&str; 4] = ["read", "submit", "operate", "admin"];

/// Checks which methods callers of one tenant may call; `of_roles` has a credential for each role.
pub(crate) async fn check_roles(gateway: &Gateway, of_roles: &[String; 4]) {
    for (role, key) in ROLES.into_iter().zip(of_roles) {
        for method in methods() {
            let changes = ["SubmitJob", "Solve", "CancelJob"].contains(&method.as_str());
            // Of the role's own key where it may submit: each may cancel that.
            let own = submit(gateway, if role == "read" { &of_roles[3] } else { key }, "").await;
            let outcome = call(gateway, key, &method, &own).await;
            if role == "read" && changes {
                let status = outcome.unwrap_err();
                assert_eq!(status.code(), Code::PermissionDenied, "{role} {method}: {status}");
                assert_eq!(reason(&status), "ROLE_TOO_LOW");
            } else {
                assert!(outcome.is_ok(), "{role} {method}: {outcome:?}");
            }
        }
    }
}

/// Waits until a call with a key has this outcome.
pub(crate) async fn until(
    gateway: &Gateway,
    key: &str,
    expected: impl Fn(&Result<(), Status>) -> bool,
) {
    let reached = async {
        while !expected(&call(gateway, key, "GetCapabilities", "").await) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(30), reached).await.unwrap();
}

/// Replaces a file at once, as editors and Kubernetes do: no reader sees a half of it.
pub(crate) fn replace(path: &Path, text: &str) {
    let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap()).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.persist(path).unwrap();
}

/// An issuer of JSON Web Tokens, with the file of its keys.
pub(crate) struct Issuer {
    folder: TempDir,
    pub(crate) signer: Signer,
}

impl Issuer {
    pub(crate) fn new() -> Self {
        let issuer = Self { folder: tempfile::tempdir().unwrap(), signer: Signer::p256("first") };
        issuer.publish(&[&issuer.signer]);
        issuer
    }

    /// Writes the keys of these into the file.
    pub(crate) fn publish(&self, signers: &[&Signer]) {
        replace(&self.path(), &Signer::set(signers));
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("jwks.json")
    }

    /// The claims of a valid token.
    pub(crate) fn claims(subject: &str, tenant: &str, role: &str) -> Value {
        json!({
            "iss": "https://issuer.example",
            "aud": ["other", "solvemesh"],
            "exp": seconds_from_now(600),
            "nbf": seconds_from_now(0),
            "sub": subject,
            "tenant": tenant,
            "role": role,
        })
    }

    /// A valid token.
    pub(crate) fn token(&self, subject: &str, tenant: &str, role: &str) -> String {
        self.signer.token(&Self::claims(subject, tenant, role))
    }

    pub(crate) async fn gateway(&self, mesh: &Arc<dyn Mesh>, keys: Option<&Keys>) -> Gateway {
        let rules = TokenRules {
            issuer: "https://issuer.example".to_owned(),
            audience: "solvemesh".to_owned(),
            tenant_claim: "tenant".to_owned(),
            role_claim: "role".to_owned(),
        };
        let path = keys.map(|keys| {
            keys.write();
            keys.path()
        });
        let access = Access::open(path, Some((self.path(), rules))).unwrap();
        tokio::spawn(access.clone().follow());
        Gateway::with_access(mesh.clone(), policy(), access).await
    }
}

/// Seconds since 1970, this number of seconds from now.
pub(crate) fn seconds_from_now(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    i64::try_from(now).unwrap() + seconds
}
