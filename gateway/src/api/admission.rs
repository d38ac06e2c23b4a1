//! A bound on the requests under way, and on the time each may take to arrive. One that
//! is over a bound gets its answer at once, before its body is read.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use tokio::{sync::Semaphore, time::timeout};
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service};

use crate::refusal::Refusal;

/// The longest that a request may take, its arrival included; `Solve` waits longer, and
/// a stream may go on for ever once it has begun.
const LONGEST: Duration = Duration::from_secs(120);

/// The limits of [`Admission`].
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The most requests under way.
    pub max_requests: usize,
    /// The most `Solve`s under way: they wait, so they have a bound of their own.
    pub max_watchers: usize,
    /// The largest request, in bytes; told when the server refuses a larger one.
    pub max_message_bytes: usize,
}

/// Lets at most so many requests through at once, and refuses the others with
/// RESOURCE_EXHAUSTED. A stream counts until its response headers are sent. Whether the
/// gateway is healthy is told in any case.
#[derive(Clone, Debug)]
pub struct Admission {
    brief: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    bounds: Bounds,
}

impl Admission {
    /// Admission within bounds.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            brief: Arc::new(Semaphore::new(bounds.max_requests)),
            waiting: Arc::new(Semaphore::new(bounds.max_watchers)),
            bounds,
        }
    }
}

/// How long a call lasts by its nature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// Asked by those who watch over the gateway: never refused.
    Health,
    /// Answered when a solve has ended.
    Waiting,
    /// Answered at once.
    Brief,
}

fn class(path: &str) -> Class {
    if path.starts_with("/grpc.health.v1.Health/") {
        Class::Health
    } else if path == "/solvemesh.v1.JobService/Solve" {
        Class::Waiting
    } else {
        Class::Brief
    }
}

/// A status that the transport made, in this API's terms.
fn told_by_us(status: &Status, max_message_bytes: usize) -> Option<Status> {
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
        let Admission { brief, waiting, bounds } = &self.admission;
        let class = class(request.uri().path());
        let (permits, limit, value) = match class {
            Class::Health => return Box::pin(self.inner.call(request)),
            Class::Waiting => (waiting, "max_watchers", bounds.max_watchers),
            Class::Brief => (brief, "max_requests", bounds.max_requests),
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
                Class::Brief => match timeout(LONGEST, response).await {
                    Ok(response) => response?,
                    Err(_) => {
                        let refusal = Refusal::TookTooLong { limit: LONGEST };
                        return Ok(Status::from(refusal).into_http());
                    }
                },
                Class::Waiting | Class::Health => response.await?,
            };
            let status = Status::from_header_map(response.headers());
            match status.and_then(|status| told_by_us(&status, max_message_bytes)) {
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
    async fn one_request_too_many_is_refused_and_room_again_is_service_again() {
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
        assert_eq!(code(health), None, "health is told in any case");
        let solve = Request::builder().uri("/solvemesh.v1.JobService/Solve").body(()).unwrap();
        let solve = service.ready().await.unwrap().call(solve).await.unwrap();
        assert_eq!(code(solve), None, "those who wait have a bound of their own");
        assert_eq!(code(second), Some(Code::ResourceExhausted));
        release.send(()).unwrap();
        assert_eq!(code(first.await.unwrap()), None);
        let third = service.ready().await.unwrap().call(Request::new(())).await.unwrap();
        assert_eq!(code(third), None);
    }

    #[test]
    fn what_the_transport_refuses_is_told_in_this_apis_terms() {
        let large = Status::out_of_range(
            "Error, decoded message length too large: found 9 bytes, the limit is: 7 bytes",
        );
        let told = told_by_us(&large, 7).unwrap();
        assert_eq!(told.code(), Code::ResourceExhausted);
        assert!(told.message().contains("max_message_bytes, 7 bytes"), "{}", told.message());
        let garbled = Status::internal("failed to decode Protobuf message: invalid wire type");
        assert_eq!(told_by_us(&garbled, 7).unwrap().code(), Code::InvalidArgument);
        assert!(told_by_us(&Status::internal("a bug"), 7).is_none());
    }
}
