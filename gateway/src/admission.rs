//! A bound on the requests under way. One that is over it gets its answer at once,
//! before its body is read.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tokio::sync::Semaphore;
use tonic::{Status, body::Body};
use tower::{Layer, Service};

use crate::refusal::Refusal;

/// Lets at most so many requests through at once, and refuses the others with
/// RESOURCE_EXHAUSTED. A stream counts until its response headers are sent.
#[derive(Clone, Debug)]
pub struct Admission {
    permits: Arc<Semaphore>,
    limit: usize,
}

impl Admission {
    /// A bound of `limit` requests.
    pub fn new(limit: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(limit)), limit }
    }
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
        match self.admission.permits.clone().try_acquire_owned() {
            Ok(permit) => {
                let response = self.inner.call(request);
                Box::pin(async move {
                    let response = response.await;
                    drop(permit);
                    response
                })
            }
            Err(_) => {
                let limit = self.admission.limit;
                let refusal = Refusal::Exhausted { limit: "max_requests", value: limit };
                Box::pin(async move { Ok(Status::from(refusal).into_http()) })
            }
        }
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
    async fn one_request_too_many_is_refused_and_room_again_is_service_again() {
        let (release, held) = oneshot::channel::<()>();
        let mut held = Some(held);
        let mut service = Admission::new(1).layer(service_fn(move |_: Request<()>| {
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
        assert_eq!(code(second), Some(Code::ResourceExhausted));
        release.send(()).unwrap();
        assert_eq!(code(first.await.unwrap()), None);
        let third = service.ready().await.unwrap().call(Request::new(())).await.unwrap();
        assert_eq!(code(third), None);
    }
}
