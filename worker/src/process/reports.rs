//! Reads what a solver process writes.

use std::io;

use bytes::{Buf, BytesMut};
use prost::Message;
use solvemesh::solver::v1::{SolverReport, solver_report};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The most bytes of a length prefix.
const MAX_PREFIX: usize = 10;
/// How much is read at once, at least.
const CHUNK: usize = 16 << 10;

/// The reports that come through a pipe, each behind its length. Waiting for
/// [`Reports::next`] may be given up at any time; nothing is lost.
#[derive(Debug)]
pub(super) struct Reports<R> {
    pipe: R,
    buffer: BytesMut,
}

/// Nothing more can come out of the pipe.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// Its other end was closed.
    #[error("it closed its output")]
    Closed,
    /// It can't be read.
    #[error("its output can't be read: {0}")]
    Io(#[from] io::Error),
    /// What came is no report.
    #[error("it wrote what is no report: {0}")]
    Garbage(String),
}

impl<R: AsyncRead + Unpin> Reports<R> {
    pub(super) fn new(pipe: R) -> Self {
        Self { pipe, buffer: BytesMut::new() }
    }

    /// The next report of at most `limit` bytes.
    pub(super) async fn next(
        &mut self,
        limit: usize,
    ) -> Result<(u64, solver_report::Kind), Broken> {
        loop {
            let missing = match self.decode(limit)? {
                Ok(report) => return Ok(report),
                Err(missing) => missing,
            };
            self.buffer.reserve(missing.max(CHUNK));
            if self.pipe.read_buf(&mut self.buffer).await? == 0 {
                return Err(Broken::Closed);
            }
        }
    }

    /// A report from the buffer, or how many bytes it lacks at least.
    fn decode(
        &mut self,
        limit: usize,
    ) -> Result<Result<(u64, solver_report::Kind), usize>, Broken> {
        let mut ahead = &self.buffer[..];
        let Ok(length) = prost::decode_length_delimiter(&mut ahead) else {
            if self.buffer.len() < MAX_PREFIX {
                return Ok(Err(1));
            }
            return Err(Broken::Garbage("no length".to_owned()));
        };
        if length > limit {
            return Err(Broken::Garbage(format!("{length} bytes, over the limit of {limit}")));
        }
        if ahead.len() < length {
            return Ok(Err(length - ahead.len()));
        }
        let prefix = self.buffer.len() - ahead.len();
        self.buffer.advance(prefix);
        let report = SolverReport::decode(self.buffer.split_to(length))
            .map_err(|error| Broken::Garbage(error.to_string()))?;
        let kind = report.kind.ok_or_else(|| Broken::Garbage("an empty report".to_owned()))?;
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

    fn read(bytes: &[u8], limit: usize) -> (Vec<(u64, solver_report::Kind)>, Broken) {
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
    fn garbage_is_told_from_reports() {
        let text = "terminate called after throwing an instance of 'std::bad_alloc'\n".repeat(4);
        for garbage in [&[0xff; 64][..], text.as_bytes(), &[0; 64]] {
            let (reports, broken) = read(garbage, 1 << 20);
            assert!(reports.is_empty());
            assert!(matches!(broken, Broken::Garbage(_)), "{broken:?}");
        }
    }

    #[test]
    fn a_report_over_the_limit_is_not_waited_for() {
        let mut bytes = Vec::new();
        prost::encode_length_delimiter(1 << 30, &mut bytes).unwrap();
        assert!(matches!(read(&bytes, 1 << 20).1, Broken::Garbage(_)));
    }

    proptest! {
        #[test]
        fn reports_come_out_as_they_went_in(sizes in proptest::collection::vec(0usize..4000, 1..20)) {
            let mut bytes = Vec::new();
            for (task, size) in sizes.iter().enumerate() {
                let incumbent = Incumbent { values: vec![1.5; *size], ..Default::default() };
                let kind = Some(solver_report::Kind::Incumbent(incumbent));
                SolverReport { task: task as u64, kind }.encode_length_delimited(&mut bytes).unwrap();
            }
            let (reports, broken) = read(&bytes, 1 << 20);
            prop_assert!(matches!(broken, Broken::Closed));
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
            let ready = SolverReport { task: 0, kind: Some(solver_report::Kind::Ready(Ready { pid: 1 })) };
            let mut all = ready.encode_length_delimited_to_vec();
            all.extend(bytes);
            prop_assert!(!read(&all, 1 << 10).0.is_empty());
        }
    }
}
