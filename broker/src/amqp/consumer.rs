//! Consumers of queues, which subscribe again after every lost channel or connection.

use std::{sync::Arc, time::Duration};

use futures::StreamExt as _;
use lapin::{
    Channel,
    message::Delivery as Incoming,
    options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions},
    types::FieldTable,
};
use tokio::{
    sync::{mpsc, oneshot},
    time,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    connection::{ConnectionHandle, Session},
    lane_feed::LaneFeed,
    leases::{Leases, Message, requeue},
    topology::{LaneQueues, Route},
};
use crate::{Consumer, MeshError, Rank, Stop, backoff::Backoff};

/// Decodes a message into its items: one for most messages.
pub(super) type Decode<T> = Arc<dyn Fn(Message) -> Vec<T> + Send + Sync>;

/// What to consume.
#[derive(Clone)]
pub(super) enum Queues {
    /// One queue, with a prefetch.
    One(Route, u16),
    /// The queues of a lane in turns, one message at a time.
    Lane(Arc<LaneQueues>),
}

impl Queues {
    /// The name for logs.
    fn name(&self) -> &str {
        match self {
            Self::One(route, _) => route.name(),
            Self::Lane(queues) => queues.of(Rank::Normal).name(),
        }
    }

    /// The maximum number of messages that are unsettled at once.
    fn prefetch(&self) -> u16 {
        match self {
            Self::One(_, prefetch) => (*prefetch).max(1),
            Self::Lane(_) => 1,
        }
    }
}

/// What to consume, and how to decode its messages.
pub(super) struct Source<T> {
    pub(super) connection: ConnectionHandle,
    pub(super) queues: Queues,
    pub(super) request_timeout: Duration,
    /// Ends the consumer at once when it is cancelled, even if deliveries are still unsettled.
    pub(super) closed: CancellationToken,
    pub(super) decode: Decode<T>,
    /// Maximum number of items of a message.
    pub(super) max_items: usize,
}

impl<T: Send + 'static> Source<T> {
    /// Starts a consumer as one of `tasks`. Returns once it has subscribed, or when it has not
    /// within the request timeout: then it keeps trying.
    ///
    /// # Errors
    ///
    /// When the broker refuses, or the mesh is closed.
    pub(super) async fn start(self, tasks: &TaskTracker) -> Result<Consumer<T>, MeshError> {
        let stop = self.closed.child_token();
        let items = self.start_until(stop.clone(), tasks).await?;
        Ok(Consumer::new(items, stop))
    }

    /// As [`start`](Self::start), until `stop`.
    pub(super) async fn start_until(
        self,
        stop: Stop,
        tasks: &TaskTracker,
    ) -> Result<mpsc::Receiver<T>, MeshError> {
        let capacity = usize::from(self.queues.prefetch()) * self.max_items;
        let (items, receiver) = mpsc::channel(capacity);
        let (started, first) = oneshot::channel();
        let timeout = self.request_timeout;
        tasks.spawn(self.run(items, stop, started));
        match time::timeout(timeout, first).await {
            Ok(Ok(Err(refused))) => Err(refused),
            Ok(Err(_)) => Err(MeshError::Closed),
            // On an outage, the task keeps trying.
            Ok(Ok(Ok(()))) | Err(_) => Ok(receiver),
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
                    let queue = self.queues.name();
                    tracing::warn!(queue, cause = %error, "cannot consume yet, retrying");
                }
            }
            stop.run_until_cancelled(time::sleep(backoff.next_delay())).await;
        }
    }

    async fn subscribe(&self, session: &Session) -> Result<Subscription, MeshError> {
        let (channel, feed) = match &self.queues {
            Queues::One(route, prefetch) => {
                session.declare(route.queues()).await?;
                let channel = session.channel().await?;
                let (name, none) = (route.name(), FieldTable::default());
                let consumer = consume(session, &channel, name, *prefetch, none).await?;
                (channel, Feed::One(consumer))
            }
            Queues::Lane(queues) => {
                session.declare(&queues.all()).await?;
                let channel = session.channel().await?;
                let feed = LaneFeed::open(session, &channel, Arc::clone(queues)).await?;
                (channel, Feed::Lane(Box::new(feed)))
            }
        };
        let leases = Leases::new(channel.clone(), self.request_timeout);
        Ok(Subscription { channel, feed, leases })
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

/// What a feed has next.
pub(super) enum Next {
    /// A delivery.
    Delivery(Box<Incoming>),
    /// Nothing: its consumer was stopped.
    Stopped,
    /// Nothing: its channel was lost, or the broker ended it.
    Lost(String),
}

/// The deliveries of a subscription.
enum Feed {
    One(lapin::Consumer),
    Lane(Box<LaneFeed>),
}

impl Feed {
    async fn next(&mut self, leases: &Leases, stop: &Stop) -> Next {
        match self {
            Self::One(consumer) => match stop.run_until_cancelled(consumer.next()).await {
                Some(Some(Ok(incoming))) => Next::Delivery(Box::new(incoming)),
                Some(Some(Err(error))) => Next::Lost(error.to_string()),
                Some(None) => Next::Lost(CANCELLED.to_owned()),
                None => Next::Stopped,
            },
            Self::Lane(feed) => feed.next(leases, stop).await,
        }
    }

    /// Ends the deliveries, and requeues those that were not returned.
    async fn close(self, session: &Session, channel: &Channel) -> Result<(), MeshError> {
        match self {
            Self::One(consumer) => cancel(session, channel, consumer).await,
            Self::Lane(feed) => feed.close().await,
        }
    }
}

/// Why a consumer has ended without an error.
pub(super) const CANCELLED: &str = "cancelled by the broker";

/// Cancels a consumer, and requeues the messages that it had received.
pub(super) async fn cancel(
    session: &Session,
    channel: &Channel,
    mut consumer: lapin::Consumer,
) -> Result<(), MeshError> {
    let cancel = channel.basic_cancel(consumer.tag(), BasicCancelOptions::default());
    session.with_timeout(cancel).await?;
    while let Some(Ok(incoming)) = consumer.next().await {
        requeue(session, &incoming.acker).await;
    }
    Ok(())
}

/// A consumer on one channel, until the channel is lost or the consumer stopped.
struct Subscription {
    channel: Channel,
    feed: Feed,
    leases: Leases,
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
        let ended = source.connection.session_ended(session);
        let delivering = self.deliver_all(source, items, stop);
        tokio::select! {
            end = delivering => end,
            () = ended => SubscriptionEnd::Lost,
        }
    }

    async fn deliver_all<T: Send + 'static>(
        &mut self,
        source: &Source<T>,
        items: &mpsc::Sender<T>,
        stop: &Stop,
    ) -> SubscriptionEnd {
        loop {
            // Room first, so that a message that was received can be delivered at once.
            let Some(Ok(place)) = stop.run_until_cancelled(items.reserve()).await else {
                return SubscriptionEnd::Stopped;
            };
            let incoming = match self.feed.next(&self.leases, stop).await {
                Next::Delivery(incoming) => incoming,
                Next::Stopped => return SubscriptionEnd::Stopped,
                Next::Lost(cause) => {
                    tracing::warn!(queue = source.queues.name(), cause, "consumer lost");
                    return SubscriptionEnd::Lost;
                }
            };
            let mut decoded = (source.decode)(self.leases.lease(*incoming)).into_iter();
            if let Some(first) = decoded.next() {
                place.send(first);
            }
            for item in decoded {
                // Those that are dropped here release their leases.
                let sent = stop.run_until_cancelled(items.send(item)).await;
                if !matches!(sent, Some(Ok(()))) {
                    return SubscriptionEnd::Stopped;
                }
            }
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
    async fn shut_down(self, session: &Session) {
        let Self { channel, feed, leases } = self;
        if let Err(error) = feed.close(session, &channel).await {
            // When the channel closes, the broker requeues everything.
            tracing::warn!(cause = %error, "cannot cancel a consumer");
            return;
        }
        leases.close(session).await;
    }
}
