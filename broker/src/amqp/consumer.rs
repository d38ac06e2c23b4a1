//! Consumers of queues, which subscribe again after every lost channel or connection.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use lapin::{
    Acker, Channel,
    message::Delivery as Incoming,
    options::{
        BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions,
        BasicQosOptions, BasicRejectOptions,
    },
    types::FieldTable,
};
use tokio::{
    sync::{mpsc, oneshot},
    time,
};
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

use super::{
    connection::{ConnectionHandle, Session},
    topology::Route,
};
use crate::{Consumer, Lease, LeaseLost, MeshError, Settle, Stop, backoff::Backoff};

/// Decodes a message into its items: one for most messages.
pub(super) type Decode<T> = Arc<dyn Fn(Message) -> Vec<T> + Send + Sync>;

/// A queue to consume, and how to decode its messages.
pub(super) struct Source<T> {
    pub(super) connection: ConnectionHandle,
    pub(super) route: Route,
    pub(super) prefetch: u16,
    pub(super) request_timeout: Duration,
    /// Ends the consumer at once when it is cancelled, even if deliveries are still unsettled.
    pub(super) closed: CancellationToken,
    pub(super) decode: Decode<T>,
    /// Maximum number of items of a message.
    pub(super) max_items: usize,
}

/// A delivered message and its lease.
pub(super) struct Message {
    pub(super) redelivered: bool,
    pub(super) properties: lapin::BasicProperties,
    pub(super) body: Bytes,
    pub(super) lease: Lease,
    pub(super) reply_channel: ReplyChannel,
}

/// The channel by which a message was delivered, for answers to it. It stays open while this is
/// held, even after its consumer was stopped.
#[derive(Debug)]
pub(super) struct ReplyChannel {
    pub(super) channel: Channel,
    _token: TaskTrackerToken,
}

impl<T: Send + 'static> Source<T> {
    /// Starts a consumer as one of `tasks`. Returns once it has subscribed, or when it has not
    /// within the request timeout: then it keeps trying.
    ///
    /// # Errors
    ///
    /// When the broker refuses, or the mesh is closed.
    pub(super) async fn start(self, tasks: &TaskTracker) -> Result<Consumer<T>, MeshError> {
        let capacity = usize::from(self.prefetch.max(1)) * self.max_items;
        let (items, receiver) = mpsc::channel(capacity);
        let stop = self.closed.child_token();
        let (started, first) = oneshot::channel();
        let consumer = Consumer::new(receiver, stop.clone());
        let timeout = self.request_timeout;
        tasks.spawn(self.run(items, stop, started));
        match time::timeout(timeout, first).await {
            Ok(Ok(Err(refused))) => Err(refused),
            Ok(Err(_)) => Err(MeshError::Closed),
            // On an outage, the task keeps trying.
            Ok(Ok(Ok(()))) | Err(_) => Ok(consumer),
        }
    }

    async fn run(
        self,
        items: mpsc::Sender<T>,
        stop: Stop,
        started: oneshot::Sender<Result<(), MeshError>>,
    ) {
        let mut started = Some(started);
        let mut backoff = Backoff::for_broker();
        while let Some(Some(session)) = stop.run_until_cancelled(self.connection.session()).await {
            let subscription = self.subscribe(&session).await;
            let outcome = subscription.as_ref().map(|_| ()).map_err(MeshError::clone);
            let refused = matches!(outcome, Err(MeshError::Refused(_)));
            if (outcome.is_ok() || refused)
                && let Some(started) = started.take()
            {
                // A refusal ends the task only if the caller of `start` still waits and gets the
                // error. After that it is retried like an outage.
                let received = started.send(outcome);
                if refused && received.is_ok() {
                    return;
                }
            }
            match subscription {
                Ok(mut subscription) => {
                    backoff.reset();
                    match subscription.deliver(&self, &session, &items, &stop).await {
                        SubscriptionEnd::Stopped => {
                            // Drops an item that was sent while the consumer was being stopped.
                            // Otherwise `unsubscribe` would wait for its lease.
                            drop(items);
                            return subscription.unsubscribe(&self, &session).await;
                        }
                        SubscriptionEnd::Lost => {}
                    }
                }
                Err(error) => {
                    let queue = self.route.name();
                    tracing::warn!(queue, %error, "cannot consume yet, retrying");
                }
            }
            stop.run_until_cancelled(time::sleep(backoff.next_delay())).await;
        }
    }

    async fn subscribe(&self, session: &Session) -> Result<Subscription, MeshError> {
        session.declare(self.route.queues()).await?;
        let channel = session.channel().await?;
        let consumer =
            consume(session, &channel, self.route.name(), self.prefetch, FieldTable::default())
                .await?;
        #[expect(
            clippy::disallowed_methods,
            reason = "bounded by the prefetch: each unsettled delivery is sent at most once, and \
                      `Drop` can't wait for room"
        )]
        let (dropped_sender, dropped_leases) = mpsc::unbounded_channel();
        Ok(Subscription {
            channel,
            consumer,
            leases: TaskTracker::new(),
            dropped_sender,
            dropped_leases,
        })
    }
}

/// Starts to consume a queue over a channel.
pub(super) async fn consume(
    session: &Session,
    channel: &Channel,
    queue: &str,
    prefetch: u16,
    arguments: FieldTable,
) -> Result<lapin::Consumer, MeshError> {
    session.with_timeout(channel.basic_qos(prefetch.max(1), BasicQosOptions::default())).await?;
    let options = BasicConsumeOptions::default();
    session.with_timeout(channel.basic_consume(queue.into(), "".into(), options, arguments)).await
}

/// Why a subscription ended.
enum SubscriptionEnd {
    /// Its consumer was stopped.
    Stopped,
    /// Its channel or session was lost.
    Lost,
}

/// A consumer on one channel, until the channel is lost or the consumer stopped.
struct Subscription {
    channel: Channel,
    consumer: lapin::Consumer,
    /// Has one token for each unsettled lease, and one for each [`ReplyChannel`] that is held.
    leases: TaskTracker,
    dropped_sender: mpsc::UnboundedSender<Acker>,
    /// The leases that were dropped unsettled; the prefetch bounds their number. They are requeued
    /// when the consumer is stopped: before that, the broker would redeliver them at once to the
    /// same consumer, which counts towards the delivery limit.
    dropped_leases: mpsc::UnboundedReceiver<Acker>,
}

impl Subscription {
    /// Delivers messages until the consumer is stopped or the channel is lost.
    async fn deliver<T: Send + 'static>(
        &mut self,
        source: &Source<T>,
        session: &Session,
        items: &mpsc::Sender<T>,
        stop: &Stop,
    ) -> SubscriptionEnd {
        loop {
            // Room first, so that a message that was received can be delivered at once.
            let next = async {
                let place = items.reserve().await.ok()?;
                Some((place, self.consumer.next().await))
            };
            let next = tokio::select! {
                next = next => next,
                () = stop.cancelled() => None,
                () = source.connection.session_ended(session) => return SubscriptionEnd::Lost,
            };
            match next {
                Some((place, Some(Ok(incoming)))) => {
                    let message = self.lease(incoming, source.request_timeout);
                    let mut decoded = (source.decode)(message).into_iter();
                    if let Some(first) = decoded.next() {
                        place.send(first);
                    }
                    for item in decoded {
                        // Those that are dropped here release their leases.
                        let sent = tokio::select! {
                            sent = items.send(item) => sent.is_ok(),
                            () = stop.cancelled() => false,
                        };
                        if !sent {
                            return SubscriptionEnd::Stopped;
                        }
                    }
                }
                Some((_, Some(Err(error)))) => {
                    tracing::warn!(queue = source.route.name(), %error, "consumer channel lost");
                    return SubscriptionEnd::Lost;
                }
                Some((_, None)) => {
                    tracing::warn!(queue = source.route.name(), "consumer cancelled by the broker");
                    return SubscriptionEnd::Lost;
                }
                None => return SubscriptionEnd::Stopped,
            }
        }
    }

    fn lease(&self, incoming: Incoming, timeout: Duration) -> Message {
        let lease = Lease::new(Unsettled {
            acker: Some(incoming.acker),
            timeout,
            dropped_sender: self.dropped_sender.clone(),
            _token: self.leases.token(),
        });
        Message {
            redelivered: incoming.redelivered,
            properties: incoming.properties,
            body: incoming.data.into(),
            lease,
            reply_channel: ReplyChannel {
                channel: self.channel.clone(),
                _token: self.leases.token(),
            },
        }
    }

    /// Cancels the consumer and waits for its leases, until the session ends or the mesh is closed.
    async fn unsubscribe<T>(self, source: &Source<T>, session: &Session) {
        tokio::select! {
            () = self.shut_down(session) => {}
            () = source.closed.cancelled() => {}
            () = source.connection.session_ended(session) => {}
        }
    }

    /// Cancels the consumer, requeues the messages that were not delivered, and keeps the channel
    /// open until all leases are settled.
    async fn shut_down(mut self, session: &Session) {
        let cancel = self.channel.basic_cancel(self.consumer.tag(), BasicCancelOptions::default());
        if let Err(error) = session.with_timeout(cancel).await {
            // When the channel closes, the broker requeues everything.
            tracing::warn!(%error, "cannot cancel a consumer");
            return;
        }
        while let Some(Ok(incoming)) = self.consumer.next().await {
            requeue(session, &incoming.acker).await;
        }
        self.leases.close();
        loop {
            tokio::select! {
                Some(acker) = self.dropped_leases.recv() => requeue(session, &acker).await,
                () = self.leases.wait() => break,
            }
        }
        while let Ok(acker) = self.dropped_leases.try_recv() {
            requeue(session, &acker).await;
        }
        if let Err(error) = session.with_timeout(self.channel.close(200, "done".into())).await {
            tracing::debug!(%error, "cannot close a channel");
        }
    }
}

/// Requeues a message. On an error its channel is lost, and the broker requeues it by itself.
async fn requeue(session: &Session, acker: &Acker) {
    let requeue = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
    if let Err(error) = session.with_timeout(acker.nack(requeue)).await {
        tracing::debug!(%error, "cannot requeue a delivery");
    }
}

/// A delivery that is not settled yet.
#[derive(Debug)]
struct Unsettled {
    /// `None` once it is settled.
    acker: Option<Acker>,
    timeout: Duration,
    dropped_sender: mpsc::UnboundedSender<Acker>,
    _token: TaskTrackerToken,
}

impl Unsettled {
    /// Settles the delivery. An acker whose channel is closed returns `false` or an error. A
    /// settlement that times out counts as lost too, as its outcome is unknown.
    async fn settle(
        mut self: Box<Self>,
        how: impl AsyncFnOnce(&Acker) -> lapin::Result<bool>,
    ) -> Result<(), LeaseLost> {
        let acker = self.acker.take().ok_or(LeaseLost)?;
        match time::timeout(self.timeout, how(&acker)).await {
            Ok(Ok(true)) => Ok(()),
            _ => Err(LeaseLost),
        }
    }
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        if let Some(acker) = self.acker.take() {
            // Fails when the subscription has ended: then the broker requeues the message.
            let _ = self.dropped_sender.send(acker);
        }
    }
}

#[async_trait]
impl Settle for Unsettled {
    fn is_live(&self) -> bool {
        // Not live once the subscription has ended, which drops the receiver of `dropped_sender`.
        !self.dropped_sender.is_closed() && self.acker.as_ref().is_some_and(Acker::usable)
    }

    async fn ack(self: Box<Self>) -> Result<(), LeaseLost> {
        self.settle(async |acker| acker.ack(BasicAckOptions::default()).await).await
    }

    async fn requeue(self: Box<Self>) -> Result<(), LeaseLost> {
        let requeue = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
        self.settle(async |acker| acker.nack(requeue).await).await
    }

    async fn reject(self: Box<Self>) -> Result<(), LeaseLost> {
        let dead = BasicRejectOptions { requeue: false };
        self.settle(async |acker| acker.reject(dead).await).await
    }
}
