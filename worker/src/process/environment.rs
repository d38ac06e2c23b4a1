//! The environment of a solver process. That of the worker holds secrets, such as the password of
//! the broker, and a process needs almost none of it.

use std::{
    env,
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt as _,
};

use solvemesh_solver::SOLVER_PROCESS;

/// The variables that a solver process gets from its worker, if they are set there.
///
/// - The folders of shared libraries, which the dynamic loader reads: SCIP is often installed
///   outside of the system's folders.
const INHERITED: &[&str] = &["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"];

/// The variables that are set for a solver process.
///
/// - The numbers of threads of OpenBLAS and OpenMP, which system libraries of solvers may use. Their
///   threads start with the library, before the process is confined; and a job's threads are
///   limited by its options.
const SET: &[(&str, &str)] = &[("OPENBLAS_NUM_THREADS", "1"), ("OMP_NUM_THREADS", "1")];

/// All variables of a solver process. [`SOLVER_PROCESS`] chooses its allocator.
pub(super) fn of_solver() -> Vec<(OsString, OsString)> {
    let inherited = INHERITED.iter().filter_map(|name| Some(((*name).into(), env::var_os(name)?)));
    let set = SET.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    let solver = (OsStr::from_bytes(SOLVER_PROCESS.to_bytes()).to_owned(), "1".into());
    inherited.chain(set).chain([solver]).collect()
}
