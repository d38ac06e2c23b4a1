//! Followers of streams, which resume at their position after every lost channel or connection.

use std::time::Duration;

use futures::{
    FutureExt as _, StreamExt as _,
    future::{self, BoxFuture},
};
use lapin::{
    Channel,
    message::Delivery as Incoming,
    options::BasicAckOptions,
    types::{AMQPValue, DeliveryTag},
};
use tokio::{
    sync::mpsc,
    time::{self, Instant},
};
use tokio_util::sync::CancellationToken;

use super::{
    connection::{ConnectionHandle, Session},
    consumer::consume,
    properties,
    replica::ReplicaWatch,
    topology::{Route, number, table, text},
};
use crate::{LogStart, MeshError, backoff::Backoff};

/// The prefetch: the number of messages that the broker sends ahead.
const PREFETCH: u16 = 500;
/// The number of messages after which they are acked, so that the broker sends more.
const ACK_EVERY: u64 = 250;
/// How long to wait without a message before those received are acked. Left unacked on a quiet
/// stream, they would make the broker take the consumer for one that hangs.
const ACK_DELAY: Duration = Duration::from_millis(200);

/// Decodes the messages of a stream for one follower.
pub(super) trait StreamHandler: Send + Sync {
    /// What the follower receives.
    type Item: Send;

    /// Called each time the stream was attached. The returned future runs concurrently with the
    /// reading, and is dropped when the stream is lost.
    fn attached(&mut self) -> BoxFuture<'static, ()> {
        Box::pin(future::ready(()))
    }

    /// Decodes a message; `None` skips it.
    fn decode(&mut self, offset: u64, body: Vec<u8>) -> Option<Self::Item>;

    /// Called when the stream was lost, before it is attached again. Returns an item that reports
    /// the loss to the follower, if any.
    fn lost(&mut self) -> Option<Self::Item> {
        None
    }
}

impl<T: Send> StreamHandler for fn(u64, Vec<u8>) -> T {
    type Item = T;

    fn decode(&mut self, offset: u64, body: Vec<u8>) -> Option<T> {
        Some(self(offset, body))
    }
}

/// A stream to follow.
pub(super) struct StreamFollower<R> {
    pub(super) connection: ConnectionHandle,
    pub(super) route: Route,
    /// How long the stream may bring no message before it is attached again.
    pub(super) idle_timeout: Duration,
    pub(super) handler: R,
}

impl<R: StreamHandler> StreamFollower<R> {
    /// Sends the messages from `from` on to `reader`, waiting for it while it is slow. Ends when
    /// the reader is dropped or `closed` is cancelled.
    pub(super) async fn follow(
        mut self,
        from: LogStart,
        reader: mpsc::Sender<R::Item>,
        closed: CancellationToken,
    ) {
        let mut position = Position { from, last: None };
        let following = async {
            let mut backoff = Backoff::for_broker();
            let mut replicas = ReplicaWatch::default();
            while let Some(session) = self.connection.session().await {
                match self.attach(&session, &position).await {
                    Ok(attached) => {
                        backoff.reset();
                        replicas.found(self.route.name());
                        let connection = self.connection.clone();
                        // Never completes, so that its end does not end the reading.
                        let background = self.handler.attached().then(|()| future::pending::<()>());
                        tokio::select! {
                            end = self.read(&session, attached, &mut position, &reader) => match end {
                                Ok(()) => return,
                                Err(error) => {
                                    let stream = self.route.name();
                                    tracing::warn!(stream, cause = %error, "stream channel lost");
                                }
                            },
                            () = connection.session_ended(&session) => {}
                            () = background => {}
                        }
                        if let Some(item) = self.handler.lost()
                            && reader.send(item).await.is_err()
                        {
                            return;
                        }
                    }
                    Err(error) => {
                        let stream = self.route.name();
                        tracing::warn!(stream, cause = %error, "cannot attach to the stream yet, retrying");
                        if replicas.failed(stream, &error, Instant::now()) {
                            self.connection.abandon(&session);
                        }
                    }
                }
                time::sleep(backoff.next_delay()).await;
            }
        };
        tokio::select! {
            () = following => {}
            () = reader.closed() => {}
            () = closed.cancelled() => {}
        }
    }

    async fn attach(
        &self,
        session: &Session,
        position: &Position,
    ) -> Result<AttachedStream, MeshError> {
        session.declare(self.route.queues()).await?;
        attach(session, self.route.name(), position.start(), PREFETCH).await
    }

    /// Reads until the channel is lost, which is an error, or the reader is dropped.
    async fn read(
        &mut self,
        session: &Session,
        mut attached: AttachedStream,
        position: &mut Position,
        reader: &mpsc::Sender<R::Item>,
    ) -> Result<(), MeshError> {
        loop {
            let incoming = match time::timeout(self.idle_timeout, attached.next()).await {
                Ok(incoming) => incoming.map_err(channel_lost)?,
                Err(_) => {
                    // Silent for too long: the broker may have forgotten this consumer.
                    attached = self.attach(session, position).await?;
                    continue;
                }
            };
            let Some(incoming) = incoming else { continue };
            let Some(offset) = properties::offset(&incoming.properties) else { continue };
            if !position.is_new(offset) {
                continue;
            }
            if let Some(item) = self.handler.decode(offset, incoming.data)
                && !attached.send(item, reader).await.map_err(channel_lost)?
            {
                return Ok(());
            }
            position.last = Some(offset);
        }
    }
}

/// The error of a stream whose channel was lost.
fn channel_lost(error: lapin::Error) -> MeshError {
    MeshError::Unavailable(error.to_string())
}

/// How far a stream has been read.
#[derive(Debug)]
struct Position {
    from: LogStart,
    /// The offset of the last message that was sent to the reader or skipped.
    last: Option<u64>,
}

impl Position {
    /// The offset to attach at: that of the last message, which is then received again and
    /// dropped. The offset *after* it would be beyond the end of a stream that has not grown.
    fn start(&self) -> AMQPValue {
        match (self.last, self.from) {
            (Some(offset), _) | (None, LogStart::Offset(offset)) => number(offset),
            (None, LogStart::First) => text("first"),
        }
    }

    /// Whether a message was not read before. Messages before the requested offset arrive too, as
    /// the broker starts with the whole chunk that contains it.
    fn is_new(&self, offset: u64) -> bool {
        let in_range = match self.from {
            LogStart::First => true,
            LogStart::Offset(from) => offset >= from,
        };
        in_range && self.last.is_none_or(|last| offset > last)
    }
}

/// Attaches to a stream at `start`: an offset, `first` or `next`.
pub(super) async fn attach(
    session: &Session,
    stream: &str,
    start: AMQPValue,
    prefetch: u16,
) -> Result<AttachedStream, MeshError> {
    let channel = session.channel().await?;
    let start = table([("x-stream-offset", start)]);
    let consumer = consume(session, &channel, stream, prefetch, start).await?;
    Ok(AttachedStream { channel, consumer, unacked: 0, latest: 0 })
}

/// A channel that is attached to a stream.
pub(super) struct AttachedStream {
    channel: Channel,
    consumer: lapin::Consumer,
    /// The number of messages received since the last ack.
    unacked: u64,
    /// The tag of the latest message.
    latest: DeliveryTag,
}

impl AttachedStream {
    /// Receives the next message. Returns `None` when no message arrived for a moment and the
    /// earlier ones were acked instead.
    pub(super) async fn next(&mut self) -> Result<Option<Incoming>, lapin::Error> {
        let ready = self.consumer.next().now_or_never();
        let incoming = match ready {
            Some(incoming) => incoming,
            None if self.unacked == 0 => self.consumer.next().await,
            None => match time::timeout(ACK_DELAY, self.consumer.next()).await {
                Ok(incoming) => incoming,
                Err(_) => {
                    self.ack().await?;
                    return Ok(None);
                }
            },
        };
        let gone = || lapin::ErrorKind::InvalidChannelState(lapin::ChannelState::Closed, "stream");
        let incoming = incoming.unwrap_or_else(|| Err(gone().into()))?;
        self.unacked += 1;
        self.latest = incoming.delivery_tag;
        if self.unacked >= ACK_EVERY {
            self.ack().await?;
        }
        Ok(Some(incoming))
    }

    /// Receives the offset and body of the next message, and acks it at once, so that a small
    /// prefetch does not stall.
    pub(super) async fn next_and_ack(&mut self) -> Result<(u64, Vec<u8>), MeshError> {
        loop {
            let Some(incoming) = self.next().await.map_err(channel_lost)? else { continue };
            self.ack().await.map_err(channel_lost)?;
            if let Some(offset) = properties::offset(&incoming.properties) {
                return Ok((offset, incoming.data));
            }
        }
    }

    /// Closes the channel and waits for it. When dropped, the channel closes in the background.
    pub(super) async fn close(self, session: &Session) {
        if let Err(error) = session.with_timeout(self.channel.close(200, "done".into())).await {
            tracing::debug!(cause = %error, "cannot close a channel");
        }
    }

    /// Acks all messages received so far, so that the broker sends more.
    pub(super) async fn ack(&mut self) -> Result<(), lapin::Error> {
        if self.unacked > 0 {
            self.unacked = 0;
            self.channel.basic_ack(self.latest, BasicAckOptions { multiple: true }).await?;
        }
        Ok(())
    }

    /// Sends an item, however long the reader takes; returns `false` if the reader was dropped.
    /// If the reader is slow, acks the received messages meanwhile, for the same reason as
    /// [`ACK_DELAY`].
    async fn send<T>(&mut self, item: T, reader: &mpsc::Sender<T>) -> Result<bool, lapin::Error> {
        let place = match time::timeout(ACK_DELAY, reader.reserve()).await {
            Ok(place) => place,
            Err(_) => {
                self.ack().await?;
                reader.reserve().await
            }
        };
        Ok(place.map(|place| place.send(item)).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_resumes_at_the_last_message_and_skips_it() {
        let mut position = Position { from: LogStart::Offset(5), last: None };
        assert_eq!(position.start(), number(5));
        assert!(!position.is_new(4));
        assert!(position.is_new(5));
        position.last = Some(7);
        assert_eq!(position.start(), number(7));
        assert!(!position.is_new(7));
        assert!(position.is_new(9));
    }
}
