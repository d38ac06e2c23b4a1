//! Runs `grpcurl`, with which people call a gateway from a terminal.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use tokio::{io::AsyncWriteExt, process::Command};

use crate::{mesh::Gateway, within};

/// The path of `grpcurl`: `SOLVEMESH_GRPCURL`, or else where `scripts/setup` installs it.
///
/// # Panics
///
/// If there is no such file: the tests that need it fail instead of being skipped.
pub fn program() -> PathBuf {
    let path = env::var_os("SOLVEMESH_GRPCURL").map_or_else(
        || {
            let cache = env::var_os("XDG_CACHE_HOME").map_or_else(
                || Path::new(&env::var_os("HOME").expect("HOME")).join(".cache"),
                PathBuf::from,
            );
            cache.join("solvemesh/bin/grpcurl")
        },
        PathBuf::from,
    );
    assert!(path.is_file(), "{} is missing: scripts/setup test installs it", path.display());
    path
}

/// Runs it against a gateway, without TLS. A non-empty `input` is the request, which grpcurl
/// reads from its standard input.
pub async fn run(gateway: &Gateway, arguments: &[&str], input: &str) -> Output {
    let address = gateway.address.to_string();
    let mut child = Command::new(program())
        .arg("-plaintext")
        .args(if input.is_empty() { &[][..] } else { &["-d", "@"] })
        .arg(address)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("grpcurl");
    let mut stdin = child.stdin.take().expect("a piped input");
    stdin.write_all(input.as_bytes()).await.expect("an input that is read");
    drop(stdin);
    within(Duration::from_secs(60), "grpcurl", child.wait_with_output()).await.expect("an output")
}

/// Runs it and returns its standard output.
///
/// # Panics
///
/// If it exits with an error.
pub async fn output(gateway: &Gateway, arguments: &[&str], input: &str) -> String {
    let output = run(gateway, arguments, input).await;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "grpcurl {arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("output in UTF-8")
}

/// Calls a method of the job service and returns the messages of the response.
pub async fn call(gateway: &Gateway, method: &str, request: &str) -> Vec<serde_json::Value> {
    let method = format!("solvemesh.v1.JobService/{method}");
    let text = output(gateway, &[&method], request).await;
    let messages = serde_json::Deserializer::from_str(&text).into_iter();
    messages.collect::<Result<_, _>>().unwrap_or_else(|error| panic!("{error} in {text}"))
}
