//! The broker's patience with whoever holds a job runs out during a solve.

use std::time::Duration;

use solvemesh_tests::{
    clients::Load,
    fleet::Plan,
    payload::Payload,
    rabbit::RabbitNode,
    trial::{Fault, Scale, Trial},
    within,
};

use crate::jobs::{attempts, ends};

pub(crate) const FAULTS: &[Fault] = &[Fault {
    name: "broker: takes a job back during its solve",
    limit: Duration::from_secs(180),
    body: |scale| Box::pin(taken_back(scale)),
}];

/// How long a job may be held, in the node's configuration: RabbitMQ 3.10 knows no other.
const CONFIGURATION: &str = "consumer_timeout = 5000\n";
/// How often the node looks, which its configuration file can't say.
const LOOK_OFTEN: &str = "application:set_env(rabbit, channel_tick_interval, 1000).";
/// Outlives the broker's patience more than once.
const SOLVE: Duration = Duration::from_secs(16);
/// How long the job may take to end, its solve aside.
const SOON: Duration = Duration::from_secs(30);
/// What a worker logs that waits for another attempt.
const PARKED: &str = "another attempt is alive; the job is parked";

/// The job is handed out again while its attempt goes on: it waits, nobody begins a second
/// solve, and the result comes once.
async fn taken_back(scale: Scale) -> Trial {
    let node = RabbitNode::start_with(CONFIGURATION).await;
    node.eval(LOOK_OFTEN).await;
    let vhost = node.vhost().await;
    let mut trial = Trial::start(vhost.url(), Plan::default()).await;
    trial.rules.late_starts = Some(0);
    let Trial { fleet, clients, log, .. } = &trial;
    // All of them short: none but one is held for long.
    let load = Load { jobs: scale.times(1_000), pace: 60.0, long_every: 0, ..Load::default() };
    let solving = async {
        let mut reader = log.reader();
        let payload = Payload::Long { number: 0, limit: SOLVE };
        let job = clients.accepted(0, "outlives the broker's patience", payload).await;
        clients.recorder.fault();
        within(SOLVE + SOON, "its end", reader.until(|entry| ends(entry, &job))).await;
        assert_eq!(attempts(log, &job).len(), 1, "a second solve");
    };
    clients.under_load(&load, solving).await;
    let parked = fleet.workers.iter().filter(|worker| worker.log().contains(PARKED)).count();
    assert!(parked > 0, "the broker did not hand the job out again");
    trial.kept(node)
}
