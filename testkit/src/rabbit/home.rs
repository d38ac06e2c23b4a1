//! The environment of one or more nodes: a temporary folder, an epmd (Erlang's port mapper) by
//! which they find each other, and a watchdog that cleans up.
//!
//! The watchdog is a shell that waits until its stdin is closed. That happens when the home is
//! dropped, and also when the test process dies in any way. It then kills the nodes and the epmd,
//! and removes the folder.

use std::{
    fs::{self, Permissions},
    net::{Ipv4Addr, TcpListener},
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Kills the process groups whose ids are in the `.pid` files, and removes the folder, with a few
/// retries.
const WATCHDOG: &str = r#"
cat > /dev/null
for file in "$0"/*/node.pid "$0/epmd.pid"; do
    if [ -s "$file" ]; then kill -s KILL -- "-$(cat "$file")"; fi
done
for attempt in 1 2 3 4 5; do rm -rf "$0" && break; sleep 0.2; done
"#;

/// The Erlang cookie that nodes authenticate with. It need not be secret, as they only listen on
/// the loopback.
const COOKIE: &str = "solvemesh";

/// The environment of some nodes, each of which keeps it alive by an `Arc`.
#[derive(Debug)]
pub(super) struct Home {
    folder: PathBuf,
    epmd_port: u16,
    epmd: Child,
    watchdog: Child,
}

impl Home {
    pub(super) fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("rabbit-")
            .tempdir()
            .expect("a temporary folder")
            // The watchdog removes it, even if this process is killed.
            .keep();
        let cookie = folder.join(".erlang.cookie");
        fs::write(&cookie, COOKIE).expect("a file in it");
        fs::set_permissions(&cookie, Permissions::from_mode(0o400)).expect("a file of our own");
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A process group of its own, so that Ctrl-C during the tests does not end it.
            .process_group(0)
            .spawn()
            .expect("a shell");
        let [epmd_port] = free_ports();
        let epmd = Command::new("epmd")
            .args(["-port", &epmd_port.to_string(), "-address", "127.0.0.1"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("epmd, which comes with Erlang");
        fs::write(folder.join("epmd.pid"), epmd.id().to_string()).expect("a file in it");
        Self { folder, epmd_port, epmd, watchdog }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn epmd_port(&self) -> u16 {
        self.epmd_port
    }

    /// Whether a node has registered at the epmd, by the part of its name before the `@`.
    pub(super) fn knows(&self, short_name: &str) -> bool {
        let names = Command::new("epmd")
            .args(["-port", &self.epmd_port.to_string(), "-names"])
            .stdin(Stdio::null())
            .output()
            .expect("epmd, which comes with Erlang");
        String::from_utf8_lossy(&names.stdout).contains(&format!("name {short_name} at port"))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // Closing its stdin starts the clean-up.
        drop(self.watchdog.stdin.take());
        // Errors are ignored: there is no other way to clean up.
        let _ = self.watchdog.wait();
        let _ = self.epmd.wait();
    }
}

/// Returns distinct ports that are free now.
pub(super) fn free_ports<const N: usize>() -> [u16; N] {
    let listeners: [TcpListener; N] =
        std::array::from_fn(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("its address").port())
}
