//! PEM files: certificates and private keys.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use rustls::{
    InconsistentKeys, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

/// The maximum size of a file, in bytes. For comparison: the bundle of all public CAs has about
/// 250 kB.
const LIMIT: u64 = 4 << 20;

/// A PEM file, and the flag or argument that names it, for error messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PemFile {
    /// The flag, such as `--ca`.
    pub flag: &'static str,
    /// Where the file is.
    pub path: PathBuf,
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairFiles {
    /// The certificate, followed by intermediate certificates if there are any.
    pub cert: PemFile,
    /// The private key, without a passphrase.
    pub key: PemFile,
}

/// Why the files can't be used. The message names the flag and the file, and contains nothing of a
/// key.
#[derive(Debug, thiserror::Error)]
pub enum TlsFileError {
    /// A file can't be read.
    #[error("{flag} {}: {error}", path.display())]
    Unreadable {
        /// The flag that names the file.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        error: io::Error,
    },
    /// A file does not contain what it should.
    #[error("{flag} {}: {fault}", path.display())]
    Damaged {
        /// The flag that names the file.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: String,
    },
    /// The certificate was made for another key.
    #[error(
        "{} {} and {} {} do not belong together", .0.cert.flag, .0.cert.path.display(),
        .0.key.flag, .0.key.path.display()
    )]
    Mismatch(Box<PairFiles>),
    /// The system has no CA certificates.
    #[error("no CA certificates were found on this system ({why}); name some with {flag}")]
    NoSystemRoots {
        /// Why none were found.
        why: String,
        /// The flag for CA certificates.
        flag: &'static str,
    },
    /// Any other error of rustls.
    #[error("TLS can't be set up: {0}")]
    Setup(#[from] rustls::Error),
}

impl PemFile {
    /// A file named by a flag.
    pub fn new(flag: &'static str, path: impl Into<PathBuf>) -> Self {
        Self { flag, path: path.into() }
    }

    /// Reads the file, which must not be larger than 4 MiB.
    ///
    /// # Errors
    ///
    /// If it can't be read, or is larger.
    pub fn read(&self) -> Result<Vec<u8>, TlsFileError> {
        let mut contents = Vec::new();
        File::open(&self.path)
            .and_then(|file| file.take(LIMIT + 1).read_to_end(&mut contents))
            .map_err(|error| TlsFileError::Unreadable {
                flag: self.flag,
                path: self.path.clone(),
                error,
            })?;
        if contents.len() as u64 > LIMIT {
            return Err(self.damaged(format!("it is larger than {LIMIT} bytes")));
        }
        Ok(contents)
    }

    /// The certificates in the contents of this file: at least one.
    pub(crate) fn certificates(
        &self,
        contents: &[u8],
    ) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
        let found: Vec<_> = CertificateDer::pem_slice_iter(contents)
            .collect::<Result<_, _>>()
            .map_err(|error| self.damaged(format!("it is not PEM: {error}")))?;
        if found.is_empty() {
            return Err(self.damaged("it contains no certificate in PEM".to_owned()));
        }
        Ok(found)
    }

    /// The CA certificates in the contents of this file.
    pub(crate) fn roots(&self, contents: &[u8]) -> Result<RootCertStore, TlsFileError> {
        let mut roots = RootCertStore::empty();
        for (index, certificate) in self.certificates(contents)?.into_iter().enumerate() {
            roots.add(certificate).map_err(|error| {
                self.damaged(format!("certificate {} is invalid: {error}", index + 1))
            })?;
        }
        Ok(roots)
    }

    /// The private key in the contents of this file.
    pub(crate) fn private_key(
        &self,
        contents: &[u8],
    ) -> Result<PrivateKeyDer<'static>, TlsFileError> {
        // Errors of the parser may quote the file, so they are not passed on.
        PrivateKeyDer::from_pem_slice(contents).map_err(|_| {
            let encrypted = contents.windows(9).any(|word| word == b"ENCRYPTED");
            let fault = if encrypted {
                "the key is encrypted; a key without a passphrase is needed"
            } else {
                "it contains no private key in PEM"
            };
            self.damaged(fault.to_owned())
        })
    }

    fn damaged(&self, fault: String) -> TlsFileError {
        TlsFileError::Damaged { flag: self.flag, path: self.path.clone(), fault }
    }
}

impl PairFiles {
    /// A certificate and its key, which two flags name.
    pub fn new(
        (cert_flag, cert): (&'static str, impl AsRef<Path>),
        (key_flag, key): (&'static str, impl AsRef<Path>),
    ) -> Self {
        Self {
            cert: PemFile::new(cert_flag, cert.as_ref()),
            key: PemFile::new(key_flag, key.as_ref()),
        }
    }

    /// What rustls says about the pair, as an error that names the file at fault.
    pub(crate) fn fault(&self, error: rustls::Error) -> TlsFileError {
        match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                TlsFileError::Mismatch(Box::new(self.clone()))
            }
            rustls::Error::InvalidCertificate(error) => {
                self.cert.damaged(format!("the first certificate is invalid: {error:?}"))
            }
            // The text is rustls' own and contains nothing of the key.
            rustls::Error::General(fault) => self.key.damaged(fault),
            error => error.into(),
        }
    }
}
