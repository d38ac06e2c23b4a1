//! The certificate and key files of TLS. They are read for every connection, so that rotated
//! files take effect with the next one.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio_rustls::rustls::{
    self, ClientConfig, InconsistentKeys, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

/// The maximum size of a file, in bytes. For comparison: the bundle of all public CAs has about
/// 250 kB.
const LIMIT: u64 = 4 << 20;

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

/// Why the TLS files can't be used. The message names the flag and the file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsFileError {
    /// A file can't be read.
    #[error("{flag} {}: {error}", path.display())]
    Unreadable { flag: &'static str, path: PathBuf, error: io::Error },
    /// A file does not contain what it should.
    #[error("{flag} {}: {fault}", path.display())]
    Damaged { flag: &'static str, path: PathBuf, fault: String },
    /// The certificate was made for another key.
    #[error("--amqp-cert {} and --amqp-key {} do not belong together", cert.display(), key.display())]
    Mismatch { cert: PathBuf, key: PathBuf },
    /// The system has no CA certificates.
    #[error("no CA certificates were found on this system ({0}); name some with --amqp-ca")]
    NoSystemRoots(String),
    /// Any other error of rustls.
    #[error("TLS can't be set up: {0}")]
    Setup(#[from] rustls::Error),
}

impl TlsFiles {
    /// The flag of a file that is set, if any is.
    pub(super) fn given(&self) -> Option<&'static str> {
        let ca = self.ca.as_ref().map(|_| "--amqp-ca");
        ca.or(self.identity.as_ref().map(|_| "--amqp-cert"))
    }

    /// Reads the files.
    pub(super) fn read(&self) -> Result<Arc<ClientConfig>, TlsFileError> {
        let roots = match &self.ca {
            Some(path) => roots_of(path)?,
            None => system_roots()?,
        };
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let Some(Identity { cert, key }) = &self.identity else {
            return Ok(Arc::new(config.with_no_client_auth()));
        };
        let (chain, secret) = (certificates("--amqp-cert", cert)?, private_key(key)?);
        let config = config.with_client_auth_cert(chain, secret).map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                TlsFileError::Mismatch { cert: cert.clone(), key: key.clone() }
            }
            rustls::Error::InvalidCertificate(error) => {
                damaged("--amqp-cert", cert, format!("the first certificate is invalid: {error:?}"))
            }
            // The text is rustls' own and contains nothing of the key.
            rustls::Error::General(fault) => damaged("--amqp-key", key, fault),
            error => error.into(),
        })?;
        Ok(Arc::new(config))
    }
}

fn roots_of(path: &Path) -> Result<RootCertStore, TlsFileError> {
    let mut roots = RootCertStore::empty();
    for (index, certificate) in certificates("--amqp-ca", path)?.into_iter().enumerate() {
        roots.add(certificate).map_err(|error| {
            damaged("--amqp-ca", path, format!("certificate {} is invalid: {error}", index + 1))
        })?;
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, TlsFileError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    // System bundles may contain certificates that are too old to be parsed.
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map_or_else(|| "none found".to_owned(), |it| it.to_string());
        return Err(TlsFileError::NoSystemRoots(why));
    }
    Ok(roots)
}

fn certificates(
    flag: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    let text = contents(flag, path)?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| damaged(flag, path, format!("it is not PEM: {error}")))?;
    if found.is_empty() {
        return Err(damaged(flag, path, "it contains no certificate in PEM".to_owned()));
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsFileError> {
    let flag = "--amqp-key";
    let text = contents(flag, path)?;
    // Errors of the parser may quote the file, so they are not passed on.
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| {
        let encrypted = text.windows(9).any(|word| word == b"ENCRYPTED");
        let fault = if encrypted {
            "the key is encrypted; a key without a passphrase is needed"
        } else {
            "it contains no private key in PEM"
        };
        damaged(flag, path, fault.to_owned())
    })
}

fn contents(flag: &'static str, path: &Path) -> Result<Vec<u8>, TlsFileError> {
    let mut contents = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LIMIT + 1).read_to_end(&mut contents))
        .map_err(|error| TlsFileError::Unreadable { flag, path: path.to_owned(), error })?;
    if contents.len() as u64 > LIMIT {
        return Err(damaged(flag, path, format!("it is larger than {LIMIT} bytes")));
    }
    Ok(contents)
}

fn damaged(flag: &'static str, path: &Path, fault: String) -> TlsFileError {
    TlsFileError::Damaged { flag, path: path.to_owned(), fault }
}
