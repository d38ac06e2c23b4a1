//! Finds fields of a message that this version of the contract does not have.
//!
//! Protobuf ignores unknown fields. For a request that is dangerous: a gateway that ignored, say,
//! quadratic terms would solve a different model than the one that was sent, and report it as
//! optimal. So requests are walked with the contract's own descriptors before they are decoded.

use std::{collections::HashMap, sync::LazyLock};

use prost::{
    Message,
    bytes::Buf,
    encoding::{WireType, decode_key, decode_varint},
};
use prost_types::{DescriptorProto, FileDescriptorSet, field_descriptor_proto::Type};

use crate::DESCRIPTORS;

/// Maximum nesting of messages, that of prost. Deeper ones are refused when they are decoded.
const MAX_DEPTH: usize = 100;

static CONTRACT: LazyLock<Contract> = LazyLock::new(Contract::new);

/// A field that the contract does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownField {
    /// The path of the message with the field, such as `model.linear`; empty for the request
    /// itself.
    pub path: String,
    /// The name of that message's type.
    pub message: String,
    /// The number of the field.
    pub number: u32,
}

/// Finds the first unknown field of an encoded message, at any depth. `name` is the full name of
/// the message, such as `solvemesh.v1.SubmitJobRequest`. Bytes that are not such a message have
/// no unknown field: decoding reports what is wrong with them.
pub fn unknown_field(name: &str, encoded: &[u8]) -> Option<UnknownField> {
    let message = *CONTRACT.names.get(name)?;
    let mut path = Vec::new();
    let (message, number) = CONTRACT.walk(message, encoded, &mut path)?;
    let message = CONTRACT.messages[message].name.clone();
    Some(UnknownField { path: path.join("."), message, number })
}

/// The messages of the contract.
struct Contract {
    names: HashMap<String, usize>,
    messages: Vec<MessageType>,
}

struct MessageType {
    name: String,
    fields: HashMap<u32, Field>,
}

struct Field {
    name: String,
    /// The index of its message type, if it has one.
    message: Option<usize>,
    is_repeated: bool,
}

impl Contract {
    fn new() -> Self {
        // The descriptors are a constant that the build script has encoded. If they did not decode
        // after all, no field would be known, and every request would be refused.
        let descriptors = FileDescriptorSet::decode(DESCRIPTORS).unwrap_or_default();
        let mut found = Vec::new();
        for file in &descriptors.file {
            let package = format!(".{}", file.package());
            file.message_type.iter().for_each(|message| collect(&package, message, &mut found));
        }
        let names: HashMap<String, usize> =
            found.iter().enumerate().map(|(index, (name, _))| (name.clone(), index)).collect();
        let messages = found.iter().map(|(name, message)| MessageType {
            name: name.clone(),
            fields: message
                .field
                .iter()
                .map(|field| {
                    let is_message = field.r#type() == Type::Message;
                    let type_name = field.type_name().trim_start_matches('.');
                    let known = Field {
                        name: field.name().to_owned(),
                        message: is_message.then(|| names.get(type_name).copied()).flatten(),
                        is_repeated: field.label()
                            == prost_types::field_descriptor_proto::Label::Repeated,
                    };
                    (u32::try_from(field.number()).unwrap_or_default(), known)
                })
                .collect(),
        });
        Self { messages: messages.collect(), names }
    }

    /// The message type and the number of the first unknown field; `path` then leads to it.
    fn walk(
        &self,
        message: usize,
        mut bytes: &[u8],
        path: &mut Vec<String>,
    ) -> Option<(usize, u32)> {
        if path.len() > MAX_DEPTH {
            return None;
        }
        let fields = &self.messages[message].fields;
        let mut counts: HashMap<u32, usize> = HashMap::new();
        while bytes.has_remaining() {
            let (number, wire_type) = decode_key(&mut bytes).ok()?;
            let Some(field) = fields.get(&number) else { return Some((message, number)) };
            let length = match wire_type {
                WireType::Varint => {
                    decode_varint(&mut bytes).ok()?;
                    0
                }
                WireType::SixtyFourBit => 8,
                WireType::ThirtyTwoBit => 4,
                WireType::LengthDelimited => {
                    usize::try_from(decode_varint(&mut bytes).ok()?).ok()?
                }
                // No field of the contract is a group.
                WireType::StartGroup | WireType::EndGroup => return None,
            };
            let value = bytes.get(..length)?;
            bytes = &bytes[length..];
            if let (Some(inner), WireType::LengthDelimited) = (field.message, wire_type) {
                let index = counts.entry(number).or_default();
                let is_repeated = field.is_repeated;
                path.push(if is_repeated {
                    format!("{}[{index}]", field.name)
                } else {
                    field.name.clone()
                });
                if let Some(found) = self.walk(inner, value, path) {
                    return Some(found);
                }
                path.pop();
                *index += 1;
            }
        }
        None
    }
}

/// Collects a message and those nested in it (the entries of maps), by their full names.
fn collect(scope: &str, message: &DescriptorProto, found: &mut Vec<(String, DescriptorProto)>) {
    let name = format!("{scope}.{}", message.name());
    found.push((name.trim_start_matches('.').to_owned(), message.clone()));
    message.nested_type.iter().for_each(|nested| collect(&name, nested, found));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::v1::{
        Model, NamedConstraint, NamedModel, NamedTerm, SolveOptions, SubmitJobRequest, model::Form,
    };

    const REQUEST: &str = "solvemesh.v1.SubmitJobRequest";

    /// An encoded field with this number and value, which every message reads as unknown.
    fn field(number: u32, value: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        prost::encoding::encode_key(number, WireType::LengthDelimited, &mut bytes);
        prost::encoding::encode_varint(value.len() as u64, &mut bytes);
        bytes.extend_from_slice(value);
        bytes
    }

    fn request() -> SubmitJobRequest {
        let term = NamedTerm { variable: "x".into(), coefficient: Some(1.0) };
        let terms = vec![term];
        let constraint = NamedConstraint { terms, ..NamedConstraint::default() };
        let constraints = vec![constraint.clone(), constraint];
        let named = NamedModel { constraints, ..NamedModel::default() };
        SubmitJobRequest {
            model: Some(Model { name: "m".into(), form: Some(Form::Named(named)) }),
            options: Some(SolveOptions {
                time_limit: Some(prost_types::Duration { seconds: 1, nanos: 2 }),
                relative_gap: Some(0.5),
                solver_options: BTreeMap::from([("a".into(), "b".into())]),
                ..SolveOptions::default()
            }),
            labels: BTreeMap::from([("k".into(), "v".into())]),
            ..SubmitJobRequest::default()
        }
    }

    #[test]
    fn a_request_of_this_version_has_no_unknown_field() {
        assert_eq!(unknown_field(REQUEST, &request().encode_to_vec()), None);
        assert_eq!(unknown_field(REQUEST, &[]), None);
    }

    #[test]
    fn an_unknown_field_is_found_with_its_path() {
        let top = [request().encode_to_vec(), field(99, b"")].concat();
        let (message, path) = (REQUEST.to_owned(), String::new());
        assert_eq!(unknown_field(REQUEST, &top), Some(UnknownField { path, message, number: 99 }));

        // A second term of the second constraint of a named model, with a quadratic factor.
        let term = field(2, &field(77, b"y"));
        let constraint = field(4, &[]);
        let constraint = [constraint, field(4, &term)].concat();
        let deep = field(1, &field(3, &constraint));
        let found = unknown_field(REQUEST, &deep).unwrap();
        assert_eq!(
            (found.path.as_str(), found.number),
            ("model.named.constraints[1].terms[0]", 77)
        );
        assert_eq!(found.message, "solvemesh.v1.NamedTerm");
    }

    #[test]
    fn an_unknown_form_of_a_model_is_an_unknown_field() {
        let found = unknown_field(REQUEST, &field(1, &field(17, b"quadratic"))).unwrap();
        assert_eq!((found.path.as_str(), found.number), ("model", 17));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = unknown_field(REQUEST, &bytes);
        }
    }
}
