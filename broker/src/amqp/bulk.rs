//! The bulk stream: objects that are too large for one message, stored in parts.

use std::{future::Future, time::Duration};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use prost::Message as _;
use solvemesh::broker::v1::{BulkPart, BulkReference};
use tokio::time;

use super::{
    connection::ConnectionHandle,
    properties,
    publisher::{Message, PublishError, Publisher},
    stream_consumer::{AttachedStream, attach},
    topology::{Route, number, text},
};
use crate::{BulkObject, MeshError, bulk};

/// The prefetch: the number of parts that the broker sends ahead.
const PREFETCH: u16 = 8;
/// The number of parts of one object in flight.
const IN_FLIGHT: usize = 8;

/// The bulk stream.
#[derive(Debug)]
pub(super) struct Bulk {
    pub(super) publisher: Publisher,
    pub(super) connection: ConnectionHandle,
    pub(super) route: Route,
    pub(super) publish_timeout: Duration,
    pub(super) timeout: Duration,
}

impl Bulk {
    /// Stores parts. A confirm does not contain the offset, so a reader attaches to the end of the
    /// stream before, and learns the offset when it receives the first part.
    pub(super) async fn store(&self, object: BulkObject) -> Result<BulkReference, MeshError> {
        let (reference, parts) = object.describe()?;
        if parts.is_empty() {
            return Ok(reference);
        }
        self.with_timeout(async {
            let session = self.connection.session_within(self.publish_timeout).await?;
            let mut end = attach(&session, self.route.name(), text("next"), PREFETCH).await?;
            let (first_offset, ()) = tokio::try_join!(
                first_offset(&mut end, &reference.id),
                self.publish(&reference.id, parts),
            )?;
            Ok(BulkReference { first_offset, ..reference.clone() })
        })
        .await
        .unwrap_or(Err(MeshError::OutcomeUnknown))
    }

    /// Publishes the parts in order.
    async fn publish(&self, id: &str, parts: Vec<Bytes>) -> Result<(), MeshError> {
        let confirms = parts.into_iter().zip(0..).map(|(content, index)| {
            let part = BulkPart { id: id.to_owned(), index, content };
            self.publisher.publish(Message {
                route: self.route.clone(),
                properties: properties::persistent(),
                body: part.encode_to_vec().into(),
            })
        });
        stream::iter(confirms).buffered(IN_FLIGHT).map_err(stream_publish_error).try_collect().await
    }

    /// Loads the parts of a reference.
    pub(super) async fn load(&self, reference: &BulkReference) -> Result<Vec<Bytes>, MeshError> {
        let mut parts = Vec::new();
        if reference.parts > 0 {
            let timed_out =
                || MeshError::Unavailable(format!("loading {} timed out", reference.id));
            let reading = self.with_timeout(async {
                let session = self.connection.session_within(self.publish_timeout).await?;
                let start = number(reference.first_offset);
                let mut attached = attach(&session, self.route.name(), start, PREFETCH).await?;
                collect(&mut attached, reference).await
            });
            parts = reading.await.unwrap_or_else(|| Err(timed_out()))?;
        }
        bulk::check(reference, &parts)?;
        Ok(parts)
    }

    async fn with_timeout<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        time::timeout(self.timeout, work).await.ok()
    }
}

/// Converts the error of a publish to a stream.
pub(super) fn stream_publish_error(error: PublishError) -> MeshError {
    match error {
        PublishError::NotSent(error) => error,
        PublishError::Unknown => MeshError::OutcomeUnknown,
        PublishError::Nacked => {
            MeshError::Unavailable("the stream rejected the message".to_owned())
        }
        PublishError::Returned(why) => MeshError::Unroutable(why),
    }
}

/// Waits for the first part of the object `id`, and returns its offset.
async fn first_offset(end: &mut AttachedStream, id: &str) -> Result<u64, MeshError> {
    loop {
        let (offset, part) = next(end).await?;
        if part.is_some_and(|part| part.id == id && part.index == 0) {
            return Ok(offset);
        }
    }
}

/// Reads until all parts have arrived. They are in order, with parts of other objects between them.
async fn collect(
    attached: &mut AttachedStream,
    reference: &BulkReference,
) -> Result<Vec<Bytes>, MeshError> {
    let gone = |what: &str| MeshError::Gone(format!("{what} of {}", reference.id));
    let mut parts = Vec::new();
    while parts.len() as u64 != u64::from(reference.parts) {
        let (offset, part) = next(attached).await?;
        // The broker starts with the whole chunk that contains the offset.
        if offset < reference.first_offset {
            continue;
        }
        let next = parts.len() as u64;
        match part {
            Some(part) if part.id == reference.id => {
                if u64::from(part.index) != next {
                    return Err(gone("a part"));
                }
                parts.push(part.content);
            }
            // The first part must be at its offset: it was truncated, or the stream was recreated.
            _ if next == 0 => return Err(gone("the first part")),
            // A part of another object.
            _ => {}
        }
    }
    Ok(parts)
}

/// Receives the next message: its offset, and its part if it can be decoded.
async fn next(attached: &mut AttachedStream) -> Result<(u64, Option<BulkPart>), MeshError> {
    let (offset, body) = attached.next_and_ack().await?;
    Ok((offset, BulkPart::decode(body.as_slice()).ok()))
}
