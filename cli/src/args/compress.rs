//! Large models travel packed.

use std::io::{self, Write};

use flate2::{Compression, write::GzEncoder};

/// What is plain and larger than this is packed.
const LARGE: usize = 1 << 20;

/// A model's content and file name as they are sent: with gzip, which adds `.gz` to the
/// name, where the content is large and plain.
pub(crate) fn packed(content: Vec<u8>, name: String) -> io::Result<(Vec<u8>, String)> {
    if content.len() <= LARGE || is_packed(&content) {
        return Ok((content, name));
    }
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&content)?;
    Ok((gzip.finish()?, packed_name(name)))
}

/// Whether it begins like gzip or zstd.
fn is_packed(content: &[u8]) -> bool {
    matches!(
        content,
        [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]
    )
}

/// The name keeps telling the format. One that says it is packed stays, and so does the
/// name that standard input lacks.
fn packed_name(name: String) -> String {
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
    fn what_is_large_and_plain_is_packed_and_says_so_in_its_name() {
        let text = b"x1 + x2 <= 4\n".repeat(LARGE / 8);
        let (content, name) = packed(text.clone(), "a.lp".into()).unwrap();
        assert_eq!(name, "a.lp.gz");
        assert!(content.len() < text.len() / 10);
        let mut unpacked = Vec::new();
        GzDecoder::new(content.as_slice()).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, text);
    }

    #[test]
    fn what_is_small_or_packed_already_is_sent_as_it_is() {
        let small = vec![b' '; LARGE];
        let large = |magic: &[u8]| [magic, &small].concat();
        let (gzip, zstd) = (large(&[0x1f, 0x8b]), large(&[0x28, 0xb5, 0x2f, 0xfd]));
        for content in [small.clone(), gzip, zstd, large(&[0x50, 0x2a, 0x4d, 0x18])] {
            let sent = packed(content.clone(), "a.lp".into()).unwrap();
            assert_eq!(sent, (content, "a.lp".into()));
        }
    }

    #[test]
    fn a_name_never_says_twice_that_it_is_packed_nor_is_one_made_up() {
        assert_eq!(packed_name("a.LP.GZ".into()), "a.LP.GZ");
        assert_eq!(packed_name("a.mps.zst".into()), "a.mps.zst");
        assert_eq!(packed_name(String::new()), "");
    }
}
