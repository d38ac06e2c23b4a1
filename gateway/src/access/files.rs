//! The files of keys and of token keys. The only part of `access` that reads files.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{jwk::Jwks, keys::Keys};
use crate::reload::Source;

/// How often the files are read. A removed key works for at most this long.
pub(super) const RELOAD_INTERVAL: Duration = Duration::from_secs(2);

/// The maximum size of a file, in bytes.
const LIMIT: u64 = 16 << 20;

/// The file of `--keys`.
#[derive(Debug)]
pub(crate) struct KeyFile(pub(super) PathBuf);

/// The file of `--jwks`.
#[derive(Debug)]
pub(crate) struct JwksFile(pub(super) PathBuf);

/// Why a file can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{flag} {}: {wrong}", path.display())]
pub struct AccessFileError {
    flag: &'static str,
    path: PathBuf,
    wrong: String,
}

impl AccessFileError {
    fn new(flag: &'static str, path: &Path, wrong: impl ToString) -> Self {
        Self { flag, path: path.to_owned(), wrong: wrong.to_string() }
    }
}

impl Source for KeyFile {
    type Contents = String;
    type Value = Keys;
    type Error = AccessFileError;
    const NAME: &'static str = "file of keys";

    fn read(&self) -> Result<String, AccessFileError> {
        read(&self.0).map_err(|error| AccessFileError::new("--keys", &self.0, error))
    }

    fn parse(&self, text: &String) -> Result<Keys, AccessFileError> {
        Keys::parse(text).map_err(|error| AccessFileError::new("--keys", &self.0, error))
    }
}

impl Source for JwksFile {
    type Contents = String;
    type Value = Jwks;
    type Error = AccessFileError;
    const NAME: &'static str = "file of token keys";

    fn read(&self) -> Result<String, AccessFileError> {
        read(&self.0).map_err(|error| AccessFileError::new("--jwks", &self.0, error))
    }

    fn parse(&self, text: &String) -> Result<Jwks, AccessFileError> {
        Jwks::parse(text).map_err(|wrong| AccessFileError::new("--jwks", &self.0, wrong))
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(LIMIT + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LIMIT {
        return Err(io::Error::other(format!("it is larger than {LIMIT} bytes")));
    }
    Ok(text)
}
