use std::borrow::Cow;

use solvemesh::v1::{FileFormat, ModelFile};

use crate::{
    Fault, FaultKind, Limits, Place,
    text::{Format, decode, detect_format},
    unpack::{UnpackError, unpack},
};

/// Unpacks and decodes a model file. Its format is the one in the request, else that of the
/// file name's ending, else it is detected from the content.
pub(crate) fn open<'a>(
    file: &'a ModelFile,
    limits: &Limits,
) -> Result<(Format, Cow<'a, str>), Fault> {
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
    let format = match FileFormat::try_from(file.format) {
        Ok(FileFormat::Lp) => Format::Lp,
        Ok(FileFormat::Mps) => Format::Mps,
        Ok(FileFormat::Unspecified) => {
            format_of_name(&file.name).or_else(|| detect_format(&bytes)).ok_or_else(|| {
                let message = "looks like neither LP nor MPS; set `format`, or give the file a \
                               name ending in .lp or .mps";
                fault("file.format", FaultKind::Invalid, message.to_owned())
            })?
        }
        Err(_) => {
            let message = format!("unknown file format {}", file.format);
            return Err(fault("file.format", FaultKind::Invalid, message));
        }
    };
    Ok((format, decode(bytes, format)?))
}

/// The format that the ending of a file name stands for, packed or not.
fn format_of_name(name: &str) -> Option<Format> {
    let name = name.to_ascii_lowercase();
    let name = [".gz", ".zst"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    if name.ends_with(".lp") {
        Some(Format::Lp)
    } else if name.ends_with(".mps") {
        Some(Format::Mps)
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
        assert_eq!(format_of_name("models/Afiro.MPS"), Some(Format::Mps));
        assert_eq!(format_of_name("a.mps.gz"), Some(Format::Mps));
        assert_eq!(format_of_name("a.lp.zst"), Some(Format::Lp));
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
        let (format, text) = open(&file, &Limits::default()).expect("a file");
        assert_eq!((format, &*text), (Format::Lp, "min x"));
    }

    #[test]
    fn an_unknown_format_is_an_error() {
        let file = ModelFile { content: "\u{1}\u{2}".into(), ..ModelFile::default() };
        assert_eq!(open(&file, &Limits::default()).unwrap_err().field, "file.format");
        let file = ModelFile { content: "NAME".into(), format: 9, ..ModelFile::default() };
        assert_eq!(open(&file, &Limits::default()).unwrap_err().field, "file.format");
    }
}
