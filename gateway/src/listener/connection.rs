//! A connection: bytes in both directions, encrypted or not, and who is at the other end.

use std::{
    io::{self, ErrorKind, IoSlice},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Sleep,
};
use tokio_rustls::server::TlsStream;

use super::{slots::Slot, x509::ClientCertificate};

/// With what a connection of HTTP/2 begins (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Who is at the other end of a connection. It is in the extensions of each request.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The address. Behind a proxy, that of the proxy.
    pub address: SocketAddr,
    /// The certificate with which the client has authenticated itself; `None` without mutual TLS.
    pub(crate) certificate: Option<Arc<ClientCertificate>>,
}

/// The bytes of a connection.
#[derive(Debug)]
pub(crate) enum Stream {
    /// As they are.
    Plain(TcpStream),
    /// Encrypted.
    Tls(Box<TlsStream<TcpStream>>),
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Connection<S = Stream> {
    stream: S,
    start: Start,
    /// Held as long as the connection is open.
    _slot: Option<Slot>,
}

/// Whether the first bytes have arrived. hyper waits without limit until it knows the version of
/// HTTP, and limits all that follows.
#[derive(Debug)]
enum Start {
    /// This number of bytes has, all of them of the preface of HTTP/2; the rest is due.
    Awaited { seen: usize, due: Pin<Box<Sleep>> },
    /// They have.
    Arrived,
}

impl Stream {
    /// The certificate that the client presented. It has been verified: rustls ends the handshake
    /// otherwise.
    pub(super) fn client_certificate(&self) -> Option<ClientCertificate> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(stream) => {
                let chain = stream.get_ref().1.peer_certificates()?;
                ClientCertificate::read(chain.first()?)
            }
        }
    }
}

impl<S> Connection<S> {
    /// A connection whose first bytes have to arrive within `limit`.
    pub(super) fn new(stream: S, limit: Duration, slot: Option<Slot>) -> Self {
        let due = Box::pin(tokio::time::sleep(limit));
        Self { stream, start: Start::Awaited { seen: 0, due }, _slot: slot }
    }
}

impl Start {
    /// Takes note of bytes that have arrived.
    fn add(&mut self, bytes: &[u8]) {
        let Self::Awaited { seen, .. } = self else { return };
        let expected = PREFACE.get(*seen..).unwrap_or_default();
        let compared = bytes.len().min(expected.len());
        *seen += compared;
        if bytes[..compared] != expected[..compared] || *seen == PREFACE.len() {
            *self = Self::Arrived;
        }
    }

    /// An error once the first bytes are overdue.
    fn poll_overdue(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        match self {
            Self::Awaited { due, .. } => due.as_mut().poll(context).map(|()| {
                io::Error::new(ErrorKind::TimedOut, "the client did not begin to speak HTTP")
            }),
            Self::Arrived => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Ready(outcome) => {
                self.start.add(&buffer.filled()[before..]);
                Poll::Ready(outcome)
            }
            Poll::Pending => self.start.poll_overdue(context).map(Err),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_never_speaks_is_closed() {
        for first in [&b""[..], b"PRI * HTTP/2.0\r\n\r\n"] {
            let (mut client, server) = duplex(1024);
            let mut connection = Connection::new(server, LIMIT, None);
            client.write_all(first).await.unwrap();
            let mut received = vec![0; first.len()];
            connection.read_exact(&mut received).await.unwrap();
            let error = connection.read_u8().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut, "{first:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_speaks_http_may_then_be_silent() {
        for first in [PREFACE, b"GET /", b"PROPFIND"] {
            let (mut client, server) = duplex(1024);
            let mut connection = Connection::new(server, LIMIT, None);
            // Byte by byte, as slow clients send them.
            for &byte in first {
                client.write_all(&[byte]).await.unwrap();
                assert_eq!(connection.read_u8().await.unwrap(), byte);
            }
            let silence = tokio::time::timeout(10 * LIMIT, connection.read_u8()).await;
            assert!(silence.is_err(), "{first:?} {silence:?}");
        }
    }
}
