//! The state of the mesh: its workers and gateways, and how soon one that died is gone.

use std::time::{Duration, Instant};

use solvemesh::v1::{CancelJobRequest, MeshState, WatchMeshRequest, WorkerStatus};
use solvemesh_tests::{
    jobs,
    mesh::{Api, Gateway},
    models,
    processes::Process,
    rabbit, within,
};

/// Two intervals of heartbeats.
const TWO_HEARTBEATS: Duration = Duration::from_secs(10);
/// Allowed in addition, as a state comes every half second, and the machine is busy with other
/// tests.
const TOLERANCE: Duration = Duration::from_secs(3);

fn worker(broker: &str, name: &str) -> Process {
    let flags = ["--amqp", broker, "--slots", "express=1,standard=2", "--name", name];
    Process::start("solvemesh-worker", &flags).0
}

/// The first state that fulfils a condition.
async fn state(api: &Api, what: &str, condition: impl Fn(&MeshState) -> bool) -> MeshState {
    let interval = Duration::from_millis(500).try_into().ok();
    let request = WatchMeshRequest { interval };
    let mut states = api.clone().watch_mesh(request).await.expect("a stream").into_inner();
    let found = async {
        loop {
            let response = states.message().await.expect("a stream").expect("it goes on");
            let state = response.mesh.expect("a state");
            if condition(&state) {
                return state;
            }
        }
    };
    within(Duration::from_secs(60), what, found).await
}

fn named<'a>(state: &'a MeshState, name: &str) -> Option<&'a WorkerStatus> {
    state.workers.iter().find(|worker| worker.name == name)
}

#[tokio::test]
async fn every_gateway_shows_all_workers_and_a_dead_one_is_gone_after_two_heartbeats() {
    let vhost = rabbit::vhost().await;
    let one = Gateway::on(vhost.url(), &["--name", "one"]).await;
    let two = Gateway::on(vhost.url(), &["--name", "two"]).await;
    let mut killed = worker(vhost.url(), "killed");
    let mut stopped = worker(vhost.url(), "stopped");
    for (gateway, own) in [(&one, "one"), (&two, "two")] {
        let complete = |state: &MeshState| {
            named(state, "killed").is_some()
                && named(state, "stopped").is_some()
                && state.gateways.len() == 2
        };
        let state = state(&gateway.api(), "both workers and gateways", complete).await;
        let sender = state.gateways.iter().find(|gateway| gateway.is_sender);
        assert_eq!(sender.map(|gateway| gateway.name.as_str()), Some(own));
        let standard = state.lanes.iter().find(|lane| lane.name == "standard");
        assert_eq!(standard.map(|lane| lane.slot_count), Some(4), "{state:?}");
        let worker = named(&state, "killed").expect("listed");
        assert_eq!((worker.slot_count, worker.busy_slots.len()), (3, 0));
        assert_eq!(worker.version, env!("CARGO_PKG_VERSION"));
    }

    let (api, other) = (one.api(), two.api());
    jobs::solve(&api, jobs::exact(models::wyndor(500.0), 60)).await;
    let long = jobs::submit(&api, jobs::exact(models::market_split(5, 40), 300)).await;
    let works_on = |state: &MeshState, job: &str| {
        let slots = |worker: &WorkerStatus| worker.busy_slots.iter().any(|slot| slot.job_id == job);
        state.workers.iter().find(|worker| slots(worker)).map(|worker| worker.name.clone())
    };
    // Slots are known from heartbeats, and lanes from the log, in no common order.
    let lane_runs = |state: &MeshState| {
        let standard = state.lanes.iter().find(|lane| lane.name == "standard");
        standard.is_some_and(|lane| lane.running_count == 1)
            && state.lanes.iter().any(|lane| lane.finish_rate > 0.0)
    };
    let complete = |state: &MeshState| works_on(state, &long).is_some() && lane_runs(state);
    let busy = state(&other, "a busy slot and a running job", complete).await;
    let sender = busy.gateways.iter().find(|gateway| gateway.is_sender).expect("listed");
    let lag = sender.log_lag.and_then(|lag| Duration::try_from(lag).ok());
    assert!(lag.is_some_and(|lag| lag < Duration::from_secs(5)), "{lag:?}");

    killed.kill().await;
    let died = Instant::now();
    state(&api, "without the killed worker", |state| named(state, "killed").is_none()).await;
    let after = died.elapsed();
    assert!(after <= TWO_HEARTBEATS + TOLERANCE, "{after:?}");
    eprintln!("a killed worker was listed for {after:?}");

    let cancel = CancelJobRequest { job_id: long.clone() };
    api.clone().cancel_job(cancel).await.expect("a cancel");
    assert!(stopped.terminate().await.success());
    let ended = Instant::now();
    state(&other, "without workers", |state| state.workers.is_empty()).await;
    // By its last heartbeat, not by a timeout.
    assert!(ended.elapsed() < TWO_HEARTBEATS / 2, "{:?}", ended.elapsed());
}

#[tokio::test]
async fn a_gateway_without_a_broker_shows_its_own_slots() {
    let gateway = Gateway::embedded(&["--slots", "express=1,standard=3"]).await;
    let state = state(&gateway.api(), "a worker", |state| !state.workers.is_empty()).await;
    assert_eq!(state.workers[0].slot_count, 4);
    assert_eq!((state.workers.len(), state.gateways.len()), (1, 1));
}
