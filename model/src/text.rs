use std::borrow::Cow;

use crate::{Fault, FaultKind, Place};

/// The formats of model files that are text in some encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Lp,
    Mps,
}

impl Format {
    /// The byte offset at which the comment of a line begins; the length of the line if it
    /// has none.
    fn comment(self, line: &[u8]) -> usize {
        let start = match self {
            Format::Lp => line.iter().position(|&byte| byte == b'\\'),
            Format::Mps => line.starts_with(b"*").then_some(0),
        };
        start.unwrap_or(line.len())
    }
}

/// Decodes a file from the encoding that its first line declares, UTF-8 by default.
///
/// Invalid UTF-8 is an error, except in a comment, where it becomes U+FFFD: older files
/// have the names of their authors there, in other encodings.
pub(crate) fn decode(bytes: Cow<'_, [u8]>, format: Format) -> Result<Cow<'_, str>, Fault> {
    match declared_encoding(&bytes, format) {
        None | Some(Encoding::Utf8) => {}
        // In ISO-8859-1 each byte is the code point of its character.
        Some(Encoding::Latin1) => {
            return Ok(bytes.iter().map(|&byte| char::from(byte)).collect::<String>().into());
        }
        Some(Encoding::Other(name)) => {
            return Err(Fault {
                field: "file".to_owned(),
                place: Some(Place { line: 1, column: 1 }),
                kind: FaultKind::Unsupported,
                message: format!(
                    "the file declares the encoding {name}; only UTF-8 and ISO-8859-1 are supported"
                ),
            });
        }
    }
    // Valid UTF-8 is returned without a copy.
    let bytes = match bytes {
        Cow::Borrowed(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => return Ok(Cow::Borrowed(text)),
            Err(_) => Cow::Borrowed(bytes),
        },
        Cow::Owned(bytes) => match String::from_utf8(bytes) {
            Ok(text) => return Ok(Cow::Owned(text)),
            Err(error) => Cow::Owned(error.into_bytes()),
        },
    };
    replace_invalid(&bytes, format).map(Cow::Owned)
}

/// An encoding that a file declares.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Encoding {
    Utf8,
    Latin1,
    /// An encoding that is not supported.
    Other(String),
}

/// The encoding that the first line declares in the way CPLEX writes it, in a comment:
/// `\ENCODING=ISO-8859-1`.
fn declared_encoding(bytes: &[u8], format: Format) -> Option<Encoding> {
    const KEYWORD: &[u8] = b"ENCODING=";
    // Bounds the search in a file that is one long line. No line that declares an encoding
    // is longer.
    let head = &bytes[..bytes.len().min(200)];
    let line = head.split(|&byte| byte == b'\n').next()?.trim_ascii();
    let comment = match format {
        Format::Lp => line.strip_prefix(b"\\")?,
        Format::Mps => line.strip_prefix(b"*")?,
    };
    let comment = comment.trim_ascii();
    let (keyword, name) = comment.split_at_checked(KEYWORD.len())?;
    if !keyword.eq_ignore_ascii_case(KEYWORD) {
        return None;
    }
    let name = String::from_utf8_lossy(name.trim_ascii());
    let plain = name.to_ascii_lowercase().replace(['_', '-', ' '], "");
    Some(match plain.as_str() {
        "utf8" | "ascii" | "usascii" => Encoding::Utf8,
        "iso88591" | "latin1" | "l1" => Encoding::Latin1,
        _ => Encoding::Other(name.escape_debug().to_string()),
    })
}

/// Replaces invalid UTF-8 in comments by U+FFFD; anywhere else it is an error. Linear in the
/// length of the text, even if that is a single line of invalid bytes.
fn replace_invalid(bytes: &[u8], format: Format) -> Result<String, Fault> {
    let mut text = String::with_capacity(bytes.len());
    for (number, line) in bytes.split_inclusive(|&byte| byte == b'\n').enumerate() {
        let comment = format.comment(line);
        let mut before = 0;
        for chunk in line.utf8_chunks() {
            text.push_str(chunk.valid());
            before += chunk.valid().len();
            if chunk.invalid().is_empty() {
                continue;
            }
            if before < comment {
                let column = String::from_utf8_lossy(&line[..before]).chars().count() + 1;
                return Err(Fault {
                    field: "file".to_owned(),
                    place: Some(Place { line: number + 1, column }),
                    kind: FaultKind::Syntax,
                    message: "invalid UTF-8".to_owned(),
                });
            }
            text.push(char::REPLACEMENT_CHARACTER);
            before += chunk.invalid().len();
        }
    }
    Ok(text)
}

/// Strips the byte order mark that some editors write before a text.
pub(crate) fn strip_bom(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Detects the format from the first line that is not blank: from its keyword, or from
/// the comment character of the format.
pub(crate) fn detect_format(bytes: &[u8]) -> Option<Format> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let line = bytes.split(|&byte| byte == b'\n').find(|line| !line.trim_ascii().is_empty())?;
    let word = line.split(u8::is_ascii_whitespace).find(|word| !word.is_empty())?;
    let is = |keyword: &&str| word.eq_ignore_ascii_case(keyword.as_bytes());
    if word.starts_with(b"\\") {
        return Some(Format::Lp);
    }
    let lp = [
        "min",
        "max",
        "minimize",
        "maximize",
        "minimise",
        "maximise",
        "minimum",
        "maximum",
        "problem",
        // Keywords of lp_solve's format: the LP reader rejects it with an error that names it.
        "min:",
        "max:",
        "minimize:",
        "maximize:",
        "minimise:",
        "maximise:",
    ];
    if lp.iter().any(is) || word.starts_with(b"/*") || word.starts_with(b"//") {
        return Some(Format::Lp);
    }
    let mps = ["NAME", "ROWS", "OBJSENSE", "OBJNAME"];
    (line.starts_with(b"*") || mps.iter().any(is)).then_some(Format::Mps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_utf8_is_tolerated_only_in_comments() {
        let decode = |bytes: &'static [u8], format| decode(Cow::Borrowed(bytes), format);
        let text = decode(b"* J\xf6rg\nNAME x\n", Format::Mps).expect("a comment");
        assert_eq!(text, "* J\u{fffd}rg\nNAME x\n");
        let text = decode(b"min x \\ J\xf6rg\n", Format::Lp).expect("a comment");
        assert_eq!(text, "min x \\ J\u{fffd}rg\n");
        let fault = decode(b"NAME\nROWS\n N  \xc3\xa4\xf6\n", Format::Mps).unwrap_err();
        assert_eq!(fault.place, Some(Place { line: 3, column: 6 }));
        let fault = decode(b"min x\xf6 \\ J\xf6rg\n", Format::Lp).unwrap_err();
        assert_eq!(fault.place, Some(Place { line: 1, column: 6 }));
    }

    #[test]
    fn the_declared_encoding_is_used() {
        let decode = |bytes: &'static [u8], format| decode(Cow::Borrowed(bytes), format);
        let text = decode(b"\\ENCODING=ISO-8859-1\nmin J\xf6rg\n", Format::Lp).expect("text");
        assert_eq!(text, "\\ENCODING=ISO-8859-1\nmin J\u{f6}rg\n");
        // Also where it could be UTF-8.
        let text = decode(b"* encoding = x\n* \n\xc3\xa4", Format::Mps).expect("UTF-8");
        assert!(text.ends_with('\u{e4}'), "{text}");
        let text = decode(b"*ENCODING=latin1\r\n\xc3\xa4", Format::Mps).expect("text");
        assert!(text.ends_with("\u{c3}\u{a4}"), "{text}");
        assert!(decode(b"\\ENCODING=utf-8\nmin \xc3\xa4\n", Format::Lp).is_ok());
        let fault = decode(b"\\ENCODING=EBCDIC\n", Format::Lp).unwrap_err();
        assert!(fault.message.contains("EBCDIC"), "{fault}");
    }

    #[test]
    fn text_that_needs_no_change_is_not_copied() {
        let bytes = b"min x".to_vec();
        let start = bytes.as_ptr();
        let text = decode(Cow::Borrowed(&bytes), Format::Lp).expect("text");
        assert_eq!(text.as_ptr(), start);
        let text = decode(Cow::Owned(bytes), Format::Lp).expect("text");
        assert_eq!(text.as_ptr(), start);
    }

    #[test]
    fn the_format_is_detected_from_the_first_line() {
        assert_eq!(detect_format(b"\n\\ made by hand\nmin x\n"), Some(Format::Lp));
        assert_eq!(detect_format(b"Maximize\n"), Some(Format::Lp));
        assert_eq!(detect_format(b"\xef\xbb\xbfNAME x\r\n"), Some(Format::Mps));
        assert_eq!(detect_format(b"* optimal 3\n"), Some(Format::Mps));
        assert_eq!(detect_format(b"%PDF-1.4"), None);
        assert_eq!(detect_format(b""), None);
    }
}
