//! The number of files that a process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::debug;

/// Raises the limit on open files, connections included, to the maximum that this process may set
/// by itself. The initial limit is often 1024, for the sake of programs that use `select`, so a
/// thousand silent connections would use it up.
pub fn raise_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        debug!(cause = %error, ?current, "cannot raise the limit on open files");
    }
}
