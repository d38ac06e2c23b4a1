//! The certificate of the gateway, which is replaced while it runs.

use std::{future, sync::Arc, time::Duration};

use parking_lot::RwLock;
use solvemesh_tls::{ServerContents, ServerFiles, TlsFileError};
use tokio::time::{MissedTickBehavior, interval};
use tokio_rustls::rustls::ServerConfig;
use tracing::{error, info};

/// How often the files are read again. They are polled, because the platforms that replace them,
/// Kubernetes above all, swap symbolic links, which change notifications do not show.
pub const RELOAD_INTERVAL: Duration = Duration::from_secs(10);

/// The certificate, its key and the CAs of clients, from files. Connections that are open keep
/// those with which they were opened.
#[derive(Debug)]
pub struct Certificates {
    files: ServerFiles,
    current: RwLock<Arc<ServerConfig>>,
    /// The contents that were read last, in use or refused: the same error is logged once.
    seen: RwLock<Seen>,
}

/// The outcome of reading the files.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// What they contained.
    Contents(Box<ServerContents>),
    /// One could not be read, for this reason.
    Unreadable(String),
}

/// What a reload did.
#[derive(Debug)]
enum Reload {
    /// The files are as they were.
    Unchanged,
    /// New connections get the new certificate.
    Replaced,
    /// The files can't be used, so the old certificate stays.
    Refused(TlsFileError),
}

impl Certificates {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// If a file can't be read or does not contain what it should, or if certificate and key do not
    /// belong together. The message names the flag and the file.
    pub fn read(files: ServerFiles) -> Result<Arc<Self>, TlsFileError> {
        let contents = files.read()?;
        let current = RwLock::new(files.config(&contents)?);
        let seen = RwLock::new(Seen::Contents(Box::new(contents)));
        Ok(Arc::new(Self { files, current, seen }))
    }

    /// The configuration for a new connection.
    pub(super) fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.read())
    }

    /// Reads the files again at every `period`, for ever. Logs a change, and files that can't be used.
    pub async fn follow(self: Arc<Self>, period: Duration) {
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let certificates = Arc::clone(&self);
            // A file system may block, a network file system for long.
            match tokio::task::spawn_blocking(move || certificates.reload()).await {
                Ok(Reload::Unchanged) => {}
                Ok(Reload::Replaced) => info!("TLS certificate replaced"),
                Ok(Reload::Refused(error)) => {
                    error!(%error, "TLS certificate not replaced, the old one stays");
                }
                // The runtime is shutting down.
                Err(_) => future::pending().await,
            }
        }
    }

    fn reload(&self) -> Reload {
        let contents = match self.files.read() {
            Ok(contents) => contents,
            Err(error) => {
                let seen = Seen::Unreadable(error.to_string());
                return if self.note(seen) { Reload::Refused(error) } else { Reload::Unchanged };
            }
        };
        if !self.note(Seen::Contents(Box::new(contents.clone()))) {
            return Reload::Unchanged;
        }
        match self.files.config(&contents) {
            Ok(config) => {
                *self.current.write() = config;
                Reload::Replaced
            }
            Err(error) => Reload::Refused(error),
        }
    }

    /// Notes what was read. Whether it differs from what was read before.
    fn note(&self, seen: Seen) -> bool {
        let mut before = self.seen.write();
        let differs = *before != seen;
        *before = seen;
        differs
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::fs;

    use solvemesh_testkit::certificates::Authority;
    use solvemesh_tls::{ClientCertificates, PairFiles};
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_pair_that_does_not_fit_is_refused_once_and_a_good_one_is_taken() {
        let folder = TempDir::new().unwrap();
        let authority = Authority::new("ours");
        let pair = || authority.server(&["localhost"]);
        pair().write(folder.path());
        let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        let pair_files = PairFiles::new(("--tls-cert", &cert), ("--tls-key", &key));
        let files = ServerFiles { pair: pair_files, clients: ClientCertificates::None };
        let certificates = Certificates::read(files).unwrap();
        let first = certificates.current();
        assert!(matches!(certificates.reload(), Reload::Unchanged));

        let next = pair();
        fs::write(&cert, &next.cert).unwrap();
        assert!(matches!(certificates.reload(), Reload::Refused(TlsFileError::Mismatch(_))));
        assert!(matches!(certificates.reload(), Reload::Unchanged));
        fs::remove_file(&key).unwrap();
        assert!(matches!(certificates.reload(), Reload::Refused(TlsFileError::Unreadable { .. })));
        assert!(matches!(certificates.reload(), Reload::Unchanged));
        assert!(Arc::ptr_eq(&first, &certificates.current()));

        fs::write(&key, &next.key).unwrap();
        assert!(matches!(certificates.reload(), Reload::Replaced));
        assert!(!Arc::ptr_eq(&first, &certificates.current()));
    }
}
