//! A job that may be in other hands. One that was handed out before may have an attempt
//! that is dead, or alive behind a connection that was lost, or that has ended without its
//! delivery being settled. One with a twin in its queue may have been solved as that: two
//! gateways took the same request at once, or a worker died between putting a job back and
//! letting go of it. Any gateway knows from the log; the broker knows which workers are
//! connected.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use solvemesh::{
    broker::v1::{
        JobEnvelope, LastIncumbent, LookupAnswer, LookupRequest, Standing, job_envelope::Payload,
    },
    v1::ScenarioRange,
};
use solvemesh_broker::{FORMAT_VERSION, Lane, Lease, LeaseLost, MeshError};
use tokio::time::Instant;

use crate::context::Context;

/// How often to ask again about an attempt that is alive.
const PARK: Duration = Duration::from_millis(500);
/// How long the connection of a living worker may be away.
const BLINK: Duration = Duration::from_secs(1);
/// An attempt of which a gateway has read nothing for so long is not alive: it writes about
/// once a second.
const SILENCE: Duration = Duration::from_secs(30);
/// How long nobody is asked about a mere twin after a question that nobody answered.
const QUIET: Duration = Duration::from_secs(10);

/// What to do with a job.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Advice {
    /// Nobody is at it: solve it.
    Solve(Past),
    /// Its end is in the log: only its delivery was not settled.
    Forget,
    /// Another attempt is alive: wait for its end.
    Park,
}

/// What to do with a job that was just taken from a lane. Nobody is asked about one that
/// was not handed out before and has no twin.
pub(crate) async fn advice(
    context: &Context,
    lane: &Lane,
    job: &JobEnvelope,
    redelivered: bool,
) -> Advice {
    if is_of_sweep(job) {
        if redelivered { on_share(context, &job.job_id).await } else { Advice::SOLVE }
    } else if context.running.has(&job.job_id) {
        Advice::Park
    } else if redelivered || may_have_twin(lane, job) && !context.unanswered.lately() {
        inquire(context, &job.job_id).await
    } else {
        Advice::SOLVE
    }
}

impl Advice {
    /// Nobody told anything else.
    const SOLVE: Self = Self::Solve(Past::NOTHING);
}

/// What is known of a job's attempts that died.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Past {
    /// How many died in the solver, as far as the log was asked.
    pub(crate) failed_attempts: u32,
    /// The last solution of theirs.
    pub(crate) incumbent: Option<LastIncumbent>,
    /// Of a sweep: scenarios that the log has answers of.
    pub(crate) answered: Vec<ScenarioRange>,
    /// Whether the log has it that an attempt began, and is not known to have died.
    pub(crate) begun: bool,
}

impl Past {
    /// Nothing is known.
    const NOTHING: Self =
        Self { failed_attempts: 0, incumbent: None, answered: Vec::new(), begun: false };

    /// What the log tells.
    fn of(answer: &LookupAnswer) -> Self {
        let begun = answer.standing() == Standing::Running;
        let LookupAnswer { failed_attempts, incumbent, answered, .. } = answer.clone();
        Self { failed_attempts, incumbent, answered, begun }
    }
}

fn is_of_sweep(job: &JobEnvelope) -> bool {
    matches!(job.payload, Some(Payload::Sweep(_) | Payload::SweepReference(_)))
}

/// Asks what to do with a share of a sweep that was handed out before. Others are at other
/// shares of it meanwhile, so it waits for nobody; a scenario that is solved twice is
/// answered once.
async fn on_share(context: &Context, job: &str) -> Advice {
    match look_up(context, job).await {
        Some(answer) if answer.standing() == Standing::Ended => Advice::Forget,
        // The deaths of its solver are its own, and counted in its envelope.
        Some(answer) => Advice::Solve(Past { failed_attempts: 0, ..Past::of(&answer) }),
        None => Advice::SOLVE,
    }
}

/// Whether the log is known to have a job's end.
pub(crate) async fn has_ended(context: &Context, job: &str) -> bool {
    look_up(context, job).await.is_some_and(|answer| answer.standing() == Standing::Ended)
}

/// Whether the job may be in its queue a second time, and it is worth a question. That
/// takes some milliseconds: longer than most jobs of the express lane, which are rather
/// solved twice, as rarely as two gateways take one request at once.
fn may_have_twin(lane: &Lane, job: &JobEnvelope) -> bool {
    let requested = job.description.as_ref().is_some_and(|job| !job.request_id.is_empty());
    job.failed_attempts > 0 || requested && lane.as_str() != Lane::EXPRESS
}

/// Asks what to do with a job. Without an answer within a bounded time it is to be
/// solved: better twice than never.
async fn inquire(context: &Context, job: &str) -> Advice {
    let Some(answer) = look_up(context, job).await else { return Advice::SOLVE };
    match judge(&answer) {
        Judgement::Clear(advice) => advice,
        Judgement::IfAlive { worker } if worker == context.id => match context.running.has(job) {
            true => Advice::Park,
            false => Advice::Solve(Past::of(&answer)),
        },
        Judgement::IfAlive { worker } => match present(context, worker).await {
            Ok(true) => Advice::Park,
            Ok(false) => Advice::Solve(Past::of(&answer)),
            Err(error) => {
                tracing::info!(job, cause = %error, "whether its worker is alive is not known");
                Advice::Solve(Past::of(&answer))
            }
        },
    }
}

/// What any gateway says of a job; `None` where nobody answers within a bounded time.
async fn look_up(context: &Context, job: &str) -> Option<LookupAnswer> {
    let request = LookupRequest { version: FORMAT_VERSION, job_id: job.to_owned() };
    match context.mesh.ask(request, context.config.ask_patience).await {
        Ok(answer) => (answer.version <= FORMAT_VERSION).then_some(answer),
        Err(error) => {
            tracing::info!(job, cause = %error, "nobody tells where the job stands");
            context.unanswered.note();
            None
        }
    }
}

/// Whether a worker is connected, or was a moment ago: one whose connection is being made
/// again is absent meanwhile.
async fn present(context: &Context, worker: &str) -> Result<bool, MeshError> {
    Ok(context.mesh.is_present(worker).await?
        || context.pause(BLINK).await && context.mesh.is_present(worker).await?)
}

/// What an answer says.
#[derive(Clone, Debug, PartialEq)]
enum Judgement<'a> {
    /// This.
    Clear(Advice),
    /// It depends on whether the attempt's worker is alive.
    IfAlive { worker: &'a str },
}

fn judge(answer: &LookupAnswer) -> Judgement<'_> {
    match answer.standing() {
        Standing::Ended => Judgement::Clear(Advice::Forget),
        Standing::Running
            if !answer.worker_id.is_empty()
                && Duration::from_millis(answer.silent_millis) < SILENCE =>
        {
            Judgement::IfAlive { worker: &answer.worker_id }
        }
        Standing::Running | Standing::Queued | Standing::Unknown | Standing::Unspecified => {
            Judgement::Clear(Advice::Solve(Past::of(answer)))
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
            if context.running.has(&job) {
                continue;
            }
            match inquire(&context, &job).await {
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

/// When a question had no answer.
#[derive(Debug, Default)]
pub(crate) struct Unanswered(Mutex<Option<Instant>>);

impl Unanswered {
    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn lately(&self) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|last| last.elapsed() < QUIET)
    }
}

/// The jobs that this worker is at: taken, and not settled. It knows of them by itself,
/// when the log takes nothing too.
#[derive(Clone, Debug, Default)]
pub(crate) struct Running(Arc<Mutex<HashMap<String, usize>>>);

impl Running {
    /// Counts a job as running as long as the guard lives.
    pub(crate) fn begin(&self, job: &str) -> RunningJob {
        *self.lock().entry(job.to_owned()).or_default() += 1;
        RunningJob { running: self.clone(), job: job.to_owned() }
    }

    fn has(&self, job: &str) -> bool {
        self.lock().contains_key(job)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts as running until it is dropped.
#[derive(Debug)]
pub(crate) struct RunningJob {
    running: Running,
    job: String,
}

impl Drop for RunningJob {
    fn drop(&mut self) {
        let mut jobs = self.running.lock();
        match jobs.get_mut(&self.job) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(jobs.remove(&self.job)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(standing: Standing, worker: &str, silent_millis: u64) -> LookupAnswer {
        LookupAnswer {
            version: FORMAT_VERSION,
            standing: standing.into(),
            attempt_id: "a".to_owned(),
            worker_id: worker.to_owned(),
            silent_millis,
            failed_attempts: 2,
            incumbent: Some(incumbent()),
            answered: Vec::new(),
        }
    }

    fn incumbent() -> LastIncumbent {
        LastIncumbent { variable_indices: vec![1], values: vec![7.0] }
    }

    #[test]
    fn only_a_running_attempt_that_was_heard_lately_may_be_alive() {
        let alive = Judgement::IfAlive { worker: "w" };
        let solve = |standing| {
            Judgement::Clear(Advice::Solve(Past {
                failed_attempts: 2,
                incumbent: Some(incumbent()),
                answered: Vec::new(),
                begun: standing == Standing::Running,
            }))
        };
        let running = solve(Standing::Running);
        assert_eq!(judge(&answer(Standing::Running, "w", 100)), alive);
        assert_eq!(judge(&answer(Standing::Running, "w", 30_000)), running);
        assert_eq!(judge(&answer(Standing::Running, "", 100)), running);
        for standing in [Standing::Queued, Standing::Unknown, Standing::Unspecified] {
            assert_eq!(judge(&answer(standing, "w", 100)), solve(standing));
        }
        let ended = answer(Standing::Ended, "w", 100);
        assert_eq!(judge(&ended), Judgement::Clear(Advice::Forget));
    }

    #[test]
    fn a_job_runs_as_long_as_one_of_its_guards_lives() {
        let running = Running::default();
        let (one, two) = (running.begin("a"), running.begin("a"));
        assert!(running.has("a") && !running.has("b"));
        drop(one);
        assert!(running.has("a"));
        drop(two);
        assert!(!running.has("a"));
    }

    #[test]
    fn only_requests_with_an_id_and_jobs_that_were_put_back_may_have_twins() {
        let [standard, express] =
            [Lane::STANDARD, Lane::EXPRESS].map(|lane| lane.parse().expect("a lane"));
        let worth_asking =
            |job: &JobEnvelope| [&standard, &express].map(|lane| may_have_twin(lane, job));
        let mut job = JobEnvelope::default();
        assert_eq!(worth_asking(&job), [false, false]);
        job.description.get_or_insert_default().request_id = "r".to_owned();
        assert_eq!(worth_asking(&job), [true, false]);
        job.failed_attempts = 1;
        assert_eq!(worth_asking(&job), [true, true]);
    }
}
