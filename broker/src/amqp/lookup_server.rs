//! Questions, taken from their queue, and the way back to those who ask.

use std::time::Duration;

use async_trait::async_trait;
use lapin::{BasicProperties, options::BasicPublishOptions, types::ShortString};
use solvemesh::broker::v1::{LookupAnswer, LookupRequest};
use tokio::{sync::mpsc, time};
use tokio_util::task::TaskTracker;

use super::{
    connection::Link,
    consumer::{Message, Source, Way},
    properties,
};
use crate::{Answer, Consumer, FORMAT_VERSION, MeshError, Question, Reply};

/// Starts to take questions, as one of `tasks`. What a consumer that is stopped has
/// not yet taken goes back to the others.
pub(super) async fn take(
    source: Source<Message>,
    tasks: &TaskTracker,
) -> Result<Consumer<Question>, MeshError> {
    let answering = Answering { link: source.link.clone(), patience: source.request_timeout };
    let stop = source.closed.child_token();
    let messages = source.start(tasks).await?;
    // Those that wait here are nobody else's any more.
    let (questions, taken) = mpsc::channel(1);
    let consumer = Consumer::new(taken, stop.clone());
    tasks.spawn(async move {
        stop.run_until_cancelled(answering.hand_on(messages, questions)).await;
    });
    Ok(consumer)
}

/// What answers need to get back.
#[derive(Clone, Debug)]
struct Answering {
    link: Link,
    patience: Duration,
}

impl Answering {
    async fn hand_on(self, mut messages: Consumer<Message>, questions: mpsc::Sender<Question>) {
        while let Ok(place) = questions.reserve().await {
            let question = loop {
                let Some(message) = messages.next().await else { return };
                if let Some(question) = self.question(message).await {
                    break question;
                }
            };
            place.send(question);
        }
    }

    /// Takes a message out of the queue, answered or not, and reads it; nothing when
    /// it is no question of ours.
    async fn question(&self, message: Message) -> Option<Question> {
        let Message { properties, body, lease, way, .. } = message;
        if lease.ack().await.is_err() {
            // It comes again, to us or another.
            return None;
        }
        let request = readable(&properties, &body, |request: &LookupRequest| request.version);
        match (request, properties.reply_to()) {
            (Ok(request), Some(to)) => {
                let to = to.clone();
                let back = Back { answering: self.clone(), way, to, asked: properties.clone() };
                Some(Question { request, reply: Reply::new(back) })
            }
            (Ok(_), None) => {
                tracing::warn!("a question that asks for no answer");
                None
            }
            (Err(error), _) => {
                tracing::warn!(error, "a question that can't be read");
                None
            }
        }
    }
}

/// The way back to one who asked: the channel that the question came by.
#[derive(Debug)]
struct Back {
    answering: Answering,
    way: Way,
    to: ShortString,
    /// What came with the question.
    asked: BasicProperties,
}

#[async_trait]
impl Answer for Back {
    async fn send(self: Box<Self>, answer: LookupAnswer) {
        let Self { answering: Answering { link, patience }, way, to, asked } = *self;
        // Whoever asked does not wait for the end of an alarm.
        let sent = match link.trouble() {
            Some(trouble) => Err(trouble.to_string()),
            None => {
                let body = prost::Message::encode_to_vec(&answer);
                let properties = properties::of_answer(&asked);
                let options = BasicPublishOptions::default();
                let sending = way.channel.basic_publish("".into(), to, options, &body, properties);
                match time::timeout(patience, sending).await {
                    Ok(sent) => sent.map(drop).map_err(|error| error.to_string()),
                    Err(_) => Err(format!("not sent within {patience:?}")),
                }
            }
        };
        if let Err(error) = sent {
            tracing::debug!(error, "an answer did not get back");
        }
    }
}

/// Reads a message, of our format or an earlier one.
pub(super) fn readable<T: prost::Message + Default>(
    properties: &BasicProperties,
    body: &[u8],
    version: fn(&T) -> u32,
) -> Result<T, String> {
    // A later format may be unreadable, or worse, look readable.
    let later = |version: u32| format!("its format is {version}, later than ours");
    match properties::format_version(properties) {
        Some(told) if told > FORMAT_VERSION => return Err(later(told)),
        _ => {}
    }
    match T::decode(body) {
        Ok(message) if version(&message) > FORMAT_VERSION => Err(later(version(&message))),
        read => read.map_err(|error| error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    #[test]
    fn what_is_of_a_later_format_by_its_header_or_its_body_is_not_read() {
        let read = |header: u32, body: &[u8]| {
            let properties = properties::of_format(header);
            readable(&properties, body, |request: &LookupRequest| request.version)
        };
        let request = |version| LookupRequest { version, job_id: "j".to_owned() };
        let (ours, later) = (FORMAT_VERSION, FORMAT_VERSION + 1);
        assert_eq!(read(ours, &request(ours).encode_to_vec()), Ok(request(ours)));
        assert!(read(later, &request(ours).encode_to_vec()).is_err());
        assert!(read(ours, &request(later).encode_to_vec()).is_err());
        assert!(read(ours, &[0xff]).is_err());
    }
}
