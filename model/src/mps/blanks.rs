/// A blank within a line, or the end of a line.
pub(super) fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace()
}

/// The offset of the first byte from `from` on that is not blank, or of the end of the line, or
/// of the end of `bytes`. It does not look beyond the line: the blank lines of a file would be
/// visited once for each of them.
#[inline]
pub(super) fn skip(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(word) = word(bytes, at) {
        // Zero bytes are spaces.
        let others = word ^ (EACH_BYTE * b' ' as u64);
        if others == 0 {
            at += 8;
            continue;
        }
        at += others.trailing_zeros() as usize / 8;
        // The other blanks are rare.
        if !is_blank(bytes[at]) || bytes[at] == b'\n' {
            return at;
        }
        at += 1;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    let end = rest.iter().position(|&byte| !is_blank(byte) || byte == b'\n');
    at + end.unwrap_or(rest.len())
}

/// The offset of the first blank from `from` on; the length of `bytes` if there is none.
#[inline]
pub(super) fn find(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(word) = word(bytes, at) {
        // Sets the high bit of each byte from 0 to 32, which is every blank and some control
        // characters. Bytes above the first of them may have it by mistake.
        let candidates =
            word.wrapping_sub(EACH_BYTE * (b' ' as u64 + 1)) & !word & (EACH_BYTE << 7);
        if candidates == 0 {
            at += 8;
            continue;
        }
        at += candidates.trailing_zeros() as usize / 8;
        if is_blank(bytes[at]) {
            return at;
        }
        at += 1;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|&byte| is_blank(byte)).unwrap_or(rest.len())
}

/// A 1 in each byte.
const EACH_BYTE: u64 = u64::MAX / 0xff;

/// The next eight bytes, the first in the lowest position; `None` if there are fewer. Eight at a
/// time: most tokens are found in one or two steps, without a branch for each byte.
#[inline]
fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn blanks_are_found_as_by_a_search_of_each_byte(
            bytes in prop::collection::vec(
                prop::sample::select(b"  aX\t\r\n\x0b\x0c\0\x1f!\x7f\x80\xa0\xff".to_vec()),
                0..40,
            ),
        ) {
            for from in 0..=bytes.len() {
                let first = |is: fn(u8) -> bool| {
                    let found = bytes[from..].iter().position(|&byte| is(byte));
                    found.map_or(bytes.len(), |found| from + found)
                };
                prop_assert_eq!(find(&bytes, from), first(is_blank));
                prop_assert_eq!(skip(&bytes, from), first(|byte| !is_blank(byte) || byte == b'\n'));
            }
        }
    }
}
