//! Faults of workers: they are killed, or suspended.

use std::{collections::HashMap, time::Duration};

use solvemesh_tests::{
    checker::Ledger,
    clients::{Clients, Load},
    fleet::{Fleet, Plan},
    payload::Payload,
    processes::Process,
    rabbit,
    rawlog::Reader,
    trial::{Fault, LIMIT, Scale, Trial},
    within,
};
use tokio::{join, time};

use crate::{
    chance::Chance,
    entries::{is_finish, is_long, is_start, worker_of},
};

pub(crate) const FAULTS: &[Fault] = &[
    Fault {
        name: "worker: killed while it solves",
        limit: LIMIT,
        body: |scale| Box::pin(killed_while_it_solves(scale)),
    },
    Fault {
        name: "worker: killed between confirm and ack",
        limit: LIMIT,
        body: |scale| Box::pin(killed_between_confirm_and_ack(scale)),
    },
    Fault {
        name: "worker: killed while it holds messages of several jobs",
        limit: LIMIT,
        body: |scale| Box::pin(killed_with_shared_messages(scale)),
    },
    Fault {
        name: "worker: killed ten times in a row",
        limit: LIMIT,
        body: |scale| Box::pin(killed_ten_times(scale)),
    },
    Fault {
        name: "worker: stopped past its heartbeat, and continued",
        limit: LIMIT,
        body: |scale| Box::pin(stopped_and_continued(scale)),
    },
];

/// Kills the worker that has just started a long solve, several times.
async fn killed_while_it_solves(scale: Scale) -> Trial {
    let vhost = rabbit::vhost().await;
    let mut trial = Trial::start(vhost.url(), Plan::default()).await;
    let load = Load { jobs: scale.times(1_500), ..Load::default() };
    let Trial { fleet, clients, log, .. } = &mut trial;
    let fault = async {
        let mut interrupted = Vec::new();
        for _ in 0..scale.times(3) {
            // A new reader: attempts that started before may have ended.
            let started = log.reader().until(is_long).await;
            if let Some(place) = worker_of(&started).and_then(|worker| fleet.place(worker)) {
                clients.recorder.fault();
                fleet.replace_worker(place).await;
                interrupted.push(started.job_id);
            }
        }
        interrupted
    };
    let interrupted = clients.under_load(&load, fault).await;
    let ledger = Ledger::read(&log.messages());
    let again = interrupted.iter().filter(|&job| ledger.jobs[job].starts() > 1).count();
    assert!(again > 0, "no job was interrupted");
    trial
}

/// Kills a worker as soon as the log has a result of it, several times: often before it has
/// acknowledged the delivery. A finished job is not solved again, since the next worker learns
/// from a gateway that it has finished.
async fn killed_between_confirm_and_ack(scale: Scale) -> Trial {
    let vhost = rabbit::vhost().await;
    let mut trial = Trial::start(vhost.url(), Plan::default()).await;
    trial.rules.late_starts = Some(0);
    let load = Load { jobs: scale.times(1_500), ..Load::default() };
    let Trial { fleet, clients, log, .. } = &mut trial;
    let mut redelivered = 0;
    let fault = async {
        for _ in 0..scale.times(12) {
            let mut reader = log.reader();
            let mut workers = HashMap::new();
            // An end whose start was read too, because only the start names the worker.
            let worker = loop {
                let entry = reader.until(|entry| is_start(entry) || is_finish(entry)).await;
                if let Some(worker) = worker_of(&entry) {
                    workers.insert(entry.attempt_id.clone(), worker.to_owned());
                } else if let Some(worker) = workers.remove(&entry.attempt_id) {
                    break worker;
                }
            };
            if let Some(place) = fleet.place(&worker) {
                clients.recorder.fault();
                redelivered += finished_redeliveries(&fleet.workers[place]);
                fleet.replace_worker(place).await;
            }
        }
    };
    clients.under_load(&load, fault).await;
    redelivered += fleet.workers.iter().map(finished_redeliveries).sum::<usize>();
    println!("reliability: {redelivered} jobs were redelivered after their end");
    assert!(redelivered > 0, "no kill came between confirm and ack");
    trial
}

/// Number of deliveries to a worker whose job had already finished.
fn finished_redeliveries(worker: &Process) -> usize {
    worker.log().matches("job finished before, delivery dropped").count()
}

/// Kills the worker whose result the log has just got, while jobs arrive so fast that they share
/// messages. Of such a message some jobs are finished, one is being solved and the others have not
/// begun. The next worker takes it apart, and may be killed at that too. No job is solved again
/// that had finished, and none is lost.
async fn killed_with_shared_messages(scale: Scale) -> Trial {
    let vhost = rabbit::vhost().await;
    let mut trial = Trial::start(vhost.url(), Plan::default()).await;
    trial.rules.late_starts = Some(0);
    let load = Load {
        jobs: scale.times(3_000),
        in_flight: 256,
        pace: 3_000.0,
        long_every: 0,
        wide_every: 0,
        ..Load::default()
    };
    let Trial { fleet, clients, log, .. } = &mut trial;
    let mut apart = 0;
    let fault = async {
        for _ in 0..scale.times(10) {
            let entry = log.reader().until(|entry| is_finish(entry) && is_start(entry)).await;
            if let Some(place) = worker_of(&entry).and_then(|worker| fleet.place(worker)) {
                clients.recorder.fault();
                apart += taken_apart(&fleet.workers[place]);
                fleet.replace_worker(place).await;
            }
        }
    };
    clients.under_load(&load, fault).await;
    apart += fleet.workers.iter().map(taken_apart).sum::<usize>();
    println!("reliability: {apart} messages of several jobs were taken apart");
    assert!(apart > 0, "no worker was killed with a message of several jobs");
    trial
}

/// Number of messages that a worker has taken apart.
fn taken_apart(worker: &Process) -> usize {
    worker.log().matches("a message with several jobs was redelivered").count()
}

/// Kills one worker or the other ten times in a row, at random moments.
async fn killed_ten_times(scale: Scale) -> Trial {
    let vhost = rabbit::vhost().await;
    let mut trial = Trial::start(vhost.url(), Plan::default()).await;
    let load = Load { jobs: scale.times(2_000), ..Load::default() };
    let mut chance = Chance::seeded();
    let Trial { fleet, clients, .. } = &mut trial;
    let fault = async {
        for _ in 0..scale.times(10) {
            // A sleep, since no event marks a random moment.
            time::sleep(Duration::from_millis(chance.below(800))).await;
            clients.recorder.fault();
            fleet.replace_worker(usize::from(chance.below(2) == 1)).await;
        }
    };
    clients.under_load(&load, fault).await;
    trial
}

/// Maximum number of tries to stop a worker before its job is finished.
const MAX_TRIES: usize = 5;
/// Timeout for a worker to append its result after it is continued.
const SOON: Duration = Duration::from_secs(60);

/// When a stopped worker is continued.
#[derive(Clone, Copy, Debug)]
enum Waking {
    /// While another one solves its job: its progress is superseded, but its result is the
    /// first.
    Early,
    /// When another one has finished its job: its result changes nothing.
    Late,
}

/// Stops (SIGSTOP) a worker that is solving until the broker has redelivered its job to another
/// one, and then continues it. Twice with a job that reports progress, once with a solution in
/// parts.
async fn stopped_and_continued(scale: Scale) -> Trial {
    let vhost = rabbit::vhost().await;
    let plan = Plan { amqp_options: "heartbeat=2".to_owned(), ..Plan::default() };
    let mut trial = Trial::start(vhost.url(), plan).await;
    let load = Load { jobs: scale.times(1_500), long_every: 0, wide_every: 0, ..Load::default() };
    let stopped = {
        let Trial { fleet, clients, log, .. } = &mut trial;
        let fault = async {
            let mut stopped = Vec::new();
            let long = Duration::from_secs(3);
            for (name, payload, waking) in [
                ("early", Payload::Long { number: 0, limit: long }, Waking::Early),
                ("late", Payload::Long { number: 1, limit: long }, Waking::Late),
                ("wide", Payload::Wide { groups: 9_000 }, Waking::Late),
            ] {
                // On a busy machine a job may finish before its worker is stopped.
                for attempt in 0..MAX_TRIES {
                    let mut reader = log.reader();
                    let request_id = format!("{name} {attempt}");
                    let job = clients.accepted(0, &request_id, payload).await;
                    let watching = clients.watch(1, vec![job.clone()]);
                    let stopping = stop_and_continue(fleet, clients, &mut reader, &job, waking);
                    if let (_, true) = join!(watching, stopping) {
                        stopped.push(job);
                        break;
                    }
                }
            }
            assert_eq!(stopped.len(), 3, "no worker could be stopped in time");
            stopped
        };
        clients.under_load(&load, fault).await
    };
    let ledger = Ledger::read(&trial.log.messages());
    for job in stopped {
        let account = &ledger.jobs[&job];
        assert_eq!(account.starts(), 2, "{job} was solved twice");
        assert_eq!(account.late_ends, 1, "{job} was ended twice");
    }
    trial
}

/// Stops the worker that has started a job until another one has started it, and then
/// continues it. Returns whether it was stopped before the job finished.
async fn stop_and_continue(
    fleet: &Fleet,
    clients: &Clients,
    reader: &mut Reader,
    job: &str,
    waking: Waking,
) -> bool {
    let started = reader.until(|it| it.job_id == job && is_start(it)).await;
    let worker = worker_of(&started).and_then(|worker| fleet.place(worker));
    let worker = &fleet.workers[worker.expect("a worker of the fleet")];
    clients.recorder.fault();
    worker.signal(libc::SIGSTOP);
    let next = reader.until(|it| it.job_id == job && (is_start(it) || is_finish(it))).await;
    if is_finish(&next) {
        worker.signal(libc::SIGCONT);
        return false;
    }
    let mut ends = 2;
    if let Waking::Late = waking {
        reader.until(|it| it.job_id == job && is_finish(it)).await;
        ends -= 1;
    }
    worker.signal(libc::SIGCONT);
    // Each of the two workers appends an end; a late one's counterpart was read above.
    for _ in 0..ends {
        let end = reader.until(|it| it.job_id == job && is_finish(it));
        within(SOON, "the end from each of them", end).await;
    }
    true
}
