//! Which parts of the project must not know which.

use std::{path::Path, process::Command};

use solvemesh_tests::processes;

fn fence(arguments: &[&str]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/fence");
    let output = Command::new(script).args(arguments).output().expect("the fence");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn no_crate_depends_on_what_it_must_not_know() {
    fence(&["dependencies"]);
}

#[test]
fn the_worker_as_linked_holds_nothing_of_grpc() {
    let worker = processes::program("solvemesh-worker");
    fence(&["symbols", worker.to_str().expect("a path in UTF-8")]);
}
