//! What the gateway does with jobs, whichever RPC asks for it.

pub mod listing;
mod recall;
pub mod watch;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use prost::Message;
use solvemesh::{
    broker::v1::{BulkReference, CancelAsked, LogEntry, Submitted, log_entry},
    v1::{Job, SolveOptions, Solver, model::Form},
};
use solvemesh_broker::{Health, MAX_PART_BYTES, Mesh, MeshError};
use tokio::{
    sync::Semaphore,
    task::spawn_blocking,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::{
    jobs::watch::{Deliveries, Watcher},
    policy::Policy,
    refusal::Refusal,
    submission::{Plan, Submission, catalog, plan},
    table::{Listener, Record, Table},
};

/// Models, and sweeps with theirs, travel up to this size in the queue's message itself.
const INLINE_PAYLOAD_BYTES: usize = 256 << 10;

/// Texts, arrays and sweeps from this size on are read on a thread of their own.
const LARGE_MODEL_BYTES: usize = 64 << 10;

/// So many variables or constraints may be told by their count alone, and are filled in.
const MANY_ABSENT: i32 = 10_000;

/// What the gateway does with jobs, whichever RPC asks for it.
#[derive(Clone)]
pub struct Jobs {
    /// The way to the workers.
    pub mesh: Arc<dyn Mesh>,
    /// What the log says.
    pub table: Table,
    /// What is allowed.
    pub policy: Arc<Policy>,
    /// A permit for each `WatchResults`.
    pub watchers: Arc<Semaphore>,
    /// A permit for each large model that is being read.
    pub readers: Arc<Semaphore>,
    /// A permit for each large solution that is being told.
    pub large_solutions: Arc<Semaphore>,
    /// What is being told to watchers.
    pub(crate) deliveries: Arc<Deliveries<Watcher>>,
    /// Ends the watchers.
    pub stopping: CancellationToken,
}

/// How many large solutions are told at once; each is held in memory meanwhile.
pub(crate) const LARGE_SOLUTIONS: usize = 32;

impl Jobs {
    /// What a gateway does with jobs on a mesh, within a policy.
    pub fn new(mesh: Arc<dyn Mesh>, table: Table, policy: Policy) -> Self {
        // Reading is arithmetic: more at once than there are cores only takes memory.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // Those that were cut go as soon as their clients read on: they need room of their own.
        let deliveries =
            Deliveries::new(policy.max_watchers.saturating_mul(2), policy.watcher_patience);
        Self {
            mesh,
            table,
            watchers: Arc::new(Semaphore::new(policy.max_watchers)),
            deliveries: Arc::new(deliveries),
            policy: Arc::new(policy),
            readers: Arc::new(Semaphore::new(cores)),
            large_solutions: Arc::new(Semaphore::new(LARGE_SOLUTIONS)),
            stopping: CancellationToken::new(),
        }
    }

    /// Accepts a job: returns once it is safe in its queue and in the log.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with it, or with the mesh. Only
    /// [`Refusal::OutcomeUnknown`] leaves open whether the job was accepted.
    pub async fn submit(&self, submission: Submission) -> Result<Job, Refusal> {
        let request_id = submission.request_id.clone();
        let accepted = self.accept(submission).await;
        if let Err(refusal) = &accepted {
            info!(request_id, cause = %refusal, "refused");
        }
        accepted
    }

    async fn accept(&self, submission: Submission) -> Result<Job, Refusal> {
        let mut plan = self.validate(submission).await?;
        self.admit()?;
        let request_id = plan.description.request_id.clone();
        if !request_id.is_empty() {
            if let Some(job) = self.known(&plan)? {
                return Ok(job);
            }
            // Another gateway may have accepted it a moment ago.
            self.table.catch_up(self.policy.patience).await?;
            if let Some(job) = self.known(&plan)? {
                return Ok(job);
            }
        }

        self.has_solver(&plan).await?;

        let job = plan.job();
        let lane = plan.lane.clone();
        let stored = self.store_if_large(&plan).await?;
        let envelope = plan.envelope(stored);
        let refused = |error| Refusal::of_mesh(error, &plan.job_id);
        self.mesh.enqueue(&lane, &envelope).await.map_err(refused)?;

        let id: Arc<str> = plan.job_id.as_str().into();
        let listener = self.table.listen(std::slice::from_ref(&id));
        let submitted = Submitted {
            description: Some(plan.description.clone()),
            submit_time: Some(plan.submit_time.into()),
            log_id: self.table.read(|fold| fold.log_id().unwrap_or_default().to_owned()),
        };
        let entry = LogEntry {
            digest: plan.digest.to_vec(),
            ..entry(&plan.job_id, log_entry::Kind::Submitted(submitted))
        };
        self.append(&plan.job_id, entry).await?;
        info!(job = %id, %lane, request_id, "accepted");
        if request_id.is_empty() {
            return Ok(job);
        }
        // Whose payload is bound to the id, the log alone tells.
        let unknown = || Refusal::OutcomeUnknown { job_id: plan.job_id.clone() };
        timeout(self.policy.patience, async {
            loop {
                if let Some(job) = self.known(&plan)? {
                    return Ok(job);
                }
                listener.moved().await;
            }
        })
        .await
        .unwrap_or_else(|_| {
            self.table.doubt();
            Err(unknown())
        })
    }

    /// Decides about a submission, and does nothing.
    ///
    /// # Errors
    ///
    /// All that is wrong with it.
    pub async fn validate(&self, submission: Submission) -> Result<Plan, Refusal> {
        let now = SystemTime::now();
        if !may_take_long(&submission) {
            return plan(submission, &self.policy, now);
        }
        let permit = self.readers.clone().acquire_owned().await;
        let policy = self.policy.clone();
        let planning = spawn_blocking(move || {
            let planned = plan(submission, &policy, now);
            drop(permit);
            planned
        });
        planning.await.map_err(|error| Refusal::Unavailable { message: error.to_string() })?
    }

    /// Whether the mesh takes jobs now.
    fn admit(&self) -> Result<(), Refusal> {
        let unavailable = |message: String| Err(Refusal::Unavailable { message });
        if self.stopping.is_cancelled() {
            return Err(Refusal::ShuttingDown { job_id: String::new() });
        }
        match &*self.mesh.health().borrow() {
            Health::Ready => {}
            Health::Disconnected { error } => {
                return unavailable(error.clone());
            }
            Health::Blocked { reason } => {
                return unavailable(format!("the broker takes no messages: {reason}"));
            }
        }
        if !*self.table.ready().borrow() {
            return unavailable("this gateway still reads the log of the mesh".to_owned());
        }
        let value = self.policy.max_live_jobs;
        if self.table.read(|fold| fold.live()) >= value {
            return Err(Refusal::Exhausted { limit: "max_live_jobs", value });
        }
        let value = self.policy.max_live_bytes;
        if self.table.read(|fold| fold.live_weight()) >= value {
            return Err(Refusal::Exhausted { limit: "max_live_bytes", value });
        }
        // What the log has of a live job must not leave it.
        let half = self.policy.log_bytes / 2;
        if self.table.read(|fold| fold.bytes_since_oldest_live()) >= half {
            return Err(Refusal::LogHeldUp { half });
        }
        Ok(())
    }

    /// Whether a worker is there for a job whose solver not every worker has.
    async fn has_solver(&self, plan: &Plan) -> Result<(), Refusal> {
        let options = plan.description.options.as_ref();
        let solver = options.map_or(Solver::Auto, SolveOptions::solver);
        match self.is_available(solver).await {
            Ok(true) => Ok(()),
            Ok(false) => {
                let (solver, lane) = (solver.as_str_name(), plan.lane.to_string());
                Err(Refusal::NoWorker { solver, lane })
            }
            Err(error) => Err(Refusal::Unavailable { message: error.to_string() }),
        }
    }

    /// Whether a worker is connected that has a solver: those that have one which not
    /// every worker has consume its lane.
    ///
    /// # Errors
    ///
    /// When the broker can't tell.
    pub async fn is_available(&self, solver: Solver) -> Result<bool, MeshError> {
        match catalog::own_lane(solver) {
            Some(lane) => self.mesh.is_served(&lane).await,
            None => Ok(true),
        }
    }

    /// The job that a plan with a request id would make, if there is one already.
    fn known(&self, plan: &Plan) -> Result<Option<Job>, Refusal> {
        self.table.read(|fold| {
            if fold.is_forgotten(&plan.job_id) {
                return Err(Refusal::Forgotten { job_id: plan.job_id.clone() });
            }
            match fold.job(&plan.job_id) {
                None => Ok(None),
                Some(record) if record.digest == plan.digest => Ok(Some(record.job(false))),
                Some(_) => Err(Refusal::Taken {
                    request_id: plan.description.request_id.clone(),
                    job_id: plan.job_id.clone(),
                }),
            }
        })
    }

    async fn store_if_large(&self, plan: &Plan) -> Result<Option<BulkReference>, Refusal> {
        let Some(whole) = plan.payload_over(INLINE_PAYLOAD_BYTES).map(Bytes::from) else {
            return Ok(None);
        };
        let parts = (0..whole.len())
            .step_by(MAX_PART_BYTES)
            .map(|from| whole.slice(from..whole.len().min(from + MAX_PART_BYTES)))
            .collect();
        // Parts that nothing refers to make no job: this outcome is never unknown.
        let refused = |error: MeshError| match error {
            MeshError::OutcomeUnknown => Refusal::Unavailable { message: error.to_string() },
            error => Refusal::of_mesh(error, &plan.job_id),
        };
        self.mesh.store(parts).await.map(Some).map_err(refused)
    }

    async fn append(&self, job_id: &str, entry: LogEntry) -> Result<(), Refusal> {
        let unknown = Refusal::OutcomeUnknown { job_id: job_id.to_owned() };
        match timeout(self.policy.patience, self.mesh.append(entry)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error @ MeshError::TooLarge { .. })) => {
                Err(Refusal::field("INVALID_ARGUMENT", "labels", error.to_string()))
            }
            Ok(Err(_)) | Err(_) => Err(unknown),
        }
    }

    /// Looks at a job; if it is not known, reads the log to its end first.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`] only when the log does not have it.
    pub async fn find<T>(&self, job_id: &str, look: impl Fn(&Record) -> T) -> Result<T, Refusal> {
        // A table that is still being read tells of the past.
        if *self.table.ready().borrow()
            && let Some(found) = self.table.read(|fold| fold.job(job_id).map(&look))
        {
            return Ok(found);
        }
        self.table.catch_up(self.policy.patience).await?;
        self.table.read(|fold| match fold.job(job_id) {
            Some(record) => Ok(look(record)),
            None if fold.is_forgotten(job_id) => {
                Err(Refusal::Forgotten { job_id: job_id.to_owned() })
            }
            None => Err(Refusal::NotFound { job_id: job_id.to_owned() }),
        })
    }

    /// Ends a queued job, asks a running one to stop.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], or what is wrong with the mesh.
    pub async fn cancel(&self, job_id: &str) -> Result<Job, Refusal> {
        let job = self.find(job_id, |record| record.job(false)).await?;
        if self.find(job_id, Record::ended).await? {
            return Ok(job);
        }
        // Workers that hold the job, or will, hear it from here. First, so that no request
        // in the log stays unheard because this gateway died.
        let told = self.mesh.announce_cancel(job_id).await;
        told.map_err(|error| Refusal::of_mesh(error, job_id))?;
        let asked = log_entry::Kind::CancelAsked(CancelAsked {});
        self.append(job_id, entry(job_id, asked)).await?;
        info!(job = job_id, "cancel asked for");
        self.table.catch_up(self.policy.patience).await?;
        self.find(job_id, |record| record.job(false)).await
    }

    /// Waits until a job has ended, or until `end`; returns it as it is then.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotFound`], [`Refusal::ShuttingDown`].
    pub async fn wait(&self, job_id: &str, end: Option<Instant>) -> Result<Job, Refusal> {
        let listener = self.table.listen(&[job_id.into()]);
        while !self.find(job_id, Record::ended).await? {
            let moved = moved_or_stopping(&listener, &self.stopping, job_id);
            match end {
                None => moved.await?,
                Some(end) => match timeout_at(end, moved).await {
                    Ok(outcome) => outcome?,
                    Err(_) => {
                        debug!(job = job_id, "still under way at the caller's deadline");
                        break;
                    }
                },
            }
        }
        self.get(job_id, true).await
    }

    /// How long a request may wait for the broker.
    pub fn patience(&self) -> Duration {
        self.policy.patience
    }
}

async fn moved_or_stopping(
    listener: &Listener,
    stopping: &CancellationToken,
    job_id: &str,
) -> Result<(), Refusal> {
    tokio::select! {
        () = listener.moved() => Ok(()),
        () = stopping.cancelled() => Err(Refusal::ShuttingDown { job_id: job_id.to_owned() }),
    }
}

fn entry(job_id: &str, kind: log_entry::Kind) -> LogEntry {
    LogEntry {
        time: Some(SystemTime::now().into()),
        job_id: job_id.to_owned(),
        kind: Some(kind),
        ..LogEntry::default()
    }
}

/// Whether reading a submission may take so long that it must not hold up others: a sweep, or
/// a model that is large, or packed and may become so, or arrays that are absent and long.
fn may_take_long(submission: &Submission) -> bool {
    let Submission { model: Some(model), sweep: None, .. } = submission else {
        return submission.sweep.is_some();
    };
    let becomes_large = match &model.form {
        Some(Form::File(_)) => true,
        Some(Form::Linear(arrays)) => {
            arrays.variable_count().max(arrays.constraint_count()) > MANY_ABSENT
        }
        _ => false,
    };
    becomes_large || model.encoded_len() > LARGE_MODEL_BYTES
}
