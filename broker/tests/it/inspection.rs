//! The inspection of a broker: what it finds, and that it changes nothing.

use std::time::Duration;

use lapin::{
    Connection, ConnectionProperties,
    options::QueueDeclareOptions,
    types::{AMQPValue, FieldTable},
};
use solvemesh::broker::v1::Heartbeat;
use solvemesh_broker::{
    AmqpConfig, AmqpMesh, Lane, Mesh, Topology,
    amqp::inspection::{
        Arguments, Contents, Existence, Inspection, NodeFailure, Purpose, QueueReport, Right,
        inspect,
    },
};
use solvemesh_testkit::rabbit::{self, RabbitNode, Resource, Role, Vhost};

const TIMEOUT: Duration = Duration::from_secs(60);

fn config(url: &str) -> AmqpConfig {
    AmqpConfig { lanes: vec![Lane::express()], ..AmqpConfig::new(url) }
}

async fn look(config: &AmqpConfig) -> Inspection {
    tokio::time::timeout(TIMEOUT, inspect(config)).await.expect("in time").expect("a valid URL")
}

async fn contents(config: &AmqpConfig) -> Contents {
    let inspection = look(config).await;
    inspection.contents.clone().unwrap_or_else(|| panic!("no connection: {inspection:?}"))
}

fn queue<'a>(contents: &'a Contents, name: &str) -> &'a QueueReport {
    let found = contents.queues.iter().find(|queue| queue.name == name);
    found.unwrap_or_else(|| panic!("no {name} in {contents:?}"))
}

async fn names(vhost: &Vhost) -> String {
    let node = RabbitNode::shared().await;
    let queues = node.rabbitmqctl(&["list_queues", "-p", vhost.name(), "name", "messages"]).await;
    queues + &node.rabbitmqctl(&["list_exchanges", "-p", vhost.name(), "name"]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_virtual_host_has_nothing_and_stays_empty() {
    let vhost = rabbit::vhost().await;
    let before = names(&vhost).await;
    let inspection = look(&config(vhost.url())).await;
    let [node] = inspection.nodes.as_slice() else { panic!("{inspection:?}") };
    assert_eq!(node.failure, None);
    let properties = node.properties.clone().unwrap();
    assert_eq!(properties.product.as_deref(), Some("RabbitMQ"));
    assert!(properties.version.unwrap().contains('.'));
    let contents = inspection.contents.unwrap();
    assert_eq!((contents.user.as_str(), contents.vhost.as_str()), ("guest", vhost.name()));
    assert_eq!(contents.queues.len(), 9);
    assert!(contents.queues.iter().all(|queue| queue.existence == Existence::Missing));
    assert!(contents.exchanges.iter().all(|exchange| exchange.exists == Some(false)));
    assert_eq!((contents.write, contents.blocked), (Right::Granted, None));
    assert_eq!(names(&vhost).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queues_of_a_mesh_are_as_configured_and_stay_as_they_are() {
    let vhost = rabbit::vhost().await;
    let config = config(vhost.url());
    let mesh = AmqpMesh::connect(config.clone()).await.unwrap();
    // The exchange of heartbeats is declared with the first one.
    mesh.send_heartbeat(Heartbeat::default()).await.unwrap();
    let before = names(&vhost).await;
    let contents = contents(&config).await;
    for queue in &contents.queues {
        let present = Existence::Present { ready: 0, consumers: 0 };
        let all = (&queue.existence, &queue.arguments, &queue.read);
        assert_eq!(all, (&present, &Arguments::Same, &Right::Granted), "{queue:?}");
    }
    for exchange in &contents.exchanges {
        assert_eq!((exchange.exists, &exchange.write), (Some(true), &Right::Granted));
    }
    let served = queue(&contents, "solvemesh.served.express.v1");
    assert_eq!(served.purpose, Purpose::Served(Lane::express()));
    assert_eq!(names(&vhost).await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_with_other_arguments_is_reported_with_the_difference() {
    let vhost = rabbit::vhost().await;
    let topology = Topology { lane_length: 7, ..Topology::default() };
    let other = AmqpConfig { topology, ..config(vhost.url()) };
    let _mesh = AmqpMesh::connect(other.clone()).await.unwrap();
    let contents = contents(&config(vhost.url())).await;
    let Arguments::Different(why) = &queue(&contents, "solvemesh.jobs.express.v1").arguments else {
        panic!("{contents:?}");
    };
    assert!(why.contains("x-max-length") && why.contains("'7'"), "{why}");
    assert_eq!(queue(&contents, "solvemesh.log.v1").arguments, Arguments::Same);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_rights_are_told_apart() {
    let node = RabbitNode::shared().await;
    let vhost = node.vhost().await;
    node.add_users(vhost.name()).await;
    let _mesh = AmqpMesh::connect(config(vhost.url())).await.unwrap();
    let contents = contents(&config(&Role::Worker.url(vhost.url()))).await;
    let log = queue(&contents, "solvemesh.log.v1");
    assert_eq!((&log.arguments, &log.read), (&Arguments::Denied, &Right::Denied));
    let jobs = queue(&contents, "solvemesh.jobs.express.v1");
    assert_eq!((&jobs.arguments, &jobs.read), (&Arguments::Denied, &Right::Granted));
    assert_eq!(contents.write, Right::Granted);

    node.rabbitmqctl(&["add_user", "nobody", "secret"]).await;
    let nobody = vhost.url().replace("guest:guest", "nobody:secret");
    let inspection = look(&config(&nobody)).await;
    assert!(matches!(inspection.nodes[0].failure, Some(NodeFailure::VirtualHost(_))));
    assert_eq!(inspection.contents, None);
    let mistaken = vhost.url().replace("guest:guest", "nobody:wrong");
    let inspection = look(&config(&mistaken)).await;
    assert!(matches!(inspection.nodes[0].failure, Some(NodeFailure::Login(_))));
    assert!(inspection.nodes[0].properties.is_some(), "the version is known all the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_node_of_a_list_is_tried() {
    let vhost = rabbit::vhost().await;
    let urls = format!("amqp://guest:guest@127.0.0.1:1/{},{}", vhost.name(), vhost.url());
    let inspection = look(&config(&urls)).await;
    assert!(matches!(inspection.nodes[0].failure, Some(NodeFailure::Unreachable(_))));
    assert_eq!(inspection.nodes[1].failure, None);
    assert_eq!(inspection.contents.unwrap().node, inspection.nodes[1].address);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alarm_of_the_broker_is_reported() {
    let node = RabbitNode::start().await;
    node.run_short_of(Resource::Memory).await;
    let inspection = look(&config(&node.amqp_url("/"))).await;
    let blocked = inspection.contents.expect("a connection").blocked.expect("a reason");
    assert!(blocked.contains("memory"), "{blocked}");
}

/// What the comparison of arguments relies on, should a queue be deleted right before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_queue_is_created_with_an_argument_of_another_type() {
    let vhost = rabbit::vhost().await;
    let before = names(&vhost).await;
    let properties = ConnectionProperties::default();
    let connection = Connection::connect(vhost.url(), properties).await.unwrap();
    let text = |value: &str| AMQPValue::LongString(value.into());
    for (kind, key, value) in [
        ("quorum", "x-max-age", text("1D")),
        ("stream", "x-delivery-limit", AMQPValue::LongLongInt(1)),
    ] {
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), text(kind));
        arguments.insert(key.into(), value);
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        let channel = connection.create_channel().await.unwrap();
        let declared = channel.queue_declare(kind.into(), options, arguments).await;
        let error = declared.unwrap_err().to_string();
        assert!(error.contains("PRECONDITION_FAILED") && error.contains(key), "{error}");
    }
    assert_eq!(names(&vhost).await, before);
}
