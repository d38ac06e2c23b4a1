//! Random access to the results log: its start, and single messages.

use std::{future::Future, time::Duration};

use prost::Message as _;
use solvemesh::broker::v1::LogBatch;
use tokio::{sync::Semaphore, time};

use super::{
    connection::ConnectionHandle,
    stream_consumer::{AttachedStream, attach},
    topology::{self, Queue, number, text},
};
use crate::{FORMAT_VERSION, LogMessage, MeshError};

/// The prefetch. One, as only one message is needed.
const PREFETCH: u16 = 1;
/// The maximum number of concurrent reads, each of which opens a channel.
const MAX_READS: usize = 16;
/// How long to wait for the first message of a log that the broker counts as empty. A stream does
/// not signal that it is empty, and the broker's count may be a few seconds old.
const EMPTY_TIMEOUT: Duration = Duration::from_secs(2);

/// Reads single messages of the results log.
#[derive(Debug)]
pub(super) struct LogReader {
    connection: ConnectionHandle,
    queue: Queue,
    /// The timeout of a read, including the wait for its turn.
    timeout: Duration,
    permits: Semaphore,
}

impl LogReader {
    pub(super) fn new(connection: ConnectionHandle, queue: Queue, timeout: Duration) -> Self {
        Self { connection, queue, timeout, permits: Semaphore::new(MAX_READS) }
    }

    /// The offset of the first message; `None` if the log is empty.
    pub(super) async fn start(&self) -> Result<Option<u64>, MeshError> {
        self.with_timeout("first message of the log", async {
            let session = self.connection.session_within(self.timeout).await?;
            let channel = session.channel().await?;
            let counted = session.with_timeout(topology::find(&channel, &self.queue)).await?;
            session.with_timeout(channel.close(200, "done".into())).await?;
            let mut attached = attach(&session, &self.queue.name, text("first"), PREFETCH).await?;
            let first = first_from(&mut attached, 0);
            let timeout = if counted == 0 { EMPTY_TIMEOUT } else { self.timeout };
            let first = match time::timeout(timeout, first).await {
                Ok(first) => Some(first?.offset),
                Err(_) if counted == 0 => None,
                Err(_) => return Err(timed_out("first message of the log")),
            };
            attached.close(&session).await;
            Ok(first)
        })
        .await
    }

    /// Reads the message at `offset`.
    pub(super) async fn read(&self, offset: u64) -> Result<LogMessage, MeshError> {
        let what = format!("log message at offset {offset}");
        self.with_timeout(&what, async {
            let session = self.connection.session_within(self.timeout).await?;
            let start = number(offset);
            let mut attached = attach(&session, &self.queue.name, start, PREFETCH).await?;
            let message = first_from(&mut attached, offset).await?;
            attached.close(&session).await;
            // The broker skips forward if the message was truncated.
            if message.offset > offset {
                let next = message.offset;
                return Err(MeshError::Gone(format!("{what}; the log continues at {next}")));
            }
            Ok(message)
        })
        .await
    }

    async fn with_timeout<T>(
        &self,
        what: &str,
        read: impl Future<Output = Result<T, MeshError>>,
    ) -> Result<T, MeshError> {
        let read = async {
            // The semaphore is never closed.
            let _permit = self.permits.acquire().await.ok();
            read.await
        };
        time::timeout(self.timeout, read).await.unwrap_or_else(|_| Err(timed_out(what)))
    }
}

fn timed_out(what: &str) -> MeshError {
    MeshError::Unavailable(format!("reading timed out: {what}"))
}

/// Receives the first message at or after `offset`. The broker starts with the whole chunk that
/// contains it, so earlier messages are skipped.
async fn first_from(attached: &mut AttachedStream, offset: u64) -> Result<LogMessage, MeshError> {
    loop {
        let (at, body) = attached.next_and_ack().await?;
        if at >= offset {
            return Ok(log_message(at, &body));
        }
    }
}

/// Decodes a message of the log.
pub(super) fn log_message(offset: u64, body: &[u8]) -> LogMessage {
    LogMessage { offset, bytes: body.len(), batch: log_batch(body) }
}

fn log_batch(body: &[u8]) -> Result<LogBatch, String> {
    let batch = LogBatch::decode(body).map_err(|error| error.to_string())?;
    if batch.version > FORMAT_VERSION {
        return Err(format!("format {} is later than {FORMAT_VERSION}", batch.version));
    }
    Ok(batch)
}
