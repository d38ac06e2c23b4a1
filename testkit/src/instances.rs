//! Real models with published answers. They are data and not part of the project.

use std::{env, path::PathBuf};

/// The folder that the environment variable `SOLVEMESH_INSTANCES` names; see
/// `CONTRIBUTING.md` for what it contains. Without the variable, prints that the test is
/// skipped and returns `None`.
///
/// # Panics
///
/// When the folder has no `index.csv`, and when the variable is missing although
/// `SOLVEMESH_REQUIRE_INSTANCES` is set, as in continuous integration: a skipped test would
/// look like one that passed.
pub fn folder() -> Option<PathBuf> {
    let Some(folder) = env::var_os("SOLVEMESH_INSTANCES").filter(|folder| !folder.is_empty())
    else {
        let required = env::var_os("SOLVEMESH_REQUIRE_INSTANCES").is_some_and(|it| !it.is_empty());
        assert!(!required, "SOLVEMESH_REQUIRE_INSTANCES is set, but not SOLVEMESH_INSTANCES");
        eprintln!("skipped: SOLVEMESH_INSTANCES is not set (see CONTRIBUTING.md)");
        return None;
    };
    let folder = PathBuf::from(folder);
    let index = folder.join("index.csv");
    assert!(index.is_file(), "SOLVEMESH_INSTANCES: there is no {}", index.display());
    Some(folder)
}
