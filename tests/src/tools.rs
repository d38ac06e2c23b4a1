//! Programs that some tests use if they are installed.

use std::{
    env,
    process::{Command, Stdio},
};

/// The path of a program: as a script of this project has installed it, or of the system. `None` if
/// there is none that runs.
pub fn find(name: &str) -> Option<String> {
    let cache = env::var("XDG_CACHE_HOME")
        .or_else(|_| env::var("HOME").map(|home| format!("{home}/.cache")))
        .unwrap_or_default();
    let runs = |program: &String| {
        let mut version = Command::new(program);
        version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        version.status().is_ok_and(|status| status.success())
    };
    [format!("{cache}/solvemesh/bin/{name}"), name.to_owned()].into_iter().find(runs)
}
