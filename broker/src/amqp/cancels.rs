//! Hearing of cancels, and knowing when all of them were heard.
//!
//! A stream gives no sign of its end. So whoever attaches to this one appends a marker
//! of its own: once that is read, everything that was there before has been read too.

use futures::future::BoxFuture;
use prost::Message as _;
use solvemesh::broker::v1::CancelNotice;
use tokio::time;
use uuid::Uuid;

use super::{
    backoff::Backoff,
    properties,
    publisher::{Message, Publisher},
    stream_consumer::Reading,
    topology::Route,
};
use crate::{CancelNews, FORMAT_VERSION};

/// The cancel stream as one of its followers reads it.
pub(super) struct Cancels {
    pub(super) publisher: Publisher,
    pub(super) route: Route,
    /// The marker that tells that all was read; none when it was, or before the stream
    /// is attached.
    pub(super) awaited: Option<String>,
}

impl Reading for Cancels {
    type Item = CancelNews;

    fn begun(&mut self) -> BoxFuture<'static, ()> {
        let marker = Uuid::new_v4().to_string();
        self.awaited = Some(marker.clone());
        let notice = CancelNotice { version: FORMAT_VERSION, job_id: String::new(), marker };
        Box::pin(mark(self.publisher.clone(), message(self.route.clone(), &notice)))
    }

    fn item(&mut self, offset: u64, body: Vec<u8>) -> Option<CancelNews> {
        match CancelNotice::decode(body.as_slice()) {
            Ok(notice) if notice.version > FORMAT_VERSION => {
                tracing::warn!(offset, version = notice.version, "a cancel of a later format");
                None
            }
            Ok(notice) if notice.marker.is_empty() => Some(CancelNews::Cancel(notice.job_id)),
            // Others have markers of their own, and an earlier one of ours tells too little.
            Ok(notice) => self
                .awaited
                .take_if(|awaited| *awaited == notice.marker)
                .map(|_| CancelNews::CaughtUp),
            Err(error) => {
                tracing::warn!(offset, %error, "a cancel that can't be read");
                None
            }
        }
    }

    fn lost(&mut self) -> Option<CancelNews> {
        Some(CancelNews::Behind)
    }
}

/// Appends a marker, however long an alarm of the broker lasts: at most as long as the
/// stream is attached.
async fn mark(publisher: Publisher, marker: Message) {
    let mut backoff = Backoff::default();
    while let Err(failure) = publisher.publish(marker.clone()).await {
        tracing::warn!(?failure, "the cancels can't be marked yet");
        time::sleep(backoff.next()).await;
    }
}

/// A notice as it travels.
pub(super) fn message(route: Route, notice: &CancelNotice) -> Message {
    Message { route, properties: properties::of_record(), body: notice.encode_to_vec().into() }
}
