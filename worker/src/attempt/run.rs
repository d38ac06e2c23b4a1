//! A run: small jobs that are sent to the solver process at once and solved one after the other,
//! without a round trip between the processes for each.

use std::{collections::VecDeque, pin::pin, sync::Arc, time::Duration};

use solvemesh_broker::Lane;
use solvemesh_daemon::TRACES;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, info_span};

use crate::{
    attempt::{
        AcceptedJob,
        monitor::{SolveMonitor, SolveObservation, WaitingTasks},
        opening::{OpenedJob, open},
        settlement::settle,
        solve_task,
    },
    busy_slots::BusyGuard,
    context::Context,
    delivery::held_job::HeldJob,
    process::SolverProcess,
};

/// If the solve of a job takes longer than this, the jobs behind it are returned to their lane.
const MAX_WAIT: Duration = Duration::from_millis(100);

/// The slot of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunSlot<'a> {
    pub(crate) context: &'a Arc<Context>,
    pub(crate) lane: &'a Lane,
    /// Index among the slots of the lane.
    pub(crate) index: usize,
}

impl RunSlot<'_> {
    /// Solves jobs, none of which had an attempt before, in their order. `on_long_solve` is called
    /// at most once, when a job takes so long that those behind it are returned to their lane.
    ///
    /// A death of the solver process counts for the job that was being solved. Those behind it are
    /// returned to their lane, too. Returns whether the process can be used again.
    pub(crate) async fn solve(
        self,
        jobs: Vec<AcceptedJob>,
        solver: &mut SolverProcess,
        on_long_solve: impl FnOnce(),
    ) -> bool {
        let mut waiting = self.open(jobs).await;
        let mut on_long_solve = Some(on_long_solve);
        let entries = waiting.iter().map(|job| job.payload.rows_and_columns()).max().unwrap_or(0);
        let tasks: Vec<_> = waiting.iter_mut().map(|job| solve_task(job, None)).collect();
        if tasks.is_empty() {
            return true;
        }
        let timeout = self.context.config.start_timeout;
        let mut sent = solver.send_solves(tasks.into_iter(), entries, timeout).await;
        while let Some(mut job) = waiting.pop_front() {
            let _busy = self.busy(&job);
            job.held.begin_attempt(None);
            let observation = match std::mem::replace(&mut sent, Ok(())) {
                Ok(()) => {
                    solver.next_task();
                    self.watch(&mut job, solver, &mut waiting, &mut on_long_solve).await
                }
                Err(death) => SolveObservation::died(death),
            };
            let solver_is_good = observation.outcome.is_some();
            self.context.settle(settle(job, self.lane.clone(), observation)).await;
            if !solver_is_good {
                self.return_all(&mut waiting, "the solver process died").await;
                return false;
            }
        }
        true
    }

    /// Opens the jobs and begins their attempts. Those that can't start are settled.
    async fn open(self, jobs: Vec<AcceptedJob>) -> VecDeque<OpenedJob> {
        let mut opened = VecDeque::with_capacity(jobs.len());
        for AcceptedJob { envelope, lease, .. } in jobs {
            let held = HeldJob::new(Arc::clone(self.context), &envelope, lease);
            opened.extend(open(held, envelope, false).await);
        }
        opened
    }

    /// Watches the solve of a job whose attempt has begun. If it takes long, or the worker stops,
    /// returns those behind it to their lane.
    async fn watch(
        self,
        job: &mut OpenedJob,
        solver: &mut SolverProcess,
        waiting: &mut VecDeque<OpenedJob>,
        on_long_solve: &mut Option<impl FnOnce()>,
    ) -> SolveObservation {
        let id = job.held.entries.job.clone();
        tracing::debug!(job = id, attempt = job.held.entries.attempt, "attempt started");
        let monitor = SolveMonitor::of(self.context, &id, &job.payload, &job.effective);
        // Behind the last job of the run are those that its slot has prefetched.
        let others_wait =
            if waiting.is_empty() { self.context.config.share_after } else { MAX_WAIT };
        let withdrawn = CancellationToken::new();
        let (until, stop) = (Instant::now() + others_wait, &self.context.stop);
        let tasks = WaitingTasks { until, stop, withdrawn: &withdrawn };
        let solving = info_span!(target: TRACES, parent: job.held.span(), "solve");
        let watching = monitor.watch(solver, &mut job.held, Some(tasks)).instrument(solving);
        let mut watching = pin!(watching);
        let ended = tokio::select! {
            biased;
            observation = &mut watching => Some(observation),
            () = withdrawn.cancelled() => None,
        };
        // Both may have happened: a job can end just after those behind it were withdrawn.
        if withdrawn.is_cancelled() {
            if let Some(on_long_solve) = on_long_solve.take() {
                on_long_solve();
            }
            self.return_all(waiting, "another job of its message takes long").await;
        }
        match ended {
            Some(observation) => observation,
            None => watching.await,
        }
    }

    /// Returns jobs to their lane, unchanged.
    async fn return_all(self, jobs: &mut VecDeque<OpenedJob>, cause: &'static str) {
        for job in jobs.drain(..) {
            self.context.settle(async move { job.held.requeue(cause).await }).await;
        }
    }

    fn busy(self, job: &OpenedJob) -> BusyGuard {
        let Self { context, lane, index } = self;
        context.busy_slots.begin(lane, index, &job.held.entries.job)
    }
}
