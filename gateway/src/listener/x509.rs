//! What the gateway reads in certificates (RFC 5280). Whether they are valid is decided elsewhere:
//! rustls verifies those of clients. Pure.

use std::time::{Duration, SystemTime};

use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_parser::{
    certificate::{Validity as Period, X509Certificate},
    extensions::GeneralName,
    prelude::FromDer as _,
    time::ASN1Time,
};

/// A name in a certificate, with the part of it that it was found in: the same text elsewhere is
/// another name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum CertificateName {
    /// A URI of the subject alternative names, such as a SPIFFE id.
    Uri(String),
    /// A DNS name of the subject alternative names, in lower case.
    Dns(String),
    /// The common name of the subject.
    CommonName(String),
}

impl CertificateName {
    /// A DNS name, whose case does not matter.
    pub(crate) fn dns(name: &str) -> Self {
        Self::Dns(name.to_ascii_lowercase())
    }
}

/// The certificate of a client, which has been verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientCertificate {
    /// The names that it is for.
    pub(crate) names: Vec<CertificateName>,
    /// When it expires.
    pub(crate) not_after: SystemTime,
}

/// From when to when a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) not_before: SystemTime,
    pub(super) not_after: SystemTime,
}

impl ClientCertificate {
    /// Reads a certificate; `None` if that is not possible.
    pub(super) fn read(der: &CertificateDer) -> Option<Self> {
        let certificate = parse(der)?;
        let alternatives = certificate.subject_alternative_name().ok().flatten();
        let alternatives = alternatives.map(|names| names.value.general_names.as_slice());
        let mut names: Vec<_> =
            alternatives.unwrap_or_default().iter().filter_map(alternative).collect();
        // Several common names are unusual enough that none is taken for the caller's.
        let mut common = certificate.subject().iter_common_name();
        if let (Some(name), None) = (common.next(), common.next())
            && let Ok(name) = name.as_str()
        {
            names.push(CertificateName::CommonName(name.to_owned()));
        }
        Some(Self { names, not_after: validity(certificate.validity()).not_after })
    }
}

fn alternative(name: &GeneralName) -> Option<CertificateName> {
    match name {
        GeneralName::URI(name) => Some(CertificateName::Uri((*name).to_owned())),
        GeneralName::DNSName(name) => Some(CertificateName::dns(name)),
        _ => None,
    }
}

/// The validity of the certificate of a chain that expires first; `None` if none can be read.
pub(super) fn first_to_expire(chain: &[CertificateDer]) -> Option<Validity> {
    let all = chain.iter().filter_map(|der| Some(validity(parse(der)?.validity())));
    all.min_by_key(|validity| validity.not_after)
}

fn parse<'a>(der: &'a CertificateDer) -> Option<X509Certificate<'a>> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Some(certificate),
        _ => None,
    }
}

fn validity(period: &Period) -> Validity {
    Validity { not_before: time(period.not_before), not_after: time(period.not_after) }
}

/// A time; those before 1970 do not matter here.
fn time(time: ASN1Time) -> SystemTime {
    let seconds = u64::try_from(time.timestamp()).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;
    use solvemesh_testkit::certificates::Authority;
    use tokio_rustls::rustls::pki_types::pem::PemObject as _;

    use super::*;

    fn der(pem: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
    }

    #[test]
    fn names_and_the_end_are_read() {
        let end = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000);
        let authority = Authority::new("ours");
        let names = ["Robot.acme.example", "spiffe://acme/robot", "10.0.0.1"];
        let pair = authority.client_with("robot", &names, Some(end));
        let expected = [
            CertificateName::Dns("robot.acme.example".to_owned()),
            CertificateName::Uri("spiffe://acme/robot".to_owned()),
            CertificateName::CommonName("robot".to_owned()),
        ];
        let found = ClientCertificate::read(&der(&pair.cert)).unwrap();
        assert_eq!((found.names.as_slice(), found.not_after), (&expected[..], end));

        let chain = [der(&authority.server(&["localhost"]).cert), der(&pair.cert)];
        assert_eq!(first_to_expire(&chain).unwrap().not_after, end);
        assert_eq!(first_to_expire(&[]), None);
    }

    proptest! {
        #[test]
        fn damaged_certificates_do_not_panic(at in any::<prop::sample::Index>(), byte: u8) {
            let mut bytes = der(&Authority::new("ours").client("robot").cert).to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _: Option<ClientCertificate> = ClientCertificate::read(&CertificateDer::from(bytes));
        }
    }
}
