//! Reads the log to its end, by markers: a stream has no end-of-file signal.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use solvemesh::broker::v1::{LogEntry, Marker, log_entry};
use solvemesh_broker::{Health, Mesh, entry};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tracing::warn;
use uuid::Uuid;

use crate::table::Position;

/// The table could not catch up with the log, so it may lack recent entries.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the log could not be read to its end: {0}")]
pub(crate) struct CatchUpError(pub String);

/// A request to catch up: answered once everything that was in the log at the time of the request
/// is folded.
pub(super) type CatchUpRequest = oneshot::Sender<Result<(), CatchUpError>>;

/// The nonce of this process's marker that is in flight, and the channel to notify once the tail
/// has read it. There is at most one: the marker task appends the next only after that.
#[derive(Debug, Default)]
pub(super) struct AwaitedMarker(Mutex<Option<(String, oneshot::Sender<()>)>>);

impl AwaitedMarker {
    /// Called by the tail for each marker: notifies the waiter if the marker is the awaited one.
    pub(super) fn found(&self, nonce: &str) {
        let mut awaited = self.0.lock();
        // Markers of other gateways have other nonces.
        if let Some((_, found)) = awaited.take_if(|(own, _)| own == nonce) {
            let _ = found.send(());
        }
    }

    /// Makes this marker the awaited one, instead of the one before. The receiver is notified once
    /// the tail has read it.
    fn wait_for(&self, nonce: &str) -> oneshot::Receiver<()> {
        let (found, receiver) = oneshot::channel();
        *self.0.lock() = Some((nonce.to_owned(), found));
        receiver
    }
}

/// The task that tails the log, as the marker task sees it.
pub(super) trait LogReader: Send + Sync {
    /// The id of the log, once an entry has contained it.
    fn log_id(&self) -> Option<String>;
    /// Everything at or before it is folded.
    fn head(&self) -> Position;
    /// Called when the log has been read to its end.
    fn caught_up(&self);
    /// Called when the reader is stuck: attaches it to the log again.
    fn reattach(&self);
}

/// How long to wait for a confirmed marker, while no other message is read either, before the
/// reader counts as stuck.
const STUCK_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves requests to catch up, until their channel is closed: appends a marker, and waits until
/// the tail reads it back. One marker answers all requests that were waiting before it was
/// appended.
pub(super) async fn run(
    mesh: Arc<dyn Mesh>,
    mut requests: mpsc::Receiver<CatchUpRequest>,
    awaited: Arc<AwaitedMarker>,
    reader: impl LogReader,
) {
    while let Some(first) = requests.recv().await {
        let mut waiting = vec![first];
        while let Ok(another) = requests.try_recv() {
            waiting.push(another);
        }
        let nonce = Uuid::new_v4().to_string();
        let found = awaited.wait_for(&nonce);
        let outcome = match mesh.append(marker(nonce, reader.log_id())).await {
            Ok(()) => wait_until_read(&*mesh, found, &reader).await,
            Err(error) => Err(CatchUpError(error.to_string())),
        };
        if outcome.is_ok() {
            reader.caught_up();
        }
        for request in waiting {
            // An error means that the requester no longer waits.
            let _ = request.send(outcome.clone());
        }
    }
}

/// Waits until a confirmed marker is read, and re-attaches the reader whenever that is stuck. It
/// would wait forever if the log was deleted and created again, as the new one's offsets start
/// below the reader's, or if it reads from a replica that no longer follows its leader.
async fn wait_until_read(
    mesh: &dyn Mesh,
    mut found: oneshot::Receiver<()>,
    reader: &impl LogReader,
) -> Result<(), CatchUpError> {
    loop {
        let head = reader.head();
        match timeout(STUCK_TIMEOUT, &mut found).await {
            Ok(read) => return read.map_err(|_| CatchUpError("its reader has stopped".to_owned())),
            // A reader that makes progress, or a broker that is not available, is not stuck.
            Err(_) if reader.head() == head && *mesh.health().borrow() == Health::Ready => {
                warn!(%head, "log reader stuck; attaching again");
                reader.reattach();
            }
            Err(_) => {}
        }
    }
}

/// A marker with the id of the log; where that is not known yet, with a proposal for it.
fn marker(nonce: String, log_id: Option<String>) -> LogEntry {
    let proposed_log_id = match log_id {
        Some(_) => String::new(),
        None => Uuid::new_v4().to_string(),
    };
    let marker = Marker { nonce, log_id: log_id.unwrap_or_default(), proposed_log_id };
    entry("", log_entry::Kind::Marker(marker))
}
