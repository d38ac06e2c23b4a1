//! The listener: accepts connections, limits them, and encrypts them. Nothing here knows what is
//! sent over a connection, apart from its first bytes.

mod acceptor;
mod certificates;
mod connection;
mod expiry;
mod exposure;
mod plain_text;
mod refusals;
mod slots;
mod x509;

pub use acceptor::Listener;
pub use certificates::Certificates;
pub use connection::Peer;
pub use exposure::{Exposed, check_exposure};
pub use slots::ConnectionLimits;
pub(crate) use x509::{CertificateName, ClientCertificate};

use std::time::Duration;

/// How long a TLS handshake may take, and how long the first bytes of a connection. A client of
/// HTTP/2 sends them at once, and one of HTTP/1.1 with its first request.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
