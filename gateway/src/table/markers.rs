use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use solvemesh::broker::v1::{LogEntry, Marker, log_entry};
use solvemesh_broker::{Health, Mesh};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use tracing::warn;
use uuid::Uuid;

use crate::table::Position;

/// The table may lack what was in the log when it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the log could not be read to its end: {0}")]
pub struct Behind(pub String);

/// Answered once everything that was in the log at the time of the request is folded.
pub(super) type Request = oneshot::Sender<Result<(), Behind>>;

/// The marker of this process that is under way, for the tail to look out for.
#[derive(Debug, Default)]
pub(super) struct Awaited(Mutex<Option<(String, oneshot::Sender<()>)>>);

impl Awaited {
    /// Tells whoever waits for it that a marker was read.
    pub(super) fn seen(&self, nonce: &str) {
        let mut awaited = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, found)) = awaited.take_if(|(own, _)| own == nonce) {
            let _ = found.send(());
        }
    }

    fn expect(&self, nonce: &str) -> oneshot::Receiver<()> {
        let (found, receiver) = oneshot::channel();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((nonce.to_owned(), found));
        receiver
    }
}

/// What the markers' task sees of the table.
pub(super) trait Reading: Send + Sync {
    /// The id of the log, once an entry told it.
    fn log_id(&self) -> Option<String>;
    /// Everything at or before it is folded.
    fn head(&self) -> Position;
    /// All that was in the log has been read.
    fn caught_up(&self);
    /// What the log has is not what is being read: attach to it again.
    fn attach_again(&self);
}

/// How long a marker that the log has may stay unread while nothing else is read.
const STUCK: Duration = Duration::from_secs(10);

/// A log has no end-of-stream signal. To be sure that all of it was read, a marker is
/// appended and awaited; one serves all who wait. Ends with its requests.
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
            Err(error) => Err(Behind(error.to_string())),
        };
        if outcome.is_ok() {
            reading.caught_up();
        }
        for asker in waiting {
            // One that stopped waiting needs no answer.
            let _ = asker.send(outcome.clone());
        }
    }
}

/// Waits until a marker that the log has is read. A log that was deleted and made again
/// begins anew, below where its reader is, and a replica in a cluster may be left behind:
/// the marker would never come.
async fn until_read(
    mesh: &dyn Mesh,
    mut found: oneshot::Receiver<()>,
    reading: &impl Reading,
) -> Result<(), Behind> {
    loop {
        let head = reading.head();
        match timeout(STUCK, &mut found).await {
            Ok(read) => return read.map_err(|_| Behind("its reader has ended".to_owned())),
            Err(_) if reading.head() == head && *mesh.health().borrow() == Health::Ready => {
                warn!(%head, "the log goes on elsewhere; attaching to it again");
                reading.attach_again();
            }
            Err(_) => {}
        }
    }
}

fn marker(nonce: String, log_id: Option<String>) -> LogEntry {
    let proposed_log_id = match log_id {
        Some(_) => String::new(),
        None => Uuid::new_v4().to_string(),
    };
    let marker = Marker { nonce, log_id: log_id.unwrap_or_default(), proposed_log_id };
    LogEntry {
        time: Some(SystemTime::now().into()),
        kind: Some(log_entry::Kind::Marker(marker)),
        ..LogEntry::default()
    }
}
