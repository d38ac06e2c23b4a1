//! The names of variables and constraints, which AMPL and Pyomo write beside the model on request.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use crate::args::input::read;

/// The path of a file of a stub, which may contain dots itself.
pub(super) fn path(stub: &Path, extension: &str) -> PathBuf {
    let mut path = stub.as_os_str().to_owned();
    path.push(extension);
    path.into()
}

/// Reads the first `count` names of a file. `Ok(None)` if there is no such file.
///
/// # Errors
///
/// Why the file has no such names.
pub(super) fn names(path: &Path, count: usize) -> Result<Option<Vec<String>>, String> {
    let content = match read(path) {
        Ok(content) => content,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    let text = String::from_utf8(content).map_err(|_| format!("{}: not UTF-8", path.display()))?;
    // Objectives follow the constraints.
    let names: Vec<String> = text.lines().take(count).map(|line| line.trim().to_owned()).collect();
    if names.len() < count {
        return Err(format!("{}: has {} names instead of {count}", path.display(), names.len()));
    }
    Ok(Some(names))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_stub_may_contain_dots() {
        assert_eq!(path(Path::new("/tmp/a.b"), ".sol"), Path::new("/tmp/a.b.sol"));
    }

    #[test]
    fn as_many_names_are_read_as_the_model_needs() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.row");
        std::fs::write(&file, "plant1\r\nplant 2\nprofit\n").unwrap();
        let two = vec!["plant1".to_owned(), "plant 2".to_owned()];
        assert_eq!(names(&file, 2), Ok(Some(two)));
        assert!(names(&file, 4).unwrap_err().contains("3 names instead of 4"));
        assert_eq!(names(&folder.path().join("a.col"), 2), Ok(None));
    }
}
