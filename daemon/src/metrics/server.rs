//! The HTTP server of metrics and probes.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use clap::Args;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ALLOW, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

use super::Metrics;

/// How long a client may take to send its next request. Scrapes come seconds apart, and a client
/// connects again at little cost.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum number of connections. Prometheus and a kubelet have one each; further ones wait.
const MAX_CONNECTIONS: usize = 32;
/// Pause after a connection could not be accepted, for example because too many files are open.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

/// The flag of a program's metrics.
#[derive(Args, Clone, Debug)]
pub struct MetricsArgs {
    /// Serve metrics for Prometheus over HTTP on this address, at /metrics, and probes at /livez
    /// and /readyz
    #[arg(long, env = "SOLVEMESH_METRICS", value_name = "ADDR")]
    pub metrics: Option<SocketAddr>,
}

/// Why the program can't do its work now; `None` while it can.
type NotReady = dyn Fn() -> Option<String> + Send + Sync;

impl MetricsArgs {
    /// Starts to listen; `None` if the flag is not set.
    ///
    /// # Errors
    ///
    /// If the address can't be used.
    pub async fn listen(&self) -> anyhow::Result<Option<TcpListener>> {
        let Some(address) = self.metrics else { return Ok(None) };
        let listener = TcpListener::bind(address);
        let listener = listener.await.with_context(|| format!("--metrics {address}"))?;
        tracing::info!(address = %listener.local_addr()?, "serving metrics");
        Ok(Some(listener))
    }
}

impl Metrics {
    /// Serves metrics and probes until its task is aborted. `not_ready` says why `/readyz` fails.
    /// `/livez` always succeeds: a restart helps a program that can't answer, and not one whose
    /// broker is away.
    pub async fn serve(
        self,
        listener: TcpListener,
        not_ready: impl Fn() -> Option<String> + Send + Sync + 'static,
    ) {
        let metrics = Arc::new(self);
        let not_ready: Arc<NotReady> = Arc::new(not_ready);
        let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            // Never closed.
            let permit = Arc::clone(&permits).acquire_owned().await.ok();
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(cause = %error, "connection for metrics not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let (metrics, not_ready) = (Arc::clone(&metrics), Arc::clone(&not_ready));
            tokio::spawn(async move {
                let _permit = permit;
                serve_connection(stream, &metrics, &*not_ready).await;
            });
        }
    }
}

async fn serve_connection(stream: TcpStream, metrics: &Metrics, not_ready: &NotReady) {
    let service = service_fn(|request: Request<Incoming>| {
        let response = answer(request.method(), request.uri().path(), metrics, not_ready);
        std::future::ready(Ok::<_, Infallible>(response))
    });
    let mut http = http1::Builder::new();
    let http = http.timer(TokioTimer::new()).header_read_timeout(REQUEST_TIMEOUT);
    // An error is the client's: it hung up, or did not speak HTTP.
    if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(cause = %error, "connection for metrics ended");
    }
}

fn answer(
    method: &Method,
    path: &str,
    metrics: &Metrics,
    not_ready: &NotReady,
) -> Response<String> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match path {
        "/metrics" => {
            let mut response = text(StatusCode::OK, metrics.to_text());
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(OPEN_METRICS));
            response
        }
        "/livez" => text(StatusCode::OK, "ok\n".to_owned()),
        "/readyz" => match not_ready() {
            None => text(StatusCode::OK, "ok\n".to_owned()),
            Some(cause) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{cause}\n")),
        },
        _ => text(StatusCode::NOT_FOUND, "try /metrics, /livez or /readyz\n".to_owned()),
    }
}

fn text(status: StatusCode, body: String) -> Response<String> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(PLAIN));
    response
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn exchange(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.expect("a connection");
        let request = format!("{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        answer
    }

    #[tokio::test]
    async fn metrics_and_probes_are_served() {
        let args = MetricsArgs { metrics: Some(([127, 0, 0, 1], 0).into()) };
        let listener = args.listen().await.expect("a port").expect("a listener");
        let address = listener.local_addr().expect("an address");
        let ready = Arc::new(AtomicBool::new(false));
        let is_ready = Arc::clone(&ready);
        let not_ready = move || (!is_ready.load(Ordering::Relaxed)).then(|| "no broker".to_owned());
        let server = tokio::spawn(Metrics::of_process().serve(listener, not_ready));

        let metrics = exchange(address, "GET /metrics").await;
        assert!(metrics.starts_with("HTTP/1.1 200 OK\r\n"), "{metrics}");
        assert!(metrics.contains(OPEN_METRICS) && metrics.ends_with("# EOF\n"), "{metrics}");
        assert!(exchange(address, "GET /livez").await.ends_with("\r\n\r\nok\n"));
        let answer = exchange(address, "GET /readyz").await;
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.ends_with("no broker\n"), "{answer}");
        ready.store(true, Ordering::Relaxed);
        assert!(exchange(address, "GET /readyz").await.starts_with("HTTP/1.1 200 "));
        assert!(exchange(address, "HEAD /metrics").await.ends_with("\r\n\r\n"));
        assert!(exchange(address, "GET /").await.starts_with("HTTP/1.1 404 "));
        assert!(exchange(address, "POST /metrics").await.starts_with("HTTP/1.1 405 "));
        server.abort();
    }

    #[tokio::test]
    async fn a_used_address_is_an_error_that_names_the_flag() {
        let taken = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let args = MetricsArgs { metrics: Some(taken.local_addr().expect("an address")) };
        let error = args.listen().await.expect_err("a used port");
        assert!(format!("{error:#}").contains("--metrics 127.0.0.1:"), "{error:#}");
    }
}
