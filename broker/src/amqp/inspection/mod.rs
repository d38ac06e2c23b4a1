//! Asks a broker about itself, without changing anything: nothing is created, deleted, published or
//! consumed. For people who look for the cause of a problem; gateways and workers do not use it.
//!
//! Every question is one that the broker answers without side effects, most by an error that closes
//! a channel, so each has a channel of its own. The broker logs such errors.

mod probe;

use std::{future::Future, sync::Arc, time::Duration};

use futures::future::join_all;
use lapin::{
    Connection, ErrorKind,
    protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError},
};

pub use super::greeting::BrokerProperties;
use super::{
    config::AmqpConfig,
    connection::close,
    greeting::Greeting,
    nodes::Nodes,
    opening::{OpenError, open},
    tls::TlsFiles,
    topology::{self, DEAD_LETTERS, HEARTBEATS, LaneQueues, Queue},
    url::Address,
};
use crate::{Lane, MeshError, Rank};

use self::probe::Prober;

/// What a broker says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// The nodes of the configuration, in its order.
    pub nodes: Vec<Node>,
    /// What is in the virtual host, as the first node that lets the user in says. `None` if none
    /// does.
    pub contents: Option<Contents>,
}

/// A node of the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// HOST:PORT.
    pub address: String,
    /// What it says of itself. `None` if it said nothing.
    pub properties: Option<BrokerProperties>,
    /// Why there is no connection. `None` if there is one.
    pub failure: Option<NodeFailure>,
}

/// Why there is no connection to a node. Each has the details in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeFailure {
    /// Nothing answers there, or not as a broker does.
    Unreachable(String),
    /// TLS failed.
    Tls(String),
    /// The user, the password or the certificate is wrong.
    Login(String),
    /// The virtual host does not exist, or the user has no rights in it at all.
    VirtualHost(String),
}

/// What is in a virtual host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// The user that the broker was asked as.
    pub user: String,
    /// The virtual host.
    pub vhost: String,
    /// HOST:PORT of the node that was asked.
    pub node: String,
    /// The queues and streams of a mesh with the lanes of the configuration.
    pub queues: Vec<QueueReport>,
    /// The exchanges of a mesh.
    pub exchanges: Vec<ExchangeReport>,
    /// Whether the user may publish through the default exchange.
    pub write: Right,
    /// The broker's reason for accepting no messages from anyone, such as `low on memory`.
    pub blocked: Option<String>,
}

/// A queue or a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueReport {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub purpose: Purpose,
    /// Whether it exists.
    pub existence: Existence,
    /// Whether it has the arguments of the configuration. This needs the right to configure it.
    pub arguments: Arguments,
    /// Whether the user may consume from it.
    pub read: Right,
}

/// What a queue or a stream is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Jobs of a rank of a lane.
    Jobs(Lane, Rank),
    /// Shows by its consumers that a lane is served.
    Served(Lane),
    /// Dead letters.
    DeadLetters,
    /// The results log.
    Log,
    /// The bulk stream.
    Bulk,
    /// The stream of cancels.
    Cancels,
    /// Lookups of workers.
    Lookups,
}

/// Whether a queue exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Existence {
    /// It exists. The broker counts every few seconds.
    Present {
        /// The number of messages that wait; 0 for a stream.
        ready: u32,
        /// The number of consumers.
        consumers: u32,
    },
    /// There is none.
    Missing,
    /// The user may not know.
    Denied,
    /// The broker did not say. The cause, in words.
    Unknown(String),
}

/// Whether an existing queue has the arguments of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arguments {
    /// It has.
    Same,
    /// It has others. The first difference, in the broker's words.
    Different(String),
    /// The user has no right to configure the queue, which includes to compare its arguments.
    Denied,
    /// They were not compared. The cause, in words.
    Unknown(String),
}

/// An exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeReport {
    /// Its name.
    pub name: String,
    /// Whether it exists; `None` if the broker did not say.
    pub exists: Option<bool>,
    /// Whether the user may publish to it.
    pub write: Right,
}

/// Whether the user has a right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Right {
    /// The user has it.
    Granted,
    /// The user does not have it.
    Denied,
    /// The broker did not say. The cause, in words.
    Unknown(String),
}

/// Asks all nodes of a configuration, and the first one that lets the user in about the queues of a
/// mesh with [`AmqpConfig::topology`] and [`AmqpConfig::lanes`]. Must be called within a Tokio
/// runtime.
///
/// # Errors
///
/// [`MeshError::Configuration`] when a URL is invalid, or a file of [`AmqpConfig::tls`] can't be
/// used.
pub async fn inspect(config: &AmqpConfig) -> Result<Inspection, MeshError> {
    let nodes = Nodes::parse(config)?;
    let connecting = nodes.addresses.iter().map(|address| connect(address, &nodes.tls, config));
    let (nodes, connections): (Vec<Node>, Vec<Option<Connection>>) =
        join_all(connecting).await.into_iter().unzip();
    let mut contents = None;
    for (node, connection) in nodes.iter().zip(connections) {
        let Some(connection) = connection else { continue };
        if contents.is_none() {
            contents = Some(look(&node.address, &connection, config).await);
        }
        close(&connection).await;
    }
    Ok(Inspection { nodes, contents })
}

async fn connect(
    address: &Address,
    tls: &Arc<TlsFiles>,
    config: &AmqpConfig,
) -> (Node, Option<Connection>) {
    let greeting = Greeting::default();
    let (limit, name) = (config.request_timeout, config.name.as_str());
    let opened = open(address.clone(), tls, name, limit, Some(&greeting)).await;
    let (connection, failure) = match opened {
        Ok(connection) => (Some(connection), None),
        Err(error) => (None, Some(failure(error, limit))),
    };
    let node = Node { address: address.host_port(), properties: greeting.properties(), failure };
    (node, connection)
}

fn failure(error: OpenError, limit: Duration) -> NodeFailure {
    match error {
        OpenError::Tcp(why) => NodeFailure::Unreachable(why),
        OpenError::Tls(why) => NodeFailure::Tls(why),
        OpenError::Timeout => NodeFailure::Unreachable(format!("no answer within {limit:?}")),
        OpenError::Amqp(error) => {
            let why = words(&error);
            let kind = match error.kind() {
                ErrorKind::ProtocolError(error) => error.kind(),
                _ => return NodeFailure::Unreachable(why),
            };
            match kind {
                AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => NodeFailure::Login(why),
                AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) => NodeFailure::VirtualHost(why),
                _ => NodeFailure::Unreachable(why),
            }
        }
    }
}

/// Asks about everything in the virtual host.
async fn look(node: &str, connection: &Connection, config: &AmqpConfig) -> Contents {
    let mut prober = Prober::new(connection, config.request_timeout);
    let mut queues = Vec::new();
    for (purpose, queue) in expected(config) {
        queues.push(look_at(&mut prober, purpose, &queue).await);
    }
    let mut exchanges = Vec::new();
    for name in [DEAD_LETTERS, HEARTBEATS] {
        let exists = prober.exchange_exists(name).await;
        exchanges.push(ExchangeReport {
            name: name.to_owned(),
            exists,
            write: Right::Unknown("it does not exist".to_owned()),
        });
    }
    // Last, because a broker that is short of memory or disk answers nothing more to a connection
    // that has tried to publish.
    let write = prober.may_write("").await;
    for exchange in exchanges.iter_mut().filter(|exchange| exchange.exists == Some(true)) {
        exchange.write = prober.may_write(&exchange.name).await;
    }
    Contents {
        user: connection.status().username(),
        vhost: connection.status().vhost().to_string(),
        node: node.to_owned(),
        queues,
        exchanges,
        write,
        blocked: prober.blocked(),
    }
}

async fn look_at(prober: &mut Prober<'_>, purpose: Purpose, queue: &Queue) -> QueueReport {
    let existence = prober.existence(queue).await;
    let (arguments, read) = if matches!(existence, Existence::Present { .. }) {
        (prober.arguments(queue).await, prober.may_read(&queue.name).await)
    } else {
        let why = || "the queue could not be looked at".to_owned();
        (Arguments::Unknown(why()), Right::Unknown(why()))
    };
    QueueReport { name: queue.name.clone(), purpose, existence, arguments, read }
}

/// The queues and streams that a mesh has.
fn expected(config: &AmqpConfig) -> Vec<(Purpose, Queue)> {
    let topology = &config.topology;
    let mut expected = vec![
        (Purpose::DeadLetters, topology::dead_letters()),
        (Purpose::Log, topology::log(topology)),
        (Purpose::Bulk, topology::bulk(topology)),
        (Purpose::Cancels, topology::cancels(topology)),
        (Purpose::Lookups, topology::lookup()),
    ];
    for lane in &config.lanes {
        let queues = LaneQueues::new(lane, topology);
        let ranks = Rank::ALL.into_iter().filter_map(|rank| {
            let queue = queues.of(rank).queues().last()?.clone();
            Some((Purpose::Jobs(lane.clone(), rank), queue))
        });
        expected.extend(ranks);
        expected.push((Purpose::Served(lane.clone()), queues.served));
    }
    expected
}

/// What the broker, or the operating system, says of an error, without the names that lapin and AMQP
/// have for it.
fn words(error: &lapin::Error) -> String {
    match error.kind() {
        ErrorKind::ProtocolError(error) => {
            let message = error.get_message().as_str();
            message.split_once(" - ").map_or(message, |(_, words)| words).to_owned()
        }
        _ => error.to_string(),
    }
}

/// Awaits a request for at most `limit`.
async fn within<T>(
    limit: Duration,
    request: impl Future<Output = lapin::Result<T>>,
) -> Option<lapin::Result<T>> {
    tokio::time::timeout(limit, request).await.ok()
}
