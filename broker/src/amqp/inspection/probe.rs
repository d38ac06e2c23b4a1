//! The single questions to a broker, and what its answers mean.

use std::{sync::Arc, time::Duration};

use futures::StreamExt as _;
use lapin::{
    BasicProperties, Channel, Connection, ErrorKind, Event,
    options::{BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions},
    protocol::{AMQPErrorKind, AMQPSoftError},
};
use parking_lot::Mutex;
use tokio_util::task::AbortOnDropHandle;

use super::{Arguments, Existence, Right, within, words};
use crate::amqp::{
    replica,
    topology::{self, Queue},
};

/// Asks questions over a connection, one after another.
pub(super) struct Prober<'a> {
    connection: &'a Connection,
    /// The timeout of a question.
    limit: Duration,
    /// Why nothing more is asked: the broker has stopped answering.
    silent: Option<String>,
    blocked: Arc<Mutex<Option<String>>>,
    _listener: AbortOnDropHandle<()>,
}

/// An answer other than yes.
#[derive(Debug, PartialEq)]
enum No {
    /// The user lacks a right.
    AccessRefused,
    /// There is no such queue or exchange.
    NotFound,
    /// Something about the request does not fit.
    PreconditionFailed(String),
    /// Another error, or none within the timeout.
    Other(String),
}

impl No {
    fn of(error: &lapin::Error) -> Self {
        let text = words(error);
        let kind = match error.kind() {
            ErrorKind::ProtocolError(error) => error.kind(),
            _ => return Self::Other(text),
        };
        match kind {
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => Self::AccessRefused,
            AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND) => Self::NotFound,
            // The node has just joined or left its cluster, and has no replica of the stream.
            AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED)
                if !replica::is_missing(&text) =>
            {
                Self::PreconditionFailed(text)
            }
            _ => Self::Other(text),
        }
    }
}

impl<'a> Prober<'a> {
    pub(super) fn new(connection: &'a Connection, limit: Duration) -> Self {
        let blocked: Arc<Mutex<Option<String>>> = Arc::default();
        let mut events = Box::pin(connection.events_listener());
        let reason = Arc::clone(&blocked);
        let listener = tokio::spawn(async move {
            while let Some(event) = events.next().await {
                if let Event::ConnectionBlocked(why) = event {
                    *reason.lock() = Some(why);
                }
            }
        });
        let listener = AbortOnDropHandle::new(listener);
        Self { connection, limit, silent: None, blocked, _listener: listener }
    }

    /// The broker's reason for accepting no messages, if it has given one.
    pub(super) fn blocked(&self) -> Option<String> {
        self.blocked.lock().clone()
    }

    /// Whether a queue exists.
    pub(super) async fn existence(&mut self, queue: &Queue) -> Existence {
        let asked =
            self.ask(async |channel| topology::declare_passive(&channel, &queue.name).await);
        match asked.await {
            Ok(queue) => Existence::Present {
                ready: queue.message_count(),
                consumers: queue.consumer_count(),
            },
            Err(No::NotFound) => Existence::Missing,
            Err(No::AccessRefused) => Existence::Denied,
            Err(No::PreconditionFailed(why) | No::Other(why)) => Existence::Unknown(why),
        }
    }

    /// Whether an existing queue has these arguments.
    pub(super) async fn arguments(&mut self, queue: &Queue) -> Arguments {
        let asked = self.ask(async |channel| topology::compare(&channel, queue).await);
        match asked.await {
            Ok(()) => Arguments::Same,
            Err(No::AccessRefused) => Arguments::Denied,
            // Other errors of this kind are about the argument that keeps a queue from being
            // created.
            Err(No::PreconditionFailed(why)) if differs(queue, &why) => Arguments::Different(why),
            Err(No::NotFound) => Arguments::Unknown("it is missing now".to_owned()),
            Err(No::PreconditionFailed(why) | No::Other(why)) => Arguments::Unknown(why),
        }
    }

    /// Whether the user may consume from a queue: asks to consume with an argument of the wrong
    /// type, which the broker rejects after it has checked the right, and before it attaches the
    /// consumer.
    pub(super) async fn may_read(&mut self, queue: &str) -> Right {
        let wrong = topology::table([("x-priority", topology::text("none"))]);
        let options = BasicConsumeOptions::default();
        let asked = self.ask(async |channel| {
            channel.basic_consume(queue.into(), "".into(), options, wrong.clone()).await
        });
        granted_if_rejected(asked.await.map(drop))
    }

    /// Whether an exchange exists; `None` if the broker did not say.
    pub(super) async fn exchange_exists(&mut self, exchange: &str) -> Option<bool> {
        let asked = self.ask(async |channel| topology::find_fanout(&channel, exchange).await);
        match asked.await {
            Ok(()) => Some(true),
            Err(No::NotFound) => Some(false),
            Err(_) => None,
        }
    }

    /// Whether the user may publish to an exchange: asks to publish a message with an invalid
    /// expiration, which the broker rejects after it has checked the right, and before it routes
    /// the message.
    pub(super) async fn may_write(&mut self, exchange: &str) -> Right {
        let properties = BasicProperties::default().with_expiration("never".into());
        let asked = self.ask(async |channel| {
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            let options = BasicPublishOptions { mandatory: true, ..Default::default() };
            let key = "solvemesh.nowhere".into();
            let publishing =
                channel.basic_publish(exchange.into(), key, options, &[], properties.clone());
            publishing.await?.await.map(drop)
        });
        granted_if_rejected(asked.await)
    }

    /// Asks one question over a channel of its own.
    async fn ask<T>(
        &mut self,
        question: impl AsyncFnOnce(Channel) -> lapin::Result<T>,
    ) -> Result<T, No> {
        if let Some(why) = &self.silent {
            return Err(No::Other(why.clone()));
        }
        if let Some(why) = self.blocked() {
            return Err(No::Other(format!("the broker accepts no messages: {why}")));
        }
        let asking = async {
            let channel = self.connection.create_channel().await?;
            let answer = question(channel.clone()).await?;
            channel.close(200, "asked".into()).await?;
            Ok(answer)
        };
        match within(self.limit, asking).await {
            Some(answer) => answer.map_err(|error| No::of(&error)),
            None => {
                let why = format!("no answer within {:?}", self.limit);
                self.silent = Some(why.clone());
                Err(No::Other(why))
            }
        }
    }
}

/// Whether an error is about an argument with which a queue would be declared, and not about
/// another one.
fn differs(queue: &Queue, why: &str) -> bool {
    let quoted = |key: &str| why.contains(&format!("'{key}'"));
    why.contains("inequivalent") && {
        let ours = queue.arguments.inner().keys().any(|key| quoted(key.as_str()));
        ours || ["durable", "exclusive", "auto_delete"].into_iter().any(quoted)
    }
}

/// The right for a request that is always rejected.
fn granted_if_rejected(answer: Result<(), No>) -> Right {
    match answer {
        Ok(()) | Err(No::PreconditionFailed(_)) => Right::Granted,
        Err(No::AccessRefused) => Right::Denied,
        Err(No::NotFound) => Right::Unknown("it is missing now".to_owned()),
        Err(No::Other(why)) => Right::Unknown(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Topology, amqp::topology::log};

    #[test]
    fn only_a_difference_in_an_argument_of_the_mesh_is_reported() {
        let log = log(&Topology::default());
        let of = |key: &str| {
            format!(
                "PRECONDITION_FAILED - inequivalent arg '{key}' for queue 'solvemesh.log.v1' in \
                 vhost '/': received '1' but current is '2'"
            )
        };
        assert!(differs(&log, &of("x-max-age")));
        assert!(differs(&log, &of("durable")));
        assert!(!differs(&log, &of("x-delivery-limit")));
        assert!(!differs(&log, "PRECONDITION_FAILED - invalid arg 'x-max-age' for queue"));
    }

    #[test]
    fn a_rejected_request_shows_that_the_user_has_the_right() {
        let rejected = No::PreconditionFailed(String::new());
        assert_eq!(granted_if_rejected(Err(rejected)), Right::Granted);
        assert_eq!(granted_if_rejected(Err(No::AccessRefused)), Right::Denied);
        let unknown = granted_if_rejected(Err(No::Other("no answer".to_owned())));
        assert_eq!(unknown, Right::Unknown("no answer".to_owned()));
    }
}
