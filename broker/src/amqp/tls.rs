//! The certificate and key files of TLS. They are read for every connection, so that rotated
//! files take effect with the next one.

use std::{path::PathBuf, sync::Arc};

use solvemesh_tls::{ClientFiles, PairFiles, PemFile, TlsFileError};
use tokio_rustls::rustls::ClientConfig;

/// The files that TLS needs, all in PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// The CA certificates to trust instead of the system's; `None` for the system's.
    pub ca: Option<PathBuf>,
    /// The client certificate and its key, if the broker is to get one.
    pub identity: Option<Identity>,
}

/// A client certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, followed by intermediate certificates if there are any.
    pub cert: PathBuf,
    /// The private key, without a passphrase.
    pub key: PathBuf,
}

impl TlsFiles {
    /// The flag of a file that is set, if any is.
    pub(super) fn given(&self) -> Option<&'static str> {
        let ca = self.ca.as_ref().map(|_| "--amqp-ca");
        ca.or(self.identity.as_ref().map(|_| "--amqp-cert"))
    }

    /// Reads the files.
    pub(super) fn read(&self) -> Result<Arc<ClientConfig>, TlsFileError> {
        let ca = self.ca.as_ref().map(|path| PemFile::new("--amqp-ca", path));
        let identity = self.identity.as_ref().map(|Identity { cert, key }| {
            PairFiles::new(("--amqp-cert", cert), ("--amqp-key", key))
        });
        ClientFiles { ca, identity }.config("--amqp-ca")
    }
}
