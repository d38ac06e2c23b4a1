//! The certificate of the gateway, which is replaced while it runs.

use std::{sync::Arc, time::Duration};

use solvemesh_tls::{ServerContents, ServerFiles, TlsFileError};
use tokio_rustls::rustls::ServerConfig;

use super::{
    expiry::warn_of_expiry,
    x509::{Validity, first_to_expire},
};
use crate::reload::{Reloaded, Source};

/// How often the files are read again.
const RELOAD_INTERVAL: Duration = Duration::from_secs(10);

/// The certificate, its key and the CAs of clients, from files. Connections that are open keep
/// those with which they were opened. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Certificates(Arc<Reloaded<ServerFiles>>);

impl Certificates {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// If a file can't be read or does not contain what it should, or if certificate and key do not
    /// belong together. The message names the flag and the file.
    pub fn read(files: ServerFiles) -> Result<Self, TlsFileError> {
        Ok(Self(Reloaded::open(files)?))
    }

    /// Reads the files again and again, and warns before the certificate expires, until its task is
    /// aborted.
    pub async fn follow(self) {
        let current = self.0.subscribe();
        tokio::join!(self.0.follow(RELOAD_INTERVAL), warn_of_expiry(current));
    }

    /// The configuration for a new connection.
    pub(super) fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.0.current().config)
    }
}

/// What is made of the files.
pub(crate) struct ServerTls {
    /// The configuration for new connections.
    config: Arc<ServerConfig>,
    /// How long the certificate and its intermediate certificates are valid, if that can be read.
    pub(super) validity: Option<Validity>,
}

impl Source for ServerFiles {
    type Contents = ServerContents;
    type Value = ServerTls;
    type Error = TlsFileError;
    const NAME: &'static str = "TLS certificate";

    fn read(&self) -> Result<ServerContents, TlsFileError> {
        self.read()
    }

    fn parse(&self, contents: &ServerContents) -> Result<ServerTls, TlsFileError> {
        let validity = first_to_expire(&self.chain(contents)?);
        Ok(ServerTls { config: self.config(contents)?, validity })
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
    use crate::reload::Reload;

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
        assert!(matches!(certificates.0.reload(), Reload::Unchanged));

        let next = pair();
        fs::write(&cert, &next.cert).unwrap();
        assert!(matches!(certificates.0.reload(), Reload::Refused(TlsFileError::Mismatch(_))));
        assert!(matches!(certificates.0.reload(), Reload::Unchanged));
        fs::remove_file(&key).unwrap();
        assert!(matches!(
            certificates.0.reload(),
            Reload::Refused(TlsFileError::Unreadable { .. })
        ));
        assert!(matches!(certificates.0.reload(), Reload::Unchanged));
        assert!(Arc::ptr_eq(&first, &certificates.current()));

        fs::write(&key, &next.key).unwrap();
        assert!(matches!(certificates.0.reload(), Reload::Replaced));
        assert!(!Arc::ptr_eq(&first, &certificates.current()));
    }
}
