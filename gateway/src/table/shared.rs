use std::{
    collections::HashMap,
    ops::ControlFlow,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard},
    time::{Duration, Instant},
};

use solvemesh::v1::JobState;
use solvemesh_broker::{LogMessage, LogStart, Mesh};
use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};
use tracing::{error, info, warn};

use crate::clock::now;
use crate::table::{
    Behind, Changes, Fold, Kept, Listener, Position, SnapshotFile, markers,
    markers::{Awaited, Reading},
    snapshot_writer::Saver,
    start,
    watchers::Hub,
};

/// The most requests that wait for one marker.
const MARKER_REQUESTS: usize = 4096;
/// How often to ask where the log begins, and to let go of what has grown old.
const LOOK_BACK: Duration = Duration::from_secs(10);

/// The fold of the results log, as it grows. Cheap to clone: all clones are one table.
#[derive(Clone)]
pub struct Table {
    fold: Arc<RwLock<Fold>>,
    hub: Arc<Hub>,
    heard: Arc<Heard>,
    requests: mpsc::Sender<markers::Request>,
    ready: watch::Receiver<bool>,
    saver: Option<Arc<Saver>>,
    // Ends the tasks with the last clone.
    _tasks: Arc<JoinSet<()>>,
}

impl Table {
    /// Begins to tail the log: after its snapshot where there is one that fits, else from
    /// its first message. Snapshots are then written as the log grows.
    pub fn follow(mesh: Arc<dyn Mesh>, kept: Kept, snapshots: Option<SnapshotFile>) -> Self {
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
            saver: snapshots.clone().map(|file| Arc::new(Saver::new(tail.fold.clone(), file))),
            _tasks: Arc::default(),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(markers::run(mesh.clone(), asked, tail.awaited.clone(), tail.clone()));
        tasks.spawn(tail.clone().look_back(mesh.clone()));
        tasks.spawn(tail.follow(mesh, snapshots));
        if let Some(saver) = table.saver.clone() {
            tasks.spawn(async move { saver.run().await });
        }
        tasks.spawn(async move {
            if let Err(behind) = catch_up(&requests).await {
                error!(%behind, "the results log can't be read");
            }
        });
        Self { _tasks: Arc::new(tasks), ..table }
    }

    /// Writes a snapshot now, where the table keeps any.
    pub async fn save(&self) {
        if let Some(saver) = &self.saver {
            saver.save().await;
        }
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
    async fn follow(self, mesh: Arc<dyn Mesh>, snapshots: Option<SnapshotFile>) {
        let mut from = LogStart::First;
        if let Some(file) = snapshots {
            let (fold, start) = start::begin(&*mesh, file).await;
            (*self.write(), from) = (fold, start);
        }
        while self.read_from(&*mesh, from).await.is_continue() {
            let last = read(&self.fold).last.clone();
            from = start::again(&*mesh, last).await;
            if from == LogStart::First {
                warn!("the log has become another; reading it from its beginning");
                self.caught_up.send_replace(false);
                *self.write() = Fold::default();
                self.heard.lock().clear();
            }
        }
        error!("the results log has ended");
    }

    async fn read_from(&self, mesh: &dyn Mesh, from: LogStart) -> ControlFlow<()> {
        let mut messages = match mesh.follow_log(from).await {
            Ok(messages) => messages,
            Err(error) => {
                error!(%error, "the results log can't be followed");
                return ControlFlow::Break(());
            }
        };
        loop {
            tokio::select! {
                message = messages.recv() => match message {
                    Some(message) => self.fold(message),
                    None => return ControlFlow::Break(()),
                },
                () = self.again.notified() => return ControlFlow::Continue(()),
            }
        }
    }

    fn fold(&self, LogMessage { offset, bytes, batch }: LogMessage) {
        let changes = {
            let mut fold = self.write();
            match batch {
                Ok(batch) => {
                    let changes = fold.apply(offset, bytes, Arc::new(batch));
                    self.note(&fold, &changes);
                    fold.retain(&self.kept, now());
                    changes
                }
                Err(error) => {
                    warn!(offset, %error, "a message of the log can't be read; passed over");
                    fold.skip(offset, bytes);
                    return;
                }
            }
        };
        self.hub.wake(&changes.jobs);
        for marker in &changes.markers {
            self.awaited.seen(marker);
        }
    }

    /// Keeps the table from remembering what the log has forgotten. Ends with its tasks.
    async fn look_back(self, mesh: Arc<dyn Mesh>) {
        let mut look = interval(LOOK_BACK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            look.tick().await;
            // Where the broker is away, the next look tells.
            let first = mesh.log_start().await.ok().flatten();
            let mut fold = self.write();
            if let Some(first) = first {
                fold.behead(first);
            }
            fold.retain(&self.kept, now());
        }
    }

    /// Notes who was heard of, and tells the ends that happen now.
    fn note(&self, fold: &Fold, changes: &Changes) {
        let (now, live) = (Instant::now(), *self.caught_up.borrow());
        let mut heard = self.heard.lock();
        for id in &changes.jobs {
            if fold.job(id).is_some_and(|job| job.state == JobState::Running) {
                heard.insert(id.clone(), now);
            } else {
                heard.remove(id);
            }
        }
        if !live {
            return;
        }
        for job in changes.ended.iter().filter_map(|id| fold.job(id)) {
            let failure = job.outcome().and_then(|outcome| outcome.failure.as_ref());
            let cause = failure.map_or("", |failure| &failure.message);
            let attempt = job.attempts.last().map_or("", |attempt| &attempt.id);
            let state = job.state.as_str_name();
            info!(job = %job.id, attempt, state, cause, "ended");
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

    fn attach_again(&self) {
        self.again.notify_one();
    }
}
