//! Measures calls, from the arrival of their headers to the last byte of their response. Outermost of
//! all layers that know gRPC, so that it sees what every other one refuses.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use tower::{Layer, Service};

use super::{admission::Answer, any_body::AnyBody};
use crate::{
    access::{is_short, method_name},
    metrics::{RpcMetrics, WATCHER_TOO_SLOW},
};

/// A tower layer that counts calls, and measures the time of those that are answered at once.
#[derive(Clone, Debug)]
pub(crate) struct MeasureLayer(RpcMetrics);

impl MeasureLayer {
    /// A layer that adds to these metrics.
    pub(crate) fn new(metrics: RpcMetrics) -> Self {
        Self(metrics)
    }
}

impl<S> Layer<S> for MeasureLayer {
    type Service = Measured<S>;

    fn layer(&self, inner: S) -> Measured<S> {
        Measured { inner, metrics: self.0.clone() }
    }
}

/// A service behind [`MeasureLayer`].
#[derive(Clone, Debug)]
pub(crate) struct Measured<S> {
    inner: S,
    metrics: RpcMetrics,
}

impl<S, B, R, E> Service<Request<B>> for Measured<S>
where
    S: Service<Request<B>, Response = Response<R>, Error = E, Future = Answer<R, E>>,
    E: Send + 'static,
    R: AnyBody,
{
    type Response = Response<R>;
    type Error = E;
    type Future = Answer<R, E>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), E>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let path = request.uri().path();
        let mut call = Call {
            metrics: self.metrics.clone(),
            method: method_name(path),
            start: is_short(path).then(Instant::now),
            ended: false,
        };
        let response = self.inner.call(request);
        Box::pin(async move {
            let response = response.await?;
            if let Some(status) = Status::from_header_map(response.headers()) {
                call.refused(&status);
                return Ok(response);
            }
            Ok(response.map(|body| R::of(MeasuredBody { body, call })))
        })
    }
}

/// A call in progress.
struct Call {
    metrics: RpcMetrics,
    method: &'static str,
    /// When it arrived, if it is answered at once.
    start: Option<Instant>,
    ended: bool,
}

impl Call {
    /// It was answered with a status and nothing else.
    fn refused(&mut self, status: &Status) {
        self.note_limit(status);
        self.end(status.code());
    }

    /// Its response has ended with these trailers.
    fn answered(&mut self, trailers: &HeaderMap) {
        let status = Status::from_header_map(trailers);
        if let Some(status) = status.as_ref().filter(|status| status.code() != Code::Ok) {
            self.note_limit(status);
            let details = status.get_error_details();
            let reason = details.error_info().map_or("", |info| info.reason.as_str());
            if reason != WATCHER_TOO_SLOW {
                self.metrics.cut(reason);
            }
        }
        self.end(status.map_or(Code::Unknown, |status| status.code()));
    }

    fn note_limit(&self, status: &Status) {
        if status.code() != Code::ResourceExhausted {
            return;
        }
        let details = status.get_error_details();
        let Some(info) = details.error_info() else { return };
        let text = |key: &str| info.metadata.get(key).map_or("", String::as_str);
        match info.reason.as_str() {
            "QUOTA_EXCEEDED" => self.metrics.limited(text("quota"), text("scope")),
            "QUEUE_FULL" => self.metrics.limited("queue_length", "mesh"),
            _ => self.metrics.limited(text("limit"), "mesh"),
        }
    }

    fn end(&mut self, code: Code) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.metrics.ended(self.method, code_name(code));
        if let Some(start) = self.start {
            self.metrics.took(self.method, start.elapsed());
        }
    }
}

impl Drop for Call {
    /// Its client hung up or cancelled it.
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

/// The body of a response to a call.
struct MeasuredBody<R> {
    body: R,
    call: Call,
}

impl<R: AnyBody> Body for MeasuredBody<R> {
    type Data = Bytes;
    type Error = R::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(trailers) = frame.trailers_ref()
        {
            self.call.answered(trailers);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The name of a status code in the specification of gRPC.
fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::{convert::Infallible, future::poll_fn, time::Duration};

    use prometheus_client::{encoding::text, registry::Registry};
    use tonic::body::Body as TonicBody;

    use super::*;
    use crate::{access::QuotaScope, metrics::Metrics, refusal::Refusal};

    /// A body with some data and then trailers, or without an end.
    struct Frames(Vec<Frame<Bytes>>);

    impl Body for Frames {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            if self.0.is_empty() {
                return Poll::Pending;
            }
            Poll::Ready(Some(Ok(self.0.remove(0))))
        }
    }

    fn trailers(status: &Status) -> Frame<Bytes> {
        let mut headers = HeaderMap::new();
        status.add_header(&mut headers).unwrap();
        Frame::trailers(headers)
    }

    fn stream(frames: Vec<Frame<Bytes>>) -> Response<TonicBody> {
        Response::new(TonicBody::new(Frames(frames)))
    }

    /// Calls a method, reads `frames` frames of the response, and drops it.
    async fn call(metrics: &Metrics, method: &str, response: Response<TonicBody>, frames: usize) {
        let mut response = Some(response);
        let service = tower::service_fn(move |_: Request<()>| -> Answer<TonicBody, Infallible> {
            let response = response.take().unwrap();
            Box::pin(async move { Ok(response) })
        });
        let mut service = MeasureLayer::new(metrics.rpc.clone()).layer(service);
        let path = format!("/solvemesh.v1.JobService/{method}");
        let request = Request::post(path).body(()).unwrap();
        let mut body = service.call(request).await.unwrap().into_body();
        for _ in 0..frames {
            poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await.unwrap().unwrap();
        }
    }

    #[tokio::test]
    async fn each_call_is_counted_once_by_how_it_ended() {
        let metrics = Metrics::default();
        let data = || Frame::data(Bytes::from_static(b"x"));
        let unary = || stream(vec![data(), trailers(&Status::ok(""))]);
        call(&metrics, "GetJob", unary(), 2).await;
        call(&metrics, "WatchResults", stream(vec![data()]), 1).await;
        let gone = Status::from(Refusal::ShuttingDown { job_id: String::new() });
        call(&metrics, "WatchResults", stream(vec![data(), trailers(&gone)]), 2).await;
        let slow = Status::from(Refusal::WatcherTooSlow { idle_timeout: Duration::ZERO });
        call(&metrics, "WatchResults", stream(vec![trailers(&slow)]), 1).await;
        let full = Refusal::Exhausted { limit: "max_requests", value: 1 };
        call(&metrics, "SubmitJob", Status::from(full).into_http(), 0).await;
        let (quota, scope) = ("max_live_jobs", QuotaScope::Tenant);
        let spent = Refusal::QuotaExceeded { quota, scope, limit: 1, retry: None };
        call(&metrics, "SubmitJob", Status::from(spent).into_http(), 0).await;
        call(&metrics, "Later", unary(), 2).await;

        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let mut text = String::new();
        text::encode(&mut text, &registry).unwrap();
        for line in [
            r#"rpc_requests_total{method="GetJob",code="OK"} 1"#,
            r#"rpc_requests_total{method="WatchResults",code="CANCELLED"} 1"#,
            r#"rpc_requests_total{method="WatchResults",code="UNAVAILABLE"} 2"#,
            r#"rpc_requests_total{method="SubmitJob",code="RESOURCE_EXHAUSTED"} 2"#,
            r#"rpc_requests_total{method="other",code="OK"} 1"#,
            r#"rpc_seconds_count{method="GetJob"} 1"#,
            r#"rpc_seconds_count{method="SubmitJob"} 2"#,
            r#"limit_hits_total{limit="max_requests",scope="mesh"} 1"#,
            r#"limit_hits_total{limit="max_live_jobs",scope="tenant"} 1"#,
            r#"watcher_cuts_total{reason="SHUTTING_DOWN"} 1"#,
            // Counted when it is closed.
            r#"watcher_cuts_total{reason="WATCHER_TOO_SLOW"} 0"#,
            // So that the first one is an increase.
            r#"limit_hits_total{limit="log_max_bytes",scope="mesh"} 0"#,
        ] {
            assert!(text.lines().any(|it| it == line), "{line} in {text}");
        }
        assert!(!text.contains(r#"rpc_seconds_count{method="WatchResults"}"#), "{text}");
    }
}
