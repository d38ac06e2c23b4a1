//! A supervised connection: established, monitored, and re-established with backoff.
//!
//! Its state is `Disconnected` → `Connected` → `Disconnected` → … → `Closed`. Each
//! connection is a session with a new number, and a session that has ended never comes back. So
//! users keep a session, work on it until it ends, and wait for the next one; no channel, delivery
//! tag or confirm of one session is valid in another. An alarm of the broker replaces `Connected`
//! by another `Connected` with the same number, so it wakes the users and ends nothing.
//!
//! lapin's own recovery of connections is not used, as the users must see every loss: it ends
//! their leases, queues have to be declared again, and it is unknown whether messages without a
//! confirm are stored.

use std::{
    collections::VecDeque,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::{Stream, StreamExt as _};
use lapin::{
    Channel, Connection, ErrorKind, Event,
    protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError},
};
use tokio::{sync::watch, time};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    config::AmqpConfig,
    metrics::BrokerMetrics,
    nodes::Nodes,
    opening::{OpenError, open},
    replica,
    tls::TlsFiles,
    topology::{self, Queue},
    url::Address,
};
use crate::{MeshError, backoff::Backoff};

/// The interval at which the state of a connection is polled. lapin reports errors as events,
/// but not every way in which a connection can be closed.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// How long to wait after a queue was created before it is used. RabbitMQ writes its directory of
/// replicated queues to disk half a second after a change. If it is killed before that, it
/// restarts without the messages of the new queue, confirmed ones included.
const DURABILITY_DELAY: Duration = Duration::from_secs(1);
/// How long to wait for the broker's answer when a connection is closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The state of a supervised connection.
#[derive(Clone, Debug)]
pub(super) enum ConnectionState {
    /// Not connected; the latest error. The supervisor is trying to connect.
    Disconnected(MeshError),
    /// Connected, and the queues are declared.
    Connected(Session),
    /// Closed for good, as the mesh is closed.
    Closed,
}

/// One established connection. Each reconnect creates a new session.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// Increases from session to session, so that abandoning an old one can't end its successor.
    number: u64,
    connection: Arc<Connection>,
    /// The broker's reason for accepting no messages; `None` while it accepts them.
    blocked: Option<String>,
    request_timeout: Duration,
    /// Whether the broker has refused to let this user declare an existing queue.
    may_only_use: Arc<AtomicBool>,
}

/// The broker's answer to a declaration.
enum Declared {
    /// It exists now, with these arguments.
    Done,
    /// The user has no right to declare it.
    Denied,
}

impl Session {
    /// Opens a channel.
    pub(super) async fn channel(&self) -> Result<Channel, MeshError> {
        self.with_timeout(self.connection.create_channel()).await
    }

    /// Declares queues in order, over channels of its own, as a refusal closes the channel. If
    /// any of them did not exist, waits until it would survive a crash of the broker.
    ///
    /// A user without the right to declare may use what exists: the broker requires that right
    /// even to compare the arguments of an existing queue, and it includes that to delete it.
    pub(super) async fn declare(&self, queues: &[Queue]) -> Result<(), MeshError> {
        let mut channel = self.channel().await?;
        let mut created = false;
        for queue in queues {
            let exists = self.with_timeout(topology::find(&channel, queue)).await.is_ok();
            if !exists {
                created = true;
                // The broker closes the channel when the queue does not exist.
                channel = self.channel().await?;
            } else if self.may_only_use.load(Ordering::Relaxed) {
                continue;
            }
            let declared = self.with_timeout(async {
                match topology::declare(&channel, queue).await {
                    Err(error) if is_access_refused(&error) => Ok(Declared::Denied),
                    declared => declared.map(|()| Declared::Done),
                }
            });
            match declared.await? {
                Declared::Done => {}
                Declared::Denied if exists => {
                    // Remembered, because the broker logs each refusal as an error.
                    self.may_only_use.store(true, Ordering::Relaxed);
                    tracing::debug!(queue = queue.name, "used as it is: no right to declare it");
                    channel = self.channel().await?;
                }
                // Not a refusal for good: a gateway declares it when it starts.
                Declared::Denied => {
                    let name = &queue.name;
                    let why = format!("{name} does not exist, and this user may not declare it");
                    return Err(MeshError::Unavailable(why));
                }
            }
        }
        if created {
            time::sleep(DURABILITY_DELAY).await;
        }
        self.with_timeout(channel.close(200, "done".into())).await
    }

    /// Awaits a request with the request timeout. Without one, any request could hang while the
    /// broker has a memory or disk alarm.
    pub(super) async fn with_timeout<T>(
        &self,
        request: impl Future<Output = lapin::Result<T>>,
    ) -> Result<T, MeshError> {
        with_timeout(self.request_timeout, request).await
    }

    /// Whether the two are the same session, blocked or not.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        self.number == other.number
    }

    /// The broker's reason for accepting no messages.
    pub(super) fn blocked(&self) -> Option<&str> {
        self.blocked.as_deref()
    }
}

/// A handle to a supervised connection.
#[derive(Clone, Debug)]
pub(super) struct ConnectionHandle {
    state: watch::Receiver<ConnectionState>,
    /// The number of the latest session that was abandoned.
    abandoned: Arc<watch::Sender<u64>>,
}

impl ConnectionHandle {
    /// Starts the supervisor as one of `tasks`. Each session starts by declaring `queues`.
    pub(super) fn start(
        config: &AmqpConfig,
        nodes: &Nodes,
        purpose: &'static str,
        queues: Vec<Queue>,
        metrics: BrokerMetrics,
        closed: CancellationToken,
        tasks: &TaskTracker,
    ) -> Self {
        let mut addresses = VecDeque::from(nodes.addresses.clone());
        // Start at a random node, so that processes started together spread over the cluster.
        let first = fastrand::usize(..addresses.len().max(1));
        addresses.rotate_left(first);
        let initial = MeshError::Unavailable("not connected yet".to_owned());
        let (state, receiver) = watch::channel(ConnectionState::Disconnected(initial));
        let abandoned = Arc::new(watch::Sender::new(0));
        let supervisor = Supervisor {
            addresses,
            tls: Arc::clone(&nodes.tls),
            name: format!("{} ({purpose})", config.name),
            purpose,
            metrics,
            queues,
            request_timeout: config.request_timeout,
            state,
            abandoned: abandoned.subscribe(),
            closed,
        };
        tasks.spawn(supervisor.run());
        Self { state: receiver, abandoned }
    }

    /// The current session, or the next one while there is none; `None` once it is closed.
    pub(super) async fn session(&self) -> Option<Session> {
        let mut state = self.state.clone();
        let state = state
            .wait_for(|state| !matches!(state, ConnectionState::Disconnected(_)))
            .await
            .ok()?;
        match &*state {
            ConnectionState::Connected(session) => Some(session.clone()),
            _ => None,
        }
    }

    /// As [`session`](Self::session), but fails when there is none within `limit`.
    pub(super) async fn session_within(&self, limit: Duration) -> Result<Session, MeshError> {
        match time::timeout(limit, self.session()).await {
            Ok(session) => session.ok_or(MeshError::Closed),
            Err(_) => Err(self.unavailable_reason().unwrap_or(MeshError::Closed)),
        }
    }

    /// Why nothing can be published now; `None` if the connection is usable.
    pub(super) fn unavailable_reason(&self) -> Option<MeshError> {
        match &*self.state.borrow() {
            ConnectionState::Disconnected(error) => Some(error.clone()),
            ConnectionState::Connected(session) => session.blocked.clone().map(MeshError::Blocked),
            ConnectionState::Closed => Some(MeshError::Closed),
        }
    }

    /// Subscribes to changes of the state.
    pub(super) fn subscribe(&self) -> watch::Receiver<ConnectionState> {
        self.state.clone()
    }

    /// Waits until `session` has ended.
    pub(super) async fn session_ended(&self, session: &Session) {
        let mut state = self.state.clone();
        let ended = |state: &ConnectionState| match state {
            ConnectionState::Connected(current) => !current.is_same_as(session),
            ConnectionState::Disconnected(_) | ConnectionState::Closed => true,
        };
        // An error means that the supervisor has ended, and the session with it.
        let _ = state.wait_for(ended).await;
    }

    /// Abandons a session that no longer responds: the supervisor ends it and connects again.
    pub(super) fn abandon(&self, session: &Session) {
        self.abandoned.send_if_modified(|abandoned| {
            let changed = *abandoned < session.number;
            *abandoned = session.number.max(*abandoned);
            changed
        });
    }
}

/// Why connecting failed.
enum ConnectError {
    /// TLS failed.
    Tls(String),
    /// Anything else.
    Other(MeshError),
}

impl From<MeshError> for ConnectError {
    fn from(error: MeshError) -> Self {
        Self::Other(error)
    }
}

impl ConnectError {
    fn of(error: OpenError, limit: Duration) -> Self {
        match error {
            OpenError::Tls(why) => Self::Tls(why),
            OpenError::Tcp(why) => Self::Other(MeshError::Unavailable(why)),
            OpenError::Amqp(error) => Self::Other(classify(&error)),
            OpenError::Timeout => Self::Other(timeout_error(limit)),
        }
    }
}

struct Supervisor {
    /// The nodes of the cluster, in the order in which they are tried.
    addresses: VecDeque<Address>,
    tls: Arc<TlsFiles>,
    name: String,
    purpose: &'static str,
    metrics: BrokerMetrics,
    queues: Vec<Queue>,
    request_timeout: Duration,
    state: watch::Sender<ConnectionState>,
    abandoned: watch::Receiver<u64>,
    closed: CancellationToken,
}

impl Supervisor {
    async fn run(mut self) {
        let closed = self.closed.clone();
        closed.run_until_cancelled(self.keep_connected()).await;
        let last = self.state.send_replace(ConnectionState::Closed);
        if let ConnectionState::Connected(session) = last {
            close(&session.connection).await;
        }
    }

    async fn keep_connected(&mut self) {
        let mut backoff = Backoff::for_broker();
        let mut was_connected = false;
        for number in 1.. {
            // The next attempt uses the next node, whether this one fails now or later.
            let Some(address) = self.addresses.front().cloned() else { return };
            self.addresses.rotate_left(1);
            let broker = address.host_port();
            let error = match self.connect(address, number).await {
                Ok(session) => {
                    let connection = Arc::clone(&session.connection);
                    let events = connection.events_listener();
                    tracing::info!(connection = self.name, broker, "connected to the broker");
                    backoff.reset();
                    if std::mem::replace(&mut was_connected, true) {
                        self.metrics.reconnected(self.purpose);
                    }
                    self.state.send_replace(ConnectionState::Connected(session.clone()));
                    let cause = self.watch(&session, events).await;
                    tracing::warn!(connection = self.name, broker, cause, "broker connection lost");
                    // In the background: a blocked broker does not answer, and the reconnect must
                    // not wait for that.
                    tokio::spawn(async move { close(&session.connection).await });
                    MeshError::Unavailable(cause)
                }
                Err(ConnectError::Tls(error)) => {
                    // An error and not a warning: it needs an operator, while a broker that is
                    // away usually comes back by itself.
                    tracing::error!(
                        connection = self.name, broker, cause = %error, "no secure connection to the broker"
                    );
                    MeshError::Unavailable(error)
                }
                Err(ConnectError::Other(error)) => {
                    tracing::warn!(
                        connection = self.name, broker, cause = %error, "no connection to the broker"
                    );
                    error
                }
            };
            self.state.send_replace(ConnectionState::Disconnected(error));
            time::sleep(backoff.next_delay()).await;
        }
    }

    async fn connect(&self, address: Address, number: u64) -> Result<Session, ConnectError> {
        let limit = self.request_timeout;
        let opened = open(address, &self.tls, &self.name, limit, None).await;
        let connection = opened.map_err(|error| ConnectError::of(error, limit))?;
        let session = Session {
            number,
            connection: Arc::new(connection),
            blocked: None,
            request_timeout: self.request_timeout,
            may_only_use: Arc::default(),
        };
        if !self.queues.is_empty() {
            session.declare(&self.queues).await?;
        }
        Ok(session)
    }

    /// Monitors a session until it ends, and returns the cause. Publishes whether it is blocked.
    async fn watch(&mut self, session: &Session, events: impl Stream<Item = Event>) -> String {
        let mut events = std::pin::pin!(events);
        let mut check = time::interval(CHECK_INTERVAL);
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(Event::ConnectionBlocked(reason)) => {
                        tracing::warn!(connection = self.name, reason, "blocked by the broker");
                        let blocked = Session { blocked: Some(reason), ..session.clone() };
                        self.state.send_replace(ConnectionState::Connected(blocked));
                    }
                    Some(Event::ConnectionUnblocked) => {
                        tracing::info!(connection = self.name, "no longer blocked by the broker");
                        self.state.send_replace(ConnectionState::Connected(session.clone()));
                    }
                    // Errors of channels arrive here too, but are left to the channels' users: only
                    // an error that closed the connection ends the session.
                    Some(Event::Error(error)) if !session.connection.status().connected() => {
                        return error.to_string();
                    }
                    Some(_) => {}
                    None => return "connection event stream ended".to_owned(),
                },
                _ = check.tick() => if !session.connection.status().connected() {
                    return "closed by the broker".to_owned();
                },
                abandoned = self.abandoned.wait_for(|last| *last >= session.number) => {
                    drop(abandoned);
                    return "the broker no longer responds".to_owned();
                }
            }
        }
    }
}

/// Closes a connection, unless it is already closed.
pub(super) async fn close(connection: &Connection) {
    if connection.status().connected() {
        // The connection is dropped whether or not the broker answers in time.
        let _ = time::timeout(CLOSE_TIMEOUT, connection.close(200, "goodbye".into())).await;
    }
}

async fn with_timeout<T>(
    limit: Duration,
    request: impl Future<Output = lapin::Result<T>>,
) -> Result<T, MeshError> {
    match time::timeout(limit, request).await {
        Ok(answer) => answer.map_err(|error| classify(&error)),
        Err(_) => Err(timeout_error(limit)),
    }
}

fn timeout_error(limit: Duration) -> MeshError {
    MeshError::Unavailable(format!("no answer within {limit:?}"))
}

/// Whether the user lacks the right for a request.
fn is_access_refused(error: &lapin::Error) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(error) if matches!(
        error.kind(),
        AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED)
    ))
}

/// Classifies an error: [`MeshError::Refused`] if a retry can't resolve it, else
/// [`MeshError::Unavailable`].
fn classify(error: &lapin::Error) -> MeshError {
    let message = error.to_string();
    // A PRECONDITION_FAILED that is temporary: the node has just joined or left its cluster, and
    // has no replica of the stream.
    if replica::is_missing(&message) {
        return MeshError::Unavailable(message);
    }
    let refused = matches!(error.kind(), ErrorKind::ProtocolError(error) if matches!(
        error.kind(),
        AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED | AMQPSoftError::ACCESSREFUSED)
            // The virtual host does not exist, or the user has no access to it.
            | AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED)
    ));
    if refused { MeshError::Refused(message) } else { MeshError::Unavailable(message) }
}

#[cfg(test)]
mod tests {
    use lapin::protocol::AMQPError;

    use super::*;

    fn precondition_failed(text: &str) -> MeshError {
        let error = AMQPError::new(AMQPSoftError::PRECONDITIONFAILED.into(), text.into());
        classify(&ErrorKind::ProtocolError(error).into())
    }

    #[test]
    fn a_missing_replica_of_a_stream_is_an_outage_and_not_a_refusal() {
        let away = "queue 's' in vhost '/' does not have a replica on the local node";
        assert!(matches!(precondition_failed(away), MeshError::Unavailable(_)));
        let other = "inequivalent arg 'x-max-age' for queue 's' in vhost '/'";
        assert!(matches!(precondition_failed(other), MeshError::Refused(_)));
    }
}
