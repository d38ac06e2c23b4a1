//! Messages that no solvemesh program would send, published directly to the broker.

use lapin::{
    BasicProperties, Confirmation, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::{AMQPValue, FieldTable},
};

/// A message for a queue, with the properties and headers of solvemesh's own messages.
#[derive(Clone, Debug, Default)]
pub struct Stray {
    /// The job id in its properties.
    pub job_id: Option<String>,
    /// The payload digest in its headers.
    pub digest: Option<Vec<u8>>,
    /// The format version in its headers.
    pub version: Option<u32>,
    /// The body.
    pub body: Vec<u8>,
}

impl Stray {
    /// Publishes it, and returns once the broker has confirmed it.
    ///
    /// # Panics
    ///
    /// If there is no such queue.
    pub async fn send(&self, broker: &str, queue: &str) {
        let connection = Connection::connect(broker, ConnectionProperties::default())
            .await
            .expect("a connection to the broker");
        let channel = connection.create_channel().await.expect("a channel");
        channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
        // Mandatory, so that a message without a queue is returned and not dropped.
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let sent = channel
            .basic_publish("".into(), queue.into(), options, &self.body, self.properties())
            .await
            .expect("a publish");
        let confirmation = sent.await.expect("a confirm");
        assert!(matches!(confirmation, Confirmation::Ack(None)), "{queue}: {confirmation:?}");
        connection.close(200, "done".into()).await.expect("a closed connection");
    }

    fn properties(&self) -> BasicProperties {
        let mut headers = FieldTable::default();
        if let Some(version) = self.version {
            headers.insert("solvemesh-format".into(), AMQPValue::LongLongInt(version.into()));
        }
        if let Some(digest) = &self.digest {
            let digest = AMQPValue::ByteArray(digest.clone().into());
            headers.insert("solvemesh-digest".into(), digest);
        }
        // Delivery mode 2: persistent.
        let properties = BasicProperties::default().with_delivery_mode(2).with_headers(headers);
        match &self.job_id {
            Some(id) => properties.with_message_id(id.as_str().into()),
            None => properties,
        }
    }
}
