//! Arrays that were sent as a file: an encoded `LinearModel`.
//!
//! A file may be larger than a request, and a few bytes of it can take many times as much memory:
//! an empty name takes two bytes, and 24 in memory. So the lengths of the arrays are counted, and
//! checked against the limits, before they are decoded.

use std::borrow::Cow;

use prost::{
    Message,
    bytes::{Buf, Bytes},
    encoding::{WireType, decode_key, decode_varint},
};
use solvemesh::{unknown_field, v1::LinearModel};

use crate::{Fault, FaultKind, Limits, limits::Counts};

/// The field of the request that holds a file.
const FIELD: &str = "file";

/// Decodes an encoded `LinearModel`.
///
/// # Errors
///
/// If the bytes are no such message, if the message has a field that is not known, which could
/// change its meaning, or if an array is longer than its limit.
pub(crate) fn decode(bytes: Cow<'_, [u8]>, limits: &Limits) -> Result<LinearModel, Fault> {
    if let Some(unknown) = unknown_field("solvemesh.v1.LinearModel", &bytes) {
        let message = format!("solvemesh.v1.LinearModel has no field {}", unknown.number);
        return Err(fault(FaultKind::Unsupported, message));
    }
    let lengths = Lengths::of(&bytes)
        .ok_or_else(|| fault(FaultKind::Syntax, "is not an encoded LinearModel".to_owned()))?;
    if let Some(message) = limits.stop(lengths.counts()) {
        return Err(fault(FaultKind::TooLarge, message));
    }
    let decoded = match bytes {
        Cow::Borrowed(bytes) => LinearModel::decode(bytes),
        Cow::Owned(bytes) => LinearModel::decode(Bytes::from(bytes)),
    };
    decoded.map_err(|error| {
        fault(FaultKind::Syntax, format!("is not an encoded LinearModel: {error}"))
    })
}

fn fault(kind: FaultKind, message: String) -> Fault {
    Fault { field: FIELD.to_owned(), place: None, kind, message }
}

/// The numbers of entries of the arrays of a message, by the number of their field.
#[derive(Debug, Default, PartialEq)]
struct Lengths([usize; 16]);

impl Lengths {
    /// Counts the entries; `None` if the message is malformed. Decoding accepts the entries of an
    /// array in one piece or in several, and so does this.
    fn of(mut bytes: &[u8]) -> Option<Self> {
        let mut lengths = Self::default();
        while bytes.has_remaining() {
            let (number, wire_type) = decode_key(&mut bytes).ok()?;
            let count = lengths.0.get_mut(usize::try_from(number).ok()?)?;
            let added = match wire_type {
                WireType::Varint => {
                    decode_varint(&mut bytes).ok()?;
                    1
                }
                WireType::SixtyFourBit => {
                    bytes = bytes.get(8..)?;
                    1
                }
                WireType::LengthDelimited => {
                    let length = usize::try_from(decode_varint(&mut bytes).ok()?).ok()?;
                    let (content, rest) = bytes.split_at_checked(length)?;
                    bytes = rest;
                    match number {
                        // Doubles.
                        4..=6 | 10 | 11 | 15 => length / size_of::<f64>(),
                        // Integers: the last byte of each has no high bit.
                        7 | 13 | 14 => content.iter().filter(|&&byte| byte < 0x80).count(),
                        // A name.
                        _ => 1,
                    }
                }
                _ => return None,
            };
            *count = count.saturating_add(added);
        }
        Some(lengths)
    }

    /// The size of the model that has the longest of the arrays.
    fn counts(&self) -> Counts {
        let longest =
            |numbers: &[usize]| numbers.iter().map(|&number| self.0[number]).max().unwrap_or(0);
        Counts {
            variables: longest(&[4, 5, 6, 7, 8]),
            // One more than there are rows.
            constraints: longest(&[10, 11, 12]).max(self.0[13].saturating_sub(1)),
            nonzeros: longest(&[14, 15]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> LinearModel {
        LinearModel {
            variable_lower: vec![0.0, 1.0],
            variable_kinds: vec![2, 300],
            variable_names: vec![String::new(), "b".to_owned()],
            constraint_upper: vec![4.0],
            row_starts: vec![0, 2],
            column_indices: vec![0, 1],
            coefficients: vec![1.5, 300.0],
            ..LinearModel::default()
        }
    }

    #[test]
    fn arrays_are_counted_as_they_are_decoded() {
        let bytes = model().encode_to_vec();
        let Counts { variables, constraints, nonzeros } =
            Lengths::of(&bytes).expect("a message").counts();
        assert_eq!((variables, constraints, nonzeros), (2, 1, 2));
        // Twice the message is one with twice the entries.
        let twice = [bytes.clone(), bytes].concat();
        let counts = Lengths::of(&twice).expect("a message").counts();
        assert_eq!((counts.variables, counts.nonzeros), (4, 4));
        assert_eq!(counts.constraints, 3, "four row_starts");
    }

    #[test]
    fn an_array_over_its_limit_is_rejected_before_it_is_decoded() {
        let limits = Limits { max_variables: 2, max_nonzeros: 1, ..Limits::default() };
        let error = decode(Cow::Owned(model().encode_to_vec()), &limits).unwrap_err();
        assert_eq!(error.kind, FaultKind::TooLarge);
        assert!(error.message.contains("max_nonzeros is 1"), "{error}");
        let names = LinearModel { variable_names: vec![String::new(); 3], ..model() };
        let error = decode(Cow::Owned(names.encode_to_vec()), &limits).unwrap_err();
        assert!(error.message.contains("max_variables is 2"), "{error}");
    }

    #[test]
    fn unknown_fields_and_other_bytes_are_rejected() {
        let limits = Limits::default();
        // Field 16, a varint.
        let unknown = [model().encode_to_vec(), vec![0x80, 0x01, 0x01]].concat();
        let error = decode(Cow::Borrowed(&unknown), &limits).unwrap_err();
        assert_eq!(error.message, "solvemesh.v1.LinearModel has no field 16");
        let mut cut = model().encode_to_vec();
        cut.pop();
        for bytes in [&cut[..], b"\x22\x09123456789", b"\x20\x01", b"\x0b"] {
            let error = decode(Cow::Borrowed(bytes), &limits).unwrap_err();
            assert!(error.message.contains("not an encoded LinearModel"), "{error}");
        }
    }
}
