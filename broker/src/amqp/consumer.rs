//! Taking from a queue, over as many channels and connections as it takes.

use std::time::Duration;

use async_trait::async_trait;
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
    backoff::Backoff,
    connection::{Link, Session},
    topology::Route,
};
use crate::{Consumer, Lease, LeaseLost, MeshError, Settle, Stop};

/// A source of deliveries: a queue and what to make of its messages.
pub(super) struct Source<T> {
    pub(super) link: Link,
    pub(super) route: Route,
    pub(super) prefetch: u16,
    pub(super) request_timeout: Duration,
    /// The deliveries are in the hands of the consumer's user at most until then.
    pub(super) closed: CancellationToken,
    pub(super) decode: fn(Message) -> T,
}

/// A message that came, and its lease.
pub(super) struct Message {
    pub(super) redelivered: bool,
    pub(super) properties: lapin::BasicProperties,
    pub(super) body: Vec<u8>,
    pub(super) lease: Lease,
    pub(super) way: Way,
}

/// The channel that a message came by. A consumer that is stopped leaves it open as
/// long as this is held.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) channel: Channel,
    _token: TaskTrackerToken,
}

impl<T: Send + 'static> Source<T> {
    /// Starts consuming, as one of `tasks`; returns once the first attempt to
    /// declare the queue has an answer, or is under way for the time of a request.
    pub(super) async fn start(self, tasks: &TaskTracker) -> Result<Consumer<T>, MeshError> {
        let (items, taken) = mpsc::channel(usize::from(self.prefetch.max(1)));
        let stop = self.closed.child_token();
        let (started, first) = oneshot::channel();
        let consumer = Consumer::new(taken, stop.clone());
        let patience = self.request_timeout;
        tasks.spawn(self.run(items, stop, started));
        match time::timeout(patience, first).await {
            Ok(Ok(Err(refused))) => Err(refused),
            Ok(Err(_)) => Err(MeshError::Closed),
            // An outage is for the task to sit out.
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
        let mut backoff = Backoff::default();
        while let Some(Some(session)) = stop.run_until_cancelled(self.link.session()).await {
            let subscription = self.subscribe(&session).await;
            let outcome = subscription.as_ref().map(|_| ()).map_err(MeshError::clone);
            let refused = matches!(outcome, Err(MeshError::Refused(_)));
            if (outcome.is_ok() || refused)
                && let Some(started) = started.take()
            {
                // Whoever asked may wait no longer; a refusal ends only the first try.
                let asked = started.send(outcome);
                if refused && asked.is_ok() {
                    return;
                }
            }
            match subscription {
                Ok(mut subscription) => {
                    backoff.reset();
                    match subscription.pump(&self, &session, &items, &stop).await {
                        Ended::Stopped => {
                            // What was sent as the consumer went is dropped here, else
                            // its lease would be waited for.
                            drop(items);
                            return subscription.leave(&self, &session).await;
                        }
                        Ended::Lost => {}
                    }
                }
                Err(error) => {
                    let queue = self.route.name();
                    tracing::warn!(queue, %error, "can't consume yet");
                }
            }
            stop.run_until_cancelled(time::sleep(backoff.next())).await;
        }
    }

    async fn subscribe(&self, session: &Session) -> Result<Subscription, MeshError> {
        session.declare(self.route.queues()).await?;
        let channel = session.channel().await?;
        let consumer =
            consume(session, &channel, self.route.name(), self.prefetch, FieldTable::default())
                .await?;
        let (abandoned, orphans) = mpsc::unbounded_channel();
        Ok(Subscription { channel, consumer, leases: TaskTracker::new(), abandoned, orphans })
    }
}

/// Begins to consume a queue by a channel.
pub(super) async fn consume(
    session: &Session,
    channel: &Channel,
    queue: &str,
    prefetch: u16,
    arguments: FieldTable,
) -> Result<lapin::Consumer, MeshError> {
    session.within(channel.basic_qos(prefetch.max(1), BasicQosOptions::default())).await?;
    let options = BasicConsumeOptions::default();
    session.within(channel.basic_consume(queue.into(), "".into(), options, arguments)).await
}

/// How a subscription ended.
enum Ended {
    /// Its consumer was stopped.
    Stopped,
    /// Its channel was lost.
    Lost,
}

/// One channel's life.
struct Subscription {
    channel: Channel,
    consumer: lapin::Consumer,
    /// One token a lease that is not settled, and one a way that is held.
    leases: TaskTracker,
    abandoned: mpsc::UnboundedSender<Acker>,
    /// The leases that were dropped unsettled: no more than the prefetch. They wait
    /// here until the consumer is stopped, as a requeue before that would come
    /// straight back, and count against the delivery limit.
    orphans: mpsc::UnboundedReceiver<Acker>,
}

impl Subscription {
    async fn pump<T: Send + 'static>(
        &mut self,
        source: &Source<T>,
        session: &Session,
        items: &mpsc::Sender<T>,
        stop: &Stop,
    ) -> Ended {
        loop {
            let next = async {
                let place = items.reserve().await.ok()?;
                Some((place, self.consumer.next().await))
            };
            let next = tokio::select! {
                next = next => next,
                () = stop.cancelled() => None,
                () = source.link.over(session) => return Ended::Lost,
            };
            match next {
                Some((place, Some(Ok(incoming)))) => {
                    place.send((source.decode)(self.lease(incoming, source.request_timeout)));
                }
                Some((_, Some(Err(error)))) => {
                    tracing::warn!(queue = source.route.name(), %error, "lost the consumer's channel");
                    return Ended::Lost;
                }
                Some((_, None)) => {
                    tracing::warn!(
                        queue = source.route.name(),
                        "the broker cancelled the consumer"
                    );
                    return Ended::Lost;
                }
                None => return Ended::Stopped,
            }
        }
    }

    fn lease(&self, incoming: Incoming, patience: Duration) -> Message {
        let lease = Lease::new(Unsettled {
            acker: Some(incoming.acker),
            patience,
            abandoned: self.abandoned.clone(),
            _token: self.leases.token(),
        });
        Message {
            redelivered: incoming.redelivered,
            properties: incoming.properties,
            body: incoming.data,
            lease,
            way: Way { channel: self.channel.clone(), _token: self.leases.token() },
        }
    }

    /// Winds down, as long as that is any use.
    async fn leave<T>(self, source: &Source<T>, session: &Session) {
        tokio::select! {
            () = self.wind_down(session) => {}
            () = source.closed.cancelled() => {}
            () = source.link.over(session) => {}
        }
    }

    /// Takes no more, gives back what no one took, and stays for what was taken.
    async fn wind_down(mut self, session: &Session) {
        let cancel = self.channel.basic_cancel(self.consumer.tag(), BasicCancelOptions::default());
        if let Err(error) = session.within(cancel).await {
            // The channel's end gives everything back.
            tracing::warn!(%error, "could not cancel a consumer");
            return;
        }
        while let Some(Ok(incoming)) = self.consumer.next().await {
            give_back(session, &incoming.acker).await;
        }
        self.leases.close();
        loop {
            tokio::select! {
                Some(orphan) = self.orphans.recv() => give_back(session, &orphan).await,
                () = self.leases.wait() => break,
            }
        }
        while let Ok(orphan) = self.orphans.try_recv() {
            give_back(session, &orphan).await;
        }
        if let Err(error) = session.within(self.channel.close(200, "done".into())).await {
            tracing::debug!(%error, "could not close a channel");
        }
    }
}

async fn give_back(session: &Session, acker: &Acker) {
    let requeue = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
    if let Err(error) = session.within(acker.nack(requeue)).await {
        tracing::debug!(%error, "the broker took a delivery back by itself");
    }
}

/// A delivery that awaits its settlement.
#[derive(Debug)]
struct Unsettled {
    /// Taken by the settlement.
    acker: Option<Acker>,
    patience: Duration,
    abandoned: mpsc::UnboundedSender<Acker>,
    _token: TaskTrackerToken,
}

impl Unsettled {
    /// Stale ackers answer `false` or an error; a settlement that hangs has not
    /// happened as far as we know.
    async fn settle(
        mut self: Box<Self>,
        how: impl AsyncFnOnce(&Acker) -> lapin::Result<bool>,
    ) -> Result<(), LeaseLost> {
        let acker = self.acker.take().ok_or(LeaseLost)?;
        match time::timeout(self.patience, how(&acker)).await {
            Ok(Ok(true)) => Ok(()),
            _ => Err(LeaseLost),
        }
    }
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        if let Some(acker) = self.acker.take() {
            // The channel is gone otherwise.
            let _ = self.abandoned.send(acker);
        }
    }
}

#[async_trait]
impl Settle for Unsettled {
    fn is_live(&self) -> bool {
        // Nobody looks after what was abandoned once the subscription has ended.
        !self.abandoned.is_closed() && self.acker.as_ref().is_some_and(Acker::usable)
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
