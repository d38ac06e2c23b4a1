use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use solvemesh_broker::{LogMessage, LogStart, Mesh, MeshError};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::timeout,
};
use tracing::{error, info, warn};

use super::{
    Behind, Fold, Listener,
    hub::Hub,
    markers::{self, Awaited},
};

/// The most requests that wait for one marker.
const MARKER_REQUESTS: usize = 4096;

/// How much of the past a table keeps in memory.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// The most jobs that have ended.
    pub jobs: usize,
    /// About the most bytes of all jobs together; live ones are always kept.
    pub bytes: usize,
}

/// The fold of the results log, as it grows. Cheap to clone: all clones are one table.
#[derive(Clone)]
pub struct Table {
    fold: Arc<RwLock<Fold>>,
    hub: Arc<Hub>,
    requests: mpsc::Sender<markers::Request>,
    ready: watch::Receiver<bool>,
    // Ends the tasks with the last clone.
    _tasks: Arc<JoinSet<()>>,
}

impl Table {
    /// Begins to tail the log from its first message.
    ///
    /// # Errors
    ///
    /// When the log can't be followed at all.
    pub async fn follow(mesh: Arc<dyn Mesh>, kept: Kept) -> Result<Self, MeshError> {
        let messages = mesh.follow_log(LogStart::First).await?;
        let fold = Arc::new(RwLock::new(Fold::default()));
        let hub = Arc::new(Hub::default());
        let awaited = Arc::new(Awaited::default());
        let (requests, asked) = mpsc::channel(MARKER_REQUESTS);
        let (caught_up, ready) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(tail(messages, fold.clone(), hub.clone(), awaited.clone(), kept));
        let reader = fold.clone();
        let log_id = move || read(&reader).log_id().map(str::to_owned);
        tasks.spawn(markers::run(mesh, asked, awaited, log_id));
        let first = requests.clone();
        tasks.spawn(async move {
            if catch_up(&first).await.is_ok() {
                info!("read the results log to its end");
                caught_up.send_replace(true);
            }
            // Kept until the table ends, so that `ready` never closes before.
            caught_up.closed().await;
        });
        Ok(Self { fold, hub, requests, ready, _tasks: Arc::new(tasks) })
    }

    /// Looks at the fold. Nothing may be awaited inside.
    pub fn read<T>(&self, look: impl FnOnce(&Fold) -> T) -> T {
        look(&read(&self.fold))
    }

    /// Whether the log was read to its end since the start.
    pub fn ready(&self) -> watch::Receiver<bool> {
        self.ready.clone()
    }

    /// Begins to listen for some jobs, known or not.
    pub fn listen(&self, jobs: &[Arc<str>]) -> Listener {
        self.hub.listen(jobs)
    }

    /// Waits until everything that is in the log now is folded.
    ///
    /// # Errors
    ///
    /// When that takes longer than `patience`.
    pub async fn catch_up(&self, patience: Duration) -> Result<(), Behind> {
        match timeout(patience, catch_up(&self.requests)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Behind(format!("no answer within {} s", patience.as_secs_f64()))),
        }
    }
}

async fn catch_up(requests: &mpsc::Sender<markers::Request>) -> Result<(), Behind> {
    let (answer, answered) = oneshot::channel();
    let ended = || Behind("its reader has ended".to_owned());
    requests.send(answer).await.map_err(|_| ended())?;
    answered.await.map_err(|_| ended())?
}

fn read(fold: &RwLock<Fold>) -> std::sync::RwLockReadGuard<'_, Fold> {
    fold.read().unwrap_or_else(PoisonError::into_inner)
}

/// Folds what the log brings. Ends with it.
async fn tail(
    mut messages: mpsc::Receiver<LogMessage>,
    fold: Arc<RwLock<Fold>>,
    hub: Arc<Hub>,
    awaited: Arc<Awaited>,
    kept: Kept,
) {
    while let Some(LogMessage { offset, batch }) = messages.recv().await {
        let changes = {
            let mut fold = fold.write().unwrap_or_else(PoisonError::into_inner);
            match batch {
                Ok(batch) => {
                    let changes = fold.apply(offset, &batch);
                    fold.forget(kept.jobs, kept.bytes);
                    changes
                }
                Err(error) => {
                    warn!(offset, %error, "a message of the log can't be read; passed over");
                    fold.skip(offset);
                    continue;
                }
            }
        };
        hub.wake(&changes.jobs);
        for marker in &changes.markers {
            awaited.seen(marker);
        }
    }
    error!("the results log has ended");
}
