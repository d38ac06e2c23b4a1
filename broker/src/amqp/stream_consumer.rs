//! Following a stream, over as many channels and connections as it takes.

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
use tokio::{sync::mpsc, time};
use tokio_util::sync::CancellationToken;

use super::{
    backoff::Backoff,
    connection::{Link, Session},
    consumer::consume,
    properties,
    topology::{Route, number, table, text},
};
use crate::{LogStart, MeshError};

/// How many messages the broker sends ahead.
const WINDOW: u16 = 500;
/// After how many messages to ask for more.
const ACK_EVERY: u64 = 250;
/// After how long without a message to ack what came: on a quiet stream the broker
/// would take its silence for a consumer that hangs.
const IDLE: Duration = Duration::from_millis(200);

/// What is made of a stream.
pub(super) trait Reading: Send + Sync {
    /// What its reader gets.
    type Item: Send;

    /// The stream was attached, once more perhaps. What this returns goes on beside the
    /// reading, at most until the stream is lost.
    fn begun(&mut self) -> BoxFuture<'static, ()> {
        Box::pin(future::ready(()))
    }

    /// A message and its offset came; nothing for one to be skipped.
    fn item(&mut self, offset: u64, body: Vec<u8>) -> Option<Self::Item>;

    /// The stream was lost, to be attached again.
    fn lost(&mut self) -> Option<Self::Item> {
        None
    }
}

impl<T: Send> Reading for fn(u64, Vec<u8>) -> T {
    type Item = T;

    fn item(&mut self, offset: u64, body: Vec<u8>) -> Option<T> {
        Some(self(offset, body))
    }
}

/// A stream to be followed.
pub(super) struct Tail<R> {
    pub(super) link: Link,
    pub(super) route: Route,
    /// After how long without a message to attach anew.
    pub(super) silence: Duration,
    pub(super) reading: R,
}

impl<R: Reading> Tail<R> {
    /// Hands on what the stream has from `from` on, at the reader's pace, until it
    /// hangs up or `closed`.
    pub(super) async fn follow(
        mut self,
        from: LogStart,
        reader: mpsc::Sender<R::Item>,
        closed: CancellationToken,
    ) {
        let mut position = Position { from, last: None };
        let following = async {
            let mut backoff = Backoff::default();
            while let Some(session) = self.link.session().await {
                match self.attach(&session, &position).await {
                    Ok(attached) => {
                        backoff.reset();
                        let link = self.link.clone();
                        let beside = self.reading.begun().then(|()| future::pending::<()>());
                        tokio::select! {
                            over = self.read(&session, attached, &mut position, &reader) => match over {
                                Ok(()) => return,
                                Err(error) => {
                                    let stream = self.route.name();
                                    tracing::warn!(stream, %error, "lost the stream's channel");
                                }
                            },
                            () = link.over(&session) => {}
                            () = beside => {}
                        }
                        if let Some(item) = self.reading.lost()
                            && reader.send(item).await.is_err()
                        {
                            return;
                        }
                    }
                    Err(error) => {
                        let stream = self.route.name();
                        tracing::warn!(stream, %error, "can't follow yet");
                    }
                }
                time::sleep(backoff.next()).await;
            }
        };
        tokio::select! {
            () = following => {}
            () = reader.closed() => {}
            () = closed.cancelled() => {}
        }
    }

    async fn attach(&self, session: &Session, position: &Position) -> Result<Attached, MeshError> {
        session.declare(self.route.queues()).await?;
        attach(session, self.route.name(), position.start(), WINDOW).await
    }

    /// Ends well when the reader hangs up.
    async fn read(
        &mut self,
        session: &Session,
        mut attached: Attached,
        position: &mut Position,
        reader: &mpsc::Sender<R::Item>,
    ) -> Result<(), MeshError> {
        loop {
            let incoming = match time::timeout(self.silence, attached.next()).await {
                Ok(incoming) => incoming.map_err(lost)?,
                Err(_) => {
                    attached = self.attach(session, position).await?;
                    continue;
                }
            };
            let Some(incoming) = incoming else { continue };
            let Some(offset) = properties::offset(&incoming.properties) else { continue };
            if !position.is_news(offset) {
                continue;
            }
            if let Some(item) = self.reading.item(offset, incoming.data)
                && !attached.hand_on(item, reader).await.map_err(lost)?
            {
                return Ok(());
            }
            position.last = Some(offset);
        }
    }
}

/// The channel of a stream was lost.
fn lost(error: lapin::Error) -> MeshError {
    MeshError::Unavailable(error.to_string())
}

/// How far a stream has been read.
#[derive(Debug)]
struct Position {
    from: LogStart,
    /// The offset of the last message handed on.
    last: Option<u64>,
}

impl Position {
    /// Where to attach. Attaching *after* the last message would be beyond the end
    /// of a stream that has not grown; so the last one comes once more.
    fn start(&self) -> AMQPValue {
        match (self.last, self.from) {
            (Some(offset), _) | (None, LogStart::Offset(offset)) => number(offset),
            (None, LogStart::First) => text("first"),
        }
    }

    /// Whether a message is to be handed on: brokers begin with the whole chunk that
    /// an offset lies in.
    fn is_news(&self, offset: u64) -> bool {
        let begun = match self.from {
            LogStart::First => true,
            LogStart::Offset(from) => offset >= from,
        };
        begun && self.last.is_none_or(|last| offset > last)
    }
}

/// Begins to read a stream at a start: an offset, `first`, `next`.
pub(super) async fn attach(
    session: &Session,
    stream: &str,
    start: AMQPValue,
    window: u16,
) -> Result<Attached, MeshError> {
    let channel = session.channel().await?;
    let start = table([("x-stream-offset", start)]);
    let consumer = consume(session, &channel, stream, window, start).await?;
    Ok(Attached { channel, consumer, unacked: 0, latest: 0 })
}

/// A channel by which a stream comes.
pub(super) struct Attached {
    channel: Channel,
    consumer: lapin::Consumer,
    /// How many messages came since the last ack.
    unacked: u64,
    latest: DeliveryTag,
}

impl Attached {
    /// The next message, or nothing when none comes for a moment.
    pub(super) async fn next(&mut self) -> Result<Option<Incoming>, lapin::Error> {
        let ready = self.consumer.next().now_or_never();
        let incoming = match ready {
            Some(incoming) => incoming,
            None if self.unacked == 0 => self.consumer.next().await,
            None => match time::timeout(IDLE, self.consumer.next()).await {
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

    /// The next message's offset and body, acked at once: to be read by a small window.
    pub(super) async fn next_now(&mut self) -> Result<(u64, Vec<u8>), MeshError> {
        loop {
            let Some(incoming) = self.next().await.map_err(lost)? else { continue };
            self.ack().await.map_err(lost)?;
            if let Some(offset) = properties::offset(&incoming.properties) {
                return Ok((offset, incoming.data));
            }
        }
    }

    /// Closes the channel now. Dropped, it closes in its own time.
    pub(super) async fn close(self, session: &Session) {
        if let Err(error) = session.within(self.channel.close(200, "done".into())).await {
            tracing::debug!(%error, "could not close a channel");
        }
    }

    /// Acks all that came: what is read is never to come again, and the broker sends
    /// more.
    pub(super) async fn ack(&mut self) -> Result<(), lapin::Error> {
        if self.unacked > 0 {
            self.unacked = 0;
            self.channel.basic_ack(self.latest, BasicAckOptions { multiple: true }).await?;
        }
        Ok(())
    }

    /// Hands an item on, however long the reader takes; says whether it was taken.
    async fn hand_on<T>(
        &mut self,
        item: T,
        reader: &mpsc::Sender<T>,
    ) -> Result<bool, lapin::Error> {
        let place = match time::timeout(IDLE, reader.reserve()).await {
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
    fn reading_goes_on_at_the_last_message_and_skips_it() {
        let mut position = Position { from: LogStart::Offset(5), last: None };
        assert_eq!(position.start(), number(5));
        assert!(!position.is_news(4));
        assert!(position.is_news(5));
        position.last = Some(7);
        assert_eq!(position.start(), number(7));
        assert!(!position.is_news(7));
        assert!(position.is_news(9));
    }
}
