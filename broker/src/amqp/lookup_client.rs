//! Asking: questions go out by a channel, and their answers come back by it.

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
use solvemesh::broker::v1::{LookupAnswer, LookupRequest};
use tokio::{
    sync::{mpsc, oneshot},
    time::{self, Instant, MissedTickBehavior},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    backoff::Backoff,
    connection::{Link, Phase, Session},
    lookup_server::readable,
    properties, topology,
};
use crate::MeshError;

/// Where the broker brings a channel's answers: no queue, and gone with the channel.
const ANSWERS: &str = "amq.rabbitmq.reply-to";
/// How many questions wait for the channel.
const QUEUED: usize = 1024;
/// How many questions await their answers.
const UNDER_WAY: usize = 1024;
/// How often to look for questions whose askers have stopped waiting.
const SWEEP: Duration = Duration::from_secs(1);

/// The askers' side of the channel.
#[derive(Debug)]
pub(super) struct Asker {
    questions: mpsc::Sender<Asked>,
    link: Link,
}

/// A question, and the one who waits for its answer.
#[derive(Debug)]
struct Asked {
    body: Bytes,
    since: Instant,
    patience: Duration,
    answer: oneshot::Sender<LookupAnswer>,
}

impl Asker {
    /// Starts the channel's task, as one of `tasks`. There is no channel before the
    /// first question.
    pub(super) fn start(link: Link, closed: CancellationToken, tasks: &TaskTracker) -> Self {
        let (questions, queue) = mpsc::channel(QUEUED);
        let asking =
            Asking { link: link.clone(), questions: queue, open: HashMap::new(), asked: 0 };
        tasks.spawn(async move { closed.run_until_cancelled(asking.run()).await });
        Self { questions, link }
    }

    /// Asks, over as many channels as it takes, and returns with the answer, or
    /// without one once `patience` is over.
    pub(super) async fn ask(
        &self,
        request: &LookupRequest,
        patience: Duration,
    ) -> Result<LookupAnswer, MeshError> {
        let (answer, answered) = oneshot::channel();
        let body = request.encode_to_vec().into();
        let question = Asked { body, since: Instant::now(), patience, answer };
        let asking = async {
            self.questions.send(question).await.map_err(|_| MeshError::Closed)?;
            answered.await.map_err(|_| MeshError::Closed)
        };
        time::timeout(patience, asking).await.unwrap_or_else(|_| {
            Err(self.link.trouble().unwrap_or_else(|| {
                MeshError::Unavailable(format!("no gateway answered within {patience:?}"))
            }))
        })
    }
}

struct Asking {
    link: Link,
    questions: mpsc::Receiver<Asked>,
    /// The questions that await their answers, by number. They outlive the channel
    /// that they were asked by, and are asked again by the next one.
    open: HashMap<u64, Asked>,
    /// How many questions there were so far.
    asked: u64,
}

impl Asking {
    async fn run(mut self) {
        let mut backoff = Backoff::default();
        while self.has_questions().await
            && let Some(session) = self.link.session().await
        {
            match open(&session).await {
                Ok(line) => {
                    backoff.reset();
                    if let Err(error) = self.serve(&session, line).await {
                        tracing::warn!(%error, "lost the channel to ask by");
                    }
                }
                Err(error) => tracing::warn!(%error, "no channel to ask by"),
            }
            time::sleep(backoff.next()).await;
        }
    }

    /// Waits for a question; says whether there is one.
    async fn has_questions(&mut self) -> bool {
        self.sweep();
        while self.open.is_empty() {
            match self.questions.recv().await {
                Some(question) => {
                    self.admit(question);
                }
                None => return false,
            }
        }
        true
    }

    /// Asks what is open and what comes, until the channel is lost.
    async fn serve(&mut self, session: &Session, mut line: Line) -> Result<(), lapin::Error> {
        let mut phases = self.link.phases();
        let mut sweep = time::interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.sweep();
        let mut sending = FuturesUnordered::new();
        for (number, question) in &self.open {
            sending.push(send(line.channel.clone(), *number, question));
        }
        loop {
            let blocked = match &*phases.borrow_and_update() {
                Phase::Up(current) if current.is(session) => current.blocked().is_some(),
                _ => return Ok(()),
            };
            let room = !blocked && self.open.len() < UNDER_WAY;
            tokio::select! {
                answer = line.answers.next() => match answer {
                    Some(answer) => self.take(&answer?),
                    None => return Ok(()),
                },
                Some(sent) = sending.next() => sent?,
                Some(question) = self.questions.recv(), if room => {
                    let (number, question) = self.admit(question);
                    sending.push(send(line.channel.clone(), number, question));
                }
                _ = sweep.tick(), if !self.open.is_empty() => self.sweep(),
                changed = phases.changed() => if changed.is_err() {
                    return Ok(());
                },
            }
        }
    }

    /// Makes a question one of those that are open, and gives it its number.
    fn admit(&mut self, question: Asked) -> (u64, &Asked) {
        self.asked += 1;
        (self.asked, self.open.entry(self.asked).insert_entry(question).into_mut())
    }

    /// Forgets the questions whose askers have stopped waiting.
    fn sweep(&mut self) {
        self.open.retain(|_, question| !question.answer.is_closed());
    }

    /// Hands an answer to whom it is for. One that can't be read is none: another may
    /// come.
    fn take(&mut self, incoming: &Incoming) {
        let version = |answer: &LookupAnswer| answer.version;
        match readable(&incoming.properties, &incoming.data, version) {
            Ok(answer) => {
                let number = properties::correlation(&incoming.properties);
                if let Some(question) = number.and_then(|number| self.open.remove(&number)) {
                    // Its asker may have stopped waiting just now.
                    let _ = question.answer.send(answer);
                }
            }
            Err(error) => tracing::warn!(error, "an answer that can't be read"),
        }
    }
}

/// A channel to ask by.
struct Line {
    channel: Channel,
    answers: lapin::Consumer,
}

async fn open(session: &Session) -> Result<Line, MeshError> {
    let channel = session.channel().await?;
    // The broker demands it; there are no more answers than questions under way.
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let consuming =
        channel.basic_consume(ANSWERS.into(), "".into(), options, FieldTable::default());
    let answers = session.within(consuming).await?;
    Ok(Line { channel, answers })
}

/// Sends a question, to be forgotten when its asker will have stopped waiting. Not
/// confirmed: only the answer counts.
fn send(
    channel: Channel,
    number: u64,
    question: &Asked,
) -> impl Future<Output = Result<(), lapin::Error>> + use<> {
    let body = question.body.clone();
    let left = question.patience.saturating_sub(question.since.elapsed());
    let properties = properties::of_question(number, left).with_reply_to(ANSWERS.into());
    async move {
        let (queue, options) = (topology::LOOKUP.into(), BasicPublishOptions::default());
        channel.basic_publish("".into(), queue, options, &body, properties).await.map(drop)
    }
}
