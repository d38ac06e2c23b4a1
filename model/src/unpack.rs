use std::{
    borrow::Cow,
    io::{self, Read},
};

use flate2::read::MultiGzDecoder;
use ruzstd::decoding::{
    DEFAULT_MAX_WINDOW_SIZE, StreamingDecoder,
    errors::{FrameDecoderError, ReadFrameHeaderError},
};

/// The zstd window that every decoder is asked to have room for (RFC 8878).
const USUAL_WINDOW: u64 = 8 << 20;

/// Why a file could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnpackError {
    #[error("the {0} data is damaged: {1}")]
    Damaged(&'static str, String),
    #[error("unpacks to more than {0} bytes, the limit max_model_bytes")]
    TooLarge(usize),
    #[error("is {0}; LP and MPS files are read plain, and packed with gzip or zstd")]
    Unread(&'static str),
    #[error("is packed twice: there is {0} in it")]
    Twice(&'static str),
    #[error("the file is empty")]
    Empty,
    #[error("the file is empty, once it is unpacked")]
    EmptyInside,
}

/// How the files begin that are packed in another way, and what they are.
const OTHERS: [(&[u8], &str); 8] = [
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

/// A frame, or one that is to be skipped.
fn is_zstd(bytes: &[u8]) -> bool {
    matches!(bytes, [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// What a packed file is that is not read.
fn other(bytes: &[u8]) -> Option<&'static str> {
    OTHERS.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, what)| *what)
}

/// The bytes of a file after unpacking, at most `limit` of them. gzip (any number of
/// members) and zstd (any number of frames) are told by their first bytes, as is what else
/// packs files, which is refused by its name; everything else is taken as it is.
pub(crate) fn unpack(bytes: &[u8], limit: usize) -> Result<Cow<'_, [u8]>, UnpackError> {
    let unpacked = if is_gzip(bytes) {
        gunzip(bytes, limit)?
    } else if is_zstd(bytes) {
        unzstd(bytes, limit)?
    } else if let Some(what) = other(bytes) {
        return Err(UnpackError::Unread(what));
    } else if is_blank(bytes) {
        return Err(UnpackError::Empty);
    } else {
        return Ok(Cow::Borrowed(bytes));
    };
    let again = match unpacked.as_slice() {
        inside if is_gzip(inside) => Some("a gzip file"),
        inside if is_zstd(inside) => Some("a zstd file"),
        inside => other(inside),
    };
    match again {
        Some(what) => Err(UnpackError::Twice(what)),
        None if is_blank(&unpacked) => Err(UnpackError::EmptyInside),
        None => Ok(Cow::Owned(unpacked)),
    }
}

/// Whether nothing, or nothing but blanks, is in a file; a longer run of blanks than this is
/// left to the readers.
fn is_blank(bytes: &[u8]) -> bool {
    bytes.len() < 1 << 16 && bytes.trim_ascii().is_empty()
}

fn gunzip(bytes: &[u8], limit: usize) -> Result<Vec<u8>, UnpackError> {
    let mut unpacked = Vec::new();
    read_within(MultiGzDecoder::new(bytes), &mut unpacked, limit, "gzip")?;
    Ok(unpacked)
}

/// The decoder holds back a window's worth before it gives anything, so that the window,
/// which the file names, must be bounded like the text.
fn unzstd(mut bytes: &[u8], limit: usize) -> Result<Vec<u8>, UnpackError> {
    let damaged = |error: &dyn ToString| UnpackError::Damaged("zstd", error.to_string());
    let window = (limit as u64).clamp(USUAL_WINDOW, DEFAULT_MAX_WINDOW_SIZE);
    let mut unpacked = Vec::new();
    while !bytes.is_empty() {
        let mut frame = match StreamingDecoder::new_with_max_window_size(&mut bytes, window) {
            Ok(frame) => frame,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length,
                ..
            })) => {
                bytes = bytes.get(length as usize..).ok_or_else(|| damaged(&"it ends early"))?;
                continue;
            }
            Err(error) => return Err(damaged(&error)),
        };
        read_within(&mut frame, &mut unpacked, limit, "zstd")?;
        let decoder = frame.into_frame_decoder();
        if let Some(sum) = decoder.get_checksum_from_data()
            && decoder.get_calculated_checksum() != Some(sum)
        {
            return Err(damaged(&"its checksum is wrong"));
        }
    }
    Ok(unpacked)
}

/// Appends what `source` gives, and stops one byte past the limit.
fn read_within(
    source: impl Read,
    unpacked: &mut Vec<u8>,
    limit: usize,
    format: &'static str,
) -> Result<(), UnpackError> {
    let room = (limit - unpacked.len()) as u64;
    source
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
    fn what_is_not_packed_is_left_alone() {
        assert_eq!(*unpack(b"NAME", 4).expect("plain"), *b"NAME");
    }

    #[test]
    fn what_packs_in_another_way_is_named() {
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
    fn twice_packed_and_empty_files_are_named_as_what_they_are() {
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

    /// Frames that make much of nothing: their header, then `blocks`.
    fn bomb(header: &[u8], blocks: usize, block: &[u8]) -> Vec<u8> {
        [b"\x28\xb5\x2f\xfd", header, &block.repeat(blocks)].concat()
    }

    #[test]
    fn a_window_beyond_all_use_is_refused_before_it_is_filled() {
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
    fn damage_is_an_error() {
        for pack in [gzip, zstd] {
            let packed = pack(b"NAME afiro\nROWS\n N cost\n");
            assert!(unpack(&packed[..packed.len() - 1], 100).is_err(), "it ends early");
            let mut flipped = packed.clone();
            let middle = packed.len() / 2;
            flipped[middle] ^= 0x10;
            assert!(unpack(&flipped, 100).is_err(), "a bit is wrong");
            assert!(unpack(&[packed, b"tail".to_vec()].concat(), 100).is_err(), "more follows");
        }
    }
}
