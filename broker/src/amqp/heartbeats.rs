//! Follows the stream of heartbeats.

use prost::Message as _;
use solvemesh::broker::v1::Heartbeat;

use super::{properties, publisher::Message, stream_consumer::StreamHandler, topology::Route};
use crate::FORMAT_VERSION;

/// Decodes heartbeats.
pub(super) struct HeartbeatFollower;

impl StreamHandler for HeartbeatFollower {
    type Item = Heartbeat;

    fn decode(&mut self, offset: u64, body: Vec<u8>) -> Option<Heartbeat> {
        match Heartbeat::decode(body.as_slice()) {
            Ok(heartbeat) if heartbeat.version > FORMAT_VERSION => {
                let version = heartbeat.version;
                tracing::debug!(offset, version, "heartbeat of a later format skipped");
                None
            }
            Ok(heartbeat) => Some(heartbeat),
            Err(error) => {
                tracing::warn!(offset, %error, "undecodable heartbeat skipped");
                None
            }
        }
    }
}

/// Encodes a heartbeat as a message to publish.
pub(super) fn message(route: Route, heartbeat: &Heartbeat) -> Message {
    Message { route, properties: properties::persistent(), body: heartbeat.encode_to_vec().into() }
}
