//! Accepts connections.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};
use tracing::warn;

use super::{
    HANDSHAKE_TIMEOUT,
    certificates::Certificates,
    connection::{Connection, Peer, Stream},
    plain_text,
    refusals::Refusals,
    slots::{ConnectionLimits, Slot, Slots},
};

/// How long to wait before the next try if the system has no more file descriptors or memory.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// A socket that listens, with its limits and its certificate.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
    slots: Arc<Slots>,
    tls: Option<Certificates>,
    refused: Refusals,
    failed: Refusals,
}

/// A connection that was accepted and is not yet open.
#[derive(Debug)]
pub(crate) struct Accepted {
    tcp: TcpStream,
    address: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    slot: Slot,
}

/// Why a connection was not opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// The handshake took too long.
    #[error("the TLS handshake took longer than {HANDSHAKE_TIMEOUT:?}")]
    Timeout,
    /// The client speaks HTTP without TLS.
    #[error("the client speaks plain HTTP")]
    PlainText,
    /// The handshake failed, or the connection was lost.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Listener {
    /// A listener with these limits; without `tls`, connections are not encrypted.
    pub fn new(tcp: TcpListener, limits: ConnectionLimits, tls: Option<Certificates>) -> Self {
        let (refused, failed) = (Refusals::default(), Refusals::default());
        Self { tcp, slots: Slots::new(limits), tls, refused, failed }
    }

    /// Accepts the next connection. One over a limit is closed at once. Cancel safe.
    pub(crate) async fn accept(&mut self) -> Accepted {
        loop {
            let (tcp, address) = match self.tcp.accept().await {
                Ok(accepted) => accepted,
                Err(error) if is_of_one_connection(&error) => continue,
                Err(error) => {
                    if let Some(count) = self.failed.add(Instant::now()) {
                        warn!(cause = %error, count, "cannot accept connections");
                    }
                    sleep(ACCEPT_BACKOFF).await;
                    continue;
                }
            };
            match self.slots.take(address.ip()) {
                Ok(slot) => {
                    let tls = self.tls.as_ref().map(|tls| tls.current());
                    return Accepted { tcp, address, tls, slot };
                }
                Err(limit) => {
                    if let Some(count) = self.refused.add(Instant::now()) {
                        warn!(%limit, %address, count, "connection refused");
                    }
                }
            }
        }
    }
}

/// Whether an error of `accept` is about the connection and not about the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

impl Accepted {
    /// The address of the peer.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Opens the connection: with TLS, does the handshake.
    ///
    /// # Errors
    ///
    /// If the handshake fails or takes too long. The client has been answered as far as possible.
    pub(crate) async fn open(self) -> Result<(Connection, Peer), OpenError> {
        let Self { tcp, address, tls, slot } = self;
        tcp.set_nodelay(true)?;
        let stream = match tls {
            None => Stream::Plain(tcp),
            Some(config) => match timeout(HANDSHAKE_TIMEOUT, handshake(tcp, config)).await {
                Ok(opened) => opened?,
                Err(_) => return Err(OpenError::Timeout),
            },
        };
        let peer = Peer { address, certificate: stream.client_certificate().map(Arc::new) };
        Ok((Connection::new(stream, HANDSHAKE_TIMEOUT, Some(slot)), peer))
    }
}

async fn handshake(mut tcp: TcpStream, config: Arc<ServerConfig>) -> Result<Stream, OpenError> {
    let mut first = [0; plain_text::PREFIX];
    let count = tcp.peek(&mut first).await?;
    if let Some(answer) = plain_text::answer(&first[..count]) {
        tcp.write_all(&answer).await?;
        tcp.shutdown().await?;
        // To close the socket before all is read would reset the connection, and the client might
        // lose the answer.
        let mut unread = [0; 1024];
        while tcp.read(&mut unread).await? > 0 {}
        return Err(OpenError::PlainText);
    }
    let stream = TlsAcceptor::from(config).accept(tcp).await?;
    Ok(Stream::Tls(Box::new(stream)))
}
