//! Where nodes live: a temporary folder, an epmd by which they find each other, and a
//! watchdog over both.
//!
//! The watchdog is a shell that waits for the end of its input: when the home is dropped,
//! or the test process ends in whatever way, it kills the nodes and the epmd and removes
//! the folder.

use std::{
    fs::{self, Permissions},
    net::{Ipv4Addr, TcpListener},
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Kills what the files name, by process group, and removes the folder.
const WATCHDOG: &str = r#"
cat > /dev/null
for file in "$0"/*/node.pid "$0/epmd.pid"; do
    if [ -s "$file" ]; then kill -s KILL -- "-$(cat "$file")"; fi
done
for attempt in 1 2 3 4 5; do rm -rf "$0" && break; sleep 0.2; done
"#;

/// What the nodes of a home tell each other by; any word does, as they listen on the
/// loopback of a test only.
const COOKIE: &str = "solvemesh";

/// The home of some nodes. It stands as long as one of them does.
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
            // The watchdog removes it, even when this process can't.
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
            // Not to be interrupted along with the tests.
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

    /// Whether its epmd knows a node, by the part of its name before the `@`.
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
        drop(self.watchdog.stdin.take());
        // Its end is the end of all; without it there is nothing left to do.
        let _ = self.watchdog.wait();
        let _ = self.epmd.wait();
    }
}

/// Ports that are free now, and different.
pub(super) fn free_ports<const N: usize>() -> [u16; N] {
    let listeners: [TcpListener; N] =
        std::array::from_fn(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("its address").port())
}
