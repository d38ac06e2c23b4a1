//! One supervised connection: made, watched, and made again.

use std::{
    collections::VecDeque,
    future::Future,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{Stream, StreamExt as _};
use lapin::{
    AsyncTcpStream, Channel, Connection, ConnectionProperties, ErrorKind, Event,
    protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError},
};
use tokio::{sync::watch, task, time};
use tokio_rustls::rustls::ClientConfig;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use super::{
    backoff::Backoff,
    config::AmqpConfig,
    dial::{self, DialError, dial},
    nodes::Nodes,
    runtime,
    tls::TlsFiles,
    topology::{self, Queue},
    url::Address,
};
use crate::MeshError;

/// How often a connection is looked at that should tell by itself when it is lost:
/// lapin reports errors as events, but not every way of being closed.
const LOOK: Duration = Duration::from_secs(1);
/// How long a new queue is in the memory of the broker alone: RabbitMQ writes the
/// directory of its replicated queues half a second after it has changed. Killed
/// before that, it comes back without the messages of the queue that it confirmed.
const SETTLING: Duration = Duration::from_secs(1);
/// How long the broker may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// A connection in the making, in use, or lost.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    /// There is none; why.
    Down(MeshError),
    /// There is one.
    Up(Session),
    /// There will be none.
    Closed,
}

/// One life of a connection.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// Tells it from those before it.
    number: u64,
    connection: Arc<Connection>,
    /// Why the broker takes no messages, if it does not.
    blocked: Option<String>,
    request_timeout: Duration,
}

impl Session {
    /// A new channel.
    pub(super) async fn channel(&self) -> Result<Channel, MeshError> {
        self.within(self.connection.create_channel()).await
    }

    /// Declares queues, in order, by channels of its own, as a refusal closes a
    /// channel. A queue that was not there before gets a moment until it would
    /// survive a crash.
    pub(super) async fn declare(&self, queues: &[Queue]) -> Result<(), MeshError> {
        let mut channel = self.channel().await?;
        let mut created = false;
        for queue in queues {
            if self.within(topology::find(&channel, queue)).await.is_err() {
                created = true;
                channel = self.channel().await?;
            }
            self.within(topology::declare(&channel, queue)).await?;
        }
        if created {
            time::sleep(SETTLING).await;
        }
        self.within(channel.close(200, "done".into())).await
    }

    /// The answer to a request, within the time for it: an alarm of the broker makes
    /// any request hang.
    pub(super) async fn within<T>(
        &self,
        request: impl Future<Output = lapin::Result<T>>,
    ) -> Result<T, MeshError> {
        within(self.request_timeout, request).await
    }

    /// Whether the two are the same life.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.number == other.number
    }

    pub(super) fn blocked(&self) -> Option<&str> {
        self.blocked.as_deref()
    }
}

/// The users' side of a supervised connection.
#[derive(Clone, Debug)]
pub(super) struct Link {
    phase: watch::Receiver<Phase>,
    /// The number of the last session that is known to be of no use.
    useless: Arc<watch::Sender<u64>>,
}

impl Link {
    /// Starts the supervisor, as one of `tasks`; each session begins with declaring
    /// `queues`.
    pub(super) fn start(
        config: &AmqpConfig,
        nodes: &Nodes,
        purpose: &'static str,
        queues: Vec<Queue>,
        closed: CancellationToken,
        tasks: &TaskTracker,
    ) -> Self {
        let mut addresses = VecDeque::from(nodes.addresses.clone());
        // So that processes which come up together don't all crowd on one node.
        let first = usize::from(Uuid::new_v4().as_bytes()[0]).checked_rem(addresses.len());
        addresses.rotate_left(first.unwrap_or_default());
        let nothing_yet = MeshError::Unavailable("not connected yet".to_owned());
        let (phase, phases) = watch::channel(Phase::Down(nothing_yet));
        let useless = Arc::new(watch::Sender::new(0));
        let supervisor = Supervisor {
            addresses,
            tls: Arc::clone(&nodes.tls),
            name: format!("{} ({purpose})", config.name),
            queues,
            request_timeout: config.request_timeout,
            phase,
            useless: useless.subscribe(),
            closed,
        };
        tasks.spawn(supervisor.run());
        Self { phase: phases, useless }
    }

    /// The current session, or the next one; `None` once there will be none.
    pub(super) async fn session(&self) -> Option<Session> {
        let mut phase = self.phase.clone();
        let phase = phase.wait_for(|phase| !matches!(phase, Phase::Down(_))).await.ok()?;
        match &*phase {
            Phase::Up(session) => Some(session.clone()),
            _ => None,
        }
    }

    /// The session within a time.
    pub(super) async fn session_within(&self, limit: Duration) -> Result<Session, MeshError> {
        match time::timeout(limit, self.session()).await {
            Ok(session) => session.ok_or(MeshError::Closed),
            Err(_) => Err(self.trouble().unwrap_or(MeshError::Closed)),
        }
    }

    /// Why nothing can be sent right now.
    pub(super) fn trouble(&self) -> Option<MeshError> {
        match &*self.phase.borrow() {
            Phase::Down(error) => Some(error.clone()),
            Phase::Up(session) => session.blocked.clone().map(MeshError::Blocked),
            Phase::Closed => Some(MeshError::Closed),
        }
    }

    /// Follows the phases.
    pub(super) fn phases(&self) -> watch::Receiver<Phase> {
        self.phase.clone()
    }

    /// Ends once `session` is over.
    pub(super) async fn over(&self, session: &Session) {
        let mut phase = self.phase.clone();
        let over = |phase: &Phase| !matches!(phase, Phase::Up(current) if current.is(session));
        // The sender gone is as over as can be.
        let _ = phase.wait_for(over).await;
    }

    /// Gives a session up that answers no more, so that another takes its place.
    pub(super) fn give_up(&self, session: &Session) {
        self.useless.send_if_modified(|useless| {
            let news = *useless < session.number;
            *useless = session.number.max(*useless);
            news
        });
    }
}

/// Why there is no session.
enum NoSession {
    /// TLS failed.
    Insecure(String),
    /// Anything else.
    Other(MeshError),
}

impl From<MeshError> for NoSession {
    fn from(error: MeshError) -> Self {
        Self::Other(error)
    }
}

impl From<DialError> for NoSession {
    fn from(error: DialError) -> Self {
        match error {
            DialError::Insecure(why) => Self::Insecure(why),
            DialError::Unreachable(why) => Self::Other(MeshError::Unavailable(why)),
        }
    }
}

struct Supervisor {
    /// The nodes; the first one is next.
    addresses: VecDeque<Address>,
    tls: Arc<TlsFiles>,
    name: String,
    queues: Vec<Queue>,
    request_timeout: Duration,
    phase: watch::Sender<Phase>,
    useless: watch::Receiver<u64>,
    closed: CancellationToken,
}

impl Supervisor {
    async fn run(mut self) {
        let closed = self.closed.clone();
        closed.run_until_cancelled(self.keep_connected()).await;
        let last = self.phase.send_replace(Phase::Closed);
        if let Phase::Up(session) = last {
            part(&session.connection).await;
        }
    }

    async fn keep_connected(&mut self) {
        let mut backoff = Backoff::default();
        for number in 1.. {
            // The one after it comes next, whether this one fails now or later.
            let Some(address) = self.addresses.front().cloned() else { return };
            self.addresses.rotate_left(1);
            let broker = address.host_port();
            let error = match self.connect(address, number).await {
                Ok(session) => {
                    let connection = Arc::clone(&session.connection);
                    let events = connection.events_listener();
                    tracing::info!(connection = self.name, broker, "connected to the broker");
                    backoff.reset();
                    self.phase.send_replace(Phase::Up(session.clone()));
                    let cause = self.watch(&session, events).await;
                    tracing::warn!(connection = self.name, broker, cause, "lost the broker");
                    // In its own time: a blocked broker hears no goodbye.
                    tokio::spawn(async move { part(&session.connection).await });
                    MeshError::Unavailable(cause)
                }
                Err(NoSession::Insecure(error)) => {
                    // An error and not a warning: it needs an operator, while a broker that is
                    // away usually comes back by itself.
                    tracing::error!(
                        connection = self.name, broker, %error, "no secure connection to the broker"
                    );
                    MeshError::Unavailable(error)
                }
                Err(NoSession::Other(error)) => {
                    tracing::warn!(
                        connection = self.name, broker, %error, "no connection to the broker"
                    );
                    error
                }
            };
            self.phase.send_replace(Phase::Down(error));
            time::sleep(backoff.next()).await;
        }
    }

    async fn connect(&self, address: Address, number: u64) -> Result<Session, NoSession> {
        let is_encrypted = address.name.is_some();
        let config = match address.name {
            Some(_) => Some(self.read_tls().await.map_err(NoSession::Insecure)?),
            None => None,
        };
        let stream = dial(&address, config, self.request_timeout).await?;
        let properties =
            ConnectionProperties::default().with_connection_name(self.name.as_str().into());
        let stream = Mutex::new(Some(AsyncTcpStream::Plain(stream)));
        // lapin may ask again on its own; reconnecting is the supervisor's task.
        let take = async move |_, _| {
            let stream = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
            stream.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionAborted).into())
        };
        let connecting = Connection::connector(address.uri, runtime::current(), take, properties);
        let connection = match time::timeout(self.request_timeout, connecting).await {
            Ok(Ok(connection)) => connection,
            // With TLS 1.3, a rejected client certificate shows only after the handshake.
            Ok(Err(error)) => {
                let fault = tls_fault(&error, self.tls.identity.is_some());
                return Err(match fault.filter(|_| is_encrypted) {
                    Some(fault) => NoSession::Insecure(format!("TLS failed: {fault}")),
                    None => refusal_or_outage(&error).into(),
                });
            }
            Err(_) => return Err(no_answer(self.request_timeout).into()),
        };
        let session = Session {
            number,
            connection: Arc::new(connection),
            blocked: None,
            request_timeout: self.request_timeout,
        };
        if !self.queues.is_empty() {
            session.declare(&self.queues).await?;
        }
        Ok(session)
    }

    /// Reads the TLS files as they are now.
    async fn read_tls(&self) -> Result<Arc<ClientConfig>, String> {
        let tls = Arc::clone(&self.tls);
        let read = task::spawn_blocking(move || tls.read()).await;
        read.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }

    /// Ends with the session, and says why.
    async fn watch(&mut self, session: &Session, events: impl Stream<Item = Event>) -> String {
        let mut events = std::pin::pin!(events);
        let mut look = time::interval(LOOK);
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(Event::ConnectionBlocked(reason)) => {
                        tracing::warn!(connection = self.name, reason, "blocked by the broker");
                        let blocked = Session { blocked: Some(reason), ..session.clone() };
                        self.phase.send_replace(Phase::Up(blocked));
                    }
                    Some(Event::ConnectionUnblocked) => {
                        tracing::info!(connection = self.name, "no longer blocked by the broker");
                        self.phase.send_replace(Phase::Up(session.clone()));
                    }
                    // Channels report their errors here too, and to their users.
                    Some(Event::Error(error)) if !session.connection.status().connected() => {
                        return error.to_string();
                    }
                    Some(_) => {}
                    None => return "lapin is gone".to_owned(),
                },
                _ = look.tick() => if !session.connection.status().connected() {
                    return "closed by the broker".to_owned();
                },
                given_up = self.useless.wait_for(|useless| *useless >= session.number) => {
                    drop(given_up);
                    return "it answered no more".to_owned();
                }
            }
        }
    }
}

async fn part(connection: &Connection) {
    if connection.status().connected() {
        // Whether it hears us or not, the connection is of no more use.
        let _ = time::timeout(GOODBYE, connection.close(200, "goodbye".into())).await;
    }
}

async fn within<T>(
    limit: Duration,
    request: impl Future<Output = lapin::Result<T>>,
) -> Result<T, MeshError> {
    match time::timeout(limit, request).await {
        Ok(answer) => answer.map_err(|error| refusal_or_outage(&error)),
        Err(_) => Err(no_answer(limit)),
    }
}

fn no_answer(limit: Duration) -> MeshError {
    MeshError::Unavailable(format!("no answer within {limit:?}"))
}

/// What an error of an encrypted connection that lapin could not open says about TLS.
fn tls_fault(error: &lapin::Error, with_identity: bool) -> Option<String> {
    match error.kind() {
        ErrorKind::IOError(error) => {
            dial::tls_fault(error).or_else(|| dial::closed_early(error, with_identity))
        }
        _ => None,
    }
}

/// Whether trying again can mend it.
fn refusal_or_outage(error: &lapin::Error) -> MeshError {
    let message = error.to_string();
    // Its argument is right, and its node has just joined the others or left them.
    if message.contains("replica on the local node") {
        return MeshError::Unavailable(message);
    }
    let refused = matches!(error.kind(), ErrorKind::ProtocolError(error) if matches!(
        error.kind(),
        AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED | AMQPSoftError::ACCESSREFUSED)
            // There is no such virtual host, or it is not for this user.
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
        refusal_or_outage(&ErrorKind::ProtocolError(error).into())
    }

    #[test]
    fn a_stream_that_is_not_on_a_node_yet_is_no_refusal() {
        let away = "queue 's' in vhost '/' does not have a replica on the local node";
        assert!(matches!(precondition_failed(away), MeshError::Unavailable(_)));
        let other = "inequivalent arg 'x-max-age' for queue 's' in vhost '/'";
        assert!(matches!(precondition_failed(other), MeshError::Refused(_)));
    }
}
