//! Certificates for tests, signed by CAs that the tests generate.

use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};

use crate::files;

/// A generated CA.
#[derive(Debug)]
pub struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The certificate.
    pub cert: String,
    /// The key, without a passphrase.
    pub key: String,
}

impl Authority {
    /// Generates a CA.
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = params(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// The CA certificate, in PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Issues a certificate for a server with these host names.
    pub fn server(&self, hosts: &[&str]) -> Pair {
        self.server_until(hosts, None)
    }

    /// Issues a certificate for a server that ends at a time; `None` for one in the far future.
    pub fn server_until(&self, hosts: &[&str], end: Option<SystemTime>) -> Pair {
        self.issue("a broker", hosts, end, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// Issues a certificate for a client with this common name.
    pub fn client(&self, name: &str) -> Pair {
        self.client_with(name, &[], None)
    }

    /// Issues a certificate for a client with this common name and these alternative names, that
    /// ends at a time; `None` for one in the far future.
    pub fn client_with(&self, name: &str, others: &[&str], end: Option<SystemTime>) -> Pair {
        self.issue(name, others, end, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn issue(
        &self,
        name: &str,
        others: &[&str],
        end: Option<SystemTime>,
        usage: ExtendedKeyUsagePurpose,
    ) -> Pair {
        let key = KeyPair::generate().expect("a key");
        let mut params = params(name, others);
        if let Some(end) = end {
            let since = end.duration_since(UNIX_EPOCH).expect("a time after 1970");
            params.not_after = date_time_ymd(1970, 1, 1) + since;
        }
        params.extended_key_usages = vec![usage];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let cert = params.signed_by(&key, &self.issuer).expect("a certificate").pem();
        Pair { cert, key: key.serialize_pem() }
    }
}

impl Pair {
    /// Writes `cert.pem` and `key.pem` into a folder, and replaces existing ones.
    pub fn write(&self, folder: &Path) {
        files::replace(&folder.join("cert.pem"), &self.cert);
        files::replace(&folder.join("key.pem"), &self.key);
    }
}

/// Names with a scheme are URIs, the others hosts.
fn params(name: &str, others: &[&str]) -> CertificateParams {
    let (uris, hosts): (Vec<&str>, Vec<&str>) = others.iter().partition(|it| it.contains("://"));
    let hosts: Vec<String> = hosts.into_iter().map(ToOwned::to_owned).collect();
    let mut params = CertificateParams::new(hosts).expect("names of hosts");
    let uris = uris.into_iter().map(|uri| SanType::URI(uri.try_into().expect("ASCII")));
    params.subject_alt_names.extend(uris);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
