//! The properties and headers of messages.

use std::time::Duration;

use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};

use super::topology::{LOOKUP_TTL, number, table};
use crate::FORMAT_VERSION;

const DIGEST: &str = "solvemesh-digest";
const FORMAT: &str = "solvemesh-format";
/// Set in a message of a job that was delivered before, in another message.
const REDELIVERED: &str = "solvemesh-redelivered";
const TRANSIENT: u8 = 1;
const PERSISTENT: u8 = 2;

/// The properties of a job's message. They have its id and digest, so that the job can be reported
/// as failed even if the body can't be decoded.
pub(super) fn for_job(job_id: &str, digest: &[u8], version: u32) -> BasicProperties {
    with_job(job_id, digest, table([(FORMAT, number(version.into()))]))
}

/// The properties of the message of a job that was delivered before, in another message.
pub(super) fn for_job_again(job_id: &str, digest: &[u8], version: u32) -> BasicProperties {
    let redelivered = AMQPValue::Boolean(true);
    let headers = table([(FORMAT, number(version.into())), (REDELIVERED, redelivered)]);
    with_job(job_id, digest, headers)
}

fn with_job(job_id: &str, digest: &[u8], mut headers: FieldTable) -> BasicProperties {
    headers.insert(DIGEST.into(), AMQPValue::ByteArray(digest.to_vec().into()));
    persistent().with_message_id(job_id.into()).with_headers(headers)
}

/// The properties of a message of a stream.
pub(super) fn persistent() -> BasicProperties {
    persistent_with_format(FORMAT_VERSION)
}

/// The properties of a message that survives a restart of the broker.
pub(super) fn persistent_with_format(version: u32) -> BasicProperties {
    with_format(version).with_delivery_mode(PERSISTENT)
}

/// The properties of a message that is worthless after a restart of the broker.
pub(super) fn transient() -> BasicProperties {
    with_format(FORMAT_VERSION)
}

/// The properties of a lookup with a `number`, which expires after `left`, at most
/// [`LOOKUP_TTL`].
pub(super) fn for_lookup(number: u64, left: Duration) -> BasicProperties {
    // RabbitMQ accepts at most 32 bits of milliseconds.
    let left = left.clamp(Duration::from_millis(1), LOOKUP_TTL).as_millis();
    with_format(FORMAT_VERSION)
        .with_delivery_mode(TRANSIENT)
        .with_expiration(left.to_string().into())
        .with_correlation_id(number.to_string().into())
}

/// The properties of the answer to a lookup with the properties `lookup`: the same number.
pub(super) fn for_answer(lookup: &BasicProperties) -> BasicProperties {
    let answer = with_format(FORMAT_VERSION).with_delivery_mode(TRANSIENT);
    match lookup.correlation_id() {
        Some(number) => answer.with_correlation_id(number.clone()),
        None => answer,
    }
}

/// The properties that all messages have.
pub(super) fn with_format(version: u32) -> BasicProperties {
    BasicProperties::default()
        .with_content_type("application/x-protobuf".into())
        .with_headers(table([(FORMAT, number(version.into()))]))
}

/// The number of the lookup that an answer belongs to, if it has a valid one.
pub(super) fn correlation(properties: &BasicProperties) -> Option<u64> {
    properties.correlation_id().as_ref().and_then(|number| number.as_str().parse().ok())
}

/// The id of the job in a message; empty if it has none.
pub(super) fn job_id(properties: &BasicProperties) -> String {
    properties.message_id().as_ref().map(ToString::to_string).unwrap_or_default()
}

/// The digest of a job's payload; empty if it has none.
pub(super) fn digest(properties: &BasicProperties) -> Vec<u8> {
    match header(properties, DIGEST) {
        Some(AMQPValue::ByteArray(digest)) => digest.as_slice().to_vec(),
        _ => Vec::new(),
    }
}

/// The format version of a message, if it has one.
pub(super) fn format_version(properties: &BasicProperties) -> Option<u32> {
    header(properties, FORMAT).and_then(as_number).and_then(|version| u32::try_from(version).ok())
}

/// Whether the job was delivered before, in another message.
pub(super) fn was_delivered(properties: &BasicProperties) -> bool {
    header(properties, REDELIVERED).is_some()
}

/// The offset of a message of a stream.
pub(super) fn offset(properties: &BasicProperties) -> Option<u64> {
    header(properties, "x-stream-offset").and_then(as_number)
}

/// The latest reason for which a message became a dead letter; empty if it did not.
pub(super) fn dead_letter_reason(properties: &BasicProperties) -> String {
    // RabbitMQ puts the latest death first.
    let latest = match header(properties, "x-death") {
        Some(AMQPValue::FieldArray(deaths)) => deaths.as_slice().first(),
        _ => None,
    };
    let reason = match latest {
        Some(AMQPValue::FieldTable(death)) => get(death, "reason").and_then(as_text),
        _ => None,
    };
    reason.unwrap_or_default()
}

fn header<'a>(properties: &'a BasicProperties, name: &str) -> Option<&'a AMQPValue> {
    get(properties.headers().as_ref()?, name)
}

fn get<'a>(table: &'a FieldTable, name: &str) -> Option<&'a AMQPValue> {
    table.inner().get(name)
}

fn as_text(value: &AMQPValue) -> Option<String> {
    match value {
        AMQPValue::LongString(text) => Some(text.to_string()),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    }
}

/// A header as a number. The broker may change the width of integers, so all are accepted.
fn as_number(value: &AMQPValue) -> Option<u64> {
    match *value {
        AMQPValue::LongLongInt(n) => u64::try_from(n).ok(),
        AMQPValue::LongInt(n) => u64::try_from(n).ok(),
        AMQPValue::ShortInt(n) => u64::try_from(n).ok(),
        AMQPValue::ShortShortInt(n) => u64::try_from(n).ok(),
        AMQPValue::LongUInt(n) => Some(n.into()),
        AMQPValue::ShortUInt(n) => Some(n.into()),
        AMQPValue::ShortShortUInt(n) => Some(n.into()),
        AMQPValue::Timestamp(n) => Some(n),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use lapin::types::FieldArray;

    use super::*;

    #[test]
    fn a_job_is_identified_by_its_properties_alone() {
        let (first, again) = (for_job("j", &[0, 0xff], 7), for_job_again("j", &[0, 0xff], 7));
        assert!(!was_delivered(&first) && was_delivered(&again));
        for properties in [first, again] {
            assert_eq!(job_id(&properties), "j");
            assert_eq!(digest(&properties), [0, 0xff]);
            assert_eq!(format_version(&properties), Some(7));
        }
    }

    #[test]
    fn the_latest_death_counts() {
        let death_of = |reason: &str| {
            let death = table([("reason", AMQPValue::LongString(reason.into()))]);
            AMQPValue::FieldTable(death)
        };
        let mut deaths = FieldArray::default();
        deaths.push(death_of("delivery_limit"));
        deaths.push(death_of("rejected"));
        let headers = table([("x-death", AMQPValue::FieldArray(deaths))]);
        assert_eq!(
            dead_letter_reason(&BasicProperties::default().with_headers(headers)),
            "delivery_limit"
        );
        assert_eq!(dead_letter_reason(&BasicProperties::default()), "");
    }

    #[test]
    fn an_answer_has_the_number_of_its_lookup() {
        let lookup = for_lookup(7, Duration::MAX);
        assert_eq!(correlation(&for_answer(&lookup)), Some(7));
        assert_eq!(lookup.expiration().as_ref().map(|left| left.as_str()), Some("10000"));
        assert_eq!(correlation(&for_answer(&BasicProperties::default())), None);
    }
}
