//! Models for the tests of this crate, and a pipe that collects reports.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use solvemesh::solver::v1::SolverReport;
pub(super) use solvemesh_testkit::models::{dense, market_split, wyndor};

use solvemesh::frame;

/// A pipe in memory: keeps everything that is written, for a test to read.
#[derive(Clone, Default)]
pub(super) struct Pipe(Arc<Mutex<Vec<u8>>>);

impl Pipe {
    /// All reports that were written so far.
    pub(super) fn reports(&self) -> Vec<SolverReport> {
        let bytes = self.0.lock().unwrap().clone();
        let mut reader = bytes.as_slice();
        std::iter::from_fn(|| frame::read(&mut reader, frame::MAX_FRAME_BYTES).unwrap()).collect()
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
