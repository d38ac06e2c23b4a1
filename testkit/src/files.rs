//! Files that a running program reads again.

use std::{io::Write as _, path::Path};

/// Replaces a file in one step, as whoever renews keys or certificates has to: after a plain write,
/// a program that polls may read the file while it is empty or half written.
pub fn replace(path: &Path, contents: impl AsRef<[u8]>) {
    let folder = path.parent().expect("a file in a folder");
    let mut file = tempfile::NamedTempFile::new_in(folder).expect("a file beside the old one");
    file.write_all(contents.as_ref()).expect("a file that is written");
    file.persist(path).expect("a file that is replaced");
}
