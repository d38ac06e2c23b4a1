use std::borrow::Cow;

use solvemesh::v1::{FileFormat, LinearModel, ModelFile};

use crate::{
    Fault, FaultKind, Limits, Place, packed,
    text::{Format, decode, detect_format},
    unpack::{UnpackError, unpack, unpack_message},
};

/// The content of a model file, unpacked and decoded as far as its readers need it.
#[derive(Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there is one, which is matched at once")]
pub(crate) enum Content<'a> {
    /// A text.
    Text(Format, Cow<'a, str>),
    /// A file in the NL format, which is text or binary.
    Nl(Cow<'a, [u8]>),
    /// Arrays.
    Linear(LinearModel),
}

/// A format of model files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FileKind {
    Text(Format),
    Nl,
    Linear,
}

/// Unpacks and decodes a model file. Its format is the one in the request, else that of the
/// file name's ending, else it is detected from the content.
pub(crate) fn open<'a>(file: &'a ModelFile, limits: &Limits) -> Result<Content<'a>, Fault> {
    let requested = requested_format(file)?;
    let unpack = if requested == Some(FileKind::Linear) { unpack_message } else { unpack };
    let bytes = unpack(&file.content, limits.max_model_bytes).map_err(|error| {
        let kind = match error {
            UnpackError::TooLarge(_) => FaultKind::TooLarge,
            UnpackError::Unread(_) | UnpackError::Twice(_) => FaultKind::Unsupported,
            UnpackError::Damaged(..) | UnpackError::Empty | UnpackError::EmptyInside => {
                FaultKind::Invalid
            }
        };
        // Errors of a text have a position; an empty one has only its beginning.
        let empty = matches!(error, UnpackError::Empty | UnpackError::EmptyInside);
        let place = empty.then_some(Place { line: 1, column: 1 });
        Fault { place, ..fault("file", kind, error.to_string()) }
    })?;
    // `unpack` has bounded only what it unpacked itself.
    limits.check_bytes("file", bytes.len())?;
    let format = requested.or_else(|| format_of_name(&file.name)).or_else(|| detect(&bytes));
    match format {
        Some(FileKind::Text(format)) => Ok(Content::Text(format, decode(bytes, format)?)),
        Some(FileKind::Nl) => Ok(Content::Nl(bytes)),
        Some(FileKind::Linear) => Ok(Content::Linear(packed::decode(bytes, limits)?)),
        None => {
            let message = "looks like none of LP, MPS and NL; set `format`, or give the file a \
                           name ending in .lp, .mps or .nl";
            Err(fault("file.format", FaultKind::Invalid, message.to_owned()))
        }
    }
}

/// The format in the request, if there is one.
fn requested_format(file: &ModelFile) -> Result<Option<FileKind>, Fault> {
    match FileFormat::try_from(file.format) {
        Ok(FileFormat::Lp) => Ok(Some(FileKind::Text(Format::Lp))),
        Ok(FileFormat::Mps) => Ok(Some(FileKind::Text(Format::Mps))),
        Ok(FileFormat::Nl) => Ok(Some(FileKind::Nl)),
        Ok(FileFormat::Linear) => Ok(Some(FileKind::Linear)),
        Ok(FileFormat::Unspecified) => Ok(None),
        Err(_) => {
            let message = format!("unknown file format {}", file.format);
            Err(fault("file.format", FaultKind::Invalid, message))
        }
    }
}

/// Detects the format from the content. An NL file begins with a letter for its form and the number
/// of its options.
fn detect(bytes: &[u8]) -> Option<FileKind> {
    match bytes {
        [b'g' | b'b', b'0'..=b'9', b' ' | b'\t' | b'\r' | b'\n', ..] => Some(FileKind::Nl),
        _ => detect_format(bytes).map(FileKind::Text),
    }
}

/// The format that the ending of a file name stands for, packed or not.
fn format_of_name(name: &str) -> Option<FileKind> {
    let name = name.to_ascii_lowercase();
    let name = [".gz", ".zst"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    if name.ends_with(".lp") {
        Some(FileKind::Text(Format::Lp))
    } else if name.ends_with(".mps") {
        Some(FileKind::Text(Format::Mps))
    } else if name.ends_with(".nl") {
        Some(FileKind::Nl)
    } else {
        None
    }
}

fn fault(field: &str, kind: FaultKind, message: String) -> Fault {
    Fault { field: field.to_owned(), place: None, kind, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_determine_the_format_packed_or_not() {
        let (lp, mps) = (FileKind::Text(Format::Lp), FileKind::Text(Format::Mps));
        assert_eq!(format_of_name("models/Afiro.MPS"), Some(mps));
        assert_eq!(format_of_name("a.mps.gz"), Some(mps));
        assert_eq!(format_of_name("a.lp.zst"), Some(lp));
        assert_eq!(format_of_name("diet.NL.gz"), Some(FileKind::Nl));
        assert_eq!(format_of_name("a.gz"), None);
        assert_eq!(format_of_name("lp"), None);
    }

    #[test]
    fn the_format_of_the_request_takes_precedence_over_the_name() {
        let file = ModelFile {
            content: "min x".into(),
            name: "a.mps".into(),
            format: FileFormat::Lp as i32,
        };
        let content = open(&file, &Limits::default()).expect("a file");
        assert_eq!(content, Content::Text(Format::Lp, "min x".into()));
    }

    #[test]
    fn nl_files_are_recognised_by_their_first_line() {
        for start in ["g3 1 1 0\n", "b3 0 1 0\t# problem diet\n", "g0\n"] {
            assert_eq!(detect(start.as_bytes()), Some(FileKind::Nl), "{start}");
        }
        assert_eq!(detect(b"min x"), Some(FileKind::Text(Format::Lp)));
        assert_eq!(detect(b"g3x"), None);
    }

    #[test]
    fn an_unknown_format_is_an_error() {
        let file = ModelFile { content: "\u{1}\u{2}".into(), ..ModelFile::default() };
        assert_eq!(open(&file, &Limits::default()).unwrap_err().field, "file.format");
        let file = ModelFile { content: "NAME".into(), format: 9, ..ModelFile::default() };
        assert_eq!(open(&file, &Limits::default()).unwrap_err().field, "file.format");
    }
}
