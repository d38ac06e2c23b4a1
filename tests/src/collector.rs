//! An OpenTelemetry collector that keeps the spans it receives by OTLP over HTTP.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use http_body_util::BodyExt as _;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, common::v1::any_value::Value, trace::v1::Span,
};
use prost::Message as _;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::watch,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

use crate::{tls::GatewayFiles, within};

/// How long spans may take on a busy machine: they are exported in batches.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A span with the name of the service that sent it.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// The attribute `service.name` of its resource.
    pub service: String,
    /// The span.
    pub span: Span,
}

/// A collector. Stops when it is dropped.
#[derive(Debug)]
pub struct Collector {
    scheme: &'static str,
    address: SocketAddr,
    spans: watch::Receiver<Vec<Received>>,
    server: JoinHandle<()>,
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Collector {
    /// Starts on a free port.
    pub async fn start() -> Self {
        Self::start_as("http", None).await
    }

    /// Starts on a free port with TLS, for clients with a certificate of the CA of these files.
    pub async fn start_with_tls(files: &GatewayFiles) -> Self {
        Self::start_as("https", Some(files.acceptor())).await
    }

    async fn start_as(scheme: &'static str, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (sender, spans) = watch::channel(Vec::new());
        let server = tokio::spawn(serve(listener, tls, Arc::new(sender)));
        Self { scheme, address, spans, server }
    }

    /// The variables that make a program send its spans here, soon.
    pub fn variables(&self) -> [(&'static str, String); 2] {
        [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("{}://{}", self.scheme, self.address)),
            ("OTEL_BSP_SCHEDULE_DELAY", "100".to_owned()),
        ]
    }

    /// Waits until the spans so far meet a condition, and returns them.
    pub async fn until(
        &mut self,
        what: &str,
        condition: impl Fn(&[Received]) -> bool,
    ) -> Vec<Received> {
        let met = self.spans.wait_for(|spans| condition(spans));
        within(TIMEOUT, what, met).await.expect("a collector that runs").clone()
    }
}

async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    spans: Arc<watch::Sender<Vec<Received>>>,
) {
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        let (spans, tls) = (Arc::clone(&spans), tls.clone());
        tokio::spawn(async move {
            match tls {
                None => serve_connection(stream, &spans).await,
                Some(tls) => {
                    // A client that is refused has nothing to say.
                    if let Ok(stream) = tls.accept(stream).await {
                        serve_connection(stream, &spans).await;
                    }
                }
            }
        });
    }
}

async fn serve_connection(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    spans: &watch::Sender<Vec<Received>>,
) {
    let service = service_fn(|request| receive(request, spans));
    // An error is that of a program that was killed.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn receive(
    request: Request<Incoming>,
    spans: &watch::Sender<Vec<Received>>,
) -> Result<Response<String>, Infallible> {
    assert_eq!(request.uri().path(), "/v1/traces");
    assert_eq!(request.headers()["content-type"], "application/x-protobuf");
    let body = request.into_body().collect().await.expect("a body").to_bytes();
    let export = ExportTraceServiceRequest::decode(body).expect("a message of OTLP");
    let received = export.resource_spans.into_iter().flat_map(|of_resource| {
        let attributes = of_resource.resource.map(|it| it.attributes).unwrap_or_default();
        let name = attributes.into_iter().find(|it| it.key == "service.name");
        let service = match name.and_then(|it| it.value?.value) {
            Some(Value::StringValue(name)) => name,
            other => panic!("no name of a service: {other:?}"),
        };
        let spans = of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
        spans.map(move |span| Received { service: service.clone(), span })
    });
    let received: Vec<Received> = received.collect();
    spans.send_modify(|spans| spans.extend(received));
    Ok(Response::new(String::new()))
}
