//! Protobuf messages on a byte stream, each behind its length as a varint: what a
//! worker and its solver process speak over their pipes. This is the blocking side.

use std::io::{self, ErrorKind, Read, Write};

use prost::Message;

/// The most bytes of one message. The largest model that a mesh admits is far below.
pub const MAX_FRAME_BYTES: usize = 1 << 30;

/// How much is reserved on the word of a length alone, before its bytes have come.
const TRUSTED_BYTES: usize = 1 << 20;

/// Reads one message; `None` where the stream ends between two.
///
/// # Errors
///
/// `UnexpectedEof` when the stream ends within a message, `InvalidData` when what came
/// is longer than [`MAX_FRAME_BYTES`] or no such message.
pub fn read<M: Message + Default>(reader: &mut impl Read) -> io::Result<Option<M>> {
    let Some(length) = read_length(reader)? else { return Ok(None) };
    let mut bytes = Vec::with_capacity(length.min(TRUSTED_BYTES));
    reader.take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() < length {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    M::decode(bytes.as_slice()).map(Some).map_err(invalid)
}

/// Writes one message and flushes.
///
/// # Errors
///
/// `InvalidData` when the message is longer than [`MAX_FRAME_BYTES`] (nothing is
/// written), and what the stream says.
pub fn write(writer: &mut impl Write, message: &impl Message) -> io::Result<()> {
    let length = message.encoded_len();
    if length > MAX_FRAME_BYTES {
        return Err(invalid(too_long(length)));
    }
    writer.write_all(&message.encode_length_delimited_to_vec())?;
    writer.flush()
}

fn read_length(reader: &mut impl Read) -> io::Result<Option<usize>> {
    let mut length = 0;
    // Five groups of seven bits hold every length that is allowed.
    for shift in (0..35).step_by(7) {
        let mut byte = [0];
        match reader.read_exact(&mut byte) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof && shift == 0 => {
                return Ok(None);
            }
            read => read?,
        }
        length |= u64::from(byte[0] & 0x7f) << shift;
        if byte[0] & 0x80 == 0 {
            return match usize::try_from(length) {
                Ok(length) if length <= MAX_FRAME_BYTES => Ok(Some(length)),
                _ => Err(invalid(too_long(length))),
            };
        }
    }
    Err(invalid("a length of more than five bytes"))
}

fn too_long(length: impl std::fmt::Display) -> String {
    format!("a message of {length} bytes is over the limit of {MAX_FRAME_BYTES}")
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;
    use solvemesh::solver::v1::{Incumbent, SolverReport, solver_report};

    use super::*;

    fn report(task: u64, values: Vec<f64>) -> SolverReport {
        let incumbent = Incumbent { objective: 1.0, bound: None, values };
        SolverReport { task, kind: Some(solver_report::Kind::Incumbent(incumbent)) }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back(
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
                prop_assert_eq!(read(&mut reader).unwrap(), Some(report));
            }
            prop_assert_eq!(read::<SolverReport>(&mut reader).unwrap(), None);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = bytes.as_slice();
            while let Ok(Some(_)) = read::<SolverReport>(&mut reader) {}
        }

        #[test]
        fn a_message_cut_short_is_an_error(cut in 1..20usize) {
            let mut bytes = Vec::new();
            write(&mut bytes, &report(7, vec![1.0; 20])).unwrap();
            bytes.truncate(bytes.len() - cut);
            let error = read::<SolverReport>(&mut bytes.as_slice()).unwrap_err();
            prop_assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        }
    }

    #[test]
    fn a_length_over_the_limit_is_refused_before_anything_is_reserved() {
        let length = [0xff, 0xff, 0xff, 0xff, 0x0f];
        let error = read::<SolverReport>(&mut length.as_slice()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
    }
}
