//! Faults of messages: undecodable ones, and ones of a later format, in the queues and in the
//! log.

use std::{collections::BTreeSet, time::Duration};

use prost::Message;
use solvemesh::{
    broker::v1::{JobEnvelope, LogBatch, LogEntry, log_entry},
    v1::JobState,
};
use solvemesh_broker::{ENVELOPE_VERSION, FORMAT_VERSION};
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
/// Format versions that this build does not support, of jobs and of other messages.
const LATER_JOB: u32 = ENVELOPE_VERSION + 2;
const LATER: u32 = FORMAT_VERSION + 1;
const DIGEST: [u8; 3] = [1, 2, 3];
/// Bytes with which no protobuf message begins.
const GARBAGE: [u8; 8] = [0xff; 8];
/// Timeout until the undecodable jobs have failed in the log and have left the queues.
const SOON: Duration = Duration::from_secs(60);
/// How long idle processes are observed, to detect messages that are requeued in a loop.
const OBSERVED: Duration = Duration::from_secs(3);
/// Maximum CPU time of an idle process, as a part of this time.
const IDLE: f64 = 0.2;
/// Logged by a worker each time that it receives a job of a later format.
const LEFT: &str = "unsupported job format, left to newer workers";

/// Undecodable messages that name a job fail it, messages of a later format wait, nothing is
/// requeued in a loop, and other jobs are served.
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
        await_failures(&mut log, trial.rules.strays.clone()).await;
    };
    trial.clients.under_load(&load, poisoning).await;
    // In the log: the garbage, and the message of a later format.
    trial.rules.unreadable = 2;

    quiet(&trial).await;
    only_later_ones_wait(node, &vhost).await;
    trial.fleet.kill_gateway(0).await;
    trial.fleet.bring_back_gateway(0).await;
    trial
}

/// Waits until only messages of a later format are in the queues, by the broker's count,
/// which is updated every few seconds.
async fn only_later_ones_wait(node: &RabbitNode, vhost: &Vhost) {
    let counted = async {
        loop {
            let waiting = node.queues(vhost).await;
            if waiting[DEAD] == 0 && LANES.iter().all(|lane| waiting[&queue(lane)] == 2) {
                return;
            }
            println!("reliability: other messages than those of a later format: {waiting:?}");
            tokio::time::sleep(OBSERVED).await;
        }
    };
    within(SOON, "queues with only messages of a later format", counted).await;
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

/// Publishes to a lane: undecodable bytes, with and without a job id, a job without a model,
/// and two jobs of a later format, one of which has the version only in its body.
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
        named(unreadable(lane), ENVELOPE_VERSION),
        Stray { body: GARBAGE.to_vec(), ..Stray::default() },
        Stray {
            body: job(ENVELOPE_VERSION, empty(lane)).encode_to_vec(),
            ..named(empty(lane), ENVELOPE_VERSION)
        },
        named(later("outside"), LATER_JOB),
        Stray { body: job(LATER_JOB, later("inside")).encode_to_vec(), ..Stray::default() },
    ];
    for stray in strays {
        stray.send(vhost.url(), &queue(lane)).await;
    }
}

/// Publishes to the log: undecodable bytes, a message of a later format, and an entry of an
/// unknown kind.
async fn poison_log(vhost: &Vhost) {
    let entry = LogEntry { job_id: "later".to_owned(), ..LogEntry::default() };
    let batch = |version| LogBatch { version, entries: vec![entry.clone()] }.encode_to_vec();
    for body in [GARBAGE.to_vec(), batch(LATER), batch(FORMAT_VERSION)] {
        Stray { body, ..Stray::default() }.send(vhost.url(), LOG).await;
    }
}

/// Waits until the log has the failure of each of these jobs.
async fn await_failures(log: &mut Reader, mut strays: BTreeSet<String>) {
    while !strays.is_empty() {
        let failure = log.until(|entry| is_failure(entry, &strays));
        let job_id = within(SOON, "the ends of unreadable jobs", failure).await.job_id;
        strays.remove(&job_id);
    }
}

fn is_failure(entry: &LogEntry, strays: &BTreeSet<String>) -> bool {
    let Some(log_entry::Kind::Finished(finished)) = &entry.kind else { return false };
    let failed = finished.outcome.as_ref().filter(|it| it.state() == JobState::Failed);
    let reason = failed.and_then(|it| it.failure.as_ref()).map(|it| it.reason.as_str());
    strays.contains(&entry.job_id) && entry.digest == DIGEST && reason == Some("UNREADABLE_JOB")
}

/// Checks that idle processes use little CPU time, and that each job of a later format was
/// delivered once: nothing is requeued in a loop.
async fn quiet(trial: &Trial) {
    let processes = || {
        let gateways = trial.fleet.gateways.iter().map(|gateway| &gateway.process);
        gateways.chain(&trial.fleet.workers)
    };
    let before: Vec<Duration> = processes().map(Process::cpu_time).collect();
    tokio::time::sleep(OBSERVED).await;
    for (process, before) in processes().zip(before) {
        let busy = process.cpu_time() - before;
        assert!(busy < OBSERVED.mul_f64(IDLE), "busy for {busy:?} of {OBSERVED:?}: {process:?}");
    }
    let left = trial.fleet.workers.iter().map(|worker| worker.log().matches(LEFT).count());
    assert_eq!(left.sum::<usize>(), 2 * LANES.len(), "each is delivered once");
}
