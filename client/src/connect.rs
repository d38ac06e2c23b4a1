//! How a client connects: the address, TLS, and the token.

use std::{fmt, net::IpAddr, path::PathBuf, time::Duration};

use solvemesh_rpc::job_service_client::JobServiceClient;
use solvemesh_tls::{ClientFiles, PairFiles, PemFile, trusted_roots};
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Channel, ClientTlsConfig, Endpoint, Identity, Uri},
};

use crate::Error;

/// Maximum size of a received message, in bytes. Gateways send at most 1 MiB; the margin is for
/// gateways that are configured differently.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// Timeout of connecting to a gateway, and of the TLS handshake after it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Interval of HTTP/2 keepalive pings on a connection in use, and the timeout of their replies.
/// They detect a connection that is broken without being closed.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// The generated client over a channel that adds the token to each call.
pub(crate) type Stub = JobServiceClient<InterceptedService<Channel, Authorization>>;

/// How a client connects, and as whom. The default is to trust the system's CA certificates, and
/// to send neither a certificate nor a token.
#[derive(Clone, Default)]
pub struct ConnectOptions {
    ca: Option<PathBuf>,
    identity: Option<(PathBuf, PathBuf)>,
    token: Option<String>,
    plain_text_token: bool,
}

impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ca, identity, token, plain_text_token } = self;
        f.debug_struct("ConnectOptions")
            .field("ca", ca)
            .field("identity", identity)
            .field("token", &token.as_ref().map(|_| "***"))
            .field("plain_text_token", plain_text_token)
            .finish()
    }
}

impl ConnectOptions {
    /// Trusts the CA certificates in this PEM file instead of the system's. For `https://` only.
    pub fn ca(self, path: impl Into<PathBuf>) -> Self {
        Self { ca: Some(path.into()), ..self }
    }

    /// Presents the client certificate in a PEM file (mutual TLS). `key` is the PEM file of its
    /// private key, without a passphrase. For `https://` only.
    pub fn identity(self, cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { identity: Some((cert.into(), key.into())), ..self }
    }

    /// Sends this token with each call, as `authorization: Bearer TOKEN`.
    pub fn token(self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self }
    }

    /// Permits to send the token without TLS over a network, where it can be read. Without this,
    /// only `https://` and loopback addresses are accepted together with a token.
    pub fn allow_plain_text_token(self) -> Self {
        Self { plain_text_token: true, ..self }
    }

    /// The generated client of the gateway at `url`, which connects at its first call.
    pub(crate) fn stub(&self, url: &str) -> Result<Stub, Error> {
        let uri = parse(url)?;
        let bad = |reason: &str| Error::Address { url: url.to_owned(), reason: reason.to_owned() };
        let secure = uri.scheme_str() == Some("https");
        if !secure && (self.ca.is_some() || self.identity.is_some()) {
            return Err(bad("must begin with https://, as certificates are given"));
        }
        let local = secure || uri.host().is_some_and(is_loopback);
        if self.token.is_some() && !local && !self.plain_text_token {
            return Err(bad("must begin with https://, as the token would be sent unencrypted"));
        }
        let authorization = self.authorization()?;
        let mut endpoint = Endpoint::from(uri)
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT);
        if secure {
            let tls = self.tls()?;
            endpoint = endpoint.tls_config(tls).map_err(|error| bad(&innermost(&error)))?;
        }
        let channel = endpoint.connect_lazy();
        Ok(JobServiceClient::with_interceptor(channel, authorization)
            .max_decoding_message_size(MAX_MESSAGE_BYTES))
    }

    /// Reads the files.
    fn tls(&self) -> Result<ClientTlsConfig, Error> {
        let ca = self.ca.as_ref().map(|path| PemFile::new("ca", path));
        let pair = self.identity.as_ref();
        let pair = pair.map(|(cert, key)| PairFiles::new(("cert", cert), ("key", key)));
        let files = ClientFiles { ca, identity: pair };
        let fault = |error: solvemesh_tls::TlsFileError| Error::Credentials(error.to_string());
        // Finds faults that tonic would not, and names the file.
        files.config("ca").map_err(fault)?;
        let roots = trusted_roots(files.ca.as_ref(), "ca").map_err(fault)?;
        let tls = ClientTlsConfig::new().trust_anchors(roots.roots).timeout(CONNECT_TIMEOUT);
        let Some(pair) = &files.identity else { return Ok(tls) };
        let (cert, key) = (pair.cert.read().map_err(fault)?, pair.key.read().map_err(fault)?);
        Ok(tls.identity(Identity::from_pem(cert, key)))
    }

    fn authorization(&self) -> Result<Authorization, Error> {
        let Some(token) = &self.token else { return Ok(Authorization(None)) };
        let printable = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        let value = printable.then(|| format!("Bearer {token}").parse::<MetadataValue<Ascii>>());
        // The token itself must not get into a message.
        let mut value = value.and_then(Result::ok).ok_or_else(|| {
            Error::Credentials(
                "the token is empty, or has a space or a character that is not ASCII".into(),
            )
        })?;
        value.set_sensitive(true);
        Ok(Authorization(Some(value)))
    }
}

/// Adds the token to each call.
#[derive(Clone, Debug)]
pub(crate) struct Authorization(Option<MetadataValue<Ascii>>);

impl Interceptor for Authorization {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request.metadata_mut().insert("authorization", value.clone());
        }
        Ok(request)
    }
}

/// Parses the URL of a gateway. Parts that would have no effect are refused.
fn parse(url: &str) -> Result<Uri, Error> {
    let bad = |reason: String| Error::Address { url: url.to_owned(), reason };
    let uri: Uri = url.parse().map_err(|error| bad(format!("{error}")))?;
    let scheme = match uri.scheme_str() {
        Some(scheme @ ("http" | "https")) => scheme,
        _ => return Err(bad("must begin with http:// or https://".into())),
    };
    if url.contains('#') {
        return Err(bad("must not have a fragment (after #)".into()));
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        // The user may be followed by a password, which must not get into the message.
        let url = url.rsplit_once('@').map_or(url, |(_, host)| host);
        let (url, reason) =
            (format!("{scheme}://***@{url}"), "must not have a user (before @)".into());
        return Err(Error::Address { url, reason });
    }
    if uri.query().is_some() {
        return Err(bad("must not have a query (after ?)".into()));
    }
    if !matches!(uri.path(), "" | "/") {
        let path = uri.path();
        return Err(bad(format!("must not have a path ({path}): gRPC defines the paths")));
    }
    Ok(uri)
}

/// Whether a host is this machine.
fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
    let address = host.parse::<IpAddr>().map(|address| address.to_canonical().is_loopback());
    address.unwrap_or_else(|_| {
        host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost")
    })
}

fn innermost(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |&error| error.source())
        .last()
        .map_or_else(String::new, ToString::to_string)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[tokio::test]
    async fn a_token_is_sent_over_tls_or_to_this_machine_only() {
        let options = ConnectOptions::default().token("sesame");
        for url in
            ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1", "http://a.localhost"]
        {
            options.stub(url).unwrap();
        }
        for url in ["http://10.0.0.1:1", "http://mesh", "http://localhost.example"] {
            let error = options.stub(url).unwrap_err();
            assert!(matches!(error, Error::Address { .. }), "{url}: {error}");
            assert!(!error.to_string().contains("sesame"), "{error}");
            options.clone().allow_plain_text_token().stub(url).unwrap();
        }
        assert!(!format!("{options:?}").contains("sesame"));
    }

    #[tokio::test]
    async fn credentials_that_have_no_effect_or_are_invalid_are_refused() {
        let with_ca = ConnectOptions::default().ca("/does/not/exist");
        assert!(matches!(with_ca.stub("http://127.0.0.1:1"), Err(Error::Address { .. })));
        let error = with_ca.stub("https://127.0.0.1:1").unwrap_err();
        assert!(error.to_string().contains("ca /does/not/exist"), "{error}");
        for token in ["", "ses\name", "sésame"] {
            let options = ConnectOptions::default().token(token);
            let error = options.stub("http://127.0.0.1:1").unwrap_err();
            assert!(matches!(error, Error::Credentials(_)), "{error}");
        }
    }
}
