//! Being present: a queue that its connection alone may use, and that the broker
//! deletes with it. Nothing is ever in it; what counts is that it is there.

use std::time::Duration;

use lapin::{
    ErrorKind,
    protocol::{AMQPErrorKind, AMQPSoftError},
};
use tokio::{sync::oneshot, time};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    backoff::Backoff,
    connection::{Link, Session},
    topology::{self, Queue, Route},
};
use crate::MeshError;

/// The connection by which this process is present, and sees others.
pub(super) struct Presence {
    pub(super) link: Link,
    pub(super) request_timeout: Duration,
}

impl Presence {
    /// Makes this process present until `closed`, by one of `tasks`. Returns once it is
    /// present, or under way to be for the time of a request.
    pub(super) async fn begin(
        self,
        id: &str,
        closed: CancellationToken,
        tasks: &TaskTracker,
    ) -> Result<(), MeshError> {
        let queue = topology::present(id)
            .ok_or_else(|| MeshError::Refused(format!("an id of {} bytes", id.len())))?;
        let (present, first) = oneshot::channel();
        let keeping = keep(self.link, queue, present);
        tasks.spawn(async move { closed.run_until_cancelled(keeping).await });
        match time::timeout(self.request_timeout, first).await {
            Ok(Err(_)) => Err(MeshError::Closed),
            // An outage is for the task to sit out.
            Ok(Ok(())) | Err(_) => Ok(()),
        }
    }

    /// Whether some process is present. By a channel of its own, as most answers close
    /// it.
    pub(super) async fn sees(self, id: &str) -> Result<bool, MeshError> {
        let Some(queue) = topology::present(id) else { return Ok(false) };
        let session = self.link.session_within(self.request_timeout).await?;
        let channel = session.channel().await?;
        let looking = async {
            let found = topology::find(&channel, &queue).await;
            match found.as_ref().map_err(refusal) {
                Err(Some(AMQPSoftError::RESOURCELOCKED)) => Ok(true),
                Err(Some(AMQPSoftError::NOTFOUND)) => Ok(false),
                _ => found.map(|_| true),
            }
        };
        session.within(looking).await
    }

    /// Whether a queue has consumers; one that is not there has none.
    pub(super) async fn serves(self, route: &Route) -> Result<bool, MeshError> {
        let session = self.link.session_within(self.request_timeout).await?;
        let channel = session.channel().await?;
        let looking = async {
            let found = topology::consumers(&channel, route.name()).await;
            match found.as_ref().map_err(refusal) {
                Err(Some(AMQPSoftError::NOTFOUND)) => Ok(false),
                _ => found.map(|consumers| consumers > 0),
            }
        };
        session.within(looking).await
    }
}

/// Keeps the queue of a presence in each session of a connection. Tells `present` of
/// the first time.
async fn keep(link: Link, queue: Queue, present: oneshot::Sender<()>) {
    let mut present = Some(present);
    let mut backoff = Backoff::default();
    while let Some(session) = link.session().await {
        match hold(&session, &queue).await {
            Ok(()) => {
                backoff.reset();
                if let Some(present) = present.take() {
                    // Whoever asked may wait no longer.
                    let _ = present.send(());
                }
                link.over(&session).await;
            }
            Err(error) => {
                // Or a connection of ours that the broker has not yet seen die has it.
                tracing::warn!(queue = queue.name, %error, "can't be present yet");
                time::sleep(backoff.next()).await;
            }
        }
    }
}

async fn hold(session: &Session, queue: &Queue) -> Result<(), MeshError> {
    let channel = session.channel().await?;
    session.within(topology::declare_exclusive(&channel, queue)).await
}

/// What the broker closed a channel for.
fn refusal(error: &lapin::Error) -> Option<&AMQPSoftError> {
    match error.kind() {
        ErrorKind::ProtocolError(error) => match error.kind() {
            AMQPErrorKind::Soft(refusal) => Some(refusal),
            AMQPErrorKind::Hard(_) => None,
        },
        _ => None,
    }
}
