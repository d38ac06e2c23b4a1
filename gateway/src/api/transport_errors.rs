//! Gives errors that tonic reports by itself the codes and details of this API.

use solvemesh_rpc::refused_field;
use tonic::{Code, Status};

use crate::refusal::Refusal;

/// Replaces a status that tonic created by one with this API's codes and details; `None` for any
/// other status. tonic offers only the message text to recognise them by.
pub(super) fn translate(status: &Status, max_message_bytes: usize) -> Option<Status> {
    if let Some(field) = refused_field(status) {
        return Some(Refusal::UnknownField { field }.into());
    }
    let refusal = match status.code() {
        Code::OutOfRange if status.message().contains("decoded message length too large") => {
            Refusal::MessageTooLarge { limit: max_message_bytes }
        }
        Code::Internal if status.message().starts_with("failed to decode Protobuf message") => {
            Refusal::Undecodable { cause: status.message().to_owned() }
        }
        _ => return None,
    };
    Some(refusal.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn transport_errors_are_translated() {
        let large = Status::out_of_range(
            "Error, decoded message length too large: found 9 bytes, the limit is: 7 bytes",
        );
        let status = translate(&large, 7).unwrap();
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert!(status.message().contains("max_message_bytes, 7 bytes"), "{}", status.message());
        let garbled = Status::internal("failed to decode Protobuf message: invalid wire type");
        let status = translate(&garbled, 7).unwrap();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(translate(&Status::internal("a bug"), 7).is_none());
    }
}
