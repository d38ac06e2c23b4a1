use std::{
    borrow::Cow,
    io::{self, Read},
};

use flate2::read::MultiGzDecoder;
use ruzstd::decoding::{
    DEFAULT_MAX_WINDOW_SIZE, StreamingDecoder,
    errors::{FrameDecoderError, ReadFrameHeaderError},
};

/// The zstd window size, in bytes, that RFC 8878 recommends every decoder to support.
const USUAL_WINDOW: u64 = 8 << 20;

/// Why a file could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnpackError {
    #[error("the {0} data is damaged: {1}")]
    Damaged(&'static str, String),
    #[error("unpacks to more than {0} bytes, the limit max_model_bytes")]
    TooLarge(usize),
    #[error("is {0}; a model file may be plain, or packed with gzip or zstd")]
    Unread(&'static str),
    #[error("is packed twice: it contains {0}")]
    Twice(&'static str),
    #[error("the file is empty")]
    Empty,
    #[error("the file is empty after unpacking")]
    EmptyInside,
}

/// The first bytes of compression and archive formats that are not supported, with the
/// names of the formats for messages.
const UNSUPPORTED_FORMATS: [(&[u8], &str); 8] = [
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ\0", "an xz file"),
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\x1f\x9d", "a compress file (.Z)"),
    (b"\x04\x22\x4d\x18", "an lz4 file"),
    (b"Rar!\x1a\x07", "a rar archive"),
];

fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

/// Whether the data begins with a zstd frame, or with a skippable frame.
fn is_zstd(bytes: &[u8]) -> bool {
    matches!(bytes, [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// The unsupported format that the data begins with, if any.
fn unsupported_format(bytes: &[u8]) -> Option<&'static str> {
    UNSUPPORTED_FORMATS.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, what)| *what)
}

/// Unpacks a file to at most `limit` bytes. gzip (any number of members) and zstd (any
/// number of frames) are recognised by their first bytes. Other compression formats are
/// rejected by name; anything else is returned unchanged.
pub(crate) fn unpack(bytes: &[u8], limit: usize) -> Result<Cow<'_, [u8]>, UnpackError> {
    unpack_as(bytes, limit, unsupported_format)
}

/// As [`unpack`], for an encoded message, which may begin like a file of another compression
/// format: `BZh` begins a message whose first field is a name of 90 bytes that starts with an `h`.
pub(crate) fn unpack_message(bytes: &[u8], limit: usize) -> Result<Cow<'_, [u8]>, UnpackError> {
    unpack_as(bytes, limit, |_| None)
}

fn unpack_as(
    bytes: &[u8],
    limit: usize,
    unsupported_format: impl Fn(&[u8]) -> Option<&'static str>,
) -> Result<Cow<'_, [u8]>, UnpackError> {
    let unpacked = if is_gzip(bytes) {
        gunzip(bytes, limit)?
    } else if is_zstd(bytes) {
        unzstd(bytes, limit)?
    } else if let Some(what) = unsupported_format(bytes) {
        return Err(UnpackError::Unread(what));
    } else if is_blank(bytes) {
        return Err(UnpackError::Empty);
    } else {
        return Ok(Cow::Borrowed(bytes));
    };
    // Only one layer is unpacked. A second one would otherwise end as a syntax error.
    let inner = match unpacked.as_slice() {
        inside if is_gzip(inside) => Some("a gzip file"),
        inside if is_zstd(inside) => Some("a zstd file"),
        inside => unsupported_format(inside),
    };
    match inner {
        Some(what) => Err(UnpackError::Twice(what)),
        None if is_blank(&unpacked) => Err(UnpackError::EmptyInside),
        None => Ok(Cow::Owned(unpacked)),
    }
}

/// Whether a file is empty or contains only white space. Files of 64 KiB or more are left
/// to the readers.
fn is_blank(bytes: &[u8]) -> bool {
    bytes.len() < 1 << 16 && bytes.trim_ascii().is_empty()
}

fn gunzip(bytes: &[u8], limit: usize) -> Result<Vec<u8>, UnpackError> {
    let mut unpacked = Vec::new();
    read_within(MultiGzDecoder::new(bytes), &mut unpacked, limit, "gzip")?;
    Ok(unpacked)
}

/// Unpacks zstd. The decoder buffers a whole window before it returns data, and the file
/// chooses the size of the window, so that it needs a limit as the text does.
fn unzstd(mut bytes: &[u8], limit: usize) -> Result<Vec<u8>, UnpackError> {
    let damaged = |error: &dyn ToString| UnpackError::Damaged("zstd", error.to_string());
    // Never below what RFC 8878 recommends, even if the limit of the text is.
    let window = (limit as u64).clamp(USUAL_WINDOW, DEFAULT_MAX_WINDOW_SIZE);
    let mut unpacked = Vec::new();
    while !bytes.is_empty() {
        let mut frame = match StreamingDecoder::new_with_max_window_size(&mut bytes, window) {
            Ok(frame) => frame,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length,
                ..
            })) => {
                bytes = bytes.get(length as usize..).ok_or_else(|| damaged(&"unexpected end"))?;
                continue;
            }
            Err(error) => return Err(damaged(&error)),
        };
        read_within(&mut frame, &mut unpacked, limit, "zstd")?;
        let decoder = frame.into_frame_decoder();
        // The decoder computes the checksum; comparing it is up to the caller.
        if let Some(sum) = decoder.get_checksum_from_data()
            && decoder.get_calculated_checksum() != Some(sum)
        {
            return Err(damaged(&"checksum mismatch"));
        }
    }
    Ok(unpacked)
}

/// Appends the data of `source`, and fails one byte past the limit.
fn read_within(
    source: impl Read,
    unpacked: &mut Vec<u8>,
    limit: usize,
    format: &'static str,
) -> Result<(), UnpackError> {
    let room = (limit - unpacked.len()) as u64;
    source
        // One byte past the limit, to tell a text of exactly that size from a longer one.
        .take(room.saturating_add(1))
        .read_to_end(unpacked)
        .map_err(|error: io::Error| UnpackError::Damaged(format, error.to_string()))?;
    if unpacked.len() > limit { Err(UnpackError::TooLarge(limit)) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).expect("writing to memory");
        encoder.finish().expect("writing to memory")
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        compress_to_vec(text, CompressionLevel::Fastest)
    }

    #[test]
    fn plain_files_are_returned_unchanged() {
        assert_eq!(*unpack(b"NAME", 4).expect("plain"), *b"NAME");
    }

    #[test]
    fn unsupported_formats_are_rejected_by_name() {
        for (bytes, name) in [
            (&b"BZh91AY&SY"[..], "bzip2"),
            (b"\xfd7zXZ\0\0\x04", "xz"),
            (b"PK\x03\x04\x14", "zip"),
            (b"\x1f\x9d\x90", "compress"),
        ] {
            let error = unpack(bytes, 100).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("gzip or zstd"), "{error}");
            for pack in [gzip, zstd] {
                let error = unpack(&pack(bytes), 100).unwrap_err().to_string();
                assert!(error.contains("twice") && error.contains(name), "{error}");
            }
        }
    }

    #[test]
    fn files_packed_twice_and_empty_files_have_their_own_errors() {
        for (outer, inner) in [(gzip as fn(&[u8]) -> _, zstd as fn(&[u8]) -> Vec<u8>), (zstd, gzip)]
        {
            let error = unpack(&outer(&inner(b"NAME")), 100).unwrap_err();
            assert!(matches!(error, UnpackError::Twice(_)), "{error}");
            let error = unpack(&outer(b" \n"), 100).unwrap_err();
            assert!(matches!(error, UnpackError::EmptyInside), "{error}");
        }
        for nothing in [&b""[..], b"\n \r\n"] {
            let error = unpack(nothing, 100).unwrap_err();
            assert!(matches!(error, UnpackError::Empty), "{error}");
        }
    }

    #[test]
    fn all_members_and_frames_are_unpacked() {
        for pack in [gzip, zstd] {
            let packed = [pack(b"NAME\n"), pack(b"ROWS\n")].concat();
            assert_eq!(*unpack(&packed, 10).expect("whole"), *b"NAME\nROWS\n");
        }
    }

    #[test]
    fn a_skippable_frame_is_skipped() {
        let packed = [b"\x50\x2a\x4d\x18\x03\0\0\0abc".to_vec(), zstd(b"NAME")].concat();
        assert_eq!(*unpack(&packed, 10).expect("whole"), *b"NAME");
    }

    #[test]
    fn unpacking_stops_at_the_limit_and_names_it() {
        for pack in [gzip, zstd] {
            let packed = pack(&vec![b' '; 1 << 20]);
            let error = unpack(&packed, (1 << 20) - 1).unwrap_err().to_string();
            assert_eq!(error, "unpacks to more than 1048575 bytes, the limit max_model_bytes");
            assert!(unpack(&packed, 1 << 20).is_ok());
        }
    }

    /// A zstd frame that expands enormously: its header, then `block` `blocks` times.
    fn bomb(header: &[u8], blocks: usize, block: &[u8]) -> Vec<u8> {
        [b"\x28\xb5\x2f\xfd", header, &block.repeat(blocks)].concat()
    }

    #[test]
    fn an_oversized_window_is_rejected_before_it_is_filled() {
        // 128 KiB of blanks in four bytes.
        let block = [2, 0, 0x10, b' '];
        let terabyte = [0x00, 0xf0];
        let error = unpack(&bomb(&terabyte, 1 << 20, &block), 1 << 30).unwrap_err().to_string();
        assert!(error.contains("window"), "{error}");
        let megabytes = [0x00, 13 << 3];
        let packed = bomb(&megabytes, 1 << 20, &block);
        let error = unpack(&packed, 1 << 20).unwrap_err();
        assert!(matches!(error, UnpackError::TooLarge(_)), "{error}");
    }

    #[test]
    fn damaged_data_is_an_error() {
        for pack in [gzip, zstd] {
            let packed = pack(b"NAME afiro\nROWS\n N cost\n");
            assert!(unpack(&packed[..packed.len() - 1], 100).is_err(), "truncated");
            let mut flipped = packed.clone();
            let middle = packed.len() / 2;
            flipped[middle] ^= 0x10;
            assert!(unpack(&flipped, 100).is_err(), "a flipped bit");
            assert!(unpack(&[packed, b"tail".to_vec()].concat(), 100).is_err(), "trailing data");
        }
    }
}
