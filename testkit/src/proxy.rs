//! A TCP proxy on the loopback that injects network failures between two processes: silence, and
//! resets of connections.
//!
//! Silence simulates a pulled cable. No side gets an error, and the bytes that it sends are
//! buffered, as TCP would retransmit them once the network recovers. New connections are accepted
//! but receive nothing.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::{JoinHandle, JoinSet},
};

/// The buffer size of each direction of a connection, in bytes.
const BUFFER: usize = 16 << 10;
/// The maximum number of concurrent connections; others wait to be accepted.
const CONNECTIONS: usize = 256;

/// A proxy. Dropping it closes the listener and all connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    path: watch::Sender<Path>,
    carried: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

/// The state of the simulated network.
#[derive(Clone, Copy, Debug, Default)]
struct Path {
    silent: bool,
    /// The number of times that all connections were reset.
    resets: u64,
}

impl Proxy {
    /// Starts a proxy to `target`, on a free port.
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let path = watch::Sender::new(Path::default());
        let carried = Arc::default();
        let task = tokio::spawn(serve(listener, target, path.clone(), Arc::clone(&carried)));
        Self { address, path, carried, task }
    }

    /// The address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops forwarding in both directions, without an error to either side.
    pub fn silence(&self) {
        self.path.send_modify(|path| path.silent = true);
    }

    /// Resumes forwarding, starting with the buffered bytes.
    pub fn heal(&self) {
        self.path.send_modify(|path| path.silent = false);
    }

    /// Resets all connections (RST to both sides); buffered bytes are lost. New connections are
    /// forwarded.
    pub fn reset(&self) {
        self.path.send_modify(|path| path.resets += 1);
    }

    /// The number of bytes forwarded so far, both directions together.
    pub fn carried(&self) -> u64 {
        self.carried.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Accepts and forwards connections. They are aborted when the set that holds them is dropped.
async fn serve(
    listener: TcpListener,
    target: SocketAddr,
    path: watch::Sender<Path>,
    carried: Arc<AtomicU64>,
) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let permit = Arc::clone(&permits).acquire_owned().await.expect("never closed");
        // Removes the connections that have ended.
        while connections.try_join_next().is_some() {}
        // An error means that the client reset the connection before it was accepted.
        let Ok((client, _)) = listener.accept().await else { continue };
        let (path, carried) = (path.subscribe(), Arc::clone(&carried));
        connections.spawn(async move {
            // An error of either side closes both; there is nobody to report it to.
            let _ = forward(client, target, path, &carried).await;
            drop(permit);
        });
    }
}

/// Forwards one connection until a side fails, both have finished, or it is reset.
async fn forward(
    mut client: TcpStream,
    target: SocketAddr,
    mut path: watch::Receiver<Path>,
    carried: &AtomicU64,
) -> io::Result<()> {
    let before = path.borrow().resets;
    let mut reset = path.clone();
    let mut server = tokio::select! {
        server = connect(target, &mut path) => server?,
        _ = reset.wait_for(|path| path.resets > before) => return client.set_zero_linger(),
    };
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let was_reset = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let there = pump(from_client, to_server, path.clone(), carried);
        let back = pump(from_server, to_client, path, carried);
        tokio::select! {
            ended = async { tokio::try_join!(there, back) } => {
                ended?;
                false
            }
            _ = reset.wait_for(|path| path.resets > before) => true,
        }
    };
    if was_reset {
        // Without lingering, closing sends RST instead of FIN.
        client.set_zero_linger()?;
        server.set_zero_linger()?;
    }
    Ok(())
}

/// Connects to the target, once the path is not silent.
async fn connect(target: SocketAddr, path: &mut watch::Receiver<Path>) -> io::Result<TcpStream> {
    passable(path).await;
    TcpStream::connect(target).await
}

/// Forwards one direction, including its FIN, except while the path is silent.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut path: watch::Receiver<Path>,
    carried: &AtomicU64,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        passable(&mut path).await;
        let read = from.read(&mut buffer).await;
        // The path may have become silent while this was waiting for bytes.
        passable(&mut path).await;
        match read? {
            0 => return to.shutdown().await,
            count => {
                to.write_all(&buffer[..count]).await?;
                carried.fetch_add(count as u64, Ordering::Relaxed);
            }
        }
    }
}

/// Waits until the path is not silent.
async fn passable(path: &mut watch::Receiver<Path>) {
    // An error means that the proxy was dropped, which also aborts this connection.
    let _ = path.wait_for(|path| !path.silent).await;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);
    /// Long enough for an echo, had it been forwarded.
    const QUIET: Duration = Duration::from_millis(100);

    /// Starts an echo server, and a proxy in front of it.
    async fn echo() -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        Proxy::to(address).await
    }

    async fn send(stream: &mut TcpStream, word: &[u8; 4]) {
        stream.write_all(word).await.expect("a connection");
    }

    async fn receive(stream: &mut TcpStream) -> io::Result<[u8; 4]> {
        let mut word = [0; 4];
        let received = tokio::time::timeout(TIMEOUT, stream.read_exact(&mut word)).await;
        received.expect("an echo").map(|_| word)
    }

    async fn receives_nothing(stream: &mut TcpStream) {
        let received = tokio::time::timeout(QUIET, receive(stream)).await;
        assert!(received.is_err(), "received {received:?}");
    }

    #[tokio::test]
    async fn bytes_are_forwarded_and_counted() {
        let proxy = echo().await;
        let mut stream = TcpStream::connect(proxy.address()).await.expect("a proxy");
        send(&mut stream, b"here").await;
        assert_eq!(receive(&mut stream).await.expect("an echo"), *b"here");
        assert_eq!(proxy.carried(), 8);
        stream.shutdown().await.expect("a shutdown");
        assert_eq!(stream.read(&mut [0]).await.expect("a shutdown"), 0);
    }

    #[tokio::test]
    async fn silence_causes_no_error_and_loses_nothing() {
        let proxy = echo().await;
        let mut old = TcpStream::connect(proxy.address()).await.expect("a proxy");
        send(&mut old, b"here").await;
        receive(&mut old).await.expect("an echo");
        proxy.silence();
        send(&mut old, b"lost").await;
        let mut new = TcpStream::connect(proxy.address()).await.expect("a proxy");
        send(&mut new, b"new?").await;
        receives_nothing(&mut old).await;
        receives_nothing(&mut new).await;
        assert_eq!(proxy.carried(), 8);
        proxy.heal();
        assert_eq!(receive(&mut old).await.expect("an echo"), *b"lost");
        assert_eq!(receive(&mut new).await.expect("an echo"), *b"new?");
    }

    #[tokio::test]
    async fn a_reset_closes_open_connections_and_no_others() {
        let proxy = echo().await;
        let mut old = TcpStream::connect(proxy.address()).await.expect("a proxy");
        send(&mut old, b"here").await;
        receive(&mut old).await.expect("an echo");
        proxy.reset();
        let error = receive(&mut old).await.expect_err("no echo");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        let mut new = TcpStream::connect(proxy.address()).await.expect("a proxy");
        send(&mut new, b"new!").await;
        assert_eq!(receive(&mut new).await.expect("an echo"), *b"new!");
    }
}
