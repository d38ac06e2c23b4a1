use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Write},
    path::PathBuf,
    sync::Arc,
};

use prost::Message;
use sha2::{Digest, Sha256};
use solvemesh::gateway::v1::{JobSnapshot, SnapshotHeader};
use tempfile::NamedTempFile;

use super::{MAGIC, Restored, Snapshot, VERSION, convert, digest};

/// The name of the file in its folder.
const NAME: &str = "table.snapshot";
/// The largest message of a file: a job's results have a bound far below.
const MAX_MESSAGE: usize = 256 << 20;

/// Where the snapshots of a table are kept. Gateways of one mesh may share a folder.
#[derive(Clone, Debug)]
pub struct SnapshotFile {
    folder: PathBuf,
}

/// Why a snapshot can't be written or used.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The system's error.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is no snapshot, or not all of one.
    #[error("the file is damaged: {0}")]
    Damaged(&'static str),
    /// It was written by another version.
    #[error("its format is {found}, not {VERSION}")]
    OtherFormat {
        /// The file's format.
        found: u32,
    },
}

impl SnapshotFile {
    /// Keeps snapshots in a folder, which is made where it is missing.
    ///
    /// # Errors
    ///
    /// When it can't be made.
    pub fn in_folder(folder: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = folder.into();
        fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    /// The file.
    pub fn path(&self) -> PathBuf {
        self.folder.join(NAME)
    }

    /// Writes a snapshot: whoever reads meanwhile reads the one before, and so does
    /// who comes after a crash.
    pub(in crate::table) fn write(&self, snapshot: &Snapshot) -> Result<u64, SnapshotError> {
        let mut file = NamedTempFile::new_in(&self.folder)?;
        let bytes = write(BufWriter::new(file.as_file_mut()), snapshot)?;
        file.as_file().sync_all()?;
        file.persist(self.path()).map_err(|error| error.error)?;
        // The name is on the disk once the folder is.
        File::open(&self.folder)?.sync_all()?;
        Ok(bytes)
    }

    /// Reads the snapshot back; `None` where there is none.
    pub(in crate::table) fn read(&self) -> Result<Option<Restored>, SnapshotError> {
        match File::open(self.path()) {
            Ok(file) => read(BufReader::new(file)).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Returns how many bytes it wrote.
fn write(to: impl Write, snapshot: &Snapshot) -> Result<u64, SnapshotError> {
    let mut to = Summed { inner: to, sum: Sha256::new(), bytes: 0 };
    to.write_all(MAGIC)?;
    let last_digest = digest(&snapshot.last);
    let header = SnapshotHeader { last_digest, ..snapshot.header.clone() };
    to.write_all(&header.encode_length_delimited_to_vec())?;
    for job in &snapshot.jobs {
        to.write_all(&convert::from_record(job).encode_length_delimited_to_vec())?;
    }
    let Summed { mut inner, sum, bytes } = to;
    inner.write_all(&sum.finalize())?;
    inner.flush()?;
    Ok(bytes)
}

fn read(from: impl Read) -> Result<Restored, SnapshotError> {
    let mut from = Summed { inner: from, sum: Sha256::new(), bytes: 0 };
    let mut magic = [0; MAGIC.len()];
    from.read_exact(&mut magic).map_err(short)?;
    if &magic != MAGIC {
        return Err(SnapshotError::Damaged("it does not begin as one"));
    }
    let header: SnapshotHeader = message(&mut from)?;
    if header.version != VERSION {
        return Err(SnapshotError::OtherFormat { found: header.version });
    }
    let jobs = header.jobs;
    let nonsense = || SnapshotError::Damaged("it makes no sense");
    let mut restored = convert::begin(header).ok_or_else(nonsense)?;
    for _ in 0..jobs {
        let job: JobSnapshot = message(&mut from)?;
        restored.fold.put(Arc::new(convert::to_record(job).ok_or_else(nonsense)?));
    }
    let Summed { mut inner, sum, .. } = from;
    let mut told = [0; 32];
    inner.read_exact(&mut told).map_err(short)?;
    if sum.finalize()[..] != told {
        return Err(SnapshotError::Damaged("its sum is wrong"));
    }
    Ok(restored)
}

/// Reads a message and the length before it.
fn message<M: Message + Default>(from: &mut impl Read) -> Result<M, SnapshotError> {
    let mut length: usize = 0;
    for shift in (0..).step_by(7).take(5) {
        let mut byte = [0];
        from.read_exact(&mut byte).map_err(short)?;
        length |= usize::from(byte[0] & 0x7f) << shift;
        if byte[0] & 0x80 == 0 {
            break;
        }
    }
    if length > MAX_MESSAGE {
        return Err(SnapshotError::Damaged("a part is too long"));
    }
    let mut bytes = Vec::new();
    from.by_ref().take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() < length {
        return Err(SnapshotError::Damaged("it ends too early"));
    }
    M::decode(bytes.as_slice()).map_err(|_| SnapshotError::Damaged("a part can't be decoded"))
}

fn short(error: io::Error) -> SnapshotError {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        SnapshotError::Damaged("it ends too early")
    } else {
        error.into()
    }
}

/// Sums up what is written or read.
struct Summed<T> {
    inner: T,
    sum: Sha256,
    bytes: u64,
}

impl<T: Write> Write for Summed<T> {
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

impl<T: Read> Read for Summed<T> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(bytes)?;
        self.sum.update(&bytes[..read]);
        Ok(read)
    }
}
