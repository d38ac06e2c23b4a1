//! Follows the stream of cancels, and detects when all earlier ones were received.
//!
//! A stream does not signal its end. So each follower appends a marker when it attaches: once it
//! reads its own marker, it has read everything that was in the stream before.

use futures::future::BoxFuture;
use prost::Message as _;
use solvemesh::broker::v1::CancelNotice;
use tokio::time;
use uuid::Uuid;

use super::{
    properties,
    publisher::{Message, Publisher},
    stream_consumer::StreamHandler,
    topology::Route,
};
use crate::{CancelEvent, FORMAT_VERSION, backoff::Backoff};

/// One follower of the stream of cancels.
pub(super) struct CancelFollower {
    pub(super) publisher: Publisher,
    pub(super) route: Route,
    /// The marker to wait for; `None` before the stream is attached, and once it was read.
    pub(super) expected_marker: Option<String>,
}

impl StreamHandler for CancelFollower {
    type Item = CancelEvent;

    fn attached(&mut self) -> BoxFuture<'static, ()> {
        let marker = Uuid::new_v4().to_string();
        self.expected_marker = Some(marker.clone());
        let notice = CancelNotice { version: FORMAT_VERSION, job_id: String::new(), marker };
        Box::pin(append_marker(self.publisher.clone(), message(self.route.clone(), &notice)))
    }

    fn decode(&mut self, offset: u64, body: Vec<u8>) -> Option<CancelEvent> {
        match CancelNotice::decode(body.as_slice()) {
            Ok(notice) if notice.version > FORMAT_VERSION => {
                let version = notice.version;
                tracing::warn!(offset, version, "cancel of a later format skipped");
                None
            }
            Ok(notice) if notice.marker.is_empty() => Some(CancelEvent::Cancel(notice.job_id)),
            // Ignore the markers of other followers, and earlier ones of this follower: cancels may
            // have been announced between an earlier marker and the reconnect.
            Ok(notice) => self
                .expected_marker
                .take_if(|expected| *expected == notice.marker)
                .map(|_| CancelEvent::CaughtUp),
            Err(error) => {
                tracing::warn!(offset, cause = %error, "undecodable cancel skipped");
                None
            }
        }
    }

    fn lost(&mut self) -> Option<CancelEvent> {
        Some(CancelEvent::ConnectionLost)
    }
}

/// Appends a marker, with retries for as long as an alarm of the broker lasts. Its caller drops
/// it when the stream is lost.
async fn append_marker(publisher: Publisher, marker: Message) {
    let mut backoff = Backoff::for_broker();
    while let Err(error) = publisher.publish(marker.clone()).await {
        tracing::warn!(cause = ?error, "cancel marker not confirmed, retrying");
        time::sleep(backoff.next_delay()).await;
    }
}

/// Encodes a notice as a message to publish.
pub(super) fn message(route: Route, notice: &CancelNotice) -> Message {
    Message { route, properties: properties::persistent(), body: notice.encode_to_vec().into() }
}
