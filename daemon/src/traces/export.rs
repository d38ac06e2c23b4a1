//! The exporter, and the HTTP client that it sends by.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::{anyhow, bail, ensure};
use async_trait::async_trait;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Uri, http::uri::Scheme};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use solvemesh_tls::{ClientFiles, PairFiles, PemFile, TlsFileError};
use tokio::{runtime::Handle, time::timeout};

/// Timeout of one request to the collector. Short, as it is tried several times, and the end of the
/// program waits for the last one.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the end of the program waits for the last export.
pub(super) const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum size of a response of the collector, in bytes.
const MAX_RESPONSE: usize = 64 << 10;

/// The variables that name a collector, the more specific one first.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
/// The variables that name a protocol, likewise.
const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];

/// The variables that name files of TLS, likewise: the CA certificates to trust instead of the system's,
/// a client certificate, and its key.
const CERTIFICATES: [&str; 2] =
    ["OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "OTEL_EXPORTER_OTLP_CERTIFICATE"];
const CLIENT_CERTIFICATES: [&str; 2] =
    ["OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"];
const CLIENT_KEYS: [&str; 2] =
    ["OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_KEY"];

/// The exporter that the environment asks for, as the
/// [specification](https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/)
/// has it, except that there is none without an endpoint. The library reads the other variables.
pub(super) fn provider(
    variable: impl Fn(&'static str) -> Option<String>,
    service: &'static str,
) -> anyhow::Result<Option<SdkTracerProvider>> {
    let set = |name: &'static str| variable(name).filter(|value| !value.is_empty());
    let is = |name, value: &str| set(name).is_some_and(|it| it.eq_ignore_ascii_case(value));
    let first = |names: [&'static str; 2]| names.into_iter().find_map(|it| Some((it, set(it)?)));
    if is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
        return Ok(None);
    }
    let Some((name, endpoint)) = first(ENDPOINTS) else { return Ok(None) };
    // Without the value, which may contain a password.
    let expected = "expected http://HOST:PORT or https://HOST:PORT of a collector";
    let uri: Uri = endpoint.parse().map_err(|_| anyhow!("{name}: {expected}"))?;
    let is_tls = uri.scheme() == Some(&Scheme::HTTPS);
    ensure!(is_tls || uri.scheme() == Some(&Scheme::HTTP), "{name}: {expected}");
    ensure!(
        uri.authority().is_some_and(|authority| !authority.as_str().contains('@')),
        "{name}: {expected}; OTEL_EXPORTER_OTLP_HEADERS can have credentials"
    );
    if let Some((name, protocol)) = first(PROTOCOLS)
        && protocol != "http/protobuf"
    {
        bail!("{name}={protocol}: only http/protobuf is supported");
    }
    let file = |names: [&'static str; 2]| first(names).map(|(name, path)| PemFile::new(name, path));
    let files = if is_tls {
        let identity = match (file(CLIENT_CERTIFICATES), file(CLIENT_KEYS)) {
            (None, None) => None,
            (Some(cert), Some(key)) => Some(PairFiles { cert, key }),
            (Some(cert), None) => bail!("{} needs {}", cert.flag, CLIENT_KEYS[1]),
            (None, Some(key)) => bail!("{} needs {}", key.flag, CLIENT_CERTIFICATES[1]),
        };
        Some(ClientFiles { ca: file(CERTIFICATES), identity })
    } else {
        None
    };
    let sender = Sender::new(files.as_ref())?;
    let exporter = SpanExporter::builder().with_http().with_http_client(sender).build();
    let exporter = exporter.map_err(|_| anyhow!("{name}: {expected}"))?;
    let mut resource = Resource::builder();
    if set("OTEL_SERVICE_NAME").is_none() {
        resource = resource.with_service_name(service);
    }
    let version = opentelemetry::KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = resource.with_attribute(version).build();
    let provider =
        SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource);
    Ok(Some(provider.build()))
}

/// Sends requests from the threads of the runtime. The exporter calls it from a thread of its own,
/// which has no reactor.
#[derive(Debug)]
struct Sender {
    runtime: Handle,
    client: Connections,
    /// Whether the last export failed. The first failure is logged, as the library does not say why.
    failed: AtomicBool,
}

#[derive(Debug)]
enum Connections {
    Plain(Client<HttpConnector, Full<Bytes>>),
    Tls(Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

impl Sender {
    /// Of `https://` with these files, or of `http://` without.
    fn new(files: Option<&ClientFiles>) -> Result<Self, TlsFileError> {
        let builder = Client::builder(TokioExecutor::new());
        let client = match files {
            None => Connections::Plain(builder.build_http()),
            Some(files) => {
                let config = (*files.config(CERTIFICATES[1])?).clone();
                let connector = HttpsConnectorBuilder::new().with_tls_config(config);
                Connections::Tls(builder.build(connector.https_only().enable_http1().build()))
            }
        };
        Ok(Self { runtime: Handle::current(), client, failed: AtomicBool::new(false) })
    }
}

#[async_trait]
impl HttpClient for Sender {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = request.map(Full::new);
        let response = match &self.client {
            Connections::Plain(client) => client.request(request),
            Connections::Tls(client) => client.request(request),
        };
        let exchange = async {
            let (head, body) = response.await?.into_parts();
            let body = Limited::new(body, MAX_RESPONSE).collect().await?.to_bytes();
            Ok(Response::from_parts(head, body))
        };
        let response = self.runtime.spawn(async { timeout(REQUEST_TIMEOUT, exchange).await? });
        let response: Result<Response<Bytes>, HttpError> = response.await?;
        self.note(&response);
        response
    }
}

impl Sender {
    /// Logs that an export failed, unless the one before did, too.
    fn note(&self, response: &Result<Response<Bytes>, HttpError>) {
        let cause = match response {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("the collector responded {}", response.status())),
            Err(error) => Some(with_sources(error.as_ref())),
        };
        let failed_before = self.failed.swap(cause.is_some(), Ordering::Relaxed);
        if let Some(cause) = cause.filter(|_| !failed_before) {
            tracing::warn!(cause, "spans not exported");
        }
    }
}

/// An error and what caused it: that of a connection says only that it failed.
fn with_sources(error: &(dyn std::error::Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    let mut texts: Vec<String> = chain.map(ToString::to_string).collect();
    texts.dedup();
    texts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&'static str, &str)]) -> anyhow::Result<bool> {
        let find = |name: &str| variables.iter().find(|(it, _)| *it == name);
        let provider = provider(|name| find(name).map(|(_, value)| (*value).to_owned()), "test")?;
        Ok(provider.is_some())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn nothing_is_exported_unless_a_collector_is_named() {
        const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
        assert!(!with(&[]).expect("no variables"));
        assert!(!with(&[(ENDPOINT.0, "")]).expect("an empty one"));
        assert!(!with(&[ENDPOINT, ("OTEL_SDK_DISABLED", "True")]).expect("disabled"));
        assert!(!with(&[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")]).expect("none"));
        assert!(with(&[ENDPOINT]).expect("a collector"));
        assert!(with(&[(ENDPOINTS[0], ENDPOINT.1)]).expect("a collector of traces"));
    }

    #[tokio::test]
    async fn what_is_not_supported_is_an_error_that_names_the_variable() {
        const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
        for value in [
            "ftp://secret.example",
            "user:secret@collector:4318",
            "http://user:secret@collector:4318",
            "https://user:secret@col lector",
            "http://secret here",
        ] {
            let error = with(&[(ENDPOINT, value)]).expect_err(value).to_string();
            assert!(error.starts_with(&format!("{ENDPOINT}: expected http")), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
        assert!(with(&[(ENDPOINT, "HTTP://127.0.0.1:4318/path@x")]).expect("a path with @"));
        let endpoint = (ENDPOINT, "http://127.0.0.1:4318");
        let protocol = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
        let error = with(&[endpoint, protocol]).expect_err("gRPC").to_string();
        assert!(error.starts_with("OTEL_EXPORTER_OTLP_PROTOCOL=grpc"), "{error}");
    }

    #[tokio::test]
    async fn a_file_of_tls_that_is_missing_is_an_error_that_names_its_variable() {
        const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://127.0.0.1:1");
        for (variable, expected) in [
            (CERTIFICATES[1], "OTEL_EXPORTER_OTLP_CERTIFICATE /none.pem: "),
            (
                CLIENT_CERTIFICATES[0],
                "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE needs OTEL_EXPORTER_OTLP_CLIENT_KEY",
            ),
            (
                CLIENT_KEYS[1],
                "OTEL_EXPORTER_OTLP_CLIENT_KEY needs OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
            ),
        ] {
            let error = with(&[ENDPOINT, (variable, "/none.pem")]).expect_err(variable).to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
