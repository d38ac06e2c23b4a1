//! The file of keys on disk, which is read again when it changes.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use parking_lot::RwLock;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::keys::{InvalidKeys, Keys};

/// How often the file is read. A removed key works for at most this long. Reading is cheap, and
/// unlike events of the file system it also works where a directory is replaced by another, as
/// Kubernetes does.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// A file of keys, with the keys that it had when it was last valid. Cheap to clone.
#[derive(Clone, Debug)]
pub struct KeyFile {
    path: Arc<Path>,
    keys: Arc<RwLock<Arc<Keys>>>,
}

/// Why the keys of a file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file can't be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file is invalid.
    #[error("{0}")]
    Invalid(String),
}

impl From<InvalidKeys> for KeyFileError {
    fn from(error: InvalidKeys) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl KeyFile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// If it can't be read or is invalid.
    pub fn open(path: PathBuf) -> Result<Self, KeyFileError> {
        let keys = read(&path)?;
        info!(path = %path.display(), keys = keys.len(), "keys read");
        Ok(Self { path: path.into(), keys: Arc::new(RwLock::new(Arc::new(keys))) })
    }

    /// The keys as of the last check.
    pub(super) fn keys(&self) -> Arc<Keys> {
        self.keys.read().clone()
    }

    /// Reads the file again and again, until its task is aborted. While the file is invalid or
    /// missing, the keys stay as they are: a mistake in an edit must not lock everyone out.
    pub async fn follow(self) {
        let mut ticks = interval(CHECK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last_error = None;
        loop {
            ticks.tick().await;
            let path = self.path.clone();
            let Ok(read) = tokio::task::spawn_blocking(move || read(&path)).await else { continue };
            match read {
                Ok(keys) => {
                    last_error = None;
                    let mut current = self.keys.write();
                    if keys != **current {
                        info!(path = %self.path.display(), keys = keys.len(), "keys read again");
                        *current = Arc::new(keys);
                    }
                }
                Err(error) => {
                    let error = error.to_string();
                    if last_error.as_ref() != Some(&error) {
                        warn!(
                            path = %self.path.display(),
                            cause = error,
                            "keys can't be read again, the old ones stay valid"
                        );
                        last_error = Some(error);
                    }
                }
            }
        }
    }
}

fn read(path: &Path) -> Result<Keys, KeyFileError> {
    Ok(Keys::parse(&fs::read_to_string(path)?)?)
}
