//! Faults of gateways: they are killed.

use solvemesh_tests::{
    clients::Load,
    fleet::Plan,
    rabbit,
    trial::{Fault, LIMIT, Scale, Trial},
};

use crate::entries::{is_finish, is_long};

pub(crate) const FAULTS: &[Fault] = &[
    Fault {
        name: "gateway: killed while jobs are queued, running and watched",
        limit: LIMIT,
        body: |scale| Box::pin(killed(scale)),
    },
    Fault {
        name: "gateway: the only one killed",
        limit: LIMIT,
        body: |scale| Box::pin(the_only_one_killed(scale)),
    },
];

/// Kills one gateway after the other, and starts each again after the mesh has finished some
/// jobs without it.
async fn killed(scale: Scale) -> Trial {
    let vhost = rabbit::vhost().await;
    let mut trial = Trial::start(vhost.url(), Plan::default()).await;
    let load = Load { jobs: scale.times(2_500), long_every: 50, ..Load::default() };
    let Trial { fleet, clients, log, .. } = &mut trial;
    let fault = async {
        for round in 0..scale.times(4) {
            let place = round % fleet.gateways.len();
            clients.recorder.fault();
            fleet.kill_gateway(place).await;
            let mut reader = log.reader();
            for _ in 0..50 {
                reader.until(is_finish).await;
            }
            fleet.bring_back_gateway(place).await;
        }
    };
    clients.under_load(&load, fault).await;
    assert_resumed(&trial);
    trial
}

/// Kills the only gateway, and starts it again. Meanwhile nothing answers clients, nor the
/// lookups of workers.
async fn the_only_one_killed(scale: Scale) -> Trial {
    let vhost = rabbit::vhost().await;
    let mut trial = Trial::start(vhost.url(), Plan { gateways: 1, ..Plan::default() }).await;
    let load = Load { jobs: scale.times(1_500), long_every: 50, ..Load::default() };
    let Trial { fleet, clients, log, .. } = &mut trial;
    let fault = async {
        for _ in 0..scale.times(2) {
            log.reader().until(is_long).await;
            clients.recorder.fault();
            fleet.kill_gateway(0).await;
            fleet.bring_back_gateway(0).await;
        }
    };
    clients.under_load(&load, fault).await;
    assert_resumed(&trial);
    trial
}

/// Checks that the fault cut a watch, so that resuming was tested.
fn assert_resumed(trial: &Trial) {
    let history = trial.clients.recorder.history();
    assert!(history.watches.iter().any(|watch| !watch.cuts.is_empty()), "no watch was cut");
}
