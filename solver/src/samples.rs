//! What the tests of this crate solve, and where they read the reports.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use solvemesh::solver::v1::SolverReport;
pub(super) use solvemesh_testkit::models::{dense, market_split, wyndor};

use crate::frame;

/// A pipe whose other end is read by the test.
#[derive(Clone, Default)]
pub(super) struct Pipe(Arc<Mutex<Vec<u8>>>);

impl Pipe {
    /// All reports so far.
    pub(super) fn reports(&self) -> Vec<SolverReport> {
        let bytes = self.0.lock().unwrap().clone();
        let mut reader = bytes.as_slice();
        std::iter::from_fn(|| frame::read(&mut reader).unwrap()).collect()
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
