//! Bodies of responses that end early, with a status.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use tonic::Status;

use super::any_body::AnyBody;

/// What ends a body.
pub(super) type End = Pin<Box<dyn Future<Output = Status> + Send>>;

/// A body until `end`, and then its status.
pub(super) fn until<R: AnyBody>(body: R, end: End) -> R {
    R::of(Until { body: Some(body), end })
}

/// A body until it ends, or is ended.
struct Until<B> {
    /// `None` after it was ended.
    body: Option<B>,
    end: End,
}

impl<B: AnyBody> Body for Until<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        // First: a stream that always has another message must end, too.
        if self.body.is_some()
            && let Poll::Ready(status) = self.end.as_mut().poll(context)
        {
            self.body = None;
            let mut trailers = HeaderMap::new();
            // If the message can't be encoded, the trailers have the code alone.
            let _ = status.add_header(&mut trailers);
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }
}
