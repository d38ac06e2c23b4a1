//! Heartbeats, through a fanout exchange: each follower has a queue of its own, which is deleted
//! with its connection. Not through a stream: they are worthless after seconds, so they must not
//! cost a replica or a disk.

use futures::StreamExt as _;
use lapin::{
    Channel,
    options::{BasicConsumeOptions, BasicPublishOptions},
    types::FieldTable,
};
use prost::Message as _;
use solvemesh::broker::v1::Heartbeat;
use tokio::{sync::mpsc, time};

use super::{
    connection::{ConnectionHandle, Session},
    properties,
    topology::{self, HEARTBEATS},
};
use crate::{FORMAT_VERSION, MeshError, backoff::Backoff};

/// Sends a heartbeat to the followers that are attached now, over a channel of its own: a heartbeat
/// is rare, and an error closes the channel. Not confirmed, because a lost one does no harm.
///
/// # Errors
///
/// When a request fails or times out.
pub(super) async fn send(session: &Session, heartbeat: &Heartbeat) -> Result<(), MeshError> {
    if let Some(reason) = session.blocked() {
        return Err(MeshError::Blocked(reason.to_owned()));
    }
    let channel = exchange(session).await?;
    let (options, body) = (BasicPublishOptions::default(), heartbeat.encode_to_vec());
    let properties = properties::transient();
    let sent = channel.basic_publish(HEARTBEATS.into(), "".into(), options, &body, properties);
    session.with_timeout(sent).await?;
    session.with_timeout(channel.close(200, "sent".into())).await
}

/// A channel, once the exchange exists: a user without the right to declare it may use it.
async fn exchange(session: &Session) -> Result<Channel, MeshError> {
    let channel = session.channel().await?;
    if session.with_timeout(topology::find_fanout(&channel, HEARTBEATS)).await.is_ok() {
        return Ok(channel);
    }
    // The broker closes the channel when the exchange does not exist.
    let channel = session.channel().await?;
    session.with_timeout(topology::declare_fanout(&channel, HEARTBEATS)).await?;
    Ok(channel)
}

/// Sends the heartbeats of all processes to `reader`. Attaches again after a lost connection, until
/// the reader is dropped or the mesh is closed.
pub(super) async fn follow(connection: ConnectionHandle, reader: mpsc::Sender<Heartbeat>) {
    let following = async {
        let mut backoff = Backoff::for_broker();
        while let Some(session) = connection.session().await {
            match attach(&session).await {
                Ok(mut heartbeats) => {
                    backoff.reset();
                    tokio::select! {
                        () = read(&mut heartbeats, &reader) => {}
                        () = connection.session_ended(&session) => {}
                    }
                }
                Err(error) => {
                    tracing::debug!(cause = %error, "cannot follow heartbeats yet, retrying")
                }
            }
            time::sleep(backoff.next_delay()).await;
        }
    };
    tokio::select! {
        () = following => {}
        () = reader.closed() => {}
    }
}

/// Opens a channel with a queue of its own, bound to the exchange, and consumes it.
async fn attach(session: &Session) -> Result<Attached, MeshError> {
    let channel = session.channel().await?;
    session.with_timeout(topology::declare_fanout(&channel, HEARTBEATS)).await?;
    let own = topology::heartbeat_queue();
    let queue = session.with_timeout(topology::declare_exclusive(&channel, &own)).await?;
    session.with_timeout(topology::bind(&channel, &queue, HEARTBEATS)).await?;
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let consumed =
        channel.basic_consume(queue.as_str().into(), "".into(), options, FieldTable::default());
    let consumer = session.with_timeout(consumed).await?;
    Ok(Attached { consumer, _channel: channel })
}

/// A channel that consumes heartbeats.
struct Attached {
    consumer: lapin::Consumer,
    /// Closed when it is dropped.
    _channel: Channel,
}

/// Reads until the channel is lost or the reader dropped.
async fn read(heartbeats: &mut Attached, reader: &mpsc::Sender<Heartbeat>) {
    while let Some(Ok(incoming)) = heartbeats.consumer.next().await {
        match Heartbeat::decode(incoming.data.as_slice()) {
            Ok(heartbeat) if heartbeat.version > FORMAT_VERSION => {
                let version = heartbeat.version;
                tracing::debug!(version, "heartbeat of a later format skipped");
            }
            Ok(heartbeat) => {
                if reader.send(heartbeat).await.is_err() {
                    return;
                }
            }
            Err(error) => tracing::warn!(cause = %error, "undecodable heartbeat skipped"),
        }
    }
}
