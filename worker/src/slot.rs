//! One slot: a warm solver process, and one job of one lane at a time.

use std::{ops::ControlFlow, pin::pin, sync::Arc, time::Duration};

use solvemesh::broker::v1::JobEnvelope;
use solvemesh_broker::{Delivery, Lane, Lease, LeaseLost, MeshError, Payload};

use crate::{
    attempt::attempt,
    backoff::Backoff,
    context::Context,
    delivery::{
        intake::Intake,
        redelivery::{Advice, Past, advice, forget, give_back, park},
    },
    process::SolverProcess,
};

/// One slot.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) context: Arc<Context>,
    pub(crate) lane: Lane,
    /// Numbers the slots of its lane.
    pub(crate) index: usize,
}

impl Slot {
    /// Takes jobs and has them solved, until the worker stops or the mesh is closed.
    ///
    /// No job is taken before there is a solver process, and what waits here goes
    /// back to the lane when none can be started.
    pub(crate) async fn run(self) {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(30));
        loop {
            if let Some(solver) = self.start_solver().await
                && self.serve(solver, &mut backoff).await.is_break()
            {
                return;
            }
            if !self.context.pause(backoff.pause()).await {
                return;
            }
        }
    }

    /// Takes jobs as long as there is a solver process and a lane.
    async fn serve(&self, mut solver: SolverProcess, backoff: &mut Backoff) -> ControlFlow<()> {
        let (context, lane, slot) = (&self.context, &self.lane, self.index);
        let mut jobs = Intake::new(Arc::clone(context), lane.clone());
        loop {
            let alive = tokio::select! {
                biased;
                () = context.stop.cancelled() => return ControlFlow::Break(()),
                delivery = jobs.next() => match delivery {
                    Ok(Some(delivery)) => {
                        self.take(delivery, &mut jobs, &mut solver, backoff).await
                    }
                    Ok(None) => return ControlFlow::Continue(()),
                    Err(MeshError::Closed) => return ControlFlow::Break(()),
                    Err(error) => {
                        tracing::warn!(%lane, slot, cause = %error, "the lane can't be consumed");
                        return ControlFlow::Continue(());
                    }
                },
                death = solver.dies_idle() => {
                    let pid = solver.pid();
                    tracing::warn!(%lane, slot, pid, cause = %death, "an idle solver process died");
                    jobs.pause();
                    if !context.pause(backoff.pause()).await {
                        return ControlFlow::Break(());
                    }
                    false
                }
            };
            if !alive {
                match self.start_solver().await {
                    Some(another) => solver = another,
                    None => return ControlFlow::Continue(()),
                }
            }
        }
    }

    /// A solver process, unless it can't be started or the worker stops.
    async fn start_solver(&self) -> Option<SolverProcess> {
        let (lane, slot, config) = (&self.lane, self.index, &self.context.config);
        let start = SolverProcess::start(&config.solver, config.start_timeout);
        let started = tokio::select! {
            () = self.context.stop.cancelled() => return None,
            started = start => started,
        };
        match started {
            Ok(solver) => {
                tracing::debug!(%lane, slot, pid = solver.pid(), "a solver process is up");
                Some(solver)
            }
            Err(error) => {
                tracing::error!(%lane, slot, cause = %error, "there is no solver process");
                None
            }
        }
    }

    /// Deals with one delivery; tells whether the solver process is still good.
    async fn take(
        &self,
        delivery: Delivery,
        jobs: &mut Intake,
        solver: &mut SolverProcess,
        backoff: &mut Backoff,
    ) -> bool {
        let (context, lane) = (&self.context, &self.lane);
        let Delivery { payload, redelivered, lease } = delivery;
        // After a lost connection its jobs may be here before their cancels.
        if context.stop.run_until_cancelled(context.cancels.caught_up()).await.is_none() {
            return true;
        }
        if !lease.is_live() {
            let job = payload.job_id();
            tracing::info!(job, %lane, "the broker took the job back before it was begun");
            return true;
        }
        match payload {
            Payload::Job(mut job) => {
                let advice = advice(context, lane, &job, redelivered);
                match context.stop.run_until_cancelled(advice).await {
                    Some(Advice::Solve(past)) => {
                        let failed_attempts = past.failed_attempts;
                        job.failed_attempts = job.failed_attempts.max(failed_attempts);
                        if redelivered {
                            tracing::info!(job = job.job_id, "a job that was handed out before");
                        }
                        self.attempt((*job, past), lease, jobs, solver, backoff).await
                    }
                    Some(Advice::Forget) => {
                        context.settle(forget(job.job_id, lease)).await;
                        true
                    }
                    Some(Advice::Park) => {
                        jobs.park();
                        context.park(park(Arc::clone(context), job.job_id, lease)).await;
                        true
                    }
                    // Unsettled, the job goes back with all that waits here.
                    None => true,
                }
            }
            Payload::Later { version, job_id } => {
                tracing::warn!(
                    job = job_id, %lane, version,
                    "a job of a later format is left to later workers"
                );
                jobs.park();
                context.park(leave_to_later_workers(Arc::clone(context), job_id, lease)).await;
                true
            }
            Payload::Unreadable { job_id, error, .. } => {
                tracing::error!(job = job_id, cause = error, "what came is no job");
                context.settle(reject(job_id, lease)).await;
                true
            }
        }
    }

    /// Attempts a job; tells whether the solver process is still good. What waits
    /// behind it goes to other slots if it takes long or the worker stops. A job with a
    /// memory limit has a process to itself, so that what it may allocate depends on no
    /// other.
    async fn attempt(
        &self,
        (job, past): (JobEnvelope, Past),
        lease: Lease,
        jobs: &mut Intake,
        solver: &mut SolverProcess,
        backoff: &mut Backoff,
    ) -> bool {
        if solver.is_used() && has_memory_limit(&job) {
            match self.start_solver().await {
                Some(fresh) => *solver = fresh,
                None => {
                    self.context.settle(give_back(job.job_id, lease)).await;
                    return false;
                }
            }
        }
        let mut attempt = pin!(attempt(&self.context, &self.lane, job, past, lease, solver));
        let alive = tokio::select! {
            biased;
            alive = &mut attempt => alive,
            _ = self.context.pause(self.context.config.share_after), if jobs.may_hold_others() => {
                jobs.pause();
                attempt.await
            }
        };
        if alive {
            backoff.reset();
        }
        alive
    }
}

/// A worker that knows the format shall have the job: it goes back after a pause that
/// keeps it from going round and round between workers that don't.
async fn leave_to_later_workers(context: Arc<Context>, job: String, lease: Lease) {
    context.pause(context.config.later_format_pause).await;
    give_back(job, lease).await;
}

/// Whether a job has a memory limit of its own.
fn has_memory_limit(job: &JobEnvelope) -> bool {
    let options = job.description.as_ref().and_then(|description| description.options.as_ref());
    options.is_some_and(|options| options.memory_limit_bytes.is_some())
}

/// Into the dead-letter queue, where a gateway tells the job's end.
pub(crate) async fn reject(job: String, lease: Lease) {
    if let Err(LeaseLost) = lease.reject().await {
        tracing::info!(job, cause = %LeaseLost, "the message was not rejected");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use async_trait::async_trait;
    use solvemesh_broker::{MemoryConfig, MemoryMesh, Mesh, Settle};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::{
        config::{SolverCommandLine, WorkerConfig},
        log::writer::Journal,
    };

    /// A lease that tells whether it was settled.
    #[derive(Debug)]
    struct Told {
        live: bool,
        settled: Arc<AtomicBool>,
    }

    #[async_trait]
    impl Settle for Told {
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
    async fn a_job_is_left_alone_that_the_broker_took_back_before_it_was_begun() {
        let script = ["-c", "printf '\\002\\022\\000'; exec cat"];
        let solver =
            SolverCommandLine { program: "/bin/sh".into(), args: script.map(Into::into).to_vec() };
        for live in [true, false] {
            let mesh: Arc<dyn Mesh> = Arc::new(MemoryMesh::new(MemoryConfig::default()));
            let config = WorkerConfig { solver: solver.clone(), ..WorkerConfig::default() };
            let [stop, kill, end] = std::array::from_fn(|_| CancellationToken::new());
            let (journal, _) = Journal::open(Arc::clone(&mesh), end);
            let context = Arc::new(Context::new(mesh, config, journal, stop, kill));
            context.cancels.set_caught_up(true);
            let lane: Lane = "standard".parse().expect("a lane");
            let slot = Slot { context: Arc::clone(&context), lane: lane.clone(), index: 0 };
            let mut jobs = Intake::new(Arc::clone(&context), lane);
            let mut solver = slot.start_solver().await.expect("a solver process");
            let mut backoff = Backoff::new(Duration::ZERO, Duration::ZERO);

            let settled = Arc::new(AtomicBool::new(false));
            // It has no model, so that it would be rejected at once.
            let job = Payload::Job(Box::default());
            let lease = Lease::new(Told { live, settled: Arc::clone(&settled) });
            let delivery = Delivery { payload: job, redelivered: false, lease };
            assert!(slot.take(delivery, &mut jobs, &mut solver, &mut backoff).await);
            context.settled().await;
            assert_eq!(settled.load(Ordering::Relaxed), live);
        }
    }
}
