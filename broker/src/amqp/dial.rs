//! Opens the stream that lapin speaks AMQP over: TCP, and TLS for an `amqps://` URL.
//!
//! This is not left to lapin. Its TLS features can't replace the system's root certificates,
//! and without them it speaks plain text to an `amqps://` URL. Here, the stream for such a URL
//! is encrypted and the broker's certificate verified, or there is no stream.

use std::{fmt, io, sync::Arc, time::Duration};

use tokio::{net::TcpStream, time};
use tokio_rustls::{
    TlsConnector,
    rustls::{self, AlertDescription, CertificateError, ClientConfig},
};

use super::{
    runtime::{self, Stream},
    url::Address,
};

/// Why no stream could be opened.
#[derive(Debug)]
pub(super) enum DialError {
    /// There is no TCP connection.
    Tcp(String),
    /// The TLS handshake failed.
    Tls(String),
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Tcp(why) | Self::Tls(why)) = self;
        f.write_str(why)
    }
}

/// Opens a TCP connection and, for an `amqps://` URL, does the TLS handshake with `config`.
/// Each of the two may take at most `limit`.
pub(super) async fn dial(
    address: &Address,
    config: Option<Arc<ClientConfig>>,
    limit: Duration,
) -> Result<Stream, DialError> {
    let authority = &address.uri.authority;
    let url_timeout = address.uri.query.connection_timeout.map(Duration::from_millis);
    let connecting = TcpStream::connect((authority.host.as_str(), authority.port));
    let tcp = match time::timeout(url_timeout.unwrap_or(limit).min(limit), connecting).await {
        Ok(Ok(tcp)) => tcp,
        Ok(Err(error)) => return Err(DialError::Tcp(error.to_string())),
        Err(_) => return Err(DialError::Tcp("the TCP connection timed out".to_owned())),
    };
    tcp.set_nodelay(true).map_err(|error| DialError::Tcp(error.to_string()))?;
    let Some(name) = address.server_name.clone() else { return Ok(runtime::stream(tcp)) };
    let Some(config) = config else {
        return Err(DialError::Tls("TLS is not set up".to_owned()));
    };
    match time::timeout(limit, TlsConnector::from(config).connect(name, tcp)).await {
        Ok(Ok(tls)) => Ok(runtime::stream(tls)),
        Ok(Err(error)) => Err(DialError::Tls(format!("TLS failed: {}", describe(&error)))),
        Err(_) => Err(DialError::Tls(
            "TLS failed: no answer to the handshake; is this the port for amqps://?".to_owned(),
        )),
    }
}

/// Describes an error of TLS for operators; `None` for an error of another kind.
pub(super) fn describe_tls_error(error: &io::Error) -> Option<String> {
    let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    let help = match error {
        rustls::Error::InvalidMessage(_) => {
            "the peer does not speak TLS; is this the port for amqps://?"
        }
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "the broker's certificate is not signed by a trusted CA, see --amqp-ca"
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "the broker's certificate is not for the host of the URL",
        rustls::Error::InvalidCertificate(_) => "the broker's certificate is not valid",
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired | AlertDescription::HandshakeFailure,
        ) => "the broker may require a client certificate, see --amqp-cert",
        rustls::Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::UnsupportedCertificate,
        ) => "the broker rejected the certificate of --amqp-cert",
        other => return Some(other.to_string()),
    };
    Some(format!("{help} ({error})"))
}

/// Describes that the broker closed a connection right after the handshake; `None` for an
/// error of another kind.
///
/// With TLS 1.3 the client has finished the handshake before the broker has checked its
/// certificate. The alert that says what is wrong is lost if the connection is reset before it
/// is read.
pub(super) fn closed_early(error: &io::Error, with_identity: bool) -> Option<String> {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    if !matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof) {
        return None;
    }
    let cause = if with_identity {
        "it may have rejected the certificate of --amqp-cert"
    } else {
        "it may require a client certificate, see --amqp-cert"
    };
    Some(format!("the broker closed the connection after the handshake; {cause} ({error})"))
}

fn describe(error: &io::Error) -> String {
    describe_tls_error(error).unwrap_or_else(|| match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
            format!("the connection was closed during the handshake; is this the port for amqps://? ({error})")
        }
        _ => error.to_string(),
    })
}
