//! The runtime that lapin runs on: Tokio, with another type of stream.
//!
//! The runtime determines the type of lapin's stream. The type here can hold any stream, also one
//! that is already encrypted.

use std::{
    future::Future,
    io::{self, Read, Write},
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd},
    time::{Duration, Instant},
};

use async_rs::{Runtime, Tokio, traits::Reactor, util::RuntimeParts};
use futures::{AsyncRead, AsyncWrite, Stream as Instants};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};

/// A plain or encrypted stream.
pub(super) type Stream = Compat<Box<dyn AsyncStream>>;

/// Any bidirectional Tokio stream.
pub(super) trait AsyncStream:
    tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin
{
}

impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> AsyncStream for T {}

/// Wraps a stream for lapin.
pub(super) fn stream(bytes: impl AsyncStream + 'static) -> Stream {
    let bytes: Box<dyn AsyncStream> = Box::new(bytes);
    bytes.compat()
}

/// The Tokio runtime of the caller.
pub(super) fn current() -> Runtime<RuntimeParts<Tokio, StreamReactor>> {
    let tokio = Tokio::current();
    Runtime::new(RuntimeParts::new(tokio.clone(), StreamReactor(tokio)))
}

/// Tokio's reactor with the stream type of this module.
#[derive(Clone, Debug)]
pub(super) struct StreamReactor(Tokio);

impl Reactor for StreamReactor {
    type TcpStream = Stream;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        self.0.register(socket)
    }

    fn sleep(&self, dur: Duration) -> Self::Sleep {
        self.0.sleep(dur)
    }

    fn interval(&self, dur: Duration) -> impl Instants<Item = Instant> + Send + 'static {
        self.0.interval(dur)
    }

    #[allow(clippy::manual_async_fn, reason = "the future must be 'static")]
    fn tcp_connect_addr(
        &self,
        addr: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        async move { Ok(stream(TcpStream::connect(addr).await?)) }
    }
}
