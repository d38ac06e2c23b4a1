//! Messages in the queues and in the log that nobody can read, or not yet.

use std::{collections::BTreeSet, time::Duration};

use prost::Message;
use solvemesh::{
    broker::v1::{JobEnvelope, LogBatch, LogEntry, log_entry},
    v1::JobState,
};
use solvemesh_broker::FORMAT_VERSION;
use solvemesh_tests::{
    clients::Load,
    fleet::Plan,
    processes::Process,
    rabbit::{RabbitNode, Vhost},
    rawlog::Reader,
    stray::Stray,
    trial::{Fault, Scale, Trial},
    within,
};

pub(crate) const FAULTS: &[Fault] = &[Fault {
    name: "poison: unreadable jobs and entries, and later ones",
    limit: Duration::from_secs(180),
    body: |scale| Box::pin(poisoned(scale)),
}];

const LANES: [&str; 2] = ["express", "standard"];
const LOG: &str = "solvemesh.log.v1";
const DEAD: &str = "solvemesh.dead.v1";
const LATER: u32 = FORMAT_VERSION + 1;
const DIGEST: [u8; 3] = [1, 2, 3];
/// No message begins like this.
const GARBAGE: [u8; 8] = [0xff; 8];
/// How long until the end of a job that can't be read is told.
const SOON: Duration = Duration::from_secs(60);
/// How long it is looked whether anything goes round and round, and how much of that time
/// a process may compute that has nothing to do.
const LOOK: Duration = Duration::from_secs(3);
const IDLE: f64 = 0.2;
/// What a worker logs about each job of a later format, each time it gets it.
const LEFT: &str = "a job of a later format is left to later workers";

/// Poison is told where it names a job, what is of a later format waits, nothing goes round
/// and round, and the neighbours are served.
async fn poisoned(scale: Scale) -> Trial {
    let node = RabbitNode::shared().await;
    let vhost = node.vhost().await;
    let mut trial = Trial::start(vhost.url(), Plan::default()).await;
    trial.rules.strays = LANES.iter().flat_map(|lane| [unreadable(lane), empty(lane)]).collect();
    let load = Load { jobs: scale.times(1_000), long_every: 50, ..Load::default() };
    let poisoning = async {
        trial.clients.recorder.fault();
        let mut log = trial.log.reader();
        for lane in LANES {
            poison_lane(&vhost, lane).await;
        }
        poison_log(&vhost).await;
        told(&mut log, trial.rules.strays.clone()).await;
    };
    trial.clients.under_load(&load, poisoning).await;
    trial.rules.unreadable = 2;

    quiet(&trial).await;
    only_later_ones_wait(node, &vhost).await;
    trial.fleet.kill_gateway(0).await;
    trial.fleet.bring_back_gateway(0).await;
    trial
}

/// Waits until only what is of a later format is in the queues, by the broker's count, which
/// it renews every few seconds.
async fn only_later_ones_wait(node: &RabbitNode, vhost: &Vhost) {
    let counted = async {
        loop {
            let waiting = node.queues(vhost).await;
            if waiting[DEAD] == 0 && LANES.iter().all(|lane| waiting[&queue(lane)] == 2) {
                return;
            }
            println!("reliability: not only what is of a later format waits: {waiting:?}");
            tokio::time::sleep(LOOK).await;
        }
    };
    within(SOON, "queues with nothing but what is of a later format", counted).await;
}

fn queue(lane: &str) -> String {
    format!("solvemesh.jobs.{lane}.v1")
}

fn unreadable(lane: &str) -> String {
    format!("unreadable {lane}")
}

fn empty(lane: &str) -> String {
    format!("empty {lane}")
}

/// Into a lane: bytes that are no job, with and without a name, a job without a model, and
/// two of a later format, of which one says so only inside.
async fn poison_lane(vhost: &Vhost, lane: &str) {
    let job = |version, job_id: String| JobEnvelope {
        version,
        job_id,
        digest: DIGEST.to_vec(),
        ..JobEnvelope::default()
    };
    let named = |job_id: String, version| Stray {
        job_id: Some(job_id),
        digest: Some(DIGEST.to_vec()),
        version: Some(version),
        body: GARBAGE.to_vec(),
    };
    let later = |job_id: &str| format!("later {job_id} {lane}");
    let strays = [
        named(unreadable(lane), FORMAT_VERSION),
        Stray { body: GARBAGE.to_vec(), ..Stray::default() },
        Stray {
            body: job(FORMAT_VERSION, empty(lane)).encode_to_vec(),
            ..named(empty(lane), FORMAT_VERSION)
        },
        named(later("outside"), LATER),
        Stray { body: job(LATER, later("inside")).encode_to_vec(), ..Stray::default() },
    ];
    for stray in strays {
        stray.send(vhost.url(), &queue(lane)).await;
    }
}

/// Into the log: bytes that are no message, a message of a later format, and an entry of a
/// kind that is not known yet.
async fn poison_log(vhost: &Vhost) {
    let entry = LogEntry { job_id: "later".to_owned(), ..LogEntry::default() };
    let batch = |version| LogBatch { version, entries: vec![entry.clone()] }.encode_to_vec();
    for body in [GARBAGE.to_vec(), batch(LATER), batch(FORMAT_VERSION)] {
        Stray { body, ..Stray::default() }.send(vhost.url(), LOG).await;
    }
}

/// Waits until the log says of each of these jobs that it could not be read.
async fn told(log: &mut Reader, mut strays: BTreeSet<String>) {
    while !strays.is_empty() {
        let told =
            within(SOON, "the ends of unreadable jobs", log.until(|entry| is_told(entry, &strays)));
        let job_id = told.await.job_id;
        strays.remove(&job_id);
    }
}

fn is_told(entry: &LogEntry, strays: &BTreeSet<String>) -> bool {
    let Some(log_entry::Kind::Finished(finished)) = &entry.kind else { return false };
    let failed = finished.outcome.as_ref().filter(|it| it.state() == JobState::Failed);
    let reason = failed.and_then(|it| it.failure.as_ref()).map(|it| it.reason.as_str());
    strays.contains(&entry.job_id) && entry.digest == DIGEST && reason == Some("UNREADABLE_JOB")
}

/// With nothing to do, nobody does anything: what can't be read does not go round and round.
async fn quiet(trial: &Trial) {
    let processes = || {
        let gateways = trial.fleet.gateways.iter().map(|gateway| &gateway.process);
        gateways.chain(&trial.fleet.workers)
    };
    let before: Vec<Duration> = processes().map(Process::cpu_time).collect();
    tokio::time::sleep(LOOK).await;
    for (process, before) in processes().zip(before) {
        let busy = process.cpu_time() - before;
        assert!(busy < LOOK.mul_f64(IDLE), "it computes {busy:?} of {LOOK:?}: {process:?}");
    }
    let left = trial.fleet.workers.iter().map(|worker| worker.log().matches(LEFT).count());
    assert_eq!(left.sum::<usize>(), 2 * LANES.len(), "each is handed out once");
}
