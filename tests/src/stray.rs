//! Messages that no program of ours would send, put straight into the broker.

use lapin::{
    BasicProperties, Confirmation, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::{AMQPValue, FieldTable},
};

/// A message for a queue, with the properties by which ours tell of themselves.
#[derive(Clone, Debug, Default)]
pub struct Stray {
    /// The id of the job that it says it is.
    pub job_id: Option<String>,
    /// The digest of its payload.
    pub digest: Option<Vec<u8>>,
    /// The version of its format.
    pub version: Option<u32>,
    /// Its content.
    pub body: Vec<u8>,
}

impl Stray {
    /// Publishes it, and returns once the broker has it.
    ///
    /// # Panics
    ///
    /// When there is no such queue.
    pub async fn send(&self, broker: &str, queue: &str) {
        let connection = Connection::connect(broker, ConnectionProperties::default())
            .await
            .expect("a connection to the broker");
        let channel = connection.create_channel().await.expect("a channel");
        channel.confirm_select(ConfirmSelectOptions::default()).await.expect("confirms");
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let sent = channel
            .basic_publish("".into(), queue.into(), options, &self.body, self.properties())
            .await
            .expect("a publish");
        let confirmation = sent.await.expect("a confirm");
        assert!(matches!(confirmation, Confirmation::Ack(None)), "{queue}: {confirmation:?}");
        connection.close(200, "done".into()).await.expect("a goodbye");
    }

    fn properties(&self) -> BasicProperties {
        let mut headers = FieldTable::default();
        if let Some(version) = self.version {
            headers.insert("solvemesh-format".into(), AMQPValue::LongLongInt(version.into()));
        }
        if let Some(digest) = &self.digest {
            let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            headers.insert("solvemesh-digest".into(), AMQPValue::LongString(hex.into()));
        }
        let properties = BasicProperties::default().with_delivery_mode(2).with_headers(headers);
        match &self.job_id {
            Some(id) => properties.with_message_id(id.as_str().into()),
            None => properties,
        }
    }
}
