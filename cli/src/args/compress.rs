//! Compresses large models before they are sent.

use std::io::{self, Write};

use flate2::{Compression, write::GzEncoder};

/// Uncompressed content above this many bytes is compressed.
const LARGE: usize = 1 << 20;

/// Compresses a model file with gzip if it is large and not yet compressed. Returns the
/// content and the file name to send; the name of compressed content ends in `.gz`.
pub(crate) fn packed(content: Vec<u8>, name: String) -> io::Result<(Vec<u8>, String)> {
    if content.len() <= LARGE || is_compressed(&content) {
        return Ok((content, name));
    }
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&content)?;
    Ok((gzip.finish()?, compressed_name(name)))
}

/// Whether the content starts with the magic bytes of gzip (RFC 1952) or zstd (RFC 8878:
/// a frame, or a skippable frame).
fn is_compressed(content: &[u8]) -> bool {
    matches!(
        content,
        [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]
    )
}

/// Appends `.gz` to a file name, from which the gateway detects the format. A name that
/// already ends in `.gz` or `.zst` stays, and so does the empty name of standard input.
fn compressed_name(name: String) -> String {
    let lower = name.to_ascii_lowercase();
    let as_is = name.is_empty() || lower.ends_with(".gz") || lower.ends_with(".zst");
    if as_is { name } else { name + ".gz" }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn large_plain_content_is_compressed_and_its_name_gets_gz() {
        let text = b"x1 + x2 <= 4\n".repeat(LARGE / 8);
        let (content, name) = packed(text.clone(), "a.lp".into()).unwrap();
        assert_eq!(name, "a.lp.gz");
        assert!(content.len() < text.len() / 10);
        let mut decompressed = Vec::new();
        GzDecoder::new(content.as_slice()).read_to_end(&mut decompressed).unwrap();
        assert_eq!(decompressed, text);
    }

    #[test]
    fn small_or_compressed_content_is_sent_unchanged() {
        let small = vec![b' '; LARGE];
        let large = |magic: &[u8]| [magic, &small].concat();
        let (gzip, zstd) = (large(&[0x1f, 0x8b]), large(&[0x28, 0xb5, 0x2f, 0xfd]));
        for content in [small.clone(), gzip, zstd, large(&[0x50, 0x2a, 0x4d, 0x18])] {
            let sent = packed(content.clone(), "a.lp".into()).unwrap();
            assert_eq!(sent, (content, "a.lp".into()));
        }
    }

    #[test]
    fn a_compressed_or_empty_name_stays_unchanged() {
        assert_eq!(compressed_name("a.LP.GZ".into()), "a.LP.GZ");
        assert_eq!(compressed_name("a.mps.zst".into()), "a.mps.zst");
        assert_eq!(compressed_name(String::new()), "");
    }
}
