//! Submitting jobs.

use std::{sync::Arc, time::SystemTime};

use prost::Message;
use solvemesh::{
    broker::v1::{BulkReference, LogEntry, Submitted, log_entry},
    v1::{Job, SolveOptions, Solver, SubmitJobRequest, model::Form},
};
use solvemesh_broker::{BulkObject, MAX_PART_BYTES, MeshError, entry};
use solvemesh_daemon::{TRACES, TraceContext};
use tokio::{task::spawn_blocking, time::timeout};
use tracing::{Instrument as _, Span, info, info_span};

use super::Jobs;
use crate::{
    access::{Caller, Origin},
    refusal::Refusal,
    submission::{Plan, Submission, catalog, plan, rank},
    table::Listener,
};

/// Payloads (a model, or a sweep with its base) up to this size travel in the job message
/// itself; larger ones go into the bulk stream.
const INLINE_PAYLOAD_BYTES: usize = 256 << 10;

/// Models larger than this are read on a blocking thread, so that they do not stall the async
/// runtime.
const LARGE_MODEL_BYTES: usize = 64 << 10;

/// Models with more variables or constraints than this are read on a blocking thread, however
/// small the message: arrays may be absent, and are then filled in to this length.
const LARGE_MODEL_DIMENSION: i32 = 10_000;

impl Jobs {
    /// Accepts a job. Returns once the broker has confirmed it in its queue and in the log.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`] for an invalid submission; other variants for limits and an
    /// unavailable broker. Only [`Refusal::OutcomeUnknown`] leaves open whether the job was
    /// accepted.
    pub(crate) async fn submit(
        &self,
        origin: &Origin,
        submission: Submission,
    ) -> Result<Job, Refusal> {
        let request_id = submission.request.request_id.clone();
        let accepted = self.accept(&origin.caller, submission).await;
        let Caller { key, tenant, .. } = &*origin.caller;
        let peer = origin.peer();
        match &accepted {
            Ok(job) => {
                let description = job.description.as_ref();
                let lane = description.map_or("", |it| it.lane.as_str());
                let trace = description.map(|it| &*it.trace_id).filter(|it| !it.is_empty());
                info!(job = job.job_id, lane, request_id, key, tenant, peer, trace, "job accepted");
            }
            Err(refusal) => {
                info!(request_id, key, tenant, peer, cause = %refusal, "submission refused");
            }
        }
        accepted
    }

    async fn accept(&self, caller: &Caller, submission: Submission) -> Result<Job, Refusal> {
        let reading = info_span!(target: TRACES, "read model");
        let mut plan = self.validate(caller, submission).instrument(reading).await?;
        let trace = TraceContext::of(&Span::current());
        plan.description.trace_id = trace.and_then(|it| it.recorded_id()).unwrap_or_default();
        self.admit()?;
        let request_id = plan.description.request_id.clone();
        if !request_id.is_empty() {
            if let Some(job) = self.existing_job(&plan)? {
                return Ok(job);
            }
            // Another gateway may have accepted it a moment ago.
            self.catch_up().await?;
            if let Some(job) = self.existing_job(&plan)? {
                return Ok(job);
            }
        }

        let reservation = self.reserve(caller, &plan.description)?;
        let live_jobs = reservation.as_ref().map(|it| it.live_jobs);
        plan.description.set_rank(rank(&plan.description, live_jobs).into());
        self.check_solver_available(&plan).await?;

        let job = plan.to_job();
        let lane = plan.lane.clone();
        let stored = self.store_if_large(&plan).await?;
        let mut envelope = plan.envelope(stored);
        let sending = info_span!(
            target: TRACES,
            "send job",
            otel.kind = "producer",
            messaging.system = "rabbitmq",
            messaging.operation.name = "send",
            messaging.operation.type = "send",
            %lane,
        );
        let origin = TraceContext::of(&sending);
        envelope.traceparent = origin.map(|it| it.traceparent()).unwrap_or_default();
        let refused = |error| Refusal::from_mesh(error, &plan.job_id);
        // Queue first, log second: if this gateway dies in between, the worker's first entry
        // adds the job to the table, whereas a logged job without a message would never run.
        self.mesh.enqueue(&lane, &envelope).instrument(sending).await.map_err(refused)?;

        let id: Arc<str> = plan.job_id.as_str().into();
        // Before the entry is appended, so that no change is missed.
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
        let appending = info_span!(target: TRACES, "append Submitted");
        tokio::select! {
            biased;
            appended = self.append(&plan.job_id, entry).instrument(appending) => appended?,
            // A worker was faster: its first entry contains the description too, so the log has
            // the job, with this entry or without it.
            () = self.in_table(&listener, &id) => {}
        }
        if request_id.is_empty() {
            if caller.has_job_quotas() {
                // The next check of the quotas then finds the job in the table. If that takes too
                // long, it is accepted all the same.
                let _ = timeout(self.policy.broker_timeout, self.in_table(&listener, &id)).await;
            }
            return Ok(job);
        }
        // Two gateways may accept the same request id at the same time with different payloads.
        // The first entry in the log decides which one the id belongs to, so wait until that is
        // in the table.
        let unknown = || Refusal::OutcomeUnknown { job_id: plan.job_id.clone() };
        timeout(self.policy.broker_timeout, async {
            loop {
                if let Some(job) = self.existing_job(&plan)? {
                    return Ok(job);
                }
                listener.changed().await;
            }
        })
        .await
        .unwrap_or_else(|_| {
            // A confirmed entry that the table has not read in time: its reader may be stuck.
            self.table.check_reader();
            Err(unknown())
        })
    }

    /// Validates a submission of a caller without submitting it. Reads a large model on a blocking thread.
    ///
    /// # Errors
    ///
    /// As [`plan()`]; [`Refusal::Unavailable`] if the blocking thread panicked.
    pub(crate) async fn validate(
        &self,
        caller: &Caller,
        submission: Submission,
    ) -> Result<Plan, Refusal> {
        let now = SystemTime::now();
        let policy = match caller.max_time_limit() {
            Some(limit) => Arc::new(self.policy.with_max_time_limit(limit)),
            None => self.policy.clone(),
        };
        if !may_take_long(&submission) {
            return plan(submission, &policy, now);
        }
        let permit = self.model_read_permits.clone().acquire_owned().await;
        let planning = spawn_blocking(move || {
            let planned = plan(submission, &policy, now);
            drop(permit);
            planned
        });
        planning.await.map_err(|error| Refusal::Unavailable { message: error.to_string() })?
    }

    /// Checks that this gateway can accept a job now: broker, table and limits.
    pub(super) fn admit(&self) -> Result<(), Refusal> {
        let unavailable = |message: String| Err(Refusal::Unavailable { message });
        if self.stopping.is_cancelled() {
            return Err(Refusal::ShuttingDown { job_id: String::new() });
        }
        if let Some(cause) = self.not_ready() {
            return unavailable(cause);
        }
        // A broker that is short of memory or disk.
        if let Some(cause) = self.mesh.health().borrow().problem() {
            return unavailable(cause);
        }
        let value = self.policy.max_live_jobs;
        if self.table.read(|fold| fold.live_count()) >= value {
            return Err(Refusal::Exhausted { limit: "max_live_jobs", value });
        }
        let value = self.policy.max_live_bytes;
        if self.table.read(|fold| fold.live_weight()) >= value {
            return Err(Refusal::Exhausted { limit: "max_live_bytes", value });
        }
        let half = self.policy.max_log_growth();
        if self.table.read(|fold| fold.bytes_since_oldest_live()) >= half {
            return Err(Refusal::LogTooLong { half });
        }
        Ok(())
    }

    /// Refuses a job whose solver no connected worker has.
    async fn check_solver_available(&self, plan: &Plan) -> Result<(), Refusal> {
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

    /// Whether a connected worker has a solver. True for solvers that every worker has; the
    /// others have a lane to themselves, which only workers with that solver consume.
    ///
    /// # Errors
    ///
    /// If the broker can't be asked.
    pub(crate) async fn is_available(&self, solver: Solver) -> Result<bool, MeshError> {
        match catalog::dedicated_lane(solver) {
            Some(lane) => self.mesh.is_served(&lane).await,
            None => Ok(true),
        }
    }

    /// Waits until the table has a job.
    async fn in_table(&self, listener: &Listener, id: &str) {
        while self.table.read(|fold| !fold.contains(id)) {
            listener.changed().await;
        }
    }

    /// The job with a plan's request id, if the table has one already.
    ///
    /// # Errors
    ///
    /// [`Refusal::RequestIdTaken`] if its payload is another; [`Refusal::RequestIdExpired`].
    fn existing_job(&self, plan: &Plan) -> Result<Option<Job>, Refusal> {
        self.table.read(|fold| {
            if fold.is_forgotten(&plan.job_id) {
                return Err(Refusal::RequestIdExpired {
                    request_id: plan.description.request_id.clone(),
                    job_id: plan.job_id.clone(),
                });
            }
            match fold.job(&plan.job_id) {
                None => Ok(None),
                Some(record) if record.digest == plan.digest => Ok(Some(record.to_job(false))),
                Some(_) => Err(Refusal::RequestIdTaken {
                    request_id: plan.description.request_id.clone(),
                    job_id: plan.job_id.clone(),
                }),
            }
        })
    }

    /// Stores a payload in the bulk stream if it is too large for the job message.
    async fn store_if_large(&self, plan: &Plan) -> Result<Option<BulkReference>, Refusal> {
        let whole = &plan.payload.bytes;
        if whole.len() <= INLINE_PAYLOAD_BYTES {
            return Ok(None);
        }
        let parts = (0..whole.len())
            .step_by(MAX_PART_BYTES)
            .map(|from| whole.slice(from..whole.len().min(from + MAX_PART_BYTES)))
            .collect();
        let object = BulkObject::with_digest(parts, plan.payload.digest.to_vec());
        // Stored parts without a job message that refers to them are harmless, so a missing
        // confirm means here that the job was not accepted, never that its outcome is unknown.
        let refused = |error: MeshError| match error {
            MeshError::OutcomeUnknown => Refusal::Unavailable { message: error.to_string() },
            error => Refusal::from_mesh(error, &plan.job_id),
        };
        self.mesh.store(object).await.map(Some).map_err(refused)
    }
}

/// Whether reading a submission may take so long that it would stall other requests: a sweep, a
/// large model, a file (which may be compressed), or absent arrays that are long once filled in.
fn may_take_long(submission: &Submission) -> bool {
    let SubmitJobRequest { model: Some(model), sweep: None, .. } = &submission.request else {
        return submission.request.sweep.is_some();
    };
    let becomes_large = match &model.form {
        Some(Form::File(_)) => true,
        Some(Form::Linear(arrays)) => {
            arrays.variable_count().max(arrays.constraint_count()) > LARGE_MODEL_DIMENSION
        }
        _ => false,
    };
    becomes_large || model.encoded_len() > LARGE_MODEL_BYTES
}
