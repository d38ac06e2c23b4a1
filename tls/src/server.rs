//! TLS of servers: their certificate, and which clients they accept.

use std::{fmt, sync::Arc};

use rustls::{ServerConfig, crypto::ring, pki_types::CertificateDer, server::WebPkiClientVerifier};

use crate::{PairFiles, PemFile, TlsFileError};

/// The protocols that a server offers by ALPN, the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The files that a server of TLS needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFiles {
    /// The certificate of the server and its key.
    pub pair: PairFiles,
    /// Which certificates clients may or must present.
    pub clients: ClientCertificates,
}

/// Whether clients present certificates (mutual TLS).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// None are requested.
    None,
    /// A client may present one that these CAs signed. One that others signed is refused.
    Optional(PemFile),
    /// A client must present one that these CAs signed.
    Required(PemFile),
}

/// What the files contain, validated or not. Equal contents make equal configurations.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerContents {
    cert: Vec<u8>,
    key: Vec<u8>,
    client_ca: Vec<u8>,
}

impl fmt::Debug for ServerContents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key is not printed.
        f.debug_struct("ServerContents").finish_non_exhaustive()
    }
}

impl ServerFiles {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// If one can't be read.
    pub fn read(&self) -> Result<ServerContents, TlsFileError> {
        let client_ca = match &self.clients {
            ClientCertificates::None => Vec::new(),
            ClientCertificates::Optional(ca) | ClientCertificates::Required(ca) => ca.read()?,
        };
        Ok(ServerContents { cert: self.pair.cert.read()?, key: self.pair.key.read()?, client_ca })
    }

    /// The certificate of the server, and the intermediate certificates after it.
    ///
    /// # Errors
    ///
    /// If the file contains none.
    pub fn chain(
        &self,
        contents: &ServerContents,
    ) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
        self.pair.cert.certificates(&contents.cert)
    }

    /// Makes a configuration, with HTTP/2 and HTTP/1.1 by ALPN, from what the files contain.
    ///
    /// # Errors
    ///
    /// If a file does not contain what it should, or if certificate and key do not belong together.
    pub fn config(&self, contents: &ServerContents) -> Result<Arc<ServerConfig>, TlsFileError> {
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let config = match &self.clients {
            ClientCertificates::None => config.with_no_client_auth(),
            ClientCertificates::Optional(ca) | ClientCertificates::Required(ca) => {
                let roots = Arc::new(ca.roots(&contents.client_ca)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                let verifier = match &self.clients {
                    ClientCertificates::Required(_) => verifier,
                    _ => verifier.allow_unauthenticated(),
                };
                let verifier =
                    verifier.build().map_err(|error| rustls::Error::General(error.to_string()))?;
                config.with_client_cert_verifier(verifier)
            }
        };
        let chain = self.chain(contents)?;
        let key = self.pair.key.private_key(&contents.key)?;
        let mut config =
            config.with_single_cert(chain, key).map_err(|error| self.pair.fault(error))?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(Arc::new(config))
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use solvemesh_testkit::certificates::Authority;
    use tempfile::TempDir;

    use super::*;

    fn files(folder: &Path, clients: ClientCertificates) -> ServerFiles {
        let cert = ("--tls-cert", folder.join("cert.pem"));
        ServerFiles { pair: PairFiles::new(cert, ("--tls-key", folder.join("key.pem"))), clients }
    }

    fn error(files: &ServerFiles) -> String {
        let made = files.read().and_then(|contents| files.config(&contents));
        made.expect_err("an invalid file").to_string()
    }

    #[test]
    fn errors_name_the_flag_and_the_file() {
        let folder = TempDir::new().unwrap();
        let files = files(folder.path(), ClientCertificates::None);
        let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        assert!(error(&files).starts_with(&format!("--tls-cert {}: ", cert.display())));

        let authority = Authority::new("ours");
        authority.server(&["localhost"]).write(folder.path());
        files.config(&files.read().unwrap()).unwrap();

        fs::write(&key, authority.server(&["localhost"]).key).unwrap();
        let mismatch = error(&files);
        assert!(mismatch.contains("--tls-cert") && mismatch.contains("--tls-key"), "{mismatch}");
        assert!(mismatch.ends_with("do not belong together"), "{mismatch}");

        fs::write(&key, "sesame").unwrap();
        let message = error(&files);
        assert!(message.starts_with("--tls-key") && !message.contains("sesame"), "{message}");
        fs::write(&cert, "").unwrap();
        assert!(error(&files).contains("no certificate in PEM"));
    }

    #[test]
    fn a_client_ca_must_be_one() {
        let folder = TempDir::new().unwrap();
        Authority::new("ours").server(&["localhost"]).write(folder.path());
        let ca = PemFile::new("--tls-client-ca", folder.path().join("ca.pem"));
        let files = files(folder.path(), ClientCertificates::Required(ca));
        assert!(error(&files).starts_with("--tls-client-ca"));
        fs::write(folder.path().join("ca.pem"), "no certificate").unwrap();
        assert!(error(&files).starts_with("--tls-client-ca"));
        fs::write(folder.path().join("ca.pem"), Authority::new("theirs").pem()).unwrap();
        files.config(&files.read().unwrap()).unwrap();
    }
}
