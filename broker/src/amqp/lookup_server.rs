//! Consumes lookups from their queue, and sends the answers back to the workers.

use std::time::Duration;

use async_trait::async_trait;
use lapin::{BasicProperties, options::BasicPublishOptions, types::ShortString};
use solvemesh::broker::v1::{LookupRequest, LookupResponse};
use tokio::{sync::mpsc, time};
use tokio_util::task::TaskTracker;

use super::{
    connection::ConnectionHandle,
    consumer::Source,
    leases::{Message, ReplyChannel},
    properties,
};
use crate::{Consumer, FORMAT_VERSION, Lookup, LookupReply, MeshError, SendAnswer};

/// Starts a consumer of lookups as one of `tasks`. Lookups that it has not received when it is
/// stopped are requeued for other gateways.
pub(super) async fn start(
    source: Source<Message>,
    tasks: &TaskTracker,
) -> Result<Consumer<Lookup>, MeshError> {
    let server =
        LookupServer { connection: source.connection.clone(), timeout: source.request_timeout };
    let stop = source.closed.child_token();
    let messages = source.start(tasks).await?;
    // As few as possible: lookups in this channel are acked, so no other gateway gets them.
    let (lookups, receiver) = mpsc::channel(1);
    let consumer = Consumer::new(receiver, stop.clone());
    tasks.spawn(async move {
        stop.run_until_cancelled(server.forward(messages, lookups)).await;
    });
    Ok(consumer)
}

/// Receives lookups and sends their answers.
#[derive(Clone, Debug)]
struct LookupServer {
    connection: ConnectionHandle,
    timeout: Duration,
}

impl LookupServer {
    /// Acks and decodes lookups, and sends them to the consumer.
    async fn forward(self, mut messages: Consumer<Message>, lookups: mpsc::Sender<Lookup>) {
        while let Ok(place) = lookups.reserve().await {
            let lookup = loop {
                let Some(message) = messages.next().await else { return };
                if let Some(lookup) = self.decode(message).await {
                    break lookup;
                }
            };
            place.send(lookup);
        }
    }

    /// Acks a message and decodes it; `None` if it is not a valid lookup. It is acked before it is
    /// answered: if the answer is lost, the lookup times out at the worker.
    async fn decode(&self, message: Message) -> Option<Lookup> {
        let Message { properties, body, lease, reply_channel, .. } = message;
        if lease.ack().await.is_err() {
            // The broker redelivers it, to this consumer or another.
            return None;
        }
        let request =
            decode_supported(&properties, &body, |request: &LookupRequest| request.version);
        match (request, properties.reply_to()) {
            (Ok(request), Some(to)) => {
                let answer = DirectAnswer {
                    server: self.clone(),
                    reply_channel,
                    reply_to: to.clone(),
                    lookup_properties: properties.clone(),
                };
                Some(Lookup { request, reply: LookupReply::new(answer) })
            }
            (Ok(_), None) => {
                tracing::warn!("lookup without a reply address dropped");
                None
            }
            (Err(error), _) => {
                tracing::warn!(error, "undecodable lookup dropped");
                None
            }
        }
    }
}

/// Sends one answer by direct reply-to, over the channel by which its lookup was delivered.
#[derive(Debug)]
struct DirectAnswer {
    server: LookupServer,
    reply_channel: ReplyChannel,
    reply_to: ShortString,
    /// The properties of the lookup.
    lookup_properties: BasicProperties,
}

#[async_trait]
impl SendAnswer for DirectAnswer {
    async fn send(self: Box<Self>, answer: LookupResponse) {
        let Self {
            server: LookupServer { connection, timeout },
            reply_channel,
            reply_to,
            lookup_properties,
        } = *self;
        // Fail at once while the broker accepts no messages: the worker does not wait for the end
        // of an alarm.
        let sent = match connection.unavailable_reason() {
            Some(error) => Err(error.to_string()),
            None => {
                let body = prost::Message::encode_to_vec(&answer);
                let properties = properties::for_answer(&lookup_properties);
                let options = BasicPublishOptions::default();
                let sending = reply_channel.channel.basic_publish(
                    "".into(),
                    reply_to,
                    options,
                    &body,
                    properties,
                );
                match time::timeout(timeout, sending).await {
                    Ok(sent) => sent.map(drop).map_err(|error| error.to_string()),
                    Err(_) => Err(format!("not sent within {timeout:?}")),
                }
            }
        };
        if let Err(error) = sent {
            tracing::debug!(error, "lookup answer not sent");
        }
    }
}

/// Decodes a message of the current format or an earlier one.
pub(super) fn decode_supported<T: prost::Message + Default>(
    properties: &BasicProperties,
    body: &[u8],
    version: fn(&T) -> u32,
) -> Result<T, String> {
    // Checked first: a later format may fail to decode or, worse, decode to something else.
    let later = |version: u32| format!("format {version} is later than {FORMAT_VERSION}");
    match properties::format_version(properties) {
        Some(header) if header > FORMAT_VERSION => return Err(later(header)),
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
    fn a_later_format_in_the_header_or_the_body_is_not_decoded() {
        let decode = |header: u32, body: &[u8]| {
            let properties = properties::with_format(header);
            decode_supported(&properties, body, |request: &LookupRequest| request.version)
        };
        let request = |version| LookupRequest { version, job_id: "j".to_owned() };
        let (ours, later) = (FORMAT_VERSION, FORMAT_VERSION + 1);
        assert_eq!(decode(ours, &request(ours).encode_to_vec()), Ok(request(ours)));
        assert!(decode(later, &request(ours).encode_to_vec()).is_err());
        assert!(decode(ours, &request(later).encode_to_vec()).is_err());
        assert!(decode(ours, &[0xff]).is_err());
    }
}
