//! Publishing with confirms, pipelined: one channel with many messages in flight.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::{future::BoxFuture, stream::FuturesUnordered};
use lapin::{
    BasicProperties, Channel, Confirmation, ErrorKind,
    message::BasicReturnMessage,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{self, Instant},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    connection::{ConnectionHandle, ConnectionState, Session},
    metrics::BrokerMetrics,
    ready_batch::ready_batch,
    replica::ReplicaWatch,
    topology::Route,
    unroutable::{Outcome, ResolvedConfirm, ReturnMatcher},
};
use crate::{MeshError, backoff::Backoff};

/// The maximum number of requests that are queued for the channel.
const MAX_QUEUED: usize = 1024;
/// How long to wait for the confirms of a lost channel to fail.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);
/// The age at which a channel is replaced when the broker rejects a message. After the leader of a
/// quorum queue was killed, RabbitMQ 3.10 was seen to reject every message of a channel at once, for
/// as long as that node was down, although the queue was empty: probably, a channel opened before
/// the next leader is elected keeps the dead one as its address. A rejection by a queue that is
/// full looks the same, so the channel is not replaced more often.
const NACKED_CHANNEL_LIFETIME: Duration = Duration::from_secs(5);

/// A message to publish.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// The queue or stream that receives it. It is declared before the first message to it in
    /// each session, and again after a message to it was returned because it was missing.
    pub(super) route: Route,
    pub(super) properties: BasicProperties,
    pub(super) body: Bytes,
}

/// Why a publish was not confirmed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum PublishError {
    /// It was not sent.
    NotSent(MeshError),
    /// It was sent, but neither confirmed nor rejected: the outcome is unknown.
    Unknown,
    /// The broker rejected it.
    Nacked,
    /// No queue accepted it; the broker's reason.
    Returned(String),
}

/// The outcome of a publish.
pub(super) type PublishResult = Result<(), PublishError>;

/// A handle to a publishing channel.
#[derive(Clone, Debug)]
pub(super) struct Publisher {
    requests: mpsc::Sender<Request>,
    connection: ConnectionHandle,
    timeout: Duration,
    metrics: BrokerMetrics,
}

#[derive(Debug)]
struct Request {
    message: Message,
    /// Set once, either by the channel's task when it sends the message, or by the caller when it
    /// withdraws the message after its timeout. So no message is sent whose caller got `NotSent`.
    claimed: Arc<AtomicBool>,
    answer: oneshot::Sender<PublishResult>,
}

impl Publisher {
    /// Starts the channel's task as one of `tasks`, with at most `in_flight` unconfirmed messages.
    pub(super) fn start(
        connection: ConnectionHandle,
        in_flight: usize,
        timeout: Duration,
        metrics: BrokerMetrics,
        closed: CancellationToken,
        tasks: &TaskTracker,
    ) -> Self {
        let (requests, queue) = mpsc::channel(MAX_QUEUED);
        let task = PublisherTask {
            connection: connection.clone(),
            requests: queue,
            in_flight,
            replicas: ReplicaWatch::default(),
        };
        tasks.spawn(async move { closed.run_until_cancelled(task.run()).await });
        Self { requests, connection, timeout, metrics }
    }

    /// Publishes a message and waits for its confirm, until the publish timeout. Fails at once
    /// while the broker accepts no messages.
    pub(super) async fn publish(&self, message: Message) -> PublishResult {
        if let Some(MeshError::Blocked(reason)) = self.connection.unavailable_reason() {
            return Err(PublishError::NotSent(MeshError::Blocked(reason)));
        }
        let claimed = Arc::new(AtomicBool::new(false));
        match time::timeout(self.timeout, self.submit(message, Arc::clone(&claimed))).await {
            Ok(answer) => answer,
            Err(_) if claimed.swap(true, Ordering::AcqRel) => Err(PublishError::Unknown),
            Err(_) => Err(PublishError::NotSent(
                self.connection.unavailable_reason().unwrap_or_else(|| {
                    MeshError::Unavailable(
                        "not sent in time: too many unconfirmed messages".to_owned(),
                    )
                }),
            )),
        }
    }

    /// Publishes a message and waits for its confirm without a timeout: until it fails with the
    /// session.
    pub(super) async fn publish_without_timeout(&self, message: Message) -> PublishResult {
        self.submit(message, Arc::default()).await
    }

    async fn submit(&self, message: Message, claimed: Arc<AtomicBool>) -> PublishResult {
        let start = Instant::now();
        let (answer, answered) = oneshot::channel();
        let sent = Arc::clone(&claimed);
        let request = Request { message, claimed, answer };
        if self.requests.send(request).await.is_err() {
            return Err(PublishError::NotSent(MeshError::Closed));
        }
        let answer = answered.await.unwrap_or_else(|_| {
            Err(if sent.load(Ordering::Acquire) {
                PublishError::Unknown
            } else {
                PublishError::NotSent(MeshError::Closed)
            })
        });
        if answer.is_ok() {
            self.metrics.confirmed(start.into_std());
        }
        answer
    }
}

/// The channel's task.
struct PublisherTask {
    connection: ConnectionHandle,
    requests: mpsc::Receiver<Request>,
    in_flight: usize,
    replicas: ReplicaWatch,
}

impl PublisherTask {
    async fn run(mut self) {
        let mut backoff = Backoff::for_broker();
        while let Some(session) = self.connection.session().await {
            match open(&session).await {
                Ok(channel) => {
                    backoff.reset();
                    self.serve(&session, channel).await;
                }
                Err(error) => {
                    tracing::warn!(cause = %error, "cannot open a publishing channel");
                    time::sleep(backoff.next_delay()).await;
                }
            }
        }
    }

    /// Publishes the requested messages until the channel is lost.
    async fn serve(&mut self, session: &Session, channel: Channel) {
        let mut states = self.connection.subscribe();
        let mut declared = HashSet::new();
        let mut confirms = FuturesUnordered::new();
        let mut matcher = ReturnMatcher::default();
        let mut requests = Vec::new();
        let mut sent: u64 = 0;
        let opened = Instant::now();
        while channel.status().connected() {
            let accepting = match &*states.borrow_and_update() {
                ConnectionState::Connected(current) => {
                    current.is_same_as(session) && current.blocked().is_none()
                }
                _ => false,
            };
            // Requests wait while the broker accepts no messages.
            let room = if accepting { self.in_flight.saturating_sub(confirms.len()) } else { 0 };
            tokio::select! {
                biased;
                batch = ready_batch(&mut confirms) => {
                    let none_in_flight = confirms.is_empty();
                    let reported = report(&mut matcher, &mut declared, batch, none_in_flight);
                    let stale = reported.nacked && opened.elapsed() >= NACKED_CHANNEL_LIFETIME;
                    if reported.lost || stale { break }
                }
                count = self.requests.recv_many(&mut requests, room), if room > 0 => {
                    if count == 0 { return }
                    for request in requests.drain(..) {
                        if let Some(request) =
                            self.prepare(session, &mut declared, request).await
                        {
                            sent += 1;
                            confirms.push(confirm(channel.clone(), sent, request));
                        }
                    }
                }
                changed = states.changed() => if changed.is_err() || !is_current(&states, session) {
                    break
                },
            }
        }
        // Confirms still in flight now fail, or have just succeeded. Those that do neither within
        // the timeout are dropped, and their callers get `PublishError::Unknown`.
        let drain = async {
            while !confirms.is_empty() {
                let batch = ready_batch(&mut confirms).await;
                report(&mut matcher, &mut declared, batch, confirms.is_empty());
            }
        };
        let _ = time::timeout(DRAIN_TIMEOUT, drain).await;
    }

    /// Declares the route of a message if necessary, and claims the message; `None` if its caller
    /// has withdrawn it or the route can't be declared. Abandons the session if another node may
    /// have what this one lacks.
    async fn prepare(
        &mut self,
        session: &Session,
        declared: &mut HashSet<String>,
        request: Request,
    ) -> Option<Request> {
        let route = &request.message.route;
        if !declared.contains(route.name()) {
            if request.answer.is_closed() {
                return None;
            }
            if let Err(error) = session.declare(route.queues()).await {
                if self.replicas.failed(route.name(), &error, Instant::now()) {
                    self.connection.abandon(session);
                }
                // The caller may have stopped waiting.
                let _ = request.answer.send(Err(PublishError::NotSent(error)));
                return None;
            }
            self.replicas.found(route.name());
            declared.insert(route.name().to_owned());
        }
        let withdrawn = request.claimed.swap(true, Ordering::AcqRel);
        (!withdrawn).then_some(request)
    }
}

fn is_current(states: &tokio::sync::watch::Receiver<ConnectionState>, session: &Session) -> bool {
    matches!(&*states.borrow(), ConnectionState::Connected(current) if current.is_same_as(session))
}

async fn open(session: &Session) -> Result<Channel, MeshError> {
    let channel = session.channel().await?;
    session.with_timeout(channel.confirm_select(ConfirmSelectOptions::default())).await?;
    Ok(channel)
}

/// A message in flight, and where to send its outcome.
struct Sent {
    route: Route,
    answer: oneshot::Sender<PublishResult>,
}

type Confirm = BoxFuture<'static, (u64, Sent, Result<Confirmation, PublishError>)>;

/// Sends a message and awaits its confirm. The `number` is set as the message's correlation id, by
/// which a returned message is identified.
fn confirm(channel: Channel, number: u64, request: Request) -> Confirm {
    Box::pin(async move {
        let Request { message, answer, .. } = request;
        let Message { route, properties, body } = message;
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let properties = properties.with_correlation_id(number.to_string().into());
        let key = route.name().into();
        let sending = channel.basic_publish("".into(), key, options, &body, properties).await;
        let confirmation = match sending {
            Ok(confirm) => confirm.await.map_err(|_| PublishError::Unknown),
            Err(error) => Err(match error.kind() {
                // lapin checks the channel's state before it sends anything.
                ErrorKind::InvalidChannelState(..) => {
                    PublishError::NotSent(MeshError::Unavailable(error.to_string()))
                }
                _ => PublishError::Unknown,
            }),
        };
        (number, Sent { route, answer }, confirmation)
    })
}

/// What the outcomes of some messages say about their channel.
#[derive(Clone, Copy, Debug, Default)]
struct Reported {
    /// It is lost.
    lost: bool,
    /// The broker rejected a message.
    nacked: bool,
}

/// Sends the outcomes that are certain to their callers. Returns what they say about the channel.
///
/// An ack is not certain by itself: the broker also acks a message that it has returned, and lapin
/// may attach the return to another confirm; see [`ReturnMatcher`].
fn report(
    matcher: &mut ReturnMatcher<Sent>,
    declared: &mut HashSet<String>,
    batch: Vec<(u64, Sent, Result<Confirmation, PublishError>)>,
    none_in_flight: bool,
) -> Reported {
    let mut reported = Reported::default();
    let mut observed = Vec::with_capacity(batch.len());
    for (number, sent, confirmation) in batch {
        // The callers below may have stopped waiting.
        match confirmation {
            Ok(confirmation @ (Confirmation::Ack(_) | Confirmation::Nack(_))) => {
                let acked = confirmation.is_ack();
                let returned = confirmation
                    .take_message()
                    .map(|message| (number_of(&message), message.reply_text.to_string()));
                observed.push(ResolvedConfirm { number, message: sent, acked, returned });
            }
            Ok(Confirmation::NotRequested) => drop(sent.answer.send(Err(PublishError::Unknown))),
            Err(error) => {
                reported.lost = true;
                let _ = sent.answer.send(Err(error));
            }
        }
    }
    for (sent, outcome) in matcher.observe(observed, none_in_flight) {
        let _ = sent.answer.send(match outcome {
            Outcome::Stored => Ok(()),
            Outcome::Nacked => {
                reported.nacked = true;
                Err(PublishError::Nacked)
            }
            Outcome::Returned(why) => {
                // The queue was deleted: the next message declares it again.
                declared.remove(sent.route.name());
                Err(PublishError::Returned(why))
            }
        });
    }
    reported
}

/// The number of a returned message; 0, which no message has, if it can't be read.
fn number_of(returned: &BasicReturnMessage) -> u64 {
    let number = returned.delivery.properties.correlation_id().as_ref();
    number.and_then(|number| number.as_str().parse().ok()).unwrap_or(0)
}
