//! Limits the number of requests in progress, and the time that each may take to arrive. A request
//! over the limit is refused at once, before its body is read.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use solvemesh_rpc::refused_field;
use tokio::{sync::Semaphore, time::timeout};
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service};

use crate::refusal::Refusal;

/// Timeout of a request, arrival of its body included. `Solve` is exempt, as it waits for a job,
/// and a stream may continue without limit once its response headers are sent.
const TIMEOUT: Duration = Duration::from_secs(120);

/// The limits of [`Admission`].
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Maximum number of requests in progress, `Solve` not counted.
    pub max_requests: usize,
    /// Maximum number of `Solve` requests in progress. They wait for jobs, so they must not use up
    /// the limit of the short requests.
    pub max_watchers: usize,
    /// Maximum size of a request, in bytes, for the error message: tonic enforces it.
    pub max_message_bytes: usize,
}

/// A tower layer that admits a limited number of requests at the same time, and refuses others
/// with RESOURCE_EXHAUSTED. A stream counts until its response headers are sent. Health checks are
/// always admitted.
#[derive(Clone, Debug)]
pub struct Admission {
    short: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    bounds: Bounds,
}

impl Admission {
    /// A layer with these limits.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            short: Arc::new(Semaphore::new(bounds.max_requests)),
            waiting: Arc::new(Semaphore::new(bounds.max_watchers)),
            bounds,
        }
    }
}

/// The kind of a call, by how long it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// A health check: never refused.
    Health,
    /// Answered when a job has finished.
    Waiting,
    /// Answered at once.
    Short,
}

fn class(path: &str) -> Class {
    if path.starts_with("/grpc.health.v1.Health/") {
        Class::Health
    } else if path == "/solvemesh.v1.JobService/Solve" {
        Class::Waiting
    } else {
        Class::Short
    }
}

/// Replaces a status that tonic created by one with this API's codes and details; `None` for any
/// other status. tonic offers only the message text to recognise them by.
fn translate_transport_status(status: &Status, max_message_bytes: usize) -> Option<Status> {
    if let Some(field) = refused_field(status) {
        return Some(Refusal::UnknownField { field }.into());
    }
    let refusal = match status.code() {
        Code::OutOfRange if status.message().contains("decoded message length too large") => {
            Refusal::MessageTooLarge { limit: max_message_bytes }
        }
        Code::Internal if status.message().starts_with("failed to decode Protobuf message") => {
            Refusal::Undecodable { cause: status.message().to_owned() }
        }
        _ => return None,
    };
    Some(refusal.into())
}

impl<S> Layer<S> for Admission {
    type Service = Admitted<S>;

    fn layer(&self, inner: S) -> Admitted<S> {
        Admitted { inner, admission: self.clone() }
    }
}

/// A service behind [`Admission`].
#[derive(Clone, Debug)]
pub struct Admitted<S> {
    inner: S,
    admission: Admission,
}

impl<S, B> Service<Request<B>> for Admitted<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Admission { short, waiting, bounds } = &self.admission;
        let class = class(request.uri().path());
        let (permits, limit, value) = match class {
            Class::Health => return Box::pin(self.inner.call(request)),
            Class::Waiting => (waiting, "max_watchers", bounds.max_watchers),
            Class::Short => (short, "max_requests", bounds.max_requests),
        };
        let Ok(permit) = permits.clone().try_acquire_owned() else {
            let refusal = Refusal::Exhausted { limit, value };
            return Box::pin(async move { Ok(Status::from(refusal).into_http()) });
        };
        let response = self.inner.call(request);
        let max_message_bytes = bounds.max_message_bytes;
        Box::pin(async move {
            let _permit = permit;
            let response = match class {
                Class::Short => match timeout(TIMEOUT, response).await {
                    Ok(response) => response?,
                    Err(_) => {
                        let refusal = Refusal::TookTooLong { limit: TIMEOUT };
                        return Ok(Status::from(refusal).into_http());
                    }
                },
                Class::Waiting | Class::Health => response.await?,
            };
            let status = Status::from_header_map(response.headers());
            let translate = |status| translate_transport_status(&status, max_message_bytes);
            match status.and_then(translate) {
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
    use tower::{ServiceExt, service_fn};

    use super::*;

    #[tokio::test]
    async fn request_over_the_limit_is_refused_until_another_completes() {
        let (release, held) = oneshot::channel::<()>();
        let mut held = Some(held);
        let bounds = Bounds { max_requests: 1, max_watchers: 1, max_message_bytes: 7 };
        let mut service = Admission::new(bounds).layer(service_fn(move |_: Request<()>| {
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
        let first = service.ready().await.unwrap().call(Request::new(()));
        let second = service.ready().await.unwrap().call(Request::new(())).await.unwrap();
        let health = Request::builder().uri("/grpc.health.v1.Health/Check").body(()).unwrap();
        let health = service.ready().await.unwrap().call(health).await.unwrap();
        assert_eq!(code(health), None, "health checks are always admitted");
        let solve = Request::builder().uri("/solvemesh.v1.JobService/Solve").body(()).unwrap();
        let solve = service.ready().await.unwrap().call(solve).await.unwrap();
        assert_eq!(code(solve), None, "Solve has a limit of its own");
        assert_eq!(code(second), Some(Code::ResourceExhausted));
        release.send(()).unwrap();
        assert_eq!(code(first.await.unwrap()), None);
        let third = service.ready().await.unwrap().call(Request::new(())).await.unwrap();
        assert_eq!(code(third), None);
    }

    #[test]
    fn transport_errors_are_translated() {
        let large = Status::out_of_range(
            "Error, decoded message length too large: found 9 bytes, the limit is: 7 bytes",
        );
        let status = translate_transport_status(&large, 7).unwrap();
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert!(status.message().contains("max_message_bytes, 7 bytes"), "{}", status.message());
        let garbled = Status::internal("failed to decode Protobuf message: invalid wire type");
        let status = translate_transport_status(&garbled, 7).unwrap();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(translate_transport_status(&Status::internal("a bug"), 7).is_none());
    }
}
