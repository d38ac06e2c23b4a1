//! When to leave a node of a cluster that has no replica of a stream.
//!
//! For a moment that is normal: the node has just joined the others, or a leader is being elected.
//! But after a partition, a node of RabbitMQ 3.10 was seen to refuse two streams for as long as it
//! ran, while both were up on all nodes: `PRECONDITION_FAILED … does not have a replica on the local
//! node`. Another node then serves.

use std::time::Duration;

use tokio::time::Instant;

use crate::MeshError;

/// How long a stream may be missing until another node is tried. Longer than an election.
const FIRST_LIMIT: Duration = Duration::from_secs(10);
/// The maximum of that time, which doubles with each node that has no replica either: a stream may
/// be missing on all of them, and each lost connection costs a redelivery of what it held.
const MAX_LIMIT: Duration = Duration::from_secs(30 * 60);

/// Part of the broker's message.
const MISSING: &str = "replica on the local node";

/// Whether the node of a connection has no replica of a stream.
pub(super) fn is_missing(message: &str) -> bool {
    message.contains(MISSING)
}

/// Notes for how long a stream has been missing.
#[derive(Debug)]
pub(super) struct ReplicaWatch {
    limit: Duration,
    /// The stream that was missing first, and since when.
    missing: Option<(String, Instant)>,
}

impl Default for ReplicaWatch {
    fn default() -> Self {
        Self { limit: FIRST_LIMIT, missing: None }
    }
}

impl ReplicaWatch {
    /// A stream could not be used. Returns whether to connect to another node.
    pub(super) fn failed(&mut self, stream: &str, error: &MeshError, now: Instant) -> bool {
        if !is_missing(&error.to_string()) {
            return false;
        }
        let (stream, since) = self.missing.get_or_insert_with(|| (stream.to_owned(), now));
        if now.duration_since(*since) < self.limit {
            return false;
        }
        tracing::warn!(stream, "no replica of the stream on this node, connecting to another one");
        self.missing = None;
        self.limit = self.limit.saturating_mul(2).min(MAX_LIMIT);
        true
    }

    /// A stream could be used.
    pub(super) fn found(&mut self, stream: &str) {
        if self.missing.as_ref().is_none_or(|(missing, _)| missing == stream) {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_without_a_replica_is_left_after_a_time_that_doubles() {
        let missing = MeshError::Unavailable(
            "queue 's' in vhost 'v' does not have a replica on the local node".to_owned(),
        );
        let other = MeshError::Unavailable("connection reset".to_owned());
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut watch = ReplicaWatch::default();
        assert!(!watch.failed("s", &other, at(0)));
        assert!(!watch.failed("s", &missing, at(20)), "other errors do not count");
        assert!(!watch.failed("t", &missing, at(29)));
        // Another stream of the same publisher changes nothing.
        watch.found("t");
        assert!(watch.failed("s", &missing, at(30)));
        assert!(!watch.failed("s", &missing, at(40)));
        assert!(!watch.failed("s", &missing, at(59)));
        assert!(watch.failed("s", &missing, at(60)));
        watch.found("s");
        assert!(!watch.failed("s", &missing, at(100)));
        assert!(watch.failed("s", &missing, at(110)));
    }
}
