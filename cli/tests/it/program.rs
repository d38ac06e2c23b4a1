//! Runs the command line as a process.

use std::{
    io::Write,
    process::{Child, Command, Output, Stdio},
};

use tempfile::NamedTempFile;

use solvemesh_testkit::fake_gateway::FakeGateway;

pub(crate) fn command(url: &str, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_solvemesh"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SOLVEMESH_")) {
        command.env_remove(name);
    }
    command.args(["--gateway", url]).args(words);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn run(fake: &FakeGateway, words: &[&str]) -> Output {
    command(&fake.url(), words).output().unwrap()
}

pub(crate) fn file(text: &str) -> NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".lp").tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[cfg(unix)]
pub(crate) fn interrupt(child: &Child) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
}

/// Starts a command that prints events to standard error, and waits until its job is running.
#[cfg(unix)]
pub(crate) fn running(fake: &FakeGateway, words: &[&str]) -> Child {
    use std::io::Read;
    let mut child = command(&fake.url(), words).spawn().unwrap();
    let (stderr, mut seen) = (child.stderr.as_mut().unwrap(), Vec::new());
    while !seen.ends_with(b"started by worker-1\n") {
        let mut byte = [0];
        stderr.read_exact(&mut byte).unwrap();
        seen.push(byte[0]);
    }
    child
}

/// A pseudo-terminal. Output written to the second file is read from the first.
#[cfg(target_os = "linux")]
pub(crate) fn terminal() -> (std::fs::File, std::fs::File) {
    use std::{os::fd::FromRawFd, ptr::null_mut};
    let (mut master, mut slave) = (-1, -1);
    // SAFETY: the two descriptors are written, the null pointers stand for defaults.
    let opened =
        unsafe { libc::openpty(&mut master, &mut slave, null_mut(), null_mut(), null_mut()) };
    assert_eq!(opened, 0, "no terminal");
    // SAFETY: both were just opened and have no other owner.
    unsafe { (std::fs::File::from_raw_fd(master), std::fs::File::from_raw_fd(slave)) }
}
