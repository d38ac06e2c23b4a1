//! The leases of what was delivered over a channel.

use std::{future::pending, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use lapin::{
    Acker, Channel,
    message::Delivery as Incoming,
    options::{BasicAckOptions, BasicNackOptions, BasicRejectOptions},
};
use tokio::{sync::mpsc, time};
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

use super::connection::Session;
use crate::{Lease, LeaseLost, Settle};

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

/// The leases of a channel, until it is closed.
pub(super) struct Leases {
    channel: Channel,
    timeout: Duration,
    /// Has one token for each unsettled lease, and one for each [`ReplyChannel`] that is held.
    held: TaskTracker,
    dropped_sender: mpsc::UnboundedSender<Acker>,
    /// The leases that were dropped unsettled; the prefetch bounds their number. They are requeued
    /// when the consumer is stopped: before that, the broker would redeliver them at once to the
    /// same consumer, which counts towards the delivery limit.
    dropped: mpsc::UnboundedReceiver<Acker>,
}

impl Leases {
    /// No leases yet. `timeout` limits the time to settle one.
    pub(super) fn new(channel: Channel, timeout: Duration) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "bounded by the prefetch: each unsettled delivery is sent at most once, and \
                      `Drop` can't wait for room"
        )]
        let (dropped_sender, dropped) = mpsc::unbounded_channel();
        let held = TaskTracker::new();
        // So that `wait` returns whenever no token is held.
        held.close();
        Self { channel, timeout, held, dropped_sender, dropped }
    }

    /// The message of a delivery, with a lease.
    pub(super) fn lease(&self, incoming: Incoming) -> Message {
        let lease = Lease::new(Unsettled {
            acker: Some(incoming.acker),
            timeout: self.timeout,
            dropped_sender: self.dropped_sender.clone(),
            _token: self.held.token(),
        });
        Message {
            redelivered: incoming.redelivered,
            properties: incoming.properties,
            body: incoming.data.into(),
            lease,
            reply_channel: ReplyChannel {
                channel: self.channel.clone(),
                _token: self.held.token(),
            },
        }
    }

    /// Whether all were settled.
    pub(super) fn are_settled(&self) -> bool {
        self.held.is_empty() && self.dropped.is_empty()
    }

    /// Waits until all are settled: forever, if one was dropped.
    pub(super) async fn settled(&self) {
        self.held.wait().await;
        if !self.dropped.is_empty() {
            pending::<()>().await;
        }
    }

    /// Waits until none is held, and requeues those that are dropped. Then closes the channel.
    pub(super) async fn close(mut self, session: &Session) {
        loop {
            tokio::select! {
                Some(acker) = self.dropped.recv() => requeue(session, &acker).await,
                () = self.held.wait() => break,
            }
        }
        while let Ok(acker) = self.dropped.try_recv() {
            requeue(session, &acker).await;
        }
        if let Err(error) = session.with_timeout(self.channel.close(200, "done".into())).await {
            tracing::debug!(cause = %error, "cannot close a channel");
        }
    }
}

/// Requeues a message. On an error its channel is lost, and the broker requeues it by itself.
pub(super) async fn requeue(session: &Session, acker: &Acker) {
    let requeue = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
    if let Err(error) = session.with_timeout(acker.nack(requeue)).await {
        tracing::debug!(cause = %error, "cannot requeue a delivery");
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
