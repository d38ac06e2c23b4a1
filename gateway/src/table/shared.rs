use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard},
    time::{Duration, Instant},
};

use solvemesh::v1::JobState;
use solvemesh_broker::{LogMessage, LogStart, Mesh, MeshError};
use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    task::JoinSet,
    time::timeout,
};
use tracing::{error, info, warn};

use super::{
    Behind, Fold, Listener, Position,
    hub::Hub,
    markers::{self, Awaited, Reading},
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
    heard: Arc<Heard>,
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
        let (caught_up, ready) = watch::channel(false);
        let (requests, asked) = mpsc::channel(MARKER_REQUESTS);
        let tail = Tail {
            fold: Arc::default(),
            hub: Arc::default(),
            heard: Arc::default(),
            awaited: Arc::default(),
            again: Arc::default(),
            caught_up: Arc::new(caught_up),
            kept,
        };
        let table = Self {
            fold: tail.fold.clone(),
            hub: tail.hub.clone(),
            heard: tail.heard.clone(),
            requests: requests.clone(),
            ready,
            _tasks: Arc::default(),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(markers::run(mesh.clone(), asked, tail.awaited.clone(), tail.clone()));
        tasks.spawn(tail.follow(mesh, messages));
        tasks.spawn(async move {
            if let Err(behind) = catch_up(&requests).await {
                error!(%behind, "the results log can't be read");
            }
        });
        Ok(Self { _tasks: Arc::new(tasks), ..table })
    }

    /// Looks at the fold. Nothing may be awaited inside.
    pub fn read<T>(&self, look: impl FnOnce(&Fold) -> T) -> T {
        look(&read(&self.fold))
    }

    /// Whether the log was read to its end since the start.
    pub fn ready(&self) -> watch::Receiver<bool> {
        self.ready.clone()
    }

    /// Has the table find out by itself whether it still reads the log, because an entry
    /// that the log has did not come.
    pub fn doubt(&self) {
        let (answer, _) = oneshot::channel();
        // Where too many ask, one of them does it.
        let _ = self.requests.try_send(answer);
    }

    /// How long ago an entry about a running job was read.
    pub fn silence(&self, job: &str) -> Option<Duration> {
        self.heard.lock().get(job).map(Instant::elapsed)
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

/// When the latest entry of each running job was read, by this process's clock. It is no
/// part of the fold: two gateways may differ.
#[derive(Debug, Default)]
struct Heard(Mutex<HashMap<Arc<str>, Instant>>);

impl Heard {
    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What keeps a table up to date.
#[derive(Clone)]
struct Tail {
    fold: Arc<RwLock<Fold>>,
    hub: Arc<Hub>,
    heard: Arc<Heard>,
    awaited: Arc<Awaited>,
    again: Arc<Notify>,
    caught_up: Arc<watch::Sender<bool>>,
    kept: Kept,
}

impl Tail {
    /// Folds what the log brings. Ends with it.
    async fn follow(self, mesh: Arc<dyn Mesh>, mut messages: mpsc::Receiver<LogMessage>) {
        loop {
            tokio::select! {
                message = messages.recv() => match message {
                    Some(message) => self.fold(message),
                    None => break,
                },
                () = self.again.notified() => match mesh.follow_log(LogStart::First).await {
                    Ok(anew) => {
                        messages = anew;
                        *self.write() = Fold::default();
                        self.heard.lock().clear();
                    }
                    Err(error) => {
                        error!(%error, "the results log can't be followed");
                        break;
                    }
                },
            }
        }
        error!("the results log has ended");
    }

    fn fold(&self, LogMessage { offset, batch, .. }: LogMessage) {
        let changes = {
            let mut fold = self.write();
            match batch {
                Ok(batch) => {
                    let changes = fold.apply(offset, &batch);
                    self.note(&fold, &changes.jobs);
                    fold.forget(self.kept.jobs, self.kept.bytes);
                    changes
                }
                Err(error) => {
                    warn!(offset, %error, "a message of the log can't be read; passed over");
                    fold.skip(offset);
                    return;
                }
            }
        };
        self.hub.wake(&changes.jobs);
        for marker in &changes.markers {
            self.awaited.seen(marker);
        }
    }

    /// Notes who was heard of, and tells the ends that happen now.
    fn note(&self, fold: &Fold, jobs: &[Arc<str>]) {
        let (now, live) = (Instant::now(), *self.caught_up.borrow());
        let mut heard = self.heard.lock();
        for job in jobs.iter().filter_map(|id| fold.job(id)) {
            if job.state == JobState::Running {
                heard.insert(job.id.clone(), now);
                continue;
            }
            heard.remove(&job.id);
            if live && let Some(outcome) = job.outcome() {
                let cause = outcome.failure.as_ref().map_or("", |failure| &failure.message);
                let attempt = job.attempts.last().map_or("", |attempt| &attempt.id);
                let state = job.state.as_str_name();
                info!(job = %job.id, attempt, state, cause, "ended");
            }
        }
    }

    fn write(&self) -> RwLockWriteGuard<'_, Fold> {
        self.fold.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reading for Tail {
    fn log_id(&self) -> Option<String> {
        read(&self.fold).log_id().map(str::to_owned)
    }

    fn head(&self) -> Position {
        read(&self.fold).head()
    }

    fn caught_up(&self) {
        let news = self.caught_up.send_if_modified(|ready| !std::mem::replace(ready, true));
        if news {
            info!("read the results log to its end");
        }
    }

    fn begin_again(&self) {
        self.caught_up.send_replace(false);
        self.again.notify_one();
    }
}
