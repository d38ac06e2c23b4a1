//! A [`Mesh`] over RabbitMQ, 3.10 or later. Only this module depends on lapin.
//!
//! There are two connections, one that publishes (lookups and their answers too) and one that
//! consumes, because an alarm of the broker blocks a connection that publishes. Each has a
//! supervisor that establishes it, monitors it and re-establishes it. Their users run on the
//! current session, and start again when it is replaced by the next one.

mod batches;
mod bulk;
mod cancels;
mod config;
mod connection;
mod consumer;
mod deliveries;
mod dial;
mod greeting;
mod heartbeats;
pub mod inspection;
mod lane_feed;
mod leases;
mod log;
mod lookup_client;
mod lookup_server;
mod metrics;
mod nodes;
mod opening;
mod outbox;
mod presence;
mod properties;
mod publisher;
mod ready_batch;
mod replica;
mod runtime;
mod shared_message;
mod stream_consumer;
mod tls;
mod topology;
mod unroutable;
mod url;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use prost::Message as _;
use solvemesh::broker::v1::{
    BulkReference, CancelNotice, Heartbeat, JobEnvelope, LogEntry, LookupRequest, LookupResponse,
};
use tokio::{
    sync::{mpsc, watch},
    time,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    batches::{BatchSender, EncodedJob},
    bulk::{Bulk, stream_publish_error},
    cancels::CancelFollower,
    connection::{ConnectionHandle, ConnectionState},
    consumer::{Decode, Queues, Source},
    log::{LogReader, log_message},
    lookup_client::LookupClient,
    metrics::BrokerMetrics,
    nodes::Nodes,
    outbox::Outbox,
    presence::Presence,
    publisher::{PublishError, Publisher},
    shared_message::OwnMessages,
    stream_consumer::{StreamFollower, StreamHandler},
    topology::{LaneQueues, Route},
};
pub use self::{
    config::{AmqpConfig, StreamLimits, Topology},
    tls::{Identity, TlsFiles},
    url::{BrokerUrl, InvalidUrl},
};
use crate::{
    BulkObject, CancelEvent, Consumer, DeadLetter, Delivery, FORMAT_VERSION, Health, Lane,
    LogMessage, LogStart, Lookup, MAX_JOBS_IN_MESSAGE, Mesh, MeshError, Rank,
};

/// The purposes of the two connections.
const PUBLISHING: &str = "publishing";
const CONSUMING: &str = "consuming";
/// The number of messages that are buffered for each follower of a stream.
const READ_AHEAD: usize = 256;
/// The number of dead letters that one consumer may hold unsettled.
const DEAD_PREFETCH: u16 = 16;
/// The number of lookups that the broker sends ahead.
const LOOKUP_PREFETCH: u16 = 64;
/// The maximum number of parts and cancels in flight.
const STREAM_MESSAGES_IN_FLIGHT: usize = 32;
/// How long to wait for the tasks to end when the mesh is closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A [`Mesh`] over RabbitMQ. Its tasks end when it is closed or dropped.
pub struct AmqpMesh {
    config: AmqpConfig,
    publishing: ConnectionHandle,
    consuming: ConnectionHandle,
    /// The queues of the lanes used so far.
    lanes: Mutex<BTreeMap<Lane, Arc<LaneQueues>>>,
    job_publisher: Publisher,
    /// Send small jobs of the express lane, by the index of their rank.
    express_jobs: [BatchSender; 3],
    stream_publisher: Publisher,
    outbox: Outbox,
    bulk: Bulk,
    log: LogReader,
    lookup_client: LookupClient,
    health: watch::Receiver<Health>,
    metrics: BrokerMetrics,
    /// Ends all tasks when it is cancelled.
    closed: CancellationToken,
    tasks: TaskTracker,
}

impl AmqpMesh {
    /// Connects, and declares all queues and streams, except those of workers and of lanes that the
    /// configuration does not name, which are declared at their first use.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open) and [`connected`](Self::connected); after
    /// [`AmqpConfig::connect_timeout`], the latest error.
    pub async fn connect(config: AmqpConfig) -> Result<Self, MeshError> {
        let limit = config.connect_timeout;
        let mesh = Self::open(config)?;
        match time::timeout(limit, mesh.connected()).await {
            Ok(answer) => answer.map(|()| mesh),
            Err(_) => {
                let connections = [&mesh.publishing, &mesh.consuming];
                let late = || MeshError::Unavailable(format!("not connected within {limit:?}"));
                Err(connections
                    .into_iter()
                    .find_map(ConnectionHandle::unavailable_reason)
                    .unwrap_or_else(late))
            }
        }
    }

    /// Starts to connect in the background, with retries for as long as it takes. Until it is
    /// connected, the mesh behaves as in any other outage. Must be called within a Tokio runtime.
    ///
    /// # Errors
    ///
    /// [`MeshError::Configuration`] when a URL is invalid, or a file of [`AmqpConfig::tls`]
    /// can't be used.
    pub fn open(config: AmqpConfig) -> Result<Self, MeshError> {
        let nodes = Nodes::parse(&config)?;
        let closed = CancellationToken::new();
        // Ends the tasks if this function does not complete.
        let guard = closed.clone().drop_guard();
        let tasks = TaskTracker::new();
        let base = topology::base(&config.topology, &config.lanes);
        let metrics = BrokerMetrics::default();
        let connection = |purpose, queues| {
            let metrics = metrics.clone();
            ConnectionHandle::start(
                &config,
                &nodes,
                purpose,
                queues,
                metrics,
                closed.clone(),
                &tasks,
            )
        };
        let publishing = connection(PUBLISHING, base);
        let consuming = connection(CONSUMING, Vec::new());
        let publisher = |in_flight| {
            let (connection, metrics) = (publishing.clone(), metrics.clone());
            let timeout = config.publish_timeout;
            Publisher::start(connection, in_flight, timeout, metrics, closed.clone(), &tasks)
        };
        let job_publisher = publisher(config.in_flight.max(1));
        let express = LaneQueues::new(&Lane::express(), &config.topology);
        let express_jobs = Rank::ALL.map(|rank| {
            let route = express.of(rank).clone();
            let (publisher, timeout) = (job_publisher.clone(), config.publish_timeout);
            BatchSender::start(publisher, route, timeout, closed.clone(), &tasks)
        });
        let stream_publisher = publisher(STREAM_MESSAGES_IN_FLIGHT);
        // One in flight, so that retries keep the order of the log.
        let entries = publisher(1);
        let outbox = Outbox::start(&config, publishing.clone(), entries, closed.clone(), &tasks);
        let bulk = Bulk {
            publisher: stream_publisher.clone(),
            connection: consuming.clone(),
            route: [topology::bulk(&config.topology)].into(),
            publish_timeout: config.publish_timeout,
            timeout: config.bulk_timeout,
        };
        let queue = topology::log(&config.topology);
        let log = LogReader::new(consuming.clone(), queue, config.request_timeout);
        let lookup_client = LookupClient::start(publishing.clone(), closed.clone(), &tasks);
        let initial = Health::Disconnected { error: "not connected yet".to_owned() };
        let (updates, health) = watch::channel(initial);
        tasks.spawn(watch_health(publishing.clone(), consuming.clone(), updates));
        let closed = guard.disarm();
        Ok(Self {
            config,
            publishing,
            consuming,
            lanes: Mutex::default(),
            job_publisher,
            express_jobs,
            stream_publisher,
            outbox,
            bulk,
            log,
            lookup_client,
            health,
            metrics,
            closed,
            tasks,
        })
    }

    /// Waits until the mesh is connected and everything is declared.
    ///
    /// # Errors
    ///
    /// [`MeshError::Refused`] when the broker denies access, or has a queue or stream of the same
    /// name with other arguments. The mesh still retries in the background.
    pub async fn connected(&self) -> Result<(), MeshError> {
        tokio::try_join!(wait_ready(&self.publishing), wait_ready(&self.consuming)).map(drop)
    }

    /// Registers the metrics of the connections, of publishing, and of the outbox.
    pub fn register_metrics(&self, registry: &mut Registry) {
        let connections =
            [(PUBLISHING, self.publishing.clone()), (CONSUMING, self.consuming.clone())];
        self.metrics.register(connections, self.outbox.clone(), registry);
    }

    fn check_open(&self) -> Result<(), MeshError> {
        if self.closed.is_cancelled() { Err(MeshError::Closed) } else { Ok(()) }
    }

    fn lane(&self, lane: &Lane) -> Arc<LaneQueues> {
        let mut lanes = self.lanes.lock();
        let new = || Arc::new(LaneQueues::new(lane, &self.config.topology));
        Arc::clone(lanes.entry(lane.clone()).or_insert_with(new))
    }

    fn source<T>(&self, queues: Queues, decode: Decode<T>) -> Source<T> {
        Source {
            connection: self.consuming.clone(),
            queues,
            request_timeout: self.config.request_timeout,
            closed: self.closed.clone(),
            decode,
            max_items: 1,
        }
    }

    fn cancels(&self) -> Route {
        [topology::cancels(&self.config.topology)].into()
    }

    fn presence(&self) -> Presence {
        let request_timeout = self.config.request_timeout;
        Presence { connection: self.consuming.clone(), request_timeout }
    }

    fn follow<R: StreamHandler + 'static>(
        &self,
        route: Route,
        from: LogStart,
        handler: R,
    ) -> mpsc::Receiver<R::Item> {
        let (sender, reader) = mpsc::channel(READ_AHEAD);
        let idle_timeout = self.config.stream_idle_timeout;
        let follower =
            StreamFollower { connection: self.consuming.clone(), route, idle_timeout, handler };
        self.tasks.spawn(follower.follow(from, sender, self.closed.clone()));
        reader
    }
}

impl fmt::Debug for AmqpMesh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AmqpMesh").field("health", &*self.health.borrow()).finish_non_exhaustive()
    }
}

impl Drop for AmqpMesh {
    fn drop(&mut self) {
        self.closed.cancel();
    }
}

#[async_trait]
impl Mesh for AmqpMesh {
    async fn enqueue(&self, lane: &Lane, job: &JobEnvelope) -> Result<(), MeshError> {
        self.check_open()?;
        let limit = self.config.max_job_bytes;
        let bytes = job.encoded_len();
        if bytes > limit {
            return Err(MeshError::TooLarge { bytes, limit });
        }
        let encoded = EncodedJob::of(job);
        let published = if lane.as_str() == Lane::EXPRESS && encoded.may_share(job) {
            self.express_jobs[encoded.rank.index()].send(encoded).await
        } else {
            let route = self.lane(lane).of(encoded.rank).clone();
            self.job_publisher.publish(encoded.alone(route)).await
        };
        published.map_err(|error| match error {
            PublishError::Nacked => MeshError::Full(lane.clone()),
            other => stream_publish_error(other),
        })
    }

    async fn consume(&self, lane: &Lane, prefetch: u16) -> Result<Consumer<Delivery>, MeshError> {
        self.check_open()?;
        let lane = self.lane(lane);
        let own_messages =
            OwnMessages { publisher: self.job_publisher.clone(), queues: Arc::clone(&lane) };
        let decode: Decode<Delivery> = Arc::new(move |it| deliveries::of(it, &own_messages));
        let source = |queues| Source {
            max_items: MAX_JOBS_IN_MESSAGE,
            ..self.source(queues, Arc::clone(&decode))
        };
        if prefetch <= 1 {
            return source(Queues::Lane(lane)).start(&self.tasks).await;
        }
        let stop = self.closed.child_token();
        // Ends all three if one of them is refused.
        let guard = stop.clone().drop_guard();
        let [first, normal, later] = Rank::ALL.map(|rank| {
            let queues = Queues::One(lane.of(rank).clone(), prefetch);
            source(queues).start_until(stop.clone(), &self.tasks)
        });
        let (first, normal, later) = tokio::try_join!(first, normal, later)?;
        Ok(Consumer::ranked([first, normal, later], guard.disarm()))
    }

    async fn is_served(&self, lane: &Lane) -> Result<bool, MeshError> {
        self.check_open()?;
        let lane = self.lane(lane);
        // Of several jobs at a time, and of versions without ranks, the lane's queue has the
        // consumer.
        for queue in [lane.served.name.as_str(), lane.of(Rank::Normal).name()] {
            if self.presence().has_consumers(queue).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn dead_letters(&self) -> Result<Consumer<DeadLetter>, MeshError> {
        self.check_open()?;
        let queues = Queues::One([topology::dead_letters()].into(), DEAD_PREFETCH);
        let source = self.source(queues, Arc::new(deliveries::dead_letters));
        source.start(&self.tasks).await
    }

    async fn append(&self, entry: LogEntry) -> Result<(), MeshError> {
        self.outbox.append(entry).await
    }

    async fn follow_log(&self, from: LogStart) -> Result<mpsc::Receiver<LogMessage>, MeshError> {
        self.check_open()?;
        let route = [topology::log(&self.config.topology)].into();
        let handler: fn(u64, Vec<u8>) -> LogMessage = |offset, body| log_message(offset, &body);
        Ok(self.follow(route, from, handler))
    }

    async fn log_start(&self) -> Result<Option<u64>, MeshError> {
        self.check_open()?;
        self.log.start().await
    }

    async fn read_log(&self, offset: u64) -> Result<LogMessage, MeshError> {
        self.check_open()?;
        self.log.read(offset).await
    }

    async fn announce_cancel(&self, job_id: &str) -> Result<(), MeshError> {
        self.check_open()?;
        let notice = CancelNotice {
            version: FORMAT_VERSION,
            job_id: job_id.to_owned(),
            ..CancelNotice::default()
        };
        let message = cancels::message(self.cancels(), &notice);
        self.stream_publisher.publish(message).await.map_err(stream_publish_error)
    }

    async fn follow_cancels(&self) -> Result<mpsc::Receiver<CancelEvent>, MeshError> {
        self.check_open()?;
        let (publisher, route) = (self.stream_publisher.clone(), self.cancels());
        let handler = CancelFollower { publisher, route: route.clone(), expected_marker: None };
        Ok(self.follow(route, LogStart::First, handler))
    }

    async fn store(&self, object: BulkObject) -> Result<BulkReference, MeshError> {
        self.check_open()?;
        self.bulk.store(object).await
    }

    async fn load(&self, reference: &BulkReference) -> Result<Vec<Bytes>, MeshError> {
        self.check_open()?;
        self.bulk.load(reference).await
    }

    async fn lookup(
        &self,
        request: LookupRequest,
        timeout: Duration,
    ) -> Result<LookupResponse, MeshError> {
        self.check_open()?;
        self.lookup_client.lookup(&request, timeout).await
    }

    async fn consume_lookups(&self) -> Result<Consumer<Lookup>, MeshError> {
        self.check_open()?;
        let source = Source {
            // Answers are published over the channel that delivers the lookups, so this consumer
            // uses the publishing connection.
            connection: self.publishing.clone(),
            ..self.source(
                Queues::One([topology::lookup()].into(), LOOKUP_PREFETCH),
                Arc::new(|it| vec![it]),
            )
        };
        lookup_server::start(source, &self.tasks).await
    }

    async fn register_worker(&self, id: &str) -> Result<(), MeshError> {
        self.check_open()?;
        self.presence().register(id, self.closed.clone(), &self.tasks).await
    }

    async fn is_worker_connected(&self, id: &str) -> Result<bool, MeshError> {
        self.check_open()?;
        self.presence().is_connected(id).await
    }

    async fn send_heartbeat(&self, heartbeat: Heartbeat) -> Result<(), MeshError> {
        self.check_open()?;
        let session = self.publishing.session_within(self.config.request_timeout).await?;
        heartbeats::send(&session, &heartbeat).await
    }

    async fn follow_heartbeats(&self) -> Result<mpsc::Receiver<Heartbeat>, MeshError> {
        self.check_open()?;
        let (sender, reader) = mpsc::channel(READ_AHEAD);
        let (connection, closed) = (self.consuming.clone(), self.closed.clone());
        self.tasks.spawn(async move {
            closed.run_until_cancelled(heartbeats::follow(connection, sender)).await
        });
        Ok(reader)
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }

    async fn close(&self, grace: Duration) {
        if time::timeout(grace, self.outbox.drained()).await.is_err() {
            tracing::warn!("mesh closed with unconfirmed log entries");
        }
        self.closed.cancel();
        self.tasks.close();
        if time::timeout(CLOSE_TIMEOUT, self.tasks.wait()).await.is_err() {
            tracing::warn!("mesh tasks still running after the close timeout");
        }
    }
}

/// Waits until a connection is established, refused or closed.
async fn wait_ready(connection: &ConnectionHandle) -> Result<(), MeshError> {
    let mut states = connection.subscribe();
    let decided = states.wait_for(|state| {
        matches!(
            state,
            ConnectionState::Connected(_)
                | ConnectionState::Closed
                | ConnectionState::Disconnected(MeshError::Refused(_))
        )
    });
    match decided.await.as_deref() {
        Ok(ConnectionState::Connected(_)) => Ok(()),
        Ok(ConnectionState::Disconnected(error)) => Err(error.clone()),
        Ok(ConnectionState::Closed) | Err(_) => Err(MeshError::Closed),
    }
}

/// Publishes the health of the two connections until they are closed.
async fn watch_health(
    publishing: ConnectionHandle,
    consuming: ConnectionHandle,
    updates: watch::Sender<Health>,
) {
    let (mut one, mut other) = (publishing.subscribe(), consuming.subscribe());
    loop {
        let health = health_of(&[&*one.borrow_and_update(), &*other.borrow_and_update()]);
        updates.send_if_modified(|last| {
            let changed = *last != health;
            *last = health;
            changed
        });
        let changed = tokio::select! {
            changed = one.changed() => changed,
            changed = other.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
    }
}

/// Combines the states: a lost connection takes precedence over a blocked one.
fn health_of(states: &[&ConnectionState]) -> Health {
    let disconnected = states.iter().find_map(|state| match state {
        ConnectionState::Disconnected(error) => Some(error.to_string()),
        ConnectionState::Closed => Some(MeshError::Closed.to_string()),
        ConnectionState::Connected(_) => None,
    });
    let blocked = states.iter().find_map(|state| match state {
        ConnectionState::Connected(session) => session.blocked(),
        _ => None,
    });
    match (disconnected, blocked) {
        (Some(error), _) => Health::Disconnected { error },
        (None, Some(reason)) => Health::Blocked { reason: reason.to_owned() },
        (None, None) => Health::Ready,
    }
}
