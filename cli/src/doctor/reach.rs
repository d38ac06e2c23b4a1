//! Why a gateway does not answer, or refuses to.

use solvemesh_client::{Code, Error, Rejection};

use crate::doctor::finding::Finding;

const CHECK: &str = "gateway-connection";

/// Explains why there is no state of the mesh from the gateway at `url`.
pub(crate) fn unreachable(url: &str, error: &Error) -> Finding {
    let (message, advice) = match error {
        Error::Unavailable(rejection) => no_answer(url, rejection),
        Error::Rejected(rejection) => refused(rejection),
        Error::Malformed(what) => (
            format!("its answer is not that of a gateway: {what}"),
            "check the URL; a proxy may have changed the answer".to_owned(),
        ),
        Error::Address { .. } | Error::Credentials(_) => {
            (error.to_string(), "correct the flag, or the file that it names".to_owned())
        }
    };
    Finding::error(CHECK, format!("gateway {url}"), message, advice)
}

/// The texts of errors of the network and of TLS, in lower case, with what they mean and what to
/// do. The first one that an error contains counts. They are those of the operating system and of
/// rustls, which the client does not pass on in another form.
const CAUSES: [(&[&str], &str, &str); 10] = [
    (
        &["unknownissuer"],
        "its certificate is not signed by a trusted CA",
        "name the CA of the mesh with --ca FILE",
    ),
    (
        &["not valid for name", "notvalidforname"],
        "its certificate is for another host name",
        "use a host name of the certificate in --gateway, or issue one for this name",
    ),
    (
        &["certificate expired", "peer certificate: expired"],
        "its certificate has expired, or the clock of this machine is wrong",
        "renew the certificate of the gateway (--tls-cert), which reads its file again; check the \
         clock of this machine",
    ),
    (
        &["not valid yet", "notvalidyet"],
        "its certificate is not valid yet, or the clock of this machine is wrong",
        "check the clocks of this machine and of the one that issued the certificate",
    ),
    (
        &["certificaterequired", "certificate required", "handshakefailure"],
        "it requires a client certificate",
        "present one with --cert FILE and --key FILE",
    ),
    (
        &["received fatal alert"],
        "it rejects the client certificate of --cert",
        "use a certificate for client authentication that a CA of the gateway's --tls-client-ca \
         has signed, and that has not expired",
    ),
    (
        &["invalidcontenttype", "corrupt message"],
        "it does not speak TLS",
        "use http:// in --gateway, or start the gateway with --tls-cert and --tls-key",
    ),
    (
        &["lookup address", "dns error", "name or service not known"],
        "its host name is unknown",
        "check the host name in --gateway, and the name servers of this machine",
    ),
    (
        &["connection refused"],
        "nothing listens there",
        "start a gateway (solvemesh-gateway), or correct the host and port in --gateway",
    ),
    (
        &["timed out", "deadline has elapsed", "no route to host", "network is unreachable"],
        "it does not answer in time",
        "check the host and port in --gateway, and the firewalls in between",
    ),
];

fn no_answer(url: &str, rejection: &Rejection) -> (String, String) {
    let text = &rejection.message;
    let lower = text.to_lowercase();
    let known = CAUSES.iter().find(|(texts, ..)| texts.iter().any(|cause| lower.contains(cause)));
    if let Some((_, message, advice)) = known {
        return (format!("{message} ({text})"), (*advice).to_owned());
    }
    let advice = if url.starts_with("http://") {
        "check that a gateway listens there; if it uses TLS, begin the URL with https://"
    } else {
        // With TLS 1.3, a gateway that misses a client certificate closes the connection after the
        // handshake.
        "present a client certificate with --cert FILE and --key FILE if the gateway requires one \
         (--tls-client-ca); otherwise its log may tell more"
    };
    (format!("there is no answer: {text}"), advice.to_owned())
}

fn refused(rejection: &Rejection) -> (String, String) {
    let text = rejection.to_string();
    let advice = match (rejection.code, rejection.reason.as_deref()) {
        (Code::Unauthenticated, Some("CREDENTIAL_MISSING")) => {
            "it recognises callers: give a key or a token with --token-file FILE, or a client \
             certificate with --cert and --key"
        }
        (Code::Unauthenticated, Some("CREDENTIAL_EXPIRED")) => {
            "get a new key or token; if it should be valid, compare the clocks of this machine and \
             of the gateway"
        }
        (Code::Unauthenticated, _) => {
            "compare the key, token or certificate with the gateway's --keys and --jwks \
             (docs/access.md)"
        }
        (Code::PermissionDenied, _) => "use a credential with a role that may read the mesh",
        (Code::Unimplemented, _) => {
            "upgrade the gateway, which does not know the state of the mesh; or correct the URL, if \
             another server listens there"
        }
        _ => "docs/errors.md lists the reasons; the log of the gateway may tell more",
    };
    (format!("it refuses the call: {text}"), advice.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Severity;

    fn unavailable(message: &str) -> (String, String) {
        no_answer("https://mesh", &rejection(Code::Unavailable, None, message))
    }

    fn rejection(code: Code, reason: Option<&str>, message: &str) -> Rejection {
        let mut rejection = Rejection::from(tonic::Status::new(code, message));
        rejection.reason = reason.map(str::to_owned);
        rejection
    }

    #[test]
    fn errors_of_network_and_tls_are_explained() {
        for (text, meaning, advice) in [
            ("invalid peer certificate: UnknownIssuer", "trusted CA", "--ca"),
            (
                "invalid peer certificate: certificate not valid for name \"mesh\"; certificate \
                 is only valid for DnsName(\"other\")",
                "another host name",
                "--gateway",
            ),
            ("invalid peer certificate: certificate expired: verification…", "expired", "clock"),
            ("invalid peer certificate: certificate not valid yet: …", "not valid yet", "clocks"),
            ("received fatal alert: CertificateRequired", "requires", "--cert"),
            ("received fatal alert: UnknownCA", "rejects", "--tls-client-ca"),
            ("received corrupt message of type InvalidContentType", "not speak TLS", "http://"),
            ("failed to lookup address information", "unknown", "host name"),
            ("Connection refused (os error 111)", "nothing listens", "start a gateway"),
            ("timed out waiting for a response", "in time", "firewalls"),
        ] {
            let (message, found) = unavailable(text);
            assert!(message.contains(meaning) && message.contains(text), "{message}");
            assert!(found.contains(advice), "{found}");
        }
        let (message, advice) = unavailable("connection closed");
        assert_eq!(message, "there is no answer: connection closed");
        assert!(advice.contains("client certificate"), "{advice}");
        let broken = rejection(Code::Unavailable, None, "broken pipe");
        assert!(no_answer("http://mesh", &broken).1.contains("https://"));
    }

    #[test]
    fn refusals_say_what_to_give() {
        for (code, reason, advice) in [
            (Code::Unauthenticated, Some("CREDENTIAL_MISSING"), "--token-file"),
            (Code::Unauthenticated, Some("CREDENTIAL_EXPIRED"), "new key"),
            (Code::Unauthenticated, Some("CREDENTIAL_INVALID"), "--keys"),
            (Code::PermissionDenied, Some("ROLE_TOO_LOW"), "role"),
            (Code::Unimplemented, None, "upgrade"),
            (Code::Internal, None, "docs/errors.md"),
        ] {
            let (message, found) = refused(&rejection(code, reason, "no"));
            assert!(message.contains("no") && found.contains(advice), "{found}");
        }
    }

    #[test]
    fn every_error_of_a_client_is_an_error_of_the_gateway() {
        let error = Error::Malformed("no state of the mesh".to_owned());
        let finding = unreachable("http://mesh", &error);
        assert_eq!(
            (finding.severity, finding.subject.as_str()),
            (Severity::Error, "gateway http://mesh")
        );
    }
}
