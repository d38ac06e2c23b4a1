//! Limits the time in which the body of a request has to arrive.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;
use tonic::Status;

use crate::refusal::Refusal;

/// The body of a request, which fails if its end does not arrive in time.
#[derive(Debug)]
pub(super) struct TimedBody {
    body: tonic::body::Body,
    due: Pin<Box<Sleep>>,
    limit: Duration,
}

impl TimedBody {
    /// A body that has to arrive within `limit` from now.
    pub(super) fn new(body: tonic::body::Body, limit: Duration) -> Self {
        Self { body, due: Box::pin(tokio::time::sleep(limit)), limit }
    }
}

impl Body for TimedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        // First, as a client that sends a byte now and then always has a frame ready.
        if self.due.as_mut().poll(context).is_ready() {
            let refusal = Refusal::TookTooLong { limit: self.limit };
            return Poll::Ready(Some(Err(refusal.into())));
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::{convert::Infallible, future::poll_fn};

    use tonic::Code;

    use super::*;

    /// A body of single bytes, one a second, without an end.
    struct Drip(Pin<Box<Sleep>>);

    impl Body for Drip {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            self.0.as_mut().poll(context).map(|()| {
                self.0 = Box::pin(tokio::time::sleep(Duration::from_secs(1)));
                Some(Ok(Frame::data(Bytes::from_static(b"x"))))
            })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_drips_fails_at_its_limit() {
        let drip = Drip(Box::pin(tokio::time::sleep(Duration::ZERO)));
        let mut body = TimedBody::new(tonic::body::Body::new(drip), Duration::from_secs(120));
        let mut count = 0;
        let error = loop {
            match poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await.unwrap() {
                Ok(_) => count += 1,
                Err(error) => break error,
            }
        };
        assert_eq!((error.code(), count), (Code::DeadlineExceeded, 120));
    }
}
