//! Tests of what a real solver process has of its worker: environment and files.

use std::{
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    end_to_end::solver,
    harness::{Scripts, TestMesh, config, job, state, wyndor},
};
use solvemesh::v1::JobState;
use solvemesh_worker::{SolverCommandLine, Worker};

const NO_GRACE: Duration = Duration::ZERO;

/// The variables that a solver process may have.
const ALLOWED: &[&str] = &[
    "DYLD_LIBRARY_PATH",
    "LD_LIBRARY_PATH",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "SOLVEMESH_SOLVER_PROCESS",
];

/// The folder in `/proc` of the process that runs this program as a solver.
#[cfg(target_os = "linux")]
fn process_of(program: &Path) -> PathBuf {
    let line = [program.as_os_str().as_bytes(), b"\0solver\0"].concat();
    let mut folders = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    let found = folders.find(|folder| fs::read(folder.join("cmdline")).is_ok_and(|it| it == line));
    found.expect("a solver process")
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_running_solver_process_is_confined() {
    let (mut bed, scripts) = (TestMesh::new().await, Scripts::new());
    // A name by which this process is found among those of other tests.
    let program = scripts.path("solver");
    std::os::unix::fs::symlink(solver().program, &program).unwrap();
    let command = SolverCommandLine { program: program.clone(), args: vec!["solver".into()] };
    let worker = Worker::start(bed.mesh.clone(), config(1, command));
    bed.enqueue("express", &job("j", wyndor(500.0), 60.0)).await;
    assert_eq!(state(&bed.finished("j").await), (JobState::Succeeded, ""));

    let process = process_of(&program);
    let status = fs::read_to_string(process.join("status")).unwrap();
    match status.contains("Seccomp:") {
        true => assert!(status.contains("NoNewPrivs:\t1\nSeccomp:\t2\n"), "{status}"),
        false => eprintln!("skipped: this kernel has no seccomp"),
    }
    match (fs::read(process.join("environ")), fs::read_dir(process.join("fd"))) {
        (Ok(environment), Ok(files)) => {
            let variables = String::from_utf8_lossy(&environment);
            let names = variables.split('\0').filter(|variable| !variable.is_empty());
            for name in names.map(|variable| variable.split('=').next().unwrap()) {
                assert!(ALLOWED.contains(&name), "{name}");
            }
            // Commands and reports, twice each or as a standard stream, and standard error.
            let standard_error = fs::read_link("/proc/self/fd/2").unwrap();
            for file in files {
                let target = fs::read_link(file.unwrap().path()).unwrap();
                let is_pipe = target.to_string_lossy().starts_with("pipe:[");
                assert!(is_pipe || target == standard_error, "{target:?}");
            }
        }
        // The process can't be dumped.
        _ => eprintln!("skipped in part: only root may read its environment and files"),
    }
    worker.drain(NO_GRACE).await;
}

#[tokio::test]
async fn no_other_variable_of_the_worker_reaches_its_solver() {
    let (bed, scripts) = (TestMesh::new().await, Scripts::new());
    let solver = scripts.solver("env > names; echo > written; ready; exec sleep 60");
    let worker = Worker::start(bed.mesh.clone(), config(1, solver));
    scripts.written("written").await;
    let variables = scripts.written("names").await;
    // The shell sets these itself.
    let allowed = [ALLOWED, &["PWD", "OLDPWD", "SHLVL", "_"]].concat();
    for variable in variables.lines() {
        let name = variable.split('=').next().unwrap();
        assert!(allowed.contains(&name), "{variable}");
    }
    assert!(variables.contains("SOLVEMESH_SOLVER_PROCESS=1\n"));
    // This test's process has more than these.
    assert!(std::env::var_os("PATH").is_some());
    worker.drain(NO_GRACE).await;
}
