//! The types of response bodies that layers see: those of tonic in front of the service, those of axum
//! behind the router.

use bytes::Bytes;
use http_body::Body;

/// The body of a response, which a layer may wrap.
pub(super) trait AnyBody: Body<Data = Bytes> + Unpin + Sized + Send + 'static {
    /// This type of body, with the frames of another.
    fn of<B>(body: B) -> Self
    where
        B: Body<Data = Bytes, Error = Self::Error> + Send + 'static;
}

impl AnyBody for tonic::body::Body {
    fn of<B>(body: B) -> Self
    where
        B: Body<Data = Bytes, Error = Self::Error> + Send + 'static,
    {
        Self::new(body)
    }
}

impl AnyBody for axum::body::Body {
    fn of<B>(body: B) -> Self
    where
        B: Body<Data = Bytes, Error = Self::Error> + Send + 'static,
    {
        Self::new(body)
    }
}
