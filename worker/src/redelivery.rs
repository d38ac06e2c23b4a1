//! A job that was handed out before: its attempt may be dead, or alive behind a
//! connection that was lost, or may have ended without its delivery being settled.
//! Any gateway knows from the log; the broker knows which workers are connected.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use solvemesh::broker::v1::{LookupAnswer, LookupRequest, Standing};
use solvemesh_broker::{FORMAT_VERSION, Lease, LeaseLost, MeshError};

use crate::context::Context;

/// How often to ask again about an attempt that is alive.
const PARK: Duration = Duration::from_millis(500);
/// How long the connection of a living worker may be away.
const BLINK: Duration = Duration::from_secs(1);
/// An attempt that has written nothing for so many heartbeats is not alive.
const SILENT_HEARTBEATS: u32 = 3;

/// What to do with a job that was handed out before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Advice {
    /// Nobody is at it: solve it.
    Solve,
    /// Its end is in the log: only its delivery was not settled.
    Forget,
    /// Another attempt is alive: wait for its end.
    Park,
}

/// Asks what to do with a job that was handed out before. Without an answer within a
/// bounded time it is to be solved: better twice than never.
pub(crate) async fn advice(context: &Context, job: &str) -> Advice {
    let request = LookupRequest { version: FORMAT_VERSION, job_id: job.to_owned() };
    let answer = match context.mesh.ask(request, context.config.ask_patience).await {
        Ok(answer) if answer.version <= FORMAT_VERSION => answer,
        Ok(_) => return Advice::Solve,
        Err(error) => {
            tracing::info!(job, cause = %error, "nobody tells about a job handed out before");
            return Advice::Solve;
        }
    };
    let heard_lately = context.config.heartbeat * SILENT_HEARTBEATS;
    match judge(&answer, heard_lately) {
        Judgement::Clear(advice) => advice,
        Judgement::IfAlive { attempt, worker } if worker == context.id => {
            if context.running.has(attempt) { Advice::Park } else { Advice::Solve }
        }
        Judgement::IfAlive { worker, .. } => match present(context, worker).await {
            Ok(true) => Advice::Park,
            Ok(false) => Advice::Solve,
            Err(error) => {
                tracing::info!(job, cause = %error, "whether its worker is alive is not known");
                Advice::Solve
            }
        },
    }
}

/// Whether a worker is connected, or was a moment ago: one whose connection is being made
/// again is absent meanwhile.
async fn present(context: &Context, worker: &str) -> Result<bool, MeshError> {
    Ok(context.mesh.is_present(worker).await?
        || context.pause(BLINK).await && context.mesh.is_present(worker).await?)
}

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judgement<'a> {
    /// This.
    Clear(Advice),
    /// It depends on whether the attempt's worker is alive.
    IfAlive { attempt: &'a str, worker: &'a str },
}

fn judge(answer: &LookupAnswer, heard_lately: Duration) -> Judgement<'_> {
    match answer.standing() {
        Standing::Ended => Judgement::Clear(Advice::Forget),
        Standing::Running
            if !answer.worker_id.is_empty()
                && Duration::from_millis(answer.silent_millis) < heard_lately =>
        {
            Judgement::IfAlive { attempt: &answer.attempt_id, worker: &answer.worker_id }
        }
        Standing::Running | Standing::Queued | Standing::Unknown | Standing::Unspecified => {
            Judgement::Clear(Advice::Solve)
        }
    }
}

/// Holds a job while another attempt is alive: then forgets it, or hands it back to be
/// solved, which it also does as soon as the worker stops.
pub(crate) async fn park(context: Arc<Context>, job: String, lease: Lease) {
    tracing::info!(job, "another attempt is alive; the job is parked");
    let no_longer_alive = async {
        loop {
            tokio::time::sleep(PARK).await;
            match advice(&context, &job).await {
                Advice::Park => {}
                advice => return advice,
            }
        }
    };
    match context.stop.run_until_cancelled(no_longer_alive).await {
        Some(Advice::Forget) => forget(job, lease).await,
        _ => give_back(job, lease).await,
    }
}

/// Puts what was parked back into its queue.
pub(crate) async fn give_back(job: String, lease: Lease) {
    tracing::info!(job, "the parked job goes back into its queue");
    if let Err(LeaseLost) = lease.requeue().await {
        tracing::info!(job, cause = %LeaseLost, "the job was already handed back");
    }
}

/// Settles the delivery of a job whose end is in the log.
pub(crate) async fn forget(job: String, lease: Lease) {
    tracing::info!(job, "the job had ended; it is not solved again");
    if let Err(LeaseLost) = lease.ack().await {
        tracing::info!(job, cause = %LeaseLost, "the job will come once more");
    }
}

/// The attempts of this worker that have begun and are not settled.
#[derive(Clone, Debug, Default)]
pub(crate) struct Running(Arc<Mutex<HashSet<String>>>);

impl Running {
    /// Counts an attempt as running as long as the guard lives.
    pub(crate) fn begin(&self, attempt: &str) -> RunningAttempt {
        self.lock().insert(attempt.to_owned());
        RunningAttempt { running: self.clone(), attempt: attempt.to_owned() }
    }

    fn has(&self, attempt: &str) -> bool {
        self.lock().contains(attempt)
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts as running until it is dropped.
#[derive(Debug)]
pub(crate) struct RunningAttempt {
    running: Running,
    attempt: String,
}

impl Drop for RunningAttempt {
    fn drop(&mut self) {
        self.running.lock().remove(&self.attempt);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATELY: Duration = Duration::from_secs(30);

    fn answer(standing: Standing, worker: &str, silent_millis: u64) -> LookupAnswer {
        LookupAnswer {
            version: FORMAT_VERSION,
            standing: standing.into(),
            attempt_id: "a".to_owned(),
            worker_id: worker.to_owned(),
            silent_millis,
        }
    }

    #[test]
    fn only_a_running_attempt_that_was_heard_lately_may_be_alive() {
        let alive = Judgement::IfAlive { attempt: "a", worker: "w" };
        let solve = Judgement::Clear(Advice::Solve);
        assert_eq!(judge(&answer(Standing::Running, "w", 100), LATELY), alive);
        assert_eq!(judge(&answer(Standing::Running, "w", 30_000), LATELY), solve);
        assert_eq!(judge(&answer(Standing::Running, "", 100), LATELY), solve);
        for standing in [Standing::Queued, Standing::Unknown, Standing::Unspecified] {
            assert_eq!(judge(&answer(standing, "w", 100), LATELY), solve);
        }
        let ended = answer(Standing::Ended, "w", 100);
        assert_eq!(judge(&ended, LATELY), Judgement::Clear(Advice::Forget));
    }

    #[test]
    fn an_attempt_runs_as_long_as_its_guard_lives() {
        let running = Running::default();
        let guard = running.begin("a");
        assert!(running.has("a") && !running.has("b"));
        drop(guard);
        assert!(!running.has("a"));
    }
}
