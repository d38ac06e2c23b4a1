//! A [`Mesh`] in RabbitMQ, 3.10 or later. Nothing outside this module knows lapin.
//!
//! Two connections, as an alarm of the broker blocks the one that publishes (questions
//! and answers too): each is made, watched and made again by a supervisor. Whatever
//! uses them takes the current session and starts again with the next one.

mod backoff;
mod bulk;
mod cancels;
mod config;
mod connection;
mod consumer;
mod dial;
mod log;
mod lookup_client;
mod lookup_server;
mod nodes;
mod outbox;
mod presence;
mod properties;
mod publisher;
mod ready_batch;
mod runtime;
mod stream_consumer;
mod tls;
mod topology;
mod unroutable;
mod url;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use prost::Message as _;
use solvemesh::broker::v1::{
    BulkReference, CancelNotice, JobEnvelope, LogEntry, LookupAnswer, LookupRequest,
};
use tokio::{
    sync::{mpsc, watch},
    time,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    bulk::{Bulk, record_failure},
    cancels::Cancels,
    connection::{Link, Phase},
    consumer::Source,
    log::{Log, log_message},
    lookup_client::Asker,
    nodes::Nodes,
    outbox::Outbox,
    presence::Presence,
    publisher::{Failure, Message, Publisher},
    stream_consumer::{Reading, Tail},
    topology::Route,
};
pub use self::{
    config::{AmqpConfig, StreamLimits, Topology},
    tls::{Identity, TlsFiles},
    url::{BrokerUrl, InvalidUrl},
};
use crate::{
    CancelNews, Consumer, DeadLetter, Delivery, FORMAT_VERSION, Health, Lane, LogMessage, LogStart,
    Mesh, MeshError, Payload, Question,
};

/// How many messages of a stream wait between its tail and its reader.
const READ_AHEAD: usize = 256;
/// How many dead letters one consumer holds unsettled.
const DEAD_PREFETCH: u16 = 16;
/// How many questions the broker sends ahead.
const QUESTIONS_PREFETCH: u16 = 64;
/// How many parts and cancels await their confirms.
const RECORDS_IN_FLIGHT: usize = 32;
/// How long the tasks may take to end once the mesh is closed.
const GOODBYE: Duration = Duration::from_secs(5);

/// A [`Mesh`] in RabbitMQ. Its tasks end when it is closed or dropped.
pub struct AmqpMesh {
    config: AmqpConfig,
    publishing: Link,
    consuming: Link,
    /// The routes of the lanes seen so far.
    lanes: Mutex<BTreeMap<Lane, Route>>,
    jobs: Publisher,
    records: Publisher,
    outbox: Outbox,
    bulk: Bulk,
    log: Log,
    asker: Asker,
    health: watch::Receiver<Health>,
    /// Ends everything.
    closed: CancellationToken,
    tasks: TaskTracker,
}

impl AmqpMesh {
    /// Connects, and declares everything but presences, which come with their first use.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open) and [`connected`](Self::connected); the latest error once
    /// [`AmqpConfig::connect_timeout`] has passed.
    pub async fn connect(config: AmqpConfig) -> Result<Self, MeshError> {
        let limit = config.connect_timeout;
        let mesh = Self::open(config)?;
        match time::timeout(limit, mesh.connected()).await {
            Ok(answer) => answer.map(|()| mesh),
            Err(_) => {
                let links = [&mesh.publishing, &mesh.consuming];
                let late = || MeshError::Unavailable(format!("not within {limit:?}"));
                Err(links.into_iter().find_map(Link::trouble).unwrap_or_else(late))
            }
        }
    }

    /// Begins to connect, and goes on with it for as long as it takes: until then the mesh
    /// is as it is in any other outage. Must be called within a Tokio runtime.
    ///
    /// # Errors
    ///
    /// [`MeshError::Configuration`] when a URL is invalid, or a file of [`AmqpConfig::tls`]
    /// can't be used.
    pub fn open(config: AmqpConfig) -> Result<Self, MeshError> {
        let nodes = Nodes::of(&config)?;
        let closed = CancellationToken::new();
        let guard = closed.clone().drop_guard();
        let tasks = TaskTracker::new();
        let base = topology::base(&config.topology, &config.lanes);
        let link =
            |purpose, queues| Link::start(&config, &nodes, purpose, queues, closed.clone(), &tasks);
        let publishing = link("publishing", base);
        let consuming = link("consuming", Vec::new());
        let publisher = |in_flight| {
            let link = publishing.clone();
            Publisher::start(link, in_flight, config.publish_timeout, closed.clone(), &tasks)
        };
        let jobs = publisher(config.in_flight.max(1));
        let records = publisher(RECORDS_IN_FLIGHT);
        let entries = publisher(1);
        let outbox = Outbox::start(&config, publishing.clone(), entries, closed.clone(), &tasks);
        let bulk = Bulk {
            publisher: records.clone(),
            link: consuming.clone(),
            route: [topology::bulk(&config.topology)].into(),
            publish_timeout: config.publish_timeout,
            timeout: config.bulk_timeout,
        };
        let queue = topology::log(&config.topology);
        let log = Log::new(consuming.clone(), queue, config.request_timeout);
        let asker = Asker::start(publishing.clone(), closed.clone(), &tasks);
        let nothing_yet = Health::Disconnected { error: "not connected yet".to_owned() };
        let (verdict, health) = watch::channel(nothing_yet);
        tasks.spawn(watch_health(publishing.clone(), consuming.clone(), verdict));
        let closed = guard.disarm();
        Ok(Self {
            config,
            publishing,
            consuming,
            lanes: Mutex::default(),
            jobs,
            records,
            outbox,
            bulk,
            log,
            asker,
            health,
            closed,
            tasks,
        })
    }

    /// Waits until the mesh is connected and everything is declared.
    ///
    /// # Errors
    ///
    /// [`MeshError::Refused`] when the broker does not let us in, or has something of our
    /// names with other arguments: it is told then, and still tried again.
    pub async fn connected(&self) -> Result<(), MeshError> {
        tokio::try_join!(ready(&self.publishing), ready(&self.consuming)).map(drop)
    }

    fn is_open(&self) -> Result<(), MeshError> {
        if self.closed.is_cancelled() { Err(MeshError::Closed) } else { Ok(()) }
    }

    fn lane(&self, lane: &Lane) -> Route {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let declare = || topology::jobs(lane, &self.config.topology).into();
        lanes.entry(lane.clone()).or_insert_with(declare).clone()
    }

    fn source<T>(
        &self,
        route: Route,
        prefetch: u16,
        decode: fn(consumer::Message) -> T,
    ) -> Source<T> {
        Source {
            link: self.consuming.clone(),
            route,
            prefetch,
            request_timeout: self.config.request_timeout,
            closed: self.closed.clone(),
            decode,
        }
    }

    fn cancels(&self) -> Route {
        [topology::cancels(&self.config.topology)].into()
    }

    fn presence(&self) -> Presence {
        let request_timeout = self.config.request_timeout;
        Presence { link: self.consuming.clone(), request_timeout }
    }

    fn follow<R: Reading + 'static>(
        &self,
        route: Route,
        from: LogStart,
        reading: R,
    ) -> mpsc::Receiver<R::Item> {
        let (sender, reader) = mpsc::channel(READ_AHEAD);
        let silence = self.config.stream_silence;
        let tail = Tail { link: self.consuming.clone(), route, silence, reading };
        self.tasks.spawn(tail.follow(from, sender, self.closed.clone()));
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
        self.is_open()?;
        let limit = self.config.max_job_bytes;
        let bytes = job.encoded_len();
        if bytes > limit {
            return Err(MeshError::TooLarge { bytes, limit });
        }
        let message = Message {
            route: self.lane(lane),
            properties: properties::of_job(job),
            body: job.encode_to_vec().into(),
        };
        self.jobs.publish(message).await.map_err(|failure| match failure {
            Failure::Nacked => MeshError::Full(lane.clone()),
            other => record_failure(other),
        })
    }

    async fn consume(&self, lane: &Lane, prefetch: u16) -> Result<Consumer<Delivery>, MeshError> {
        self.is_open()?;
        let source = self.source(self.lane(lane), prefetch, |message| Delivery {
            payload: payload(&message),
            redelivered: message.redelivered,
            lease: message.lease,
        });
        source.start(&self.tasks).await
    }

    async fn is_served(&self, lane: &Lane) -> Result<bool, MeshError> {
        self.is_open()?;
        self.presence().serves(&self.lane(lane)).await
    }

    async fn dead_letters(&self) -> Result<Consumer<DeadLetter>, MeshError> {
        self.is_open()?;
        let source = self.source([topology::dead()].into(), DEAD_PREFETCH, |message| DeadLetter {
            job_id: properties::job_id(&message.properties),
            digest: properties::digest(&message.properties),
            reason: properties::death(&message.properties),
            body: message.body.into(),
            lease: message.lease,
        });
        source.start(&self.tasks).await
    }

    async fn append(&self, entry: LogEntry) -> Result<(), MeshError> {
        self.outbox.append(entry).await
    }

    async fn follow_log(&self, from: LogStart) -> Result<mpsc::Receiver<LogMessage>, MeshError> {
        self.is_open()?;
        let route = [topology::log(&self.config.topology)].into();
        let reading: fn(u64, Vec<u8>) -> LogMessage = |offset, body| log_message(offset, &body);
        Ok(self.follow(route, from, reading))
    }

    async fn log_start(&self) -> Result<Option<u64>, MeshError> {
        self.is_open()?;
        self.log.start().await
    }

    async fn read_log(&self, offset: u64) -> Result<LogMessage, MeshError> {
        self.is_open()?;
        self.log.read(offset).await
    }

    async fn announce_cancel(&self, job_id: &str) -> Result<(), MeshError> {
        self.is_open()?;
        let notice = CancelNotice {
            version: FORMAT_VERSION,
            job_id: job_id.to_owned(),
            ..CancelNotice::default()
        };
        let message = cancels::message(self.cancels(), &notice);
        self.records.publish(message).await.map_err(record_failure)
    }

    async fn follow_cancels(&self) -> Result<mpsc::Receiver<CancelNews>, MeshError> {
        self.is_open()?;
        let (publisher, route) = (self.records.clone(), self.cancels());
        let reading = Cancels { publisher, route: route.clone(), awaited: None };
        Ok(self.follow(route, LogStart::First, reading))
    }

    async fn store(&self, parts: Vec<Bytes>) -> Result<BulkReference, MeshError> {
        self.is_open()?;
        self.bulk.store(parts).await
    }

    async fn load(&self, reference: &BulkReference) -> Result<Vec<Bytes>, MeshError> {
        self.is_open()?;
        self.bulk.load(reference).await
    }

    async fn ask(
        &self,
        request: LookupRequest,
        patience: Duration,
    ) -> Result<LookupAnswer, MeshError> {
        self.is_open()?;
        self.asker.ask(&request, patience).await
    }

    async fn questions(&self) -> Result<Consumer<Question>, MeshError> {
        self.is_open()?;
        let source = Source {
            // Answers are published by the channel that the questions came by.
            link: self.publishing.clone(),
            ..self.source([topology::lookup()].into(), QUESTIONS_PREFETCH, |message| message)
        };
        lookup_server::take(source, &self.tasks).await
    }

    async fn be_present(&self, id: &str) -> Result<(), MeshError> {
        self.is_open()?;
        self.presence().begin(id, self.closed.clone(), &self.tasks).await
    }

    async fn is_present(&self, id: &str) -> Result<bool, MeshError> {
        self.is_open()?;
        self.presence().sees(id).await
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }

    async fn close(&self, grace: Duration) {
        if time::timeout(grace, self.outbox.drained()).await.is_err() {
            tracing::warn!("closing with entries that the log does not have");
        }
        self.closed.cancel();
        self.tasks.close();
        if time::timeout(GOODBYE, self.tasks.wait()).await.is_err() {
            tracing::warn!("some of the mesh's tasks did not end in time");
        }
    }
}

/// Waits for a session, or for an answer that there is none to be had.
async fn ready(link: &Link) -> Result<(), MeshError> {
    let mut phases = link.phases();
    let answered = phases.wait_for(|phase| {
        matches!(phase, Phase::Up(_) | Phase::Closed | Phase::Down(MeshError::Refused(_)))
    });
    match answered.await.as_deref() {
        Ok(Phase::Up(_)) => Ok(()),
        Ok(Phase::Down(error)) => Err(error.clone()),
        Ok(Phase::Closed) | Err(_) => Err(MeshError::Closed),
    }
}

/// Tells how the two connections are, until they are closed.
async fn watch_health(publishing: Link, consuming: Link, verdict: watch::Sender<Health>) {
    let (mut one, mut other) = (publishing.phases(), consuming.phases());
    loop {
        let health = health_of(&[&*one.borrow_and_update(), &*other.borrow_and_update()]);
        verdict.send_if_modified(|last| {
            let news = *last != health;
            *last = health;
            news
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

fn health_of(phases: &[&Phase]) -> Health {
    let disconnected = phases.iter().find_map(|phase| match phase {
        Phase::Down(error) => Some(error.to_string()),
        Phase::Closed => Some(MeshError::Closed.to_string()),
        Phase::Up(_) => None,
    });
    let blocked = phases.iter().find_map(|phase| match phase {
        Phase::Up(session) => session.blocked(),
        _ => None,
    });
    match (disconnected, blocked) {
        (Some(error), _) => Health::Disconnected { error },
        (None, Some(reason)) => Health::Blocked { reason: reason.to_owned() },
        (None, None) => Health::Ready,
    }
}

fn payload(message: &consumer::Message) -> Payload {
    let job_id = properties::job_id(&message.properties);
    // A later format may be unreadable, or worse, look readable.
    let told = properties::format_version(&message.properties).unwrap_or(0);
    if told > FORMAT_VERSION {
        return Payload::Later { version: told, job_id };
    }
    match JobEnvelope::decode(message.body.as_slice()) {
        Ok(job) if job.version > FORMAT_VERSION => Payload::Later { version: job.version, job_id },
        Ok(job) => Payload::Job(Box::new(job)),
        Err(error) => Payload::Unreadable {
            job_id,
            digest: properties::digest(&message.properties),
            error: error.to_string(),
        },
    }
}
