//! Consumes the queues of a lane's ranks in turns, one message at a time.
//!
//! RabbitMQ has no prefetch over several quorum queues, and a consumer of each would hold messages
//! back from other workers during a long solve. So there are two ways to get the next message:
//!
//! - While little waits, consumers of all queues, which deliver without a request. A message that
//!   arrives while another one is unsettled is held for a moment, as most solves are short.
//! - If that takes longer, the consumers are cancelled, and what they hold is requeued for others.
//!   From then on, each next message is requested from the queues in turn (`basic.get`), until
//!   all of them are empty.

use std::{array, mem, sync::Arc, time::Duration};

use futures::{FutureExt as _, StreamExt as _, future};
use lapin::{Channel, message::Delivery as Incoming, options::BasicGetOptions, types::FieldTable};
use tokio::time::{self, Instant};

use super::{
    connection::Session,
    consumer::{CANCELLED, Next, cancel, consume},
    leases::{Leases, requeue},
    topology::LaneQueues,
};
use crate::{MeshError, Rank, Stop, rank::Turns};

/// How long messages are held while another one is unsettled.
const MAX_HOLD: Duration = Duration::from_millis(50);

/// The next messages of a lane, over one channel.
pub(super) struct LaneFeed {
    session: Session,
    channel: Channel,
    queues: Arc<LaneQueues>,
    /// Shows the broker that the lane is served.
    served: lapin::Consumer,
    turns: Turns,
    state: State,
}

enum State {
    Consuming(Box<Consumers>),
    Requesting,
}

impl LaneFeed {
    /// Starts over a channel of its own. The queues have to be declared.
    pub(super) async fn open(
        session: &Session,
        channel: &Channel,
        queues: Arc<LaneQueues>,
    ) -> Result<Self, MeshError> {
        let (name, none) = (&queues.served.name, FieldTable::default());
        let served = consume(session, channel, name, 1, none).await?;
        let (session, channel) = (session.clone(), channel.clone());
        let (turns, state) = (Turns::default(), State::Requesting);
        Ok(Self { session, channel, queues, served, turns, state })
    }

    /// The next message, once all of `leases` are settled. Not cancel safe: a message that is
    /// being requested may stay unsettled until the channel is closed.
    pub(super) async fn next(&mut self, leases: &Leases, stop: &Stop) -> Next {
        loop {
            let step = match &mut self.state {
                State::Consuming(consumers) => {
                    let step = tokio::select! {
                        step = consumers.next(&mut self.turns, leases, stop) => step,
                        end = self.served.next() => Err(MeshError::Unavailable(ended(end))),
                    };
                    match step {
                        Ok(Step::Busy) => self.stop_consuming().await.map(|()| None),
                        Ok(Step::Stopped) => Ok(Some(Next::Stopped)),
                        Ok(Step::Delivery(incoming)) => Ok(Some(Next::Delivery(incoming))),
                        Err(error) => Err(error),
                    }
                }
                State::Requesting => tokio::select! {
                    () = leases.settled() => self.request().await,
                    () = stop.cancelled() => Ok(Some(Next::Stopped)),
                    end = self.served.next() => Err(MeshError::Unavailable(ended(end))),
                },
            };
            match step {
                Ok(Some(next)) => return next,
                Ok(None) => {}
                Err(error) => return Next::Lost(error.to_string()),
            }
        }
    }

    /// Requests a message from each queue in turn. If all are empty, starts to consume them.
    async fn request(&mut self) -> Result<Option<Next>, MeshError> {
        for rank in self.turns.order() {
            let queue = self.queues.of(rank).name().into();
            let getting = self.channel.basic_get(queue, BasicGetOptions::default());
            if let Some(message) = self.session.with_timeout(getting).await? {
                self.turns.took(rank);
                return Ok(Some(Next::Delivery(Box::new(message.delivery))));
            }
        }
        let consumers = Rank::ALL.map(|rank| {
            let name = self.queues.of(rank).name();
            consume(&self.session, &self.channel, name, 1, FieldTable::default())
        });
        // One after the other: the prefetch of a channel applies to the next consumer.
        let [first, normal, later] = consumers;
        let consumers = [first.await?, normal.await?, later.await?];
        self.state = State::Consuming(Box::new(Consumers::new(consumers)));
        Ok(None)
    }

    async fn stop_consuming(&mut self) -> Result<(), MeshError> {
        match mem::replace(&mut self.state, State::Requesting) {
            State::Consuming(consumers) => consumers.cancel(&self.session, &self.channel).await,
            State::Requesting => Ok(()),
        }
    }

    /// Ends the deliveries, and requeues those that were not returned.
    pub(super) async fn close(mut self) -> Result<(), MeshError> {
        self.stop_consuming().await?;
        cancel(&self.session, &self.channel, self.served).await
    }
}

/// What a lane's consumers have next.
enum Step {
    Delivery(Box<Incoming>),
    Stopped,
    /// A message has been unsettled for so long that others should be left to other workers.
    Busy,
}

/// Consumers of all queues of a lane, by the index of their rank.
struct Consumers {
    consumers: [lapin::Consumer; 3],
    held: [Option<Box<Incoming>>; 3],
    /// When to stop holding messages; starts with each delivery.
    hold_until: Instant,
}

impl Consumers {
    fn new(consumers: [lapin::Consumer; 3]) -> Self {
        Self { consumers, held: [None, None, None], hold_until: Instant::now() + MAX_HOLD }
    }

    async fn next(
        &mut self,
        turns: &mut Turns,
        leases: &Leases,
        stop: &Stop,
    ) -> Result<Step, MeshError> {
        loop {
            let busy = !leases.are_settled();
            if !busy {
                let mut order = turns.order().into_iter();
                if let Some(rank) = order.find(|rank| self.held[rank.index()].is_some())
                    && let Some(incoming) = self.held[rank.index()].take()
                {
                    turns.took(rank);
                    self.hold_until = Instant::now() + MAX_HOLD;
                    return Ok(Step::Delivery(incoming));
                }
            }
            let next = self.consumers.iter_mut().map(|consumer| consumer.next().boxed());
            tokio::select! {
                (next, index, _) = future::select_all(next) => match next {
                    Some(Ok(incoming)) => self.held[index] = Some(Box::new(incoming)),
                    end => return Err(MeshError::Unavailable(ended(end))),
                },
                () = leases.settled(), if busy => {}
                () = time::sleep_until(self.hold_until), if busy => return Ok(Step::Busy),
                () = stop.cancelled() => return Ok(Step::Stopped),
            }
        }
    }

    /// Cancels all, and requeues what was received.
    async fn cancel(mut self, session: &Session, channel: &Channel) -> Result<(), MeshError> {
        let held = array::from_fn::<_, 3, _>(|index| self.held[index].take());
        for incoming in held.into_iter().flatten() {
            requeue(session, &incoming.acker).await;
        }
        let cancels = self.consumers.map(|consumer| cancel(session, channel, consumer));
        future::try_join_all(cancels).await.map(drop)
    }
}

/// Why a consumer has ended.
fn ended(last: Option<lapin::Result<Incoming>>) -> String {
    match last {
        Some(Err(error)) => error.to_string(),
        Some(Ok(_)) => "a message in a queue that has to stay empty".to_owned(),
        None => CANCELLED.to_owned(),
    }
}
