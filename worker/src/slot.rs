//! One slot: a warm solver process, and one job of one lane at a time.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use solvemesh_broker::{Consumer, Delivery, Lane, Lease, LeaseLost, MeshError, Payload};

use crate::{attempt::attempt, backoff::Backoff, context::Context, process::SolverProcess};

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
        let mut jobs: Consumer<Delivery> =
            match context.mesh.consume(lane, context.config.prefetch(lane)).await {
                Ok(jobs) => jobs,
                Err(MeshError::Closed) => return ControlFlow::Break(()),
                Err(error) => {
                    tracing::warn!(%lane, slot, cause = %error, "the lane can't be consumed");
                    return ControlFlow::Continue(());
                }
            };
        loop {
            let alive = tokio::select! {
                biased;
                () = context.stop.cancelled() => return ControlFlow::Break(()),
                delivery = jobs.next() => match delivery {
                    Some(delivery) => self.take(delivery, &mut solver, backoff).await,
                    None => return ControlFlow::Continue(()),
                },
                death = solver.dies_idle() => {
                    let pid = solver.pid();
                    tracing::warn!(%lane, slot, pid, cause = %death, "an idle solver process died");
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
        let start =
            SolverProcess::start(&config.solver, config.memory_per_job, config.start_timeout);
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
        solver: &mut SolverProcess,
        backoff: &mut Backoff,
    ) -> bool {
        let Delivery { payload, redelivered, lease } = delivery;
        match payload {
            Payload::Job(job) => {
                if redelivered {
                    tracing::info!(job = job.job_id, "a job that was handed out before");
                }
                let alive = attempt(&self.context, &self.lane, *job, lease, solver).await;
                if alive {
                    backoff.reset();
                }
                alive
            }
            Payload::Later { version, job_id } => {
                self.leave_to_later_workers(version, job_id, lease).await;
                true
            }
            Payload::Unreadable { job_id, error, .. } => {
                tracing::error!(job = job_id, cause = error, "what came is no job");
                self.context.settle(reject(job_id, lease)).await;
                true
            }
        }
    }

    /// A worker that knows the format shall have the job: it goes back, after a pause
    /// that keeps it from going round and round between workers that don't.
    async fn leave_to_later_workers(&self, version: u32, job: String, lease: Lease) {
        let lane = &self.lane;
        tracing::warn!(job, %lane, version, "a job of a later format is left to later workers");
        let context = Arc::clone(&self.context);
        let hold = async move {
            context.pause(context.config.later_format_pause).await;
            if let Err(LeaseLost) = lease.requeue().await {
                tracing::info!(job, cause = %LeaseLost, "the job was already handed back");
            }
        };
        self.context.settle(hold).await;
    }
}

/// Into the dead-letter queue, where a gateway tells the job's end.
pub(crate) async fn reject(job: String, lease: Lease) {
    if let Err(LeaseLost) = lease.reject().await {
        tracing::info!(job, cause = %LeaseLost, "the message was not rejected");
    }
}
