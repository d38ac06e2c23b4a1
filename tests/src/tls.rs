//! Clients of TLS, and the files of a gateway with TLS.

use std::{fs, io, net::SocketAddr, path::Path, sync::Arc, time::SystemTime};

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
        server::WebPkiClientVerifier,
    },
};
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use crate::certificates::{Authority, Pair};

/// A CA, and a folder with its certificate and that of a gateway on this machine.
#[derive(Debug)]
pub struct GatewayFiles {
    /// The CA.
    pub authority: Authority,
    folder: TempDir,
}

impl Default for GatewayFiles {
    fn default() -> Self {
        Self::new()
    }
}

impl GatewayFiles {
    /// Generates a CA and the certificate of a gateway.
    pub fn new() -> Self {
        let (authority, folder) = (Authority::new("ours"), TempDir::new().expect("a folder"));
        fs::write(folder.path().join("ca.pem"), authority.pem()).expect("a file");
        let files = Self { authority, folder };
        files.pair().write(files.path());
        files
    }

    /// The folder: `ca.pem`, `cert.pem` and `key.pem`.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The path of a file in the folder.
    pub fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// A new certificate of a gateway, which is in no file.
    pub fn pair(&self) -> Pair {
        self.authority.server(&["127.0.0.1", "localhost"])
    }

    /// A new certificate of a gateway that ends at a time.
    pub fn pair_until(&self, end: SystemTime) -> Pair {
        self.authority.server_until(&["127.0.0.1", "localhost"], Some(end))
    }

    /// Flags of a gateway, with others after them.
    pub fn flags(&self, others: &[&str]) -> Vec<String> {
        let flags = ["--tls-cert", &self.file("cert.pem"), "--tls-key", &self.file("key.pem")];
        flags.iter().chain(others).map(ToString::to_string).collect()
    }

    /// A server with a new certificate, for clients with one of the CA.
    pub fn acceptor(&self) -> TlsAcceptor {
        let provider = Arc::new(ring::default_provider());
        let pair = self.pair();
        let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("a key");
        let clients = WebPkiClientVerifier::builder_with_provider(
            Arc::new(self.roots()),
            Arc::clone(&provider),
        );
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_client_cert_verifier(clients.build().expect("a CA"))
            .with_single_cert(vec![certificate(&pair.cert)], key)
            .expect("a pair");
        TlsAcceptor::from(Arc::new(config))
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(certificate(self.authority.pem())).expect("a CA");
        roots
    }

    /// A client that trusts the CA.
    pub fn client(&self) -> ClientTlsConfig {
        ClientTlsConfig::new().ca_certificate(Certificate::from_pem(self.authority.pem()))
    }

    /// A client that trusts the CA and has a certificate.
    pub fn client_with(&self, pair: &Pair) -> ClientTlsConfig {
        self.client().identity(Identity::from_pem(&pair.cert, &pair.key))
    }

    /// Opens a connection that offers these protocols, with the certificate of a client.
    ///
    /// # Errors
    ///
    /// If the handshake fails. The server's verdict on a client certificate may come later, with
    /// the first read.
    pub async fn open(
        &self,
        address: SocketAddr,
        protocols: &[&str],
        identity: Option<&Pair>,
    ) -> io::Result<TlsStream<TcpStream>> {
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions of TLS")
            .with_root_certificates(self.roots());
        let mut config = match identity {
            None => config.with_no_client_auth(),
            Some(pair) => {
                let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("a key");
                let chain = vec![certificate(&pair.cert)];
                config.with_client_auth_cert(chain, key).expect("a pair")
            }
        };
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::from(address.ip());
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}

/// The certificate that a server presented.
pub fn presented(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    let chain = stream.get_ref().1.peer_certificates().expect("a certificate");
    chain[0].clone().into_owned()
}

/// The certificate in a PEM text.
pub fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate")
}
