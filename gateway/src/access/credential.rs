//! What a request presents to have its caller recognised.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};

use crate::listener::ClientCertificate;

/// The credential of a request, valid or not.
#[derive(Clone, Debug)]
pub(crate) enum Credential {
    /// There is none.
    Missing,
    /// There is more than one header for it.
    Repeated,
    /// A header, which should have a bearer token.
    Header(HeaderValue),
    /// The certificate of the connection, which has been verified.
    Certificate(Arc<ClientCertificate>),
}

impl Credential {
    /// The credential of a request. A header takes precedence over the certificate: a connection
    /// with a certificate may carry the requests of several callers, such as those of a proxy.
    pub(crate) fn of(headers: &HeaderMap, certificate: Option<&Arc<ClientCertificate>>) -> Self {
        let mut found = headers.get_all(AUTHORIZATION).iter();
        match (found.next(), certificate) {
            (Some(_), _) if found.next().is_some() => Self::Repeated,
            (Some(header), _) => {
                let mut header = header.clone();
                // It is not printed then.
                header.set_sensitive(true);
                Self::Header(header)
            }
            (None, Some(certificate)) => Self::Certificate(certificate.clone()),
            (None, None) => Self::Missing,
        }
    }
}

/// The token in a header (RFC 6750, section 2.1); `None` if it has another form.
pub(super) fn bearer(header: &HeaderValue) -> Option<&str> {
    let (scheme, token) = header.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_header_with_a_bearer_token_is_a_credential() {
        let mut headers = HeaderMap::new();
        assert!(matches!(Credential::of(&headers, None), Credential::Missing));
        headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer secret"));
        let credential = Credential::of(&headers, None);
        assert!(!format!("{credential:?}").contains("secret"));
        assert!(
            matches!(credential, Credential::Header(header) if bearer(&header) == Some("secret"))
        );
        headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer secret"));
        assert!(matches!(Credential::of(&headers, None), Credential::Repeated));

        for (text, token) in [
            ("bearer  a", Some("a")),
            ("Bearer ", Some("")),
            ("Bearer", None),
            ("Basic a", None),
            ("Bearera", None),
            ("", None),
        ] {
            assert_eq!(bearer(&HeaderValue::from_static(text)), token, "{text:?}");
        }
        assert_eq!(bearer(&HeaderValue::from_bytes(b"Bearer \xff").unwrap()), None);
    }
}
