//! The few AMQP operations of the ceilings and of the bare handler, directly on lapin.

use futures::StreamExt as _;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer,
    PublisherConfirm,
    message::Delivery,
    options::{BasicPublishOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, ShortString},
};

/// Fails unless the broker has stored the message.
pub(crate) fn check_confirmed(confirmation: Confirmation) -> anyhow::Result<()> {
    match confirmation {
        Confirmation::Ack(None) => Ok(()),
        other => anyhow::bail!("not confirmed: {other:?}"),
    }
}

/// Opens a connection.
pub(crate) async fn connect(url: &str) -> anyhow::Result<Connection> {
    Ok(Connection::connect(url, ConnectionProperties::default()).await?)
}

/// Declares a durable queue of this type.
pub(crate) async fn declare(
    channel: &Channel,
    name: &str,
    kind: &'static str,
) -> anyhow::Result<()> {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString(kind.into()));
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(name.into(), options, arguments).await?;
    Ok(())
}

/// Publishes a persistent message to a queue; the confirm has to be awaited.
pub(crate) async fn send(
    channel: &Channel,
    to: &str,
    body: &[u8],
) -> lapin::Result<PublisherConfirm> {
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let properties = BasicProperties::default().with_delivery_mode(2);
    channel.basic_publish(ShortString::default(), to.into(), options, body, properties).await
}

/// The next delivery.
pub(crate) async fn next(consumer: &mut Consumer) -> anyhow::Result<Delivery> {
    match consumer.next().await {
        Some(delivery) => Ok(delivery?),
        None => anyhow::bail!("the consumer ended"),
    }
}
