//! Decodes the length-delimited reports that a solver process writes to its standard output.

use std::{fmt, io};

use bytes::{Buf, BytesMut};
use prost::Message;
use solvemesh::{
    frame::{self, Frame},
    solver::v1::{SolverReport, solver_report},
};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Minimum buffer space, in bytes, that is offered to one read.
const CHUNK: usize = 16 << 10;

/// Reader of length-delimited reports from a pipe. [`Reports::next`] is cancel safe: bytes of an
/// incomplete report stay in the buffer.
#[derive(Debug)]
pub(super) struct Reports<R> {
    pipe: R,
    buffer: BytesMut,
}

/// Why no more reports can be read. The texts complete "the solver process died: …".
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// The process closed its end of the pipe.
    #[error("it closed its output")]
    Closed,
    /// Reading from the pipe failed.
    #[error("cannot read its output: {0}")]
    Io(#[from] io::Error),
    /// The bytes are not a report. The position of the next report is then unknown too.
    #[error("its output is not a valid report: {0}")]
    Garbage(String),
}

impl<R: AsyncRead + Unpin> Reports<R> {
    pub(super) fn new(pipe: R) -> Self {
        Self { pipe, buffer: BytesMut::new() }
    }

    /// Waits for the next report, of at most `limit` bytes; returns it with the task it is about.
    pub(super) async fn next(
        &mut self,
        limit: usize,
    ) -> Result<(u64, solver_report::Kind), ReadError> {
        loop {
            let missing = match self.decode(limit)? {
                Ok(report) => return Ok(report),
                Err(missing) => missing,
            };
            self.buffer.reserve(missing.max(CHUNK));
            if self.pipe.read_buf(&mut self.buffer).await? == 0 {
                return Err(ReadError::Closed);
            }
        }
    }

    /// Decodes the first report of the buffer, or returns the number of bytes that are missing.
    fn decode(
        &mut self,
        limit: usize,
    ) -> Result<Result<(u64, solver_report::Kind), usize>, ReadError> {
        let garbage = |error: &dyn fmt::Display| ReadError::Garbage(error.to_string());
        let range = match frame::find(&self.buffer, limit).map_err(|error| garbage(&error))? {
            Frame::Complete(range) => range,
            Frame::Missing(missing) => return Ok(Err(missing)),
        };
        self.buffer.advance(range.start);
        let report = SolverReport::decode(self.buffer.split_to(range.len()))
            .map_err(|error| garbage(&error))?;
        let kind = report.kind.ok_or_else(|| garbage(&"an empty report"))?;
        Ok(Ok((report.task, kind)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;
    use solvemesh::solver::v1::{Incumbent, Ready};
    use tokio::runtime::Builder;

    use super::*;

    fn read(bytes: &[u8], limit: usize) -> (Vec<(u64, solver_report::Kind)>, ReadError) {
        Builder::new_current_thread().build().unwrap().block_on(async {
            let mut reports = Reports::new(bytes);
            let mut read = Vec::new();
            loop {
                match reports.next(limit).await {
                    Ok(report) => read.push(report),
                    Err(broken) => return (read, broken),
                }
            }
        })
    }

    #[test]
    fn garbage_is_reported_as_garbage() {
        let text = "terminate called after throwing an instance of 'std::bad_alloc'\n".repeat(4);
        for garbage in [&[0xff; 64][..], text.as_bytes(), &[0; 64]] {
            let (reports, broken) = read(garbage, 1 << 20);
            assert!(reports.is_empty());
            assert!(matches!(broken, ReadError::Garbage(_)), "{broken:?}");
        }
    }

    #[test]
    fn a_report_over_the_limit_is_rejected_without_reading_it() {
        let mut bytes = Vec::new();
        prost::encode_length_delimiter(1 << 30, &mut bytes).unwrap();
        assert!(matches!(read(&bytes, 1 << 20).1, ReadError::Garbage(_)));
    }

    proptest! {
        #[test]
        fn encoded_reports_are_decoded_in_order(sizes in proptest::collection::vec(0usize..4000, 1..20)) {
            let mut bytes = Vec::new();
            for (task, size) in sizes.iter().enumerate() {
                let incumbent = Incumbent { values: vec![1.5; *size], ..Default::default() };
                let kind = Some(solver_report::Kind::Incumbent(incumbent));
                SolverReport { task: task as u64, kind }.encode_length_delimited(&mut bytes).unwrap();
            }
            let (reports, broken) = read(&bytes, 1 << 20);
            prop_assert!(matches!(broken, ReadError::Closed));
            let read: Vec<_> = reports
                .into_iter()
                .map(|(_, kind)| match kind {
                    solver_report::Kind::Incumbent(incumbent) => incumbent.values.len(),
                    _ => usize::MAX,
                })
                .collect();
            prop_assert_eq!(read, sizes);
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let ready = SolverReport { task: 0, kind: Some(solver_report::Kind::Ready(Ready { pid: 1, ..Ready::default() })) };
            let mut all = ready.encode_length_delimited_to_vec();
            all.extend(bytes);
            prop_assert!(!read(&all, 1 << 10).0.is_empty());
        }
    }
}
