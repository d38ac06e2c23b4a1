use std::{
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use solvemesh::broker::v1::{LogEntry, Marker, log_entry};
use solvemesh_broker::Mesh;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

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

/// A log has no end-of-stream signal. To be sure that all of it was read, a marker is
/// appended and awaited; one serves all who wait. Ends with its requests.
pub(super) async fn run(
    mesh: Arc<dyn Mesh>,
    mut requests: mpsc::Receiver<Request>,
    awaited: Arc<Awaited>,
    log_id: impl Fn() -> Option<String>,
) {
    while let Some(first) = requests.recv().await {
        let mut waiting = vec![first];
        while let Ok(another) = requests.try_recv() {
            waiting.push(another);
        }
        let nonce = Uuid::new_v4().to_string();
        let found = awaited.expect(&nonce);
        let outcome = match mesh.append(marker(nonce, log_id())).await {
            Ok(()) => found.await.map_err(|_| Behind("its reader has ended".to_owned())),
            Err(error) => Err(Behind(error.to_string())),
        };
        for asker in waiting {
            // One that stopped waiting needs no answer.
            let _ = asker.send(outcome.clone());
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
