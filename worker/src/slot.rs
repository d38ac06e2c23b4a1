//! A slot: one warm solver process, which solves the jobs of one lane one at a time, or in runs of
//! small ones.

use std::{future::pending, ops::ControlFlow, pin::pin, sync::Arc, time::Duration};

use solvemesh::{
    broker::v1::{JobEnvelope, job_envelope},
    frame::MAX_TASKS_IN_FLIGHT,
};
use solvemesh_broker::{Backoff, Delivery, Lane, MeshError, Payload};
use tokio::time::{Instant, sleep_until};

use crate::{
    attempt::{AcceptedJob, run::RunSlot, solve_job},
    context::Context,
    delivery::{
        disposal::{acknowledge, leave_to_newer_workers, park, reject, requeue},
        intake::Intake,
        lookup::{Decision, decide},
    },
    job_limit::{AttemptEnd, NextStep},
    process::SolverProcess,
};

/// Maximum size of the payload of a job that may be part of a run, in bytes.
const MAX_SMALL_PAYLOAD: usize = 16 << 10;

/// A slot of a lane.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) context: Arc<Context>,
    pub(crate) lane: Lane,
    /// Index among the slots of the lane, from 0.
    pub(crate) index: usize,
}

impl Slot {
    /// Consumes jobs and has them solved, until the worker stops, the mesh is closed, or the limit
    /// of jobs is reached.
    ///
    /// Consumes only while it has a solver process. If none can be started, prefetched jobs are
    /// returned to the lane, so that another worker can solve them.
    pub(crate) async fn run(self) {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(30));
        let give_up = self.context.config.job_limit.wait().map(|wait| Instant::now() + wait);
        loop {
            if let Some(solver) = self.start_solver().await
                && self.serve(solver, give_up, &mut backoff).await.is_break()
            {
                return;
            }
            let pause = self.context.pause(backoff.next_delay());
            tokio::select! {
                goes_on = pause => if !goes_on { return },
                () = reached(give_up) => return self.log_no_job(),
            }
        }
    }

    /// Consumes jobs until the slot is to end (`Break`), or until the lane cannot be consumed or no
    /// solver process be started (`Continue`: try again after a pause). The slot ends when the
    /// worker stops, when it has taken as many jobs as it may, or while it waits for one at
    /// `give_up`.
    async fn serve(
        &self,
        mut solver: SolverProcess,
        give_up: Option<Instant>,
        backoff: &mut Backoff,
    ) -> ControlFlow<()> {
        let (context, lane, slot) = (&self.context, &self.lane, self.index);
        let mut jobs = Intake::new(Arc::clone(context), lane.clone());
        loop {
            let next = tokio::select! {
                biased;
                () = context.stop.cancelled() => return ControlFlow::Break(()),
                delivery = jobs.next() => match delivery {
                    Ok(Some(delivery)) => {
                        let runs = context.config.job_limit.allows_more() && is_small(&delivery);
                        let more = match runs {
                            true => jobs.more_that(MAX_TASKS_IN_FLIGHT - 1, is_small),
                            false => Vec::new(),
                        };
                        if more.is_empty() {
                            self.handle(delivery, &mut jobs, &mut solver, backoff).await
                        } else {
                            let run = std::iter::once(delivery).chain(more);
                            self.handle_run(run, &mut jobs, &mut solver, backoff).await
                        }
                    }
                    Ok(None) => return ControlFlow::Continue(()),
                    Err(MeshError::Closed) => return ControlFlow::Break(()),
                    Err(error) => {
                        tracing::warn!(%lane, slot, cause = %error, "cannot consume the lane");
                        return ControlFlow::Continue(());
                    }
                },
                death = solver.wait_for_idle_death() => {
                    let pid = solver.pid();
                    tracing::warn!(%lane, slot, pid, cause = %death, "idle solver process died");
                    context.config.metrics.solver_died(&death);
                    // Jobs must not wait here for the backoff and the start of another process.
                    jobs.pause();
                    if !context.pause(backoff.next_delay()).await {
                        return ControlFlow::Break(());
                    }
                    NextStep::ReplaceSolver
                }
                () = reached(give_up) => {
                    self.log_no_job();
                    return ControlFlow::Break(());
                }
            };
            match next {
                NextStep::TakeJob => {}
                NextStep::ReplaceSolver => match self.start_solver().await {
                    Some(another) => solver = another,
                    None => return ControlFlow::Continue(()),
                },
                NextStep::End => {
                    tracing::info!(%lane, slot, "job limit reached");
                    return ControlFlow::Break(());
                }
            }
        }
    }

    fn log_no_job(&self) {
        tracing::info!(lane = %self.lane, slot = self.index, "no job within the time to wait for one");
    }

    /// Starts a solver process; `None` if that fails or the worker stops.
    async fn start_solver(&self) -> Option<SolverProcess> {
        let (lane, slot, config) = (&self.lane, self.index, &self.context.config);
        let start = SolverProcess::start(&config.solver, config.start_timeout);
        let started = tokio::select! {
            () = self.context.stop.cancelled() => return None,
            started = start => started,
        };
        match started {
            Ok(solver) => {
                tracing::debug!(%lane, slot, pid = solver.pid(), "solver process started");
                solver.log_confinement();
                Some(solver)
            }
            Err(error) => {
                tracing::error!(%lane, slot, cause = %error, "cannot start a solver process");
                None
            }
        }
    }

    /// Handles one delivery.
    async fn handle(
        &self,
        delivery: Delivery,
        jobs: &mut Intake,
        solver: &mut SolverProcess,
        backoff: &mut Backoff,
    ) -> NextStep {
        let (context, lane) = (&self.context, &self.lane);
        let Delivery { payload, redelivered, lease } = delivery;
        // After a reconnect, jobs may be delivered before the cancels that were missed are read.
        if context.stop.run_until_cancelled(context.cancels.caught_up()).await.is_none() {
            return NextStep::TakeJob;
        }
        if !lease.is_live() {
            let job = payload.job_id();
            // The connection was lost meanwhile: the broker has requeued the job for others.
            tracing::info!(job, %lane, "lease lost before the start");
            return NextStep::TakeJob;
        }
        match payload {
            Payload::Job(mut job) => {
                let decision = decide(context, lane, &job, redelivered);
                let decision = context.stop.run_until_cancelled(decision).await;
                if let Some(decision) = &decision {
                    context.config.metrics.decided(decision, redelivered);
                }
                match decision {
                    Some(Decision::Solve(prior)) => {
                        job.failed_attempts = job.failed_attempts.max(prior.failed_attempts);
                        if redelivered {
                            tracing::info!(job = job.job_id, "redelivered job started");
                        }
                        let accepted = AcceptedJob { envelope: *job, prior, lease };
                        self.solve(accepted, jobs, solver, backoff).await
                    }
                    Some(Decision::Acknowledge) => {
                        context.settle(acknowledge(job.job_id, lease)).await;
                        NextStep::TakeJob
                    }
                    Some(Decision::Park) => {
                        jobs.park();
                        context.park(park(Arc::clone(context), job.job_id, lease)).await;
                        NextStep::TakeJob
                    }
                    // The worker stops. The lease is dropped unsettled, so that the broker
                    // requeues the job with the others that were prefetched.
                    None => NextStep::TakeJob,
                }
            }
            Payload::UnsupportedVersion { version, job_id } => {
                tracing::warn!(
                    job = job_id, %lane, version,
                    "unsupported job format, left to newer workers"
                );
                jobs.park();
                context.park(leave_to_newer_workers(Arc::clone(context), job_id, lease)).await;
                NextStep::TakeJob
            }
            Payload::Undecodable { job_id, error, .. } => {
                tracing::error!(job = job_id, cause = error, "undecodable job message rejected");
                context.settle(reject(job_id, lease)).await;
                NextStep::TakeJob
            }
        }
    }

    /// Handles several deliveries of small jobs.
    async fn handle_run(
        &self,
        deliveries: impl Iterator<Item = Delivery>,
        jobs: &mut Intake,
        solver: &mut SolverProcess,
        backoff: &mut Backoff,
    ) -> NextStep {
        let (context, lane, index) = (&self.context, &self.lane, self.index);
        if context.stop.run_until_cancelled(context.cancels.caught_up()).await.is_none() {
            return NextStep::TakeJob;
        }
        let mut accepted = Vec::new();
        for Delivery { payload, lease, .. } in deliveries {
            let Payload::Job(envelope) = payload else { continue };
            if !lease.is_live() {
                tracing::info!(job = envelope.job_id, %lane, "lease lost before the start");
                continue;
            }
            let decision = decide(context, lane, &envelope, false).await;
            context.config.metrics.decided(&decision, false);
            match decision {
                Decision::Solve(prior) => {
                    accepted.push(AcceptedJob { envelope: *envelope, prior, lease });
                }
                Decision::Acknowledge => {
                    context.settle(acknowledge(envelope.job_id, lease)).await;
                }
                Decision::Park => {
                    jobs.park();
                    context.park(park(Arc::clone(context), envelope.job_id, lease)).await;
                }
            }
        }
        let usable =
            RunSlot { context, lane, index }.solve(accepted, solver, || jobs.pause()).await;
        if usable {
            backoff.reset();
        }
        context.config.job_limit.after(AttemptEnd::with_solver(usable))
    }

    /// Solves a job.
    ///
    /// Prefetched jobs are returned to the lane if the solve takes longer than `share_after` or
    /// the worker stops. A job with a memory limit gets a new process, so that the memory it may
    /// use does not depend on earlier jobs. If it is the only one that the slot may take, what was
    /// delivered with it is returned at once: the other jobs of its message, and those of other
    /// ranks.
    async fn solve(
        &self,
        accepted: AcceptedJob,
        jobs: &mut Intake,
        solver: &mut SolverProcess,
        backoff: &mut Backoff,
    ) -> NextStep {
        let (context, lane) = (&self.context, &self.lane);
        let limit = context.config.job_limit;
        if !limit.allows_more() {
            jobs.pause();
        }
        if solver.is_used() && has_memory_limit(&accepted.envelope) {
            match self.start_solver().await {
                Some(fresh) => *solver = fresh,
                None => {
                    let AcceptedJob { envelope, lease, .. } = accepted;
                    context.settle(requeue(envelope.job_id, lease)).await;
                    return NextStep::ReplaceSolver;
                }
            }
        }
        let _busy = context.busy_slots.begin(lane, self.index, &accepted.envelope.job_id);
        let mut solving = pin!(solve_job(context, lane, accepted, solver));
        let end = tokio::select! {
            biased;
            end = &mut solving => end,
            _ = context.pause(context.config.share_after), if jobs.may_hold_others() => {
                jobs.pause();
                solving.await
            }
        };
        if end != AttemptEnd::SolverLost {
            backoff.reset();
        }
        limit.after(end)
    }
}

/// Waits until a point in time: forever, if there is none.
async fn reached(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}

/// Whether a delivery is a job that may be part of a run: small, and without an earlier attempt.
fn is_small(delivery: &Delivery) -> bool {
    let Payload::Job(job) = &delivery.payload else { return false };
    let Some(job_envelope::Body::Payload(bytes)) = &job.body else { return false };
    let is_sweep = job.description.as_ref().is_some_and(|description| description.sweep.is_some());
    !delivery.redelivered
        && job.failed_attempts == 0
        && bytes.len() <= MAX_SMALL_PAYLOAD
        && !is_sweep
        && !has_memory_limit(job)
}

/// Whether the job's options contain a memory limit.
fn has_memory_limit(job: &JobEnvelope) -> bool {
    let options = job.description.as_ref().and_then(|description| description.options.as_ref());
    options.is_some_and(|options| options.memory_limit_bytes.is_some())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use async_trait::async_trait;
    use solvemesh_broker::{Lease, LeaseLost, MemoryConfig, MemoryMesh, Mesh, Settle};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::{
        config::{SolverCommandLine, WorkerConfig},
        log::writer::LogWriter,
    };

    /// A lease that records whether it was settled.
    #[derive(Debug)]
    struct RecordingLease {
        live: bool,
        settled: Arc<AtomicBool>,
    }

    #[async_trait]
    impl Settle for RecordingLease {
        fn is_live(&self) -> bool {
            self.live
        }

        async fn ack(self: Box<Self>) -> Result<(), LeaseLost> {
            self.settled.store(true, Ordering::Relaxed);
            Ok(())
        }

        async fn requeue(self: Box<Self>) -> Result<(), LeaseLost> {
            self.ack().await
        }

        async fn reject(self: Box<Self>) -> Result<(), LeaseLost> {
            self.ack().await
        }
    }

    #[tokio::test]
    async fn a_job_whose_lease_was_lost_before_the_start_is_not_settled() {
        let script = ["-c", "printf '\\002\\022\\000'; exec cat"];
        let solver =
            SolverCommandLine { program: "/bin/sh".into(), args: script.map(Into::into).to_vec() };
        for live in [true, false] {
            let mesh: Arc<dyn Mesh> = Arc::new(MemoryMesh::new(MemoryConfig::default()));
            let config = WorkerConfig { solver: solver.clone(), ..WorkerConfig::default() };
            let [stop, kill, end] = std::array::from_fn(|_| CancellationToken::new());
            let (log_writer, _) = LogWriter::open(Arc::clone(&mesh), end);
            let context = Arc::new(Context::new(mesh, config, log_writer, stop, kill));
            context.cancels.set_caught_up(true);
            let lane: Lane = "standard".parse().expect("a lane");
            let slot = Slot { context: Arc::clone(&context), lane: lane.clone(), index: 0 };
            let mut jobs = Intake::new(Arc::clone(&context), lane);
            let mut solver = slot.start_solver().await.expect("a solver process");
            let mut backoff = Backoff::new(Duration::ZERO, Duration::ZERO);

            let settled = Arc::new(AtomicBool::new(false));
            // A job without a model is rejected, and so settled, at once.
            let job = Payload::Job(Box::default());
            let lease = Lease::new(RecordingLease { live, settled: Arc::clone(&settled) });
            let delivery = Delivery { payload: job, redelivered: false, lease };
            let next = slot.handle(delivery, &mut jobs, &mut solver, &mut backoff).await;
            assert_eq!(next, NextStep::TakeJob);
            context.settled().await;
            assert_eq!(settled.load(Ordering::Relaxed), live);
        }
    }
}
