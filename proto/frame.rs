//! Protobuf messages on a byte stream, each after its length as a varint: the pipes between a
//! worker and its solver process, and snapshot files. [`find`] is the decoder; [`read`] and
//! [`write()`] are the blocking side.

use std::{
    io::{self, ErrorKind, Read, Write},
    ops::Range,
};

use prost::Message;

/// Maximum size of a message between a worker and its solver process, in bytes. The largest
/// model that a mesh admits is far below.
pub const MAX_FRAME_BYTES: usize = 1 << 30;

/// Maximum number of tasks that a worker sends to its solver process before it has the outcome of
/// the first of them.
pub const MAX_TASKS_IN_FLIGHT: usize = 64;

/// Maximum length of a length prefix: ten groups of seven bits hold every u64.
const MAX_PREFIX: usize = 10;

/// The number of bytes to allocate before any of a message has arrived: a length alone is not
/// to be trusted with more.
const MAX_INITIAL_CAPACITY: usize = 1 << 20;

/// The first message of a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The range of its bytes in the buffer.
    Complete(Range<usize>),
    /// It is incomplete: at least this number of bytes is missing.
    Missing(usize),
}

/// A length prefix that cannot be one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidFrame {
    /// It is longer than any length needs.
    Prefix,
    /// The message is longer than the limit.
    TooLong {
        /// Its length, in bytes.
        length: usize,
        /// The limit, in bytes.
        limit: usize,
    },
}

impl std::fmt::Display for InvalidFrame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Prefix => write!(f, "invalid length prefix"),
            Self::TooLong { length, limit } => {
                write!(f, "a message of {length} bytes, over the limit of {limit}")
            }
        }
    }
}

impl std::error::Error for InvalidFrame {}

impl From<InvalidFrame> for io::Error {
    fn from(error: InvalidFrame) -> Self {
        io::Error::new(ErrorKind::InvalidData, error)
    }
}

/// Finds the first message of a buffer.
///
/// # Errors
///
/// When the buffer does not start with a length prefix, or with one over `limit`.
pub fn find(buffer: &[u8], limit: usize) -> Result<Frame, InvalidFrame> {
    let mut rest = buffer;
    let Ok(length) = prost::decode_length_delimiter(&mut rest) else {
        // Of a prefix that is cut off, more may arrive.
        let is_partial = buffer.len() < MAX_PREFIX && buffer.iter().all(|byte| byte & 0x80 != 0);
        return if is_partial { Ok(Frame::Missing(1)) } else { Err(InvalidFrame::Prefix) };
    };
    if length > limit {
        return Err(InvalidFrame::TooLong { length, limit });
    }
    if rest.len() < length {
        return Ok(Frame::Missing(length - rest.len()));
    }
    let start = buffer.len() - rest.len();
    Ok(Frame::Complete(start..start + length))
}

/// Reads one message; `None` if the stream ends before it.
///
/// # Errors
///
/// `UnexpectedEof` when the stream ends within the message, `InvalidData` when it is longer
/// than `limit` bytes or does not decode.
pub fn read<M: Message + Default>(reader: &mut impl Read, limit: usize) -> io::Result<Option<M>> {
    let mut prefix = Vec::with_capacity(MAX_PREFIX);
    let length = loop {
        match find(&prefix, limit)? {
            Frame::Complete(_) => break 0,
            // The prefix is complete as soon as its last byte has no continuation bit.
            Frame::Missing(length) if prefix.last().is_some_and(|byte| byte & 0x80 == 0) => {
                break length;
            }
            Frame::Missing(_) => {}
        }
        let mut byte = [0];
        match reader.read_exact(&mut byte) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof && prefix.is_empty() => {
                return Ok(None);
            }
            read => read?,
        }
        prefix.push(byte[0]);
    };
    let mut bytes = Vec::with_capacity(length.min(MAX_INITIAL_CAPACITY));
    reader.take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() < length {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    // From `Bytes`, so that `bytes` fields share the buffer instead of copying it.
    let decoded = M::decode(bytes::Bytes::from(bytes));
    decoded.map(Some).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
}

/// Writes one message and flushes.
///
/// # Errors
///
/// `InvalidData` when the message is longer than [`MAX_FRAME_BYTES`] (nothing is written), and
/// those of the stream.
pub fn write(writer: &mut impl Write, message: &impl Message) -> io::Result<()> {
    let (length, limit) = (message.encoded_len(), MAX_FRAME_BYTES);
    if length > limit {
        return Err(InvalidFrame::TooLong { length, limit }.into());
    }
    writer.write_all(&message.encode_length_delimited_to_vec())?;
    writer.flush()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;
    use crate::solver::v1::{Incumbent, SolverReport, solver_report};

    const LIMIT: usize = MAX_FRAME_BYTES;

    fn report(task: u64, values: Vec<f64>) -> SolverReport {
        let incumbent = Incumbent { objective: 1.0, bound: None, values };
        SolverReport { task, kind: Some(solver_report::Kind::Incumbent(incumbent)) }
    }

    proptest! {
        #[test]
        fn written_messages_are_read_back(
            tasks in prop::collection::vec(any::<u64>(), 0..5),
            length in 0..40usize,
        ) {
            let reports: Vec<_> =
                tasks.into_iter().map(|task| report(task, vec![0.5; length])).collect();
            let mut bytes = Vec::new();
            for report in &reports {
                write(&mut bytes, report).unwrap();
            }
            let mut reader = bytes.as_slice();
            for report in reports {
                prop_assert_eq!(read(&mut reader, LIMIT).unwrap(), Some(report));
            }
            prop_assert_eq!(read::<SolverReport>(&mut reader, LIMIT).unwrap(), None);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = find(&bytes, LIMIT);
            let mut reader = bytes.as_slice();
            while let Ok(Some(_)) = read::<SolverReport>(&mut reader, LIMIT) {}
        }

        #[test]
        fn truncated_message_is_unexpected_eof(cut in 1..20usize) {
            let mut bytes = Vec::new();
            write(&mut bytes, &report(7, vec![1.0; 20])).unwrap();
            bytes.truncate(bytes.len() - cut);
            prop_assert!(matches!(find(&bytes, LIMIT), Ok(Frame::Missing(missing)) if missing == cut));
            let error = read::<SolverReport>(&mut bytes.as_slice(), LIMIT).unwrap_err();
            prop_assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        }
    }

    #[test]
    fn an_empty_message_is_read() {
        let mut bytes = Vec::new();
        write(&mut bytes, &SolverReport::default()).unwrap();
        assert_eq!(read(&mut bytes.as_slice(), LIMIT).unwrap(), Some(SolverReport::default()));
    }

    #[test]
    fn length_over_the_limit_is_rejected_before_allocation() {
        let length = [0xff, 0xff, 0xff, 0xff, 0x0f];
        let error = read::<SolverReport>(&mut length.as_slice(), LIMIT).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(matches!(find(&length, LIMIT), Err(InvalidFrame::TooLong { .. })));
        assert_eq!(find(&[0xff; MAX_PREFIX], LIMIT), Err(InvalidFrame::Prefix));
        assert_eq!(find(&[0xff; MAX_PREFIX - 1], LIMIT), Ok(Frame::Missing(1)));
    }
}
