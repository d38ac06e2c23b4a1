//! What a worker does with a job that was handed out before. The gateway that knows
//! where the job stands is scripted; the solvers are shell scripts.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use crate::harness::{Bed, Scripts, config, job, state, told, wyndor};
use prost::Message;
use solvemesh::{
    broker::v1::{LastIncumbent, LookupAnswer, Standing, log_entry::Kind},
    solver::v1::{SolverCommand, solver_command},
    v1::{JobState, TerminationReason},
};
use solvemesh_broker::{Mesh, Question};
use solvemesh_worker::{SolverCommandLine, Worker, WorkerConfig};
use tokio::{sync::mpsc, time::timeout};

const NO_GRACE: Duration = Duration::ZERO;
const LONG: f64 = 60.0;

/// Answers all questions as it is told to: by default, that the job is queued.
struct Gateway {
    answers: Arc<Mutex<HashMap<String, LookupAnswer>>>,
    told: mpsc::UnboundedReceiver<(String, Standing)>,
}

impl Gateway {
    async fn start(mesh: &dyn Mesh) -> Self {
        let answers: Arc<Mutex<HashMap<String, LookupAnswer>>> = Arc::default();
        let (tell, told) = mpsc::unbounded_channel();
        let mut questions = mesh.questions().await.unwrap();
        let known = Arc::clone(&answers);
        tokio::spawn(async move {
            while let Some(Question { request, reply }) = questions.next().await {
                let answer = known.lock().unwrap().get(&request.job_id).cloned();
                let answer = answer.unwrap_or_else(|| standing(Standing::Queued));
                let told = answer.standing();
                reply.send(answer).await;
                let _ = tell.send((request.job_id, told));
            }
        });
        Self { answers, told }
    }

    /// From now on, this is where the job stands.
    fn says(&self, job: &str, answer: LookupAnswer) {
        self.answers.lock().unwrap().insert(job.to_owned(), answer);
    }

    /// Waits until the worker was told this of a job.
    async fn has_told(&mut self, job: &str, standing: Standing) {
        let news = async { while self.told.recv().await.unwrap() != (job.to_owned(), standing) {} };
        timeout(Duration::from_secs(60), news).await.expect("a question about the job");
    }

    /// Waits until the worker was told that a job runs and, having parked it, asked
    /// again.
    async fn parked(&mut self, job: &str) {
        self.has_told(job, Standing::Running).await;
        self.has_told(job, Standing::Running).await;
    }
}

fn standing(standing: Standing) -> LookupAnswer {
    LookupAnswer { version: 1, standing: standing.into(), ..LookupAnswer::default() }
}

fn running(attempt: &str, worker: &str) -> LookupAnswer {
    LookupAnswer {
        attempt_id: attempt.to_owned(),
        worker_id: worker.to_owned(),
        silent_millis: 100,
        ..standing(Standing::Running)
    }
}

/// Puts a job into the standard lane as one that was handed out before.
async fn hand_out_before(bed: &Bed, id: &str) {
    bed.enqueue("standard", &job(id, wyndor(500.0), LONG)).await;
    bed.take("standard", 1).await.remove(0).lease.requeue().await.unwrap();
}

/// The jobs that a drained worker has left in the standard lane.
async fn left(bed: &Bed) -> Vec<String> {
    bed.enqueue("standard", &job("last", wyndor(500.0), LONG)).await;
    let mut left = Vec::new();
    loop {
        let delivery = bed.take("standard", 1).await.remove(0);
        let id = delivery.payload.job_id().to_owned();
        delivery.lease.ack().await.unwrap();
        if id == "last" {
            return left;
        }
        left.push(id);
    }
}

/// A worker of the standard lane alone.
fn standard(slots: usize, solver: SolverCommandLine) -> WorkerConfig {
    let slots = format!("standard={slots}").parse().unwrap();
    WorkerConfig { slots, ..config(1, solver) }
}

/// Solves any job at once.
fn quick(scripts: &Scripts) -> SolverCommandLine {
    for task in 1..=9 {
        let right = vec![told(TerminationReason::Optimal, vec![2.0, 6.0])];
        scripts.reports(&format!("task.{task}"), task, right);
    }
    scripts.solver("ready; i=1; while :; do task t.$$; cat task.$i; i=$((i+1)); done")
}

#[tokio::test]
async fn it_begins_from_the_last_solution_that_was_told_if_that_is_one() {
    let (doors, windows) = (2.0, 3.0);
    for (values, start) in [
        (vec![doors, windows], Some(vec![doors, windows])),
        (vec![9.0, 9.0], None),
        (vec![doors], None),
    ] {
        let (mut bed, scripts) = (Bed::new().await, Scripts::new());
        let gateway = Gateway::start(bed.mesh.as_ref()).await;
        let incumbent = Some(LastIncumbent { values, ..LastIncumbent::default() });
        gateway.says("j", LookupAnswer { incumbent, ..standing(Standing::Queued) });
        hand_out_before(&bed, "j").await;
        scripts.reports("right", 1, vec![told(TerminationReason::Optimal, vec![2.0, 6.0])]);
        let solver = scripts.solver("ready; task t; cat right; exec sleep 60");
        let worker = Worker::start(bed.mesh.clone(), standard(1, solver));
        assert_eq!(state(&bed.finished("j").await), (JobState::Succeeded, ""));
        let bytes = std::fs::read(scripts.path("t")).unwrap();
        let command = SolverCommand::decode_length_delimited(bytes.as_slice()).unwrap();
        let Some(solver_command::Kind::Solve(task)) = command.kind else { panic!("no task") };
        assert_eq!(task.model.unwrap().start.map(|start| start.values), start);
        let told = bed.seen.iter().find_map(|entry| match &entry.kind {
            Some(Kind::Started(started)) => started.start_objective,
            _ => None,
        });
        assert_eq!(told, start.map(|_| 300.0 * doors + 500.0 * windows));
        worker.drain(NO_GRACE).await;
    }
}

#[tokio::test]
async fn it_is_solved_when_nobody_answers() {
    let (mut bed, scripts) = (Bed::new().await, Scripts::new());
    hand_out_before(&bed, "j").await;
    let ask_patience = Duration::from_millis(300);
    let config = WorkerConfig { ask_patience, ..standard(1, quick(&scripts)) };
    let start = Instant::now();
    let worker = Worker::start(bed.mesh.clone(), config);
    assert_eq!(state(&bed.finished("j").await), (JobState::Succeeded, ""));
    assert!(start.elapsed() >= ask_patience);
    worker.drain(NO_GRACE).await;
    assert!(left(&bed).await.is_empty());
}

#[tokio::test]
async fn it_is_not_solved_again_once_it_has_ended() {
    let (mut bed, scripts) = (Bed::new().await, Scripts::new());
    let gateway = Gateway::start(bed.mesh.as_ref()).await;
    gateway.says("ended", standing(Standing::Ended));
    hand_out_before(&bed, "ended").await;
    bed.enqueue("standard", &job("next", wyndor(500.0), LONG)).await;
    let worker = Worker::start(bed.mesh.clone(), standard(1, quick(&scripts)));
    assert_eq!(state(&bed.finished("next").await), (JobState::Succeeded, ""));
    worker.drain(NO_GRACE).await;
    assert!(bed.story("ended").is_empty());
    assert!(left(&bed).await.is_empty());
}

#[tokio::test]
async fn it_waits_beside_other_jobs_while_another_worker_is_at_it() {
    for (verdict, story) in
        [(Standing::Queued, &["started", "finished"] as &[_]), (Standing::Ended, &[])]
    {
        let (mut bed, scripts) = (Bed::new().await, Scripts::new());
        let mut gateway = Gateway::start(bed.mesh.as_ref()).await;
        bed.mesh.be_present("other").await.unwrap();
        gateway.says("j", running("a", "other"));
        hand_out_before(&bed, "j").await;
        let worker = Worker::start(bed.mesh.clone(), standard(1, quick(&scripts)));
        gateway.parked("j").await;
        for id in ["b", "c"] {
            bed.enqueue("standard", &job(id, wyndor(500.0), LONG)).await;
            assert_eq!(state(&bed.finished(id).await), (JobState::Succeeded, ""));
        }
        assert!(bed.story("j").is_empty());

        gateway.says("j", standing(verdict));
        if verdict == Standing::Queued {
            assert_eq!(state(&bed.finished("j").await), (JobState::Succeeded, ""));
        } else {
            gateway.has_told("j", verdict).await;
            // By when this one has ended, the word has had its effect.
            bed.enqueue("standard", &job("d", wyndor(500.0), LONG)).await;
            bed.finished("d").await;
        }
        worker.drain(NO_GRACE).await;
        assert_eq!(bed.story("j"), story);
        assert!(left(&bed).await.is_empty(), "{verdict:?}");
    }
}

#[tokio::test]
async fn it_is_solved_when_the_worker_that_was_at_it_is_gone_or_silent() {
    let (mut bed, scripts) = (Bed::new().await, Scripts::new());
    let gateway = Gateway::start(bed.mesh.as_ref()).await;
    bed.mesh.be_present("silent").await.unwrap();
    gateway.says("gone", running("a", "gone"));
    gateway.says("silent", LookupAnswer { silent_millis: 60_000, ..running("a", "silent") });
    for id in ["gone", "silent"] {
        hand_out_before(&bed, id).await;
    }
    let worker = Worker::start(bed.mesh.clone(), standard(2, quick(&scripts)));
    for id in ["silent", "gone"] {
        while bed.story(id).last() != Some(&"finished") {
            bed.until(|_| true).await;
        }
        assert_eq!(bed.story(id), ["started", "finished"]);
    }
    worker.drain(NO_GRACE).await;
}

#[tokio::test]
async fn a_twin_is_not_solved_once_the_job_has_ended() {
    let (mut bed, scripts) = (Bed::new().await, Scripts::new());
    let mut gateway = Gateway::start(bed.mesh.as_ref()).await;
    let (mut requested, mut put_back) =
        (job("requested", wyndor(500.0), LONG), job("put back", wyndor(500.0), LONG));
    requested.description.as_mut().unwrap().request_id = "r".to_owned();
    put_back.failed_attempts = 1;
    let worker = Worker::start(bed.mesh.clone(), standard(1, quick(&scripts)));
    for twin in [&requested, &put_back] {
        gateway.says(&twin.job_id, standing(Standing::Ended));
        bed.enqueue("standard", twin).await;
        gateway.has_told(&twin.job_id, Standing::Ended).await;
    }
    // Nobody is asked about one that can have no twin.
    bed.enqueue("standard", &job("single", wyndor(500.0), LONG)).await;
    assert_eq!(state(&bed.finished("single").await), (JobState::Succeeded, ""));
    assert!(gateway.told.try_recv().is_err());
    worker.drain(NO_GRACE).await;
    assert!(bed.story("requested").is_empty() && bed.story("put back").is_empty());
    assert!(left(&bed).await.is_empty());
}

#[tokio::test]
async fn the_attempts_of_a_twin_that_died_count() {
    let (mut bed, scripts) = (Bed::new().await, Scripts::new());
    let gateway = Gateway::start(bed.mesh.as_ref()).await;
    gateway.says("j", LookupAnswer { failed_attempts: 2, ..standing(Standing::Queued) });
    hand_out_before(&bed, "j").await;
    let solver = scripts.solver("ready; task t; kill -SEGV $$");
    let worker = Worker::start(bed.mesh.clone(), standard(1, solver));
    assert_eq!(state(&bed.finished("j").await), (JobState::Failed, "SOLVER_CRASHED"));
    assert_eq!(bed.story("j"), ["started", "finished"]);
    worker.drain(NO_GRACE).await;
}

#[tokio::test]
async fn requests_with_an_id_do_not_wait_one_by_one_where_nobody_answers() {
    let (mut bed, scripts) = (Bed::new().await, Scripts::new());
    let ask_patience = Duration::from_secs(2);
    let config = WorkerConfig { ask_patience, ..standard(1, quick(&scripts)) };
    let start = Instant::now();
    for id in ["a", "b", "c", "d"] {
        let mut requested = job(id, wyndor(500.0), LONG);
        requested.description.as_mut().unwrap().request_id = id.to_owned();
        bed.enqueue("standard", &requested).await;
    }
    let worker = Worker::start(bed.mesh.clone(), config);
    for id in ["a", "b", "c", "d"] {
        assert_eq!(state(&bed.finished(id).await), (JobState::Succeeded, ""));
    }
    assert!(start.elapsed() < 2 * ask_patience, "{:?}", start.elapsed());
    worker.drain(NO_GRACE).await;
}

#[tokio::test]
async fn it_waits_for_the_attempt_of_the_same_worker_and_goes_back_when_that_stops() {
    // Nobody tells where jobs stand, and nobody has to.
    let (mut bed, scripts) = (Bed::new().await, Scripts::new());
    scripts.reports("right", 1, vec![told(TerminationReason::Optimal, vec![2.0, 6.0])]);
    let solver = scripts.solver(
        "ready; task t.$$; while grep -q Doors t.$$ && [ ! -e go ]; do sleep 0.02; done\n\
         cat right; exec sleep 60",
    );
    // The broker has it twice, as if it had taken the first delivery back.
    bed.enqueue("standard", &job("j", wyndor(500.0), LONG)).await;
    bed.enqueue("standard", &job("j", wyndor(500.0), LONG)).await;
    let [first, second] = bed.take("standard", 2).await.try_into().unwrap();
    first.lease.requeue().await.unwrap();
    let worker = Worker::start(bed.mesh.clone(), standard(2, solver));
    bed.started("j").await;
    second.lease.requeue().await.unwrap();
    // The other slot takes this one after it has parked the job.
    let mut other = wyndor(500.0);
    other.variable_names[0] = "Gates".to_owned();
    bed.enqueue("standard", &job("other", other, LONG)).await;
    assert_eq!(state(&bed.finished("other").await), (JobState::Succeeded, ""));

    // Its parked delivery goes back at once, while the other is still solved.
    let drain = tokio::spawn(worker.drain(Duration::from_secs(60)));
    let again = bed.take("standard", 1).await.remove(0);
    assert_eq!((again.payload.job_id(), again.redelivered), ("j", true));
    std::fs::write(scripts.path("go"), "").unwrap();
    drain.await.unwrap();
    assert_eq!(state(&bed.finished("j").await), (JobState::Succeeded, ""));
    assert_eq!(bed.story("j"), ["started", "finished"]);
    again.lease.ack().await.unwrap();
    assert!(left(&bed).await.is_empty());
}
