//! Limits the number of requests in progress, and the time that each may take to arrive. A request
//! over the limit is refused at once, before its body is read.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as _;
use tokio::{sync::Semaphore, time::timeout};
use tonic::{Status, body::Body};
use tower::{Layer, Service};

use super::{arrival::TimedBody, transport_errors};
use crate::{
    access::{HEALTH_CHECKS, JOB_SERVICE},
    refusal::Refusal,
};

/// What the layers around the service return.
pub(crate) type Answer<R, E> = Pin<Box<dyn Future<Output = Result<Response<R>, E>> + Send>>;

/// Timeout of a request, arrival of its body included. `Solve` waits for a job, and the streams of
/// other services answer before they have read their requests: of those it limits the arrival of the
/// body alone. A stream may continue without limit once its response headers are sent.
const TIMEOUT: Duration = Duration::from_secs(120);

/// The limits of [`Admission`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Maximum number of requests in progress, `Solve` not counted.
    pub(crate) max_requests: usize,
    /// Maximum number of `Solve` requests in progress. They wait for jobs, so they must not use up
    /// the limit of the short requests.
    pub(crate) max_watchers: usize,
    /// Maximum size of a request, in bytes, for the error message: tonic enforces it.
    pub(crate) max_message_bytes: usize,
}

/// A tower layer that admits a limited number of requests at the same time, and refuses others
/// with RESOURCE_EXHAUSTED. A stream counts until its response headers are sent. Health checks are
/// always admitted.
#[derive(Clone, Debug)]
pub(crate) struct Admission {
    short: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    limits: Limits,
}

impl Admission {
    /// A layer with these limits.
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            short: Arc::new(Semaphore::new(limits.max_requests)),
            waiting: Arc::new(Semaphore::new(limits.max_watchers)),
            limits,
        }
    }
}

/// The kind of a call, by how long it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CallKind {
    /// A health check: never refused.
    Health,
    /// Answered when a job has finished.
    Waiting,
    /// Answered at once.
    Short,
}

fn call_kind(path: &str) -> CallKind {
    if path.starts_with(HEALTH_CHECKS) {
        CallKind::Health
    } else if path.strip_prefix(JOB_SERVICE) == Some("Solve") {
        CallKind::Waiting
    } else {
        CallKind::Short
    }
}

/// Whether a call has read its request when it responds, so that the timeout of its response limits
/// the arrival of its body, too.
fn reads_before_response(path: &str) -> bool {
    path.starts_with(JOB_SERVICE) && call_kind(path) == CallKind::Short
}

impl<S> Layer<S> for Admission {
    type Service = Admitted<S>;

    fn layer(&self, inner: S) -> Admitted<S> {
        Admitted { inner, admission: self.clone() }
    }
}

/// A service behind [`Admission`].
#[derive(Clone, Debug)]
pub(crate) struct Admitted<S> {
    inner: S,
    admission: Admission,
}

impl<S, B, R> Service<Request<B>> for Admitted<S>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S: Service<Request<Body>, Response = Response<R>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Answer<R, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Admission { short, waiting, limits } = &self.admission;
        let mut request = request.map(Body::new);
        if !reads_before_response(request.uri().path()) && !request.body().is_end_stream() {
            request = request.map(|body| Body::new(TimedBody::new(body, TIMEOUT)));
        }
        let kind = call_kind(request.uri().path());
        let (permits, limit, value) = match kind {
            CallKind::Health => return Box::pin(self.inner.call(request)),
            CallKind::Waiting => (waiting, "max_watchers", limits.max_watchers),
            CallKind::Short => (short, "max_requests", limits.max_requests),
        };
        let Ok(permit) = permits.clone().try_acquire_owned() else {
            let refusal = Refusal::Exhausted { limit, value };
            return Box::pin(async move { Ok(Status::from(refusal).into_http()) });
        };
        let response = self.inner.call(request);
        let max_message_bytes = limits.max_message_bytes;
        Box::pin(async move {
            let _permit = permit;
            let response = match kind {
                CallKind::Short => match timeout(TIMEOUT, response).await {
                    Ok(response) => response?,
                    Err(_) => {
                        let refusal = Refusal::TookTooLong { limit: TIMEOUT };
                        return Ok(Status::from(refusal).into_http());
                    }
                },
                CallKind::Waiting | CallKind::Health => response.await?,
            };
            let status = Status::from_header_map(response.headers());
            match status.and_then(|status| transport_errors::translate(&status, max_message_bytes))
            {
                Some(status) => Ok(status.into_http()),
                None => Ok(response),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::convert::Infallible;

    use tokio::sync::oneshot;
    use tonic::Code;
    use tower::{ServiceExt, service_fn};

    use super::*;

    #[tokio::test]
    async fn request_over_the_limit_is_refused_until_another_completes() {
        let (release, held) = oneshot::channel::<()>();
        let mut held = Some(held);
        let limits = Limits { max_requests: 1, max_watchers: 1, max_message_bytes: 7 };
        let mut service = Admission::new(limits).layer(service_fn(move |_: Request<Body>| {
            let held = held.take();
            async move {
                if let Some(held) = held {
                    held.await.unwrap();
                }
                Ok::<_, Infallible>(Response::new(Body::default()))
            }
        }));
        let code = |response: Response<Body>| {
            Status::from_header_map(response.headers()).map(|status| status.code())
        };
        let first = ServiceExt::<Request<Body>>::ready(&mut service)
            .await
            .unwrap()
            .call(Request::new(Body::empty()));
        let second = ServiceExt::<Request<Body>>::ready(&mut service)
            .await
            .unwrap()
            .call(Request::new(Body::empty()))
            .await
            .unwrap();
        let health =
            Request::builder().uri("/grpc.health.v1.Health/Check").body(Body::empty()).unwrap();
        let health = ServiceExt::<Request<Body>>::ready(&mut service)
            .await
            .unwrap()
            .call(health)
            .await
            .unwrap();
        assert_eq!(code(health), None, "health checks are always admitted");
        let solve =
            Request::builder().uri("/solvemesh.v1.JobService/Solve").body(Body::empty()).unwrap();
        let solve = ServiceExt::<Request<Body>>::ready(&mut service)
            .await
            .unwrap()
            .call(solve)
            .await
            .unwrap();
        assert_eq!(code(solve), None, "Solve has a limit of its own");
        assert_eq!(code(second), Some(Code::ResourceExhausted));
        release.send(()).unwrap();
        assert_eq!(code(first.await.unwrap()), None);
        let third = ServiceExt::<Request<Body>>::ready(&mut service)
            .await
            .unwrap()
            .call(Request::new(Body::empty()))
            .await
            .unwrap();
        assert_eq!(code(third), None);
    }
}
