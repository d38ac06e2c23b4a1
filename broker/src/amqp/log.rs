//! Looking into the results log: where it begins, and one message of it.

use std::{future::Future, time::Duration};

use prost::Message as _;
use solvemesh::broker::v1::LogBatch;
use tokio::{sync::Semaphore, time};

use super::{
    connection::Link,
    stream_consumer::{Attached, attach},
    topology::{self, Queue, number, text},
};
use crate::{FORMAT_VERSION, LogMessage, MeshError};

/// How many messages the broker sends ahead: one is all that counts.
const WINDOW: u16 = 1;
/// How many looks are under way at once; each has a channel of its own.
const PLACES: usize = 16;
/// How long a log that seems to be empty may take to send what it has. It never says
/// that there is nothing, and the broker counts a stream's messages only every few
/// seconds.
const EMPTY: Duration = Duration::from_secs(2);

/// The results log, to be looked into.
#[derive(Debug)]
pub(super) struct Log {
    link: Link,
    queue: Queue,
    /// How long a look may take, the wait for its place included.
    timeout: Duration,
    places: Semaphore,
}

impl Log {
    pub(super) fn new(link: Link, queue: Queue, timeout: Duration) -> Self {
        Self { link, queue, timeout, places: Semaphore::new(PLACES) }
    }

    /// The offset of the first message, if there is any.
    pub(super) async fn start(&self) -> Result<Option<u64>, MeshError> {
        self.in_time("the log's first message", async {
            let session = self.link.session_within(self.timeout).await?;
            let channel = session.channel().await?;
            let counted = session.within(topology::find(&channel, &self.queue)).await?;
            session.within(channel.close(200, "done".into())).await?;
            let mut attached = attach(&session, &self.queue.name, text("first"), WINDOW).await?;
            let first = first_from(&mut attached, 0);
            let first =
                match time::timeout(if counted == 0 { EMPTY } else { self.timeout }, first).await {
                    Ok(first) => Some(first?.offset),
                    Err(_) if counted == 0 => None,
                    Err(_) => return Err(late("the log's first message")),
                };
            attached.close(&session).await;
            Ok(first)
        })
        .await
    }

    /// The message at `offset`.
    pub(super) async fn read(&self, offset: u64) -> Result<LogMessage, MeshError> {
        let what = format!("the log's message at {offset}");
        self.in_time(&what, async {
            let session = self.link.session_within(self.timeout).await?;
            let start = number(offset);
            let mut attached = attach(&session, &self.queue.name, start, WINDOW).await?;
            let message = first_from(&mut attached, offset).await?;
            attached.close(&session).await;
            // The broker jumps over what is no longer there.
            if message.offset > offset {
                let begins = message.offset;
                return Err(MeshError::Gone(format!("{what}: the log goes on at {begins}")));
            }
            Ok(message)
        })
        .await
    }

    async fn in_time<T>(
        &self,
        what: &str,
        look: impl Future<Output = Result<T, MeshError>>,
    ) -> Result<T, MeshError> {
        let look = async {
            // The semaphore is never closed.
            let _place = self.places.acquire().await.ok();
            look.await
        };
        time::timeout(self.timeout, look).await.unwrap_or_else(|_| Err(late(what)))
    }
}

fn late(what: &str) -> MeshError {
    MeshError::Unavailable(format!("{what} took too long"))
}

/// The first message that comes from `offset` on: brokers begin with the whole chunk
/// that an offset lies in.
async fn first_from(attached: &mut Attached, offset: u64) -> Result<LogMessage, MeshError> {
    loop {
        let (at, body) = attached.next_now().await?;
        if at >= offset {
            return Ok(log_message(at, &body));
        }
    }
}

/// A message as it is read.
pub(super) fn log_message(offset: u64, body: &[u8]) -> LogMessage {
    LogMessage { offset, bytes: body.len(), batch: log_batch(body) }
}

fn log_batch(body: &[u8]) -> Result<LogBatch, String> {
    let batch = LogBatch::decode(body).map_err(|error| error.to_string())?;
    if batch.version > FORMAT_VERSION {
        return Err(format!("a log message of format {}, later than ours", batch.version));
    }
    Ok(batch)
}
