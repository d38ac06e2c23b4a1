//! Registers workers as connected, by an exclusive queue for each: only its connection may use it,
//! and the broker deletes it when that connection is lost. The queue stays empty; only its
//! existence counts.

use std::time::Duration;

use lapin::{
    ErrorKind,
    protocol::{AMQPErrorKind, AMQPSoftError},
};
use tokio::{sync::oneshot, time};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    connection::{ConnectionHandle, Session},
    topology::{self, Queue},
};
use crate::{MeshError, backoff::Backoff};

/// Registers this process, and checks for others, over one connection.
pub(super) struct Presence {
    pub(super) connection: ConnectionHandle,
    pub(super) request_timeout: Duration,
}

impl Presence {
    /// Registers this process until `closed` is cancelled, by one of `tasks`. Returns once it is
    /// registered, or when it is not within the request timeout: then it keeps trying.
    ///
    /// # Errors
    ///
    /// When the id is too long, or the mesh is closed.
    pub(super) async fn register(
        self,
        id: &str,
        closed: CancellationToken,
        tasks: &TaskTracker,
    ) -> Result<(), MeshError> {
        let too_long = || MeshError::Refused(format!("an id of {} bytes is too long", id.len()));
        let queue = topology::presence_queue(id).ok_or_else(too_long)?;
        let (registered, first) = oneshot::channel();
        let keeping = keep_registered(self.connection, queue, registered);
        tasks.spawn(async move { closed.run_until_cancelled(keeping).await });
        match time::timeout(self.request_timeout, first).await {
            Ok(Err(_)) => Err(MeshError::Closed),
            // On an outage, the task keeps trying.
            Ok(Ok(())) | Err(_) => Ok(()),
        }
    }

    /// Whether a process is registered under an id. Opens a channel for the check, as the broker
    /// closes it with most answers.
    pub(super) async fn is_connected(&self, id: &str) -> Result<bool, MeshError> {
        let Some(queue) = topology::presence_queue(id) else { return Ok(false) };
        let session = self.connection.session_within(self.request_timeout).await?;
        let channel = session.channel().await?;
        let check = async {
            let found = topology::find(&channel, &queue).await;
            match found.as_ref().map_err(soft_error) {
                // The queue exists and belongs to another connection.
                Err(Some(AMQPSoftError::RESOURCELOCKED)) => Ok(true),
                Err(Some(AMQPSoftError::NOTFOUND)) => Ok(false),
                // The queue is that of this connection, or the check failed.
                _ => found.map(|_| true),
            }
        };
        session.with_timeout(check).await
    }

    /// Whether a queue has consumers; `false` if it does not exist.
    pub(super) async fn has_consumers(&self, queue: &str) -> Result<bool, MeshError> {
        let session = self.connection.session_within(self.request_timeout).await?;
        let channel = session.channel().await?;
        let check = async {
            let found = topology::consumer_count(&channel, queue).await;
            match found.as_ref().map_err(soft_error) {
                Err(Some(AMQPSoftError::NOTFOUND)) => Ok(false),
                _ => found.map(|consumers| consumers > 0),
            }
        };
        session.with_timeout(check).await
    }
}

/// Declares the exclusive queue in each session of a connection. Signals `registered` the first
/// time.
async fn keep_registered(
    connection: ConnectionHandle,
    queue: Queue,
    registered: oneshot::Sender<()>,
) {
    let mut registered = Some(registered);
    let mut backoff = Backoff::for_broker();
    while let Some(session) = connection.session().await {
        match declare(&session, &queue).await {
            Ok(()) => {
                backoff.reset();
                if let Some(registered) = registered.take() {
                    // The caller may have stopped waiting.
                    let _ = registered.send(());
                }
                connection.session_ended(&session).await;
            }
            Err(error) => {
                // Besides an outage: the broker may not have noticed yet that the previous
                // connection of this process is lost, and that still owns the queue.
                tracing::warn!(
                    queue = queue.name, cause = %error, "cannot register the worker yet, retrying"
                );
                time::sleep(backoff.next_delay()).await;
            }
        }
    }
}

async fn declare(session: &Session, queue: &Queue) -> Result<(), MeshError> {
    let channel = session.channel().await?;
    session.with_timeout(topology::declare_exclusive(&channel, queue)).await.map(drop)
}

/// The error code with which the broker closed a channel, if it did.
fn soft_error(error: &lapin::Error) -> Option<&AMQPSoftError> {
    match error.kind() {
        ErrorKind::ProtocolError(error) => match error.kind() {
            AMQPErrorKind::Soft(soft_error) => Some(soft_error),
            AMQPErrorKind::Hard(_) => None,
        },
        _ => None,
    }
}
