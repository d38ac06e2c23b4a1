use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

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
pub struct CatchUpError(pub String);

/// A request to catch up: answered once everything that was in the log at the time of the request
/// is folded.
pub(super) type Request = oneshot::Sender<Result<(), CatchUpError>>;

/// The nonce of this process's marker that is in flight, and the channel to notify once the tail
/// reads it.
#[derive(Debug, Default)]
pub(super) struct Awaited(Mutex<Option<(String, oneshot::Sender<()>)>>);

impl Awaited {
    /// Called by the tail for each marker: notifies the waiter if the marker is the awaited one.
    pub(super) fn seen(&self, nonce: &str) {
        let mut awaited = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Markers of other gateways have other nonces.
        if let Some((_, found)) = awaited.take_if(|(own, _)| own == nonce) {
            let _ = found.send(());
        }
    }

    /// Waits for a marker, instead of for the one before.
    fn expect(&self, nonce: &str) -> oneshot::Receiver<()> {
        let (found, receiver) = oneshot::channel();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((nonce.to_owned(), found));
        receiver
    }
}

/// The table as the marker task sees it.
pub(super) trait Reading: Send + Sync {
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
const STUCK: Duration = Duration::from_secs(10);

/// Serves requests to catch up, until their channel is closed. A stream has no end-of-file
/// signal: to be sure that all of it was read, this appends a marker and waits until the tail
/// reads it back. One marker answers all requests that were waiting before it was appended.
pub(super) async fn run(
    mesh: Arc<dyn Mesh>,
    mut requests: mpsc::Receiver<Request>,
    awaited: Arc<Awaited>,
    reading: impl Reading,
) {
    while let Some(first) = requests.recv().await {
        let mut waiting = vec![first];
        while let Ok(another) = requests.try_recv() {
            waiting.push(another);
        }
        let nonce = Uuid::new_v4().to_string();
        let found = awaited.expect(&nonce);
        let outcome = match mesh.append(marker(nonce, reading.log_id())).await {
            Ok(()) => until_read(&*mesh, found, &reading).await,
            Err(error) => Err(CatchUpError(error.to_string())),
        };
        if outcome.is_ok() {
            reading.caught_up();
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
async fn until_read(
    mesh: &dyn Mesh,
    mut found: oneshot::Receiver<()>,
    reading: &impl Reading,
) -> Result<(), CatchUpError> {
    loop {
        let head = reading.head();
        match timeout(STUCK, &mut found).await {
            Ok(read) => return read.map_err(|_| CatchUpError("its reader has stopped".to_owned())),
            // A reader that makes progress, or a broker that is not available, is not stuck.
            Err(_) if reading.head() == head && *mesh.health().borrow() == Health::Ready => {
                warn!(%head, "log reader stuck; attaching again");
                reading.reattach();
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
