//! TLS of clients: whom they trust, and the certificate that they present.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, crypto::ring};

use crate::{PairFiles, PemFile, TlsFileError};

/// The files that a client of TLS needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientFiles {
    /// The CA certificates to trust instead of the system's; `None` for the system's.
    pub ca: Option<PemFile>,
    /// The client certificate and its key, if the server is to get one.
    pub identity: Option<PairFiles>,
}

impl ClientFiles {
    /// Reads the files. `ca_flag` names the flag of `ca`, for the error of a system without CA
    /// certificates.
    ///
    /// # Errors
    ///
    /// If a file can't be read or does not contain what it should, if certificate and key do not
    /// belong together, or if the system has no CA certificates and `ca` is `None`.
    pub fn config(&self, ca_flag: &'static str) -> Result<Arc<ClientConfig>, TlsFileError> {
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(trusted_roots(self.ca.as_ref(), ca_flag)?);
        let Some(pair) = &self.identity else {
            return Ok(Arc::new(config.with_no_client_auth()));
        };
        let chain = pair.cert.certificates(&pair.cert.read()?)?;
        let key = pair.key.private_key(&pair.key.read()?)?;
        let config = config.with_client_auth_cert(chain, key).map_err(|error| pair.fault(error))?;
        Ok(Arc::new(config))
    }
}

/// The CA certificates of a file, or those of the system. `ca_flag` names the flag of `ca`.
///
/// # Errors
///
/// If the file can't be read or one of its certificates is invalid, or if the system has none.
pub fn trusted_roots(
    ca: Option<&PemFile>,
    ca_flag: &'static str,
) -> Result<RootCertStore, TlsFileError> {
    match ca {
        Some(file) => file.roots(&file.read()?),
        None => system_roots(ca_flag),
    }
}

fn system_roots(flag: &'static str) -> Result<RootCertStore, TlsFileError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    // System bundles may contain certificates that are too old to be parsed.
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map_or_else(|| "none found".to_owned(), |it| it.to_string());
        return Err(TlsFileError::NoSystemRoots { why, flag });
    }
    Ok(roots)
}
