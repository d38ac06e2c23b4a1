//! Reads and writes the file of a snapshot.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Write},
    path::PathBuf,
};

use prost::Message;
use sha2::{Digest, Sha256};
use solvemesh::{
    frame,
    gateway::v1::{JobSnapshot, SnapshotHeader},
};
use tempfile::NamedTempFile;

use super::{FORMAT, MAGIC, Restored, Snapshot, convert, digest};
use crate::table::Held;

/// The name of the file in its folder.
const FILE_NAME: &str = "table.snapshot";
/// Maximum size of a message in a file, so that a damaged length does not allocate without bound.
/// No valid message comes near it, as a job's results are bounded far below.
const MAX_MESSAGE_BYTES: usize = 256 << 20;

/// The file that contains a table's latest snapshot. Gateways of one mesh may share a folder.
#[derive(Clone, Debug)]
pub struct SnapshotFile {
    folder: PathBuf,
}

/// Why a snapshot can't be written or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SnapshotError {
    /// An I/O error.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file is not a snapshot, is incomplete, or has been changed.
    #[error("the file is damaged: {0}")]
    Damaged(&'static str),
    /// The file was written by another version, which may have dropped fields of the log.
    #[error("a gateway of another version wrote it")]
    OtherFormat,
}

impl SnapshotFile {
    /// Stores snapshots in a folder, which is created if it does not exist.
    ///
    /// # Errors
    ///
    /// If the folder can't be created.
    pub fn in_folder(folder: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = folder.into();
        fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    /// The path of the file.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join(FILE_NAME)
    }

    /// Writes a snapshot and returns its size in bytes. Replaces the file atomically: a concurrent
    /// reader, or one after a crash, gets the old or the new snapshot, whole.
    pub(in crate::table) fn write(&self, snapshot: &Snapshot) -> Result<u64, SnapshotError> {
        let mut file = NamedTempFile::new_in(&self.folder)?;
        let bytes = write(BufWriter::new(file.as_file_mut()), snapshot)?;
        file.as_file().sync_all()?;
        file.persist(self.path()).map_err(|error| error.error)?;
        // The rename is durable only once the folder is synced too.
        File::open(&self.folder)?.sync_all()?;
        Ok(bytes)
    }

    /// Reads the snapshot; `None` if there is no file.
    pub(in crate::table) fn read(&self) -> Result<Option<Restored>, SnapshotError> {
        match File::open(self.path()) {
            Ok(file) => read(BufReader::new(file)).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Writes a snapshot; returns its size in bytes, without the digest at the end.
fn write(to: impl Write, snapshot: &Snapshot) -> Result<u64, SnapshotError> {
    let mut to = Hashing { inner: to, sum: Sha256::new(), bytes: 0 };
    to.write_all(MAGIC)?;
    let last_digest = digest(&snapshot.last);
    let header = SnapshotHeader { last_digest, ..snapshot.header.clone() };
    to.write_all(&header.encode_length_delimited_to_vec())?;
    for job in &snapshot.jobs {
        to.write_all(&job.to_snapshot())?;
    }
    let Hashing { mut inner, sum, bytes } = to;
    inner.write_all(&sum.finalize())?;
    inner.flush()?;
    Ok(bytes)
}

/// Reads a snapshot and checks its digest.
fn read(from: impl Read) -> Result<Restored, SnapshotError> {
    let mut from = Hashing { inner: from, sum: Sha256::new(), bytes: 0 };
    let mut magic = [0; MAGIC.len()];
    from.read_exact(&mut magic).map_err(truncated)?;
    if &magic != MAGIC {
        return Err(SnapshotError::Damaged("it does not start with the magic bytes"));
    }
    let header: SnapshotHeader = read_message(&mut from)?;
    if header.version != *FORMAT {
        return Err(SnapshotError::OtherFormat);
    }
    let jobs = header.jobs;
    let invalid = || SnapshotError::Damaged("a field is missing or invalid");
    let mut restored = convert::from_header(header).ok_or_else(invalid)?;
    for _ in 0..jobs {
        let job: JobSnapshot = read_message(&mut from)?;
        let job = convert::to_record(job).ok_or_else(invalid)?;
        restored.fold.insert(&job.id.clone(), Held::at_rest(job));
    }
    let Hashing { mut inner, sum, .. } = from;
    let mut expected = [0; 32];
    inner.read_exact(&mut expected).map_err(truncated)?;
    if sum.finalize()[..] != expected {
        return Err(SnapshotError::Damaged("its checksum is wrong"));
    }
    Ok(restored)
}

/// Reads a message that is preceded by its length.
fn read_message<M: Message + Default>(from: &mut impl Read) -> Result<M, SnapshotError> {
    match frame::read(from, MAX_MESSAGE_BYTES) {
        Ok(Some(message)) => Ok(message),
        Ok(None) => Err(SnapshotError::Damaged("it is truncated")),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(SnapshotError::Damaged("a message is too long or can't be decoded"))
        }
        Err(error) => Err(truncated(error)),
    }
}

fn truncated(error: io::Error) -> SnapshotError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        SnapshotError::Damaged("it is truncated")
    } else {
        error.into()
    }
}

/// A reader or writer that hashes and counts the bytes that pass through it.
struct Hashing<T> {
    inner: T,
    sum: Sha256,
    bytes: u64,
}

impl<T: Write> Write for Hashing<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.sum.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Read> Read for Hashing<T> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(bytes)?;
        self.sum.update(&bytes[..read]);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use solvemesh::{gateway::v1::LogPosition, v1::JobState};

    use super::*;
    use crate::table::{Position, Record};

    /// A snapshot file with one job, in this state.
    fn file_with(state: JobState) -> Vec<u8> {
        file_of(*FORMAT, state)
    }

    fn file_of(format: u32, state: JobState) -> Vec<u8> {
        let first = Position::new(0, 0);
        let header = SnapshotHeader {
            version: format,
            head: Some(LogPosition::default()),
            jobs: 1,
            ..SnapshotHeader::default()
        };
        let job = convert::from_record(Record::new("a".into(), first));
        let job = JobSnapshot { state: state.into(), ..job };
        let mut bytes = MAGIC.to_vec();
        bytes.extend(header.encode_length_delimited_to_vec());
        bytes.extend(job.encode_length_delimited_to_vec());
        bytes.extend(Sha256::digest(&bytes));
        bytes
    }

    #[test]
    fn job_without_a_state_is_refused_as_invalid() {
        for state in [JobState::Queued, JobState::Running, JobState::Failed] {
            let restored = read(file_with(state).as_slice()).expect("a valid snapshot");
            assert_eq!(restored.fold.job("a").map(|job| job.state()), Some(state));
        }
        let refused = read(file_with(JobState::Unspecified).as_slice());
        let expected = "a field is missing or invalid";
        assert!(matches!(refused, Err(SnapshotError::Damaged(cause)) if cause == expected));
    }

    #[test]
    fn a_snapshot_of_another_version_is_refused() {
        let found = |format| read(file_of(format, JobState::Queued).as_slice());
        assert!(found(*FORMAT).is_ok());
        for other in [1, FORMAT.wrapping_add(1)] {
            assert!(matches!(found(other), Err(SnapshotError::OtherFormat)));
        }
    }
}
