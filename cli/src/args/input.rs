//! Reads the files that are named on the command line, or standard input.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// Maximum size of a file that is read, in bytes: twice the size of a model that a gateway accepts
/// by default. A larger file is rejected before it fills the memory.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// Whether a file name stands for standard input.
pub(crate) fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

/// The file name to send: without its folders, which are private to this machine, and empty
/// for standard input.
pub(crate) fn name(file: &Path) -> String {
    if is_stdin(file) {
        return String::new();
    }
    file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Reads a file, or standard input if its name is `-`.
///
/// # Errors
///
/// [`io::ErrorKind::FileTooLarge`] above 1 GiB, and the errors of reading.
pub(crate) fn read(file: &Path) -> io::Result<Vec<u8>> {
    if is_stdin(file) {
        read_bounded(io::stdin().lock())
    } else {
        File::open(file).and_then(read_bounded)
    }
}

fn read_bounded(from: impl Read) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    from.take(MAX_FILE_BYTES + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("larger than the maximum of {MAX_FILE_BYTES} bytes"),
        ));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_sent_with_its_name_but_not_its_folder() {
        assert_eq!(name(Path::new("folder/a.lp.gz")), "a.lp.gz");
        assert_eq!(name(Path::new("-")), "");
    }
}
