//! The entrance of the server. Calls of native gRPC clients go to the service directly, all others
//! through the layers for browsers. Those would not change native calls, but cost as much CPU time
//! as a small job.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use http::{HeaderValue, Request, Response, Version, header::CONTENT_TYPE};
use tonic::{body::Body, service::Routes};
use tower::Service;

use super::{admission, browser::may_be_of_browser};
use crate::access::JOB_SERVICE;

/// What the server answers a request with.
pub(super) type Answer = admission::Answer<Body, Infallible>;

/// A tower service that divides requests between `native` and `all`.
#[derive(Clone, Debug)]
pub(super) struct Front<S> {
    /// Answers the calls of native gRPC clients.
    pub(super) native: S,
    /// Answers every request.
    pub(super) all: Routes,
}

impl<S> Service<Request<Body>> for Front<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future = Answer>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        match self.native.poll_ready(context)? {
            Poll::Ready(()) => Service::<Request<Body>>::poll_ready(&mut self.all, context),
            Poll::Pending => Poll::Pending,
        }
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        if is_native(&request) {
            self.native.call(request)
        } else {
            Box::pin(self.all.call(request))
        }
    }
}

/// Whether a request is a call of a client that is not a browser. Requests of browsers have to be
/// checked.
fn is_native<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    let content_type = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let subtype = content_type.strip_prefix(b"application/grpc");
    request.version() == Version::HTTP_2
        && subtype.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"+"))
        && !may_be_of_browser(headers)
        && request.uri().path().starts_with(JOB_SERVICE)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn call(content_type: &str, header: Option<&'static str>) -> Request<()> {
        let mut request = Request::post("http://gateway/solvemesh.v1.JobService/GetJob")
            .version(Version::HTTP_2)
            .header(CONTENT_TYPE, content_type);
        if let Some(name) = header {
            request = request.header(name, "x");
        }
        request.body(()).unwrap()
    }

    #[test]
    fn calls_of_native_clients_are_recognised() {
        for content_type in ["application/grpc", "application/grpc+proto"] {
            assert!(is_native(&call(content_type, None)), "{content_type}");
        }
    }

    #[test]
    fn what_may_come_from_a_browser_goes_through_all_layers() {
        for content_type in ["application/grpc-web", "application/grpc-web+proto", "text/plain", ""]
        {
            assert!(!is_native(&call(content_type, None)), "{content_type}");
        }
        for header in ["origin", "sec-fetch-site"] {
            assert!(!is_native(&call("application/grpc", Some(header))), "{header}");
        }
        let mut old = call("application/grpc", None);
        *old.version_mut() = Version::HTTP_11;
        assert!(!is_native(&old));
        let mut page = call("application/grpc", None);
        *page.uri_mut() = "http://gateway/app.js".parse().unwrap();
        assert!(!is_native(&page));
    }
}
