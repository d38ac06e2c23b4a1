//! The watch of the mesh, against a scripted gateway.

use std::time::Duration;

use futures::StreamExt;
use solvemesh_client::{
    Client, Code, Error, MeshUpdate, Retry,
    v1::{LaneStatus, MeshState, WatchMeshResponse},
};
use solvemesh_testkit::fake_gateway::{FakeGateway, Place, Step, TEST_TIMEOUT, mesh, mesh_script};
use tokio::time::timeout;
use tonic::Status;

/// A state that is recognised by the number of queued jobs of its lane.
fn state(queued: i32) -> MeshState {
    let lane = LaneStatus { name: "default".into(), queued_count: queued, ..LaneStatus::default() };
    MeshState { lanes: vec![lane], ..MeshState::default() }
}

fn cut(cause: &str) -> Step<WatchMeshResponse> {
    Step::Fail(Status::unavailable(cause))
}

fn client(fake: &FakeGateway) -> Client {
    Client::connect(&fake.url()).unwrap()
}

#[tokio::test]
async fn states_arrive_until_the_watch_is_dropped() {
    let fake = FakeGateway::start(mesh_script([vec![mesh(state(1)), mesh(state(2)), Step::Hang]]));
    let watch = client(&fake).watch_mesh().interval(Duration::from_millis(500));
    let states = timeout(TEST_TIMEOUT, watch.into_stream().take(2).collect::<Vec<_>>());
    let states: Vec<_> = states.await.unwrap().into_iter().map(Result::unwrap).collect();
    assert_eq!(states, [state(1), state(2)]);
    let interval = fake.script.seen_meshes.lock().unwrap()[0].interval.unwrap();
    assert_eq!((interval.seconds, interval.nanos), (0, 500_000_000));
}

#[tokio::test]
async fn a_lost_stream_is_reported_once_and_opened_again() {
    let fake = FakeGateway::start(mesh_script([
        vec![mesh(state(1)), cut("going away")],
        vec![cut("still away")],
        vec![],
        vec![mesh(state(2)), Step::Hang],
    ]));
    let mut watch = client(&fake).watch_mesh();
    let mut updates = Vec::new();
    for _ in 0..4 {
        let update = timeout(TEST_TIMEOUT, watch.update()).await.unwrap().unwrap().unwrap();
        updates.push(match update {
            MeshUpdate::State(state) => state.lanes[0].queued_count.to_string(),
            MeshUpdate::Lost { cause, remaining_budget } => {
                assert!(remaining_budget > Retry::CALL.budget);
                cause.to_string()
            }
            MeshUpdate::Restored => "restored".into(),
        });
    }
    assert_eq!(updates, ["1", "going away", "restored", "2"]);
}

#[tokio::test]
async fn a_watch_without_a_gateway_ends_after_its_budget() {
    let place = Place::new();
    let millis = Duration::from_millis;
    let retry = Retry { budget: millis(500), initial_backoff: millis(1), max_backoff: millis(50) };
    let client = Client::connect(&place.url()).unwrap().with_retry(retry);
    let mut watch = client.watch_mesh();
    let error = timeout(TEST_TIMEOUT, watch.next()).await.unwrap().unwrap().unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    assert!(watch.next().await.is_none());
}

#[tokio::test]
async fn a_gateway_that_has_no_such_method_is_not_asked_again() {
    let fake = FakeGateway::start(mesh_script([]));
    let error = client(&fake).mesh().await.unwrap_err();
    assert!(matches!(error, Error::Rejected(_)));
    assert_eq!(error.rejection().unwrap().code, Code::Unimplemented);
    assert_eq!(fake.script.seen_meshes.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_single_state_survives_a_failure_and_reports_it() {
    let fake = FakeGateway::start(mesh_script([vec![cut("no broker")], vec![mesh(state(3))]]));
    let (sender, mut reported) = tokio::sync::mpsc::channel(8);
    let client =
        client(&fake).on_retry(move |cause, _| sender.try_send(cause.message.clone()).unwrap());
    assert_eq!(client.mesh().await.unwrap(), state(3));
    drop(client);
    assert_eq!(reported.recv().await.as_deref(), Some("no broker"));
    assert!(reported.recv().await.is_none());
}

#[tokio::test]
async fn a_response_without_a_state_is_malformed() {
    let empty = Step::Send(Box::new(WatchMeshResponse { mesh: None }));
    let fake = FakeGateway::start(mesh_script([vec![empty]]));
    let error = client(&fake).watch_mesh().next().await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Malformed(_)), "{error}");
}
