//! What travels beside a message's body.

use std::time::Duration;

use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};
use solvemesh::broker::v1::JobEnvelope;

use super::topology::{QUESTION_TTL, number, table};
use crate::FORMAT_VERSION;

const DIGEST: &str = "solvemesh-digest";
const FORMAT: &str = "solvemesh-format";
const TRANSIENT: u8 = 1;
const PERSISTENT: u8 = 2;

/// The properties of a job's message: enough to tell of the job when the body can't
/// be read.
pub(super) fn of_job(job: &JobEnvelope) -> BasicProperties {
    let mut headers = table([(FORMAT, number(job.version.into()))]);
    headers.insert(DIGEST.into(), AMQPValue::LongString(hex(&job.digest).into()));
    of_record().with_message_id(job.job_id.as_str().into()).with_headers(headers)
}

/// The properties of a stream's message.
pub(super) fn of_record() -> BasicProperties {
    of_format(FORMAT_VERSION).with_delivery_mode(PERSISTENT)
}

/// The properties of a question that whoever asks it gave a `number`, and forgets
/// when `left` has passed.
pub(super) fn of_question(number: u64, left: Duration) -> BasicProperties {
    // Brokers take no more than 32 bits.
    let left = left.clamp(Duration::from_millis(1), QUESTION_TTL).as_millis();
    of_format(FORMAT_VERSION)
        .with_delivery_mode(TRANSIENT)
        .with_expiration(left.to_string().into())
        .with_correlation_id(number.to_string().into())
}

/// The properties of the answer to a question with the properties `asked`.
pub(super) fn of_answer(asked: &BasicProperties) -> BasicProperties {
    let answer = of_format(FORMAT_VERSION).with_delivery_mode(TRANSIENT);
    match asked.correlation_id() {
        Some(number) => answer.with_correlation_id(number.clone()),
        None => answer,
    }
}

/// The properties of any message of ours.
pub(super) fn of_format(version: u32) -> BasicProperties {
    BasicProperties::default()
        .with_content_type("application/x-protobuf".into())
        .with_headers(table([(FORMAT, number(version.into()))]))
}

/// The number of the question that an answer is for, if it tells.
pub(super) fn correlation(properties: &BasicProperties) -> Option<u64> {
    properties.correlation_id().as_ref().and_then(|number| number.as_str().parse().ok())
}

/// The job that a message is about; empty when it does not tell.
pub(super) fn job_id(properties: &BasicProperties) -> String {
    properties.message_id().as_ref().map(ToString::to_string).unwrap_or_default()
}

/// The digest of its payload; empty when it does not tell.
pub(super) fn digest(properties: &BasicProperties) -> Vec<u8> {
    header(properties, DIGEST).and_then(as_text).and_then(|hex| unhex(&hex)).unwrap_or_default()
}

/// The version of its format, if it tells.
pub(super) fn format_version(properties: &BasicProperties) -> Option<u32> {
    header(properties, FORMAT).and_then(as_number).and_then(|version| u32::try_from(version).ok())
}

/// The offset of a stream's message.
pub(super) fn offset(properties: &BasicProperties) -> Option<u64> {
    header(properties, "x-stream-offset").and_then(as_number)
}

/// Why a message was given up, the latest reason first; empty when it was not.
pub(super) fn death(properties: &BasicProperties) -> String {
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

/// Brokers shrink and widen integers as they like.
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    text.as_bytes().chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use lapin::types::FieldArray;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_job_can_be_told_from_its_properties_alone() {
        let job = JobEnvelope {
            version: 7,
            job_id: "j".to_owned(),
            digest: vec![0, 0xff],
            ..JobEnvelope::default()
        };
        let properties = of_job(&job);
        assert_eq!(job_id(&properties), "j");
        assert_eq!(digest(&properties), [0, 0xff]);
        assert_eq!(format_version(&properties), Some(7));
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
        assert_eq!(death(&BasicProperties::default().with_headers(headers)), "delivery_limit");
        assert_eq!(death(&BasicProperties::default()), "");
    }

    #[test]
    fn an_answer_tells_which_question_it_is_for() {
        let asked = of_question(7, Duration::MAX);
        assert_eq!(correlation(&of_answer(&asked)), Some(7));
        assert_eq!(asked.expiration().as_ref().map(|left| left.as_str()), Some("10000"));
        assert_eq!(correlation(&of_answer(&BasicProperties::default())), None);
    }

    proptest! {
        #[test]
        fn hex_comes_back_as_it_went(bytes: Vec<u8>) {
            prop_assert_eq!(unhex(&hex(&bytes)), Some(bytes));
        }

        #[test]
        fn any_text_is_hex_or_none(text: String) {
            if let Some(bytes) = unhex(&text) {
                prop_assert_eq!(hex(&bytes), text.to_lowercase());
            }
        }
    }
}
