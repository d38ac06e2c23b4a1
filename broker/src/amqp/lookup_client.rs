//! Sends lookups, and receives their answers over the same channel (direct reply-to).

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;
use futures::{StreamExt as _, stream::FuturesUnordered};
use lapin::{
    Channel,
    message::Delivery as Incoming,
    options::{BasicConsumeOptions, BasicPublishOptions},
    types::FieldTable,
};
use prost::Message as _;
use solvemesh::broker::v1::{LookupRequest, LookupResponse};
use tokio::{
    sync::{mpsc, oneshot},
    time::{self, Instant, MissedTickBehavior},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    connection::{ConnectionHandle, ConnectionState, Session},
    lookup_server::decode_supported,
    properties, topology,
};
use crate::{MeshError, backoff::Backoff};

/// The pseudo-queue of direct reply-to: the broker delivers answers straight to the channel. It is
/// gone when the channel closes.
const REPLY_TO: &str = "amq.rabbitmq.reply-to";
/// The maximum number of lookups that are queued for the channel.
const MAX_QUEUED: usize = 1024;
/// The maximum number of lookups in flight.
const MAX_IN_FLIGHT: usize = 1024;
/// The interval at which lookups are dropped whose callers have stopped waiting.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// The handle by which callers send lookups.
#[derive(Debug)]
pub(super) struct LookupClient {
    lookups: mpsc::Sender<PendingLookup>,
    connection: ConnectionHandle,
}

/// A lookup, and where to send its answer.
#[derive(Debug)]
struct PendingLookup {
    body: Bytes,
    since: Instant,
    timeout: Duration,
    answer: oneshot::Sender<LookupResponse>,
}

impl LookupClient {
    /// Starts the channel's task as one of `tasks`. The channel is opened for the first lookup.
    pub(super) fn start(
        connection: ConnectionHandle,
        closed: CancellationToken,
        tasks: &TaskTracker,
    ) -> Self {
        let (lookups, queue) = mpsc::channel(MAX_QUEUED);
        let task = LookupTask {
            connection: connection.clone(),
            lookups: queue,
            pending: HashMap::new(),
            last_number: 0,
        };
        tasks.spawn(async move { closed.run_until_cancelled(task.run()).await });
        Self { lookups, connection }
    }

    /// Sends a lookup and waits for its answer, until `timeout`. When the channel is lost, it is
    /// sent again over the next one.
    pub(super) async fn lookup(
        &self,
        request: &LookupRequest,
        timeout: Duration,
    ) -> Result<LookupResponse, MeshError> {
        let (answer, answered) = oneshot::channel();
        let body = request.encode_to_vec().into();
        let pending = PendingLookup { body, since: Instant::now(), timeout, answer };
        let exchange = async {
            self.lookups.send(pending).await.map_err(|_| MeshError::Closed)?;
            answered.await.map_err(|_| MeshError::Closed)
        };
        time::timeout(timeout, exchange).await.unwrap_or_else(|_| {
            Err(self.connection.unavailable_reason().unwrap_or_else(|| {
                MeshError::Unavailable(format!("no gateway answered within {timeout:?}"))
            }))
        })
    }
}

/// The channel's task.
struct LookupTask {
    connection: ConnectionHandle,
    lookups: mpsc::Receiver<PendingLookup>,
    /// The lookups that wait for their answers, by number. They outlive the channel over which
    /// they were sent, and are sent again over the next one.
    pending: HashMap<u64, PendingLookup>,
    /// The number of the latest lookup.
    last_number: u64,
}

impl LookupTask {
    async fn run(mut self) {
        let mut backoff = Backoff::for_broker();
        while self.wait_for_lookup().await
            && let Some(session) = self.connection.session().await
        {
            match open(&session).await {
                Ok(channel) => {
                    backoff.reset();
                    if let Err(error) = self.serve(&session, channel).await {
                        tracing::warn!(cause = %error, "lookup channel lost");
                    }
                }
                Err(error) => tracing::warn!(cause = %error, "cannot open the lookup channel"),
            }
            time::sleep(backoff.next_delay()).await;
        }
    }

    /// Waits until there is a lookup to send; `false` when there will be none. So a process that
    /// never sends one opens no channel.
    async fn wait_for_lookup(&mut self) -> bool {
        self.sweep();
        while self.pending.is_empty() {
            match self.lookups.recv().await {
                Some(lookup) => {
                    self.admit(lookup);
                }
                None => return false,
            }
        }
        true
    }

    /// Sends the pending lookups and new ones, until the channel is lost.
    async fn serve(
        &mut self,
        session: &Session,
        LookupChannel { channel, mut answers }: LookupChannel,
    ) -> Result<(), lapin::Error> {
        let mut states = self.connection.subscribe();
        let mut sweep = time::interval(SWEEP_INTERVAL);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // No need to send again those whose callers have stopped waiting.
        self.sweep();
        let mut sending = FuturesUnordered::new();
        for (number, lookup) in &self.pending {
            sending.push(send(channel.clone(), *number, lookup));
        }
        loop {
            let blocked = match &*states.borrow_and_update() {
                ConnectionState::Connected(current) if current.is_same_as(session) => {
                    current.blocked().is_some()
                }
                _ => return Ok(()),
            };
            let room = !blocked && self.pending.len() < MAX_IN_FLIGHT;
            tokio::select! {
                answer = answers.next() => match answer {
                    Some(answer) => self.dispatch(&answer?),
                    None => return Ok(()),
                },
                Some(sent) = sending.next() => sent?,
                Some(lookup) = self.lookups.recv(), if room => {
                    let (number, lookup) = self.admit(lookup);
                    sending.push(send(channel.clone(), number, lookup));
                }
                _ = sweep.tick(), if !self.pending.is_empty() => self.sweep(),
                changed = states.changed() => if changed.is_err() {
                    return Ok(());
                },
            }
        }
    }

    /// Adds a lookup to the pending ones, under a new number.
    fn admit(&mut self, lookup: PendingLookup) -> (u64, &PendingLookup) {
        self.last_number += 1;
        let number = self.last_number;
        (number, self.pending.entry(number).insert_entry(lookup).into_mut())
    }

    /// Drops the lookups whose callers have stopped waiting.
    fn sweep(&mut self) {
        self.pending.retain(|_, lookup| !lookup.answer.is_closed());
    }

    /// Sends an answer to its caller. An undecodable one is dropped, and its lookup stays pending,
    /// as a decodable answer may follow.
    fn dispatch(&mut self, incoming: &Incoming) {
        let version = |answer: &LookupResponse| answer.version;
        match decode_supported(&incoming.properties, &incoming.data, version) {
            Ok(answer) => {
                let number = properties::correlation(&incoming.properties);
                if let Some(lookup) = number.and_then(|number| self.pending.remove(&number)) {
                    // The caller may have stopped waiting just now.
                    let _ = lookup.answer.send(answer);
                }
            }
            Err(error) => tracing::warn!(error, "undecodable lookup answer dropped"),
        }
    }
}

/// A channel to send lookups over, with the consumer of its answers.
struct LookupChannel {
    channel: Channel,
    answers: lapin::Consumer,
}

async fn open(session: &Session) -> Result<LookupChannel, MeshError> {
    let channel = session.channel().await?;
    // Direct reply-to requires `no_ack`. The number of lookups in flight bounds that of answers.
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let consuming =
        channel.basic_consume(REPLY_TO.into(), "".into(), options, FieldTable::default());
    let answers = session.with_timeout(consuming).await?;
    Ok(LookupChannel { channel, answers })
}

/// Sends a lookup, which expires in the queue when its caller's timeout is over. There is no
/// confirm, as only the answer counts.
fn send(
    channel: Channel,
    number: u64,
    lookup: &PendingLookup,
) -> impl Future<Output = Result<(), lapin::Error>> + use<> {
    let body = lookup.body.clone();
    let left = lookup.timeout.saturating_sub(lookup.since.elapsed());
    let properties = properties::for_lookup(number, left).with_reply_to(REPLY_TO.into());
    async move {
        let (queue, options) = (topology::LOOKUP.into(), BasicPublishOptions::default());
        channel.basic_publish("".into(), queue, options, &body, properties).await.map(drop)
    }
}
