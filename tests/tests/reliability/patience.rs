//! Fault of the broker: its consumer timeout, the time for which a job may be held, passes
//! during a solve.

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

/// Sets the consumer timeout, in milliseconds, in the node's configuration file: before RabbitMQ 3.12
/// there is no other setting of it.
const CONFIGURATION: &str = "consumer_timeout = 5000\n";
/// Sets it as an argument of the queues, which takes precedence where RabbitMQ knows it.
const FLAGS: [&str; 2] = ["--consumer-timeout", "5"];
/// Makes the node check the timeout every second, which its configuration file can't set.
const CHECK_OFTEN: &str = "application:set_env(rabbit, channel_tick_interval, 1000).";
/// Time limit of the job: several times the consumer timeout.
const SOLVE: Duration = Duration::from_secs(16);
/// Timeout for the end of the job, in addition to its solve.
const SOON: Duration = Duration::from_secs(30);
/// Logged by a worker that waits for another attempt.
const PARKED: &str = "another attempt is alive, job parked";

/// The job is redelivered while its attempt is running. The delivery waits, no second attempt
/// starts, and there is one result.
async fn taken_back(scale: Scale) -> Trial {
    let node = RabbitNode::start_with(CONFIGURATION).await;
    node.eval(CHECK_OFTEN).await;
    let vhost = node.vhost().await;
    let mut plan = Plan::default();
    for flags in [&mut plan.gateway_flags, &mut plan.worker_flags] {
        flags.extend(FLAGS.map(str::to_owned));
    }
    let mut trial = Trial::start(vhost.url(), plan).await;
    trial.rules.late_starts = Some(0);
    let Trial { fleet, clients, log, .. } = &trial;
    // Short jobs only, so that the timeout passes for one job alone.
    let load = Load { jobs: scale.times(1_000), pace: 60.0, long_every: 0, ..Load::default() };
    let solving = async {
        let mut reader = log.reader();
        let payload = Payload::Long { number: 0, limit: SOLVE };
        let job = clients.accepted(0, "outlives the consumer timeout", payload).await;
        clients.recorder.fault();
        within(SOLVE + SOON, "its end", reader.until(|entry| ends(entry, &job))).await;
        assert_eq!(attempts(log, &job).len(), 1, "a second solve");
    };
    clients.under_load(&load, solving).await;
    let parked = fleet.workers.iter().filter(|worker| worker.log().contains(PARKED)).count();
    assert!(parked > 0, "the broker did not redeliver the job");
    trial.kept(node)
}
