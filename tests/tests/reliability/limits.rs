//! Limits that are hit: every gateway refuses jobs with `RESOURCE_EXHAUSTED`, and accepts them
//! again once there is room.

use std::time::Duration;

use solvemesh_tests::{
    clients::Load,
    fleet::Plan,
    history::reason,
    rabbit,
    trial::{Breaking, Fault, Scale, Trial},
};
use tonic::Code;

use crate::refusal::refused;

pub(crate) const FAULTS: &[Fault] = &[
    fault("limits: the queue is full", |scale| Box::pin(queue_full(scale))),
    fault("limits: too many live jobs", |scale| Box::pin(too_many_live_jobs(scale))),
];

const fn fault(name: &'static str, body: fn(Scale) -> Breaking) -> Fault {
    Fault { name, limit: Duration::from_secs(180), body }
}

async fn queue_full(scale: Scale) -> Trial {
    let mut plan = Plan::default();
    for flags in [&mut plan.gateway_flags, &mut plan.worker_flags] {
        flags.extend(["--queue-length", "20"].map(str::to_owned));
    }
    filled(scale, plan, "QUEUE_FULL").await
}

async fn too_many_live_jobs(scale: Scale) -> Trial {
    let mut plan = Plan::default();
    plan.gateway_flags.extend(["--max-live-jobs", "50"].map(str::to_owned));
    filled(scale, plan, "MESH_LIMIT_REACHED").await
}

/// Fills a mesh without workers up to a limit, which every gateway then reports. Once workers
/// are started the mesh must serve again, under more load than it has room for at once.
async fn filled(scale: Scale, plan: Plan, why: &str) -> Trial {
    let vhost = rabbit::vhost().await;
    let workers = plan.workers;
    let mut trial = Trial::start(vhost.url(), Plan { workers: 0, ..plan }).await;
    trial.clients.recorder.fault();
    for gateway in 0..trial.clients.doors.count() {
        let refusal = refused(&trial.clients, gateway, "one too many").await;
        assert_eq!(refusal.code(), Code::ResourceExhausted, "{refusal:?}");
        assert_eq!(reason(&refusal), why, "{refusal:?}");
    }
    for _ in 0..workers {
        trial.fleet.add_worker();
    }
    let load = Load { jobs: scale.times(1_000), ..Load::default() };
    trial.clients.under_load(&load, async {}).await;
    trial
}
