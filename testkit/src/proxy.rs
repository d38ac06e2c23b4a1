//! A network that breaks on purpose: a TCP proxy on the loopback that stands between two
//! processes, and goes silent or tears what it carries.
//!
//! Silence is what a cable that was pulled looks like: neither side is told anything, and
//! what it sends waits, as TCP would send it again once the path has healed. A new
//! connection is taken and hears nothing.

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

/// How much is read at once: the most that one direction holds.
const BUFFER: usize = 16 << 10;
/// The most connections at once; others wait to be taken.
const CONNECTIONS: usize = 256;

/// A proxy. Dropped, it is gone with all that it carries.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    path: watch::Sender<Path>,
    carried: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

/// How the way through is.
#[derive(Clone, Copy, Debug, Default)]
struct Path {
    silent: bool,
    /// How often everything was torn.
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

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops forwarding, both ways, without a word to anyone.
    pub fn silence(&self) {
        self.path.send_modify(|path| path.silent = true);
    }

    /// Forwards again: first what has waited.
    pub fn heal(&self) {
        self.path.send_modify(|path| path.silent = false);
    }

    /// Tears all connections: both sides are told (RST), what was under way is lost. New
    /// ones are carried.
    pub fn reset(&self) {
        self.path.send_modify(|path| path.resets += 1);
    }

    /// How many bytes it has forwarded, both ways together.
    pub fn carried(&self) -> u64 {
        self.carried.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Carries every connection that comes. They end with the set that holds them.
async fn serve(
    listener: TcpListener,
    target: SocketAddr,
    path: watch::Sender<Path>,
    carried: Arc<AtomicU64>,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let place = Arc::clone(&places).acquire_owned().await.expect("places never closed");
        while connections.try_join_next().is_some() {}
        // One that was torn before it was taken is none.
        let Ok((client, _)) = listener.accept().await else { continue };
        let (path, carried) = (path.subscribe(), Arc::clone(&carried));
        connections.spawn(async move {
            // An error of either side ends both: that is all there is to it.
            let _ = carry(client, target, path, &carried).await;
            drop(place);
        });
    }
}

/// Carries one connection until one of its sides fails, both have ended, or it is torn.
async fn carry(
    mut client: TcpStream,
    target: SocketAddr,
    mut path: watch::Receiver<Path>,
    carried: &AtomicU64,
) -> io::Result<()> {
    let before = path.borrow().resets;
    let mut torn = path.clone();
    let mut server = tokio::select! {
        server = reach(target, &mut path) => server?,
        _ = torn.wait_for(|path| path.resets > before) => return client.set_zero_linger(),
    };
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let was_torn = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let there = pump(from_client, to_server, path.clone(), carried);
        let back = pump(from_server, to_client, path, carried);
        tokio::select! {
            ended = async { tokio::try_join!(there, back) } => {
                ended?;
                false
            }
            _ = torn.wait_for(|path| path.resets > before) => true,
        }
    };
    if was_torn {
        // Closed without lingering, they say so.
        client.set_zero_linger()?;
        server.set_zero_linger()?;
    }
    Ok(())
}

/// The other end, once there is a way to it.
async fn reach(target: SocketAddr, path: &mut watch::Receiver<Path>) -> io::Result<TcpStream> {
    passable(path).await;
    TcpStream::connect(target).await
}

/// Forwards one direction; its end too, but nothing while the path is silent.
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
    // Without its proxy a connection is about to end anyway.
    let _ = path.wait_for(|path| !path.silent).await;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SOON: Duration = Duration::from_secs(10);
    const A_MOMENT: Duration = Duration::from_millis(100);

    /// A server that sends back what it gets, and a proxy before it.
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

    async fn say(stream: &mut TcpStream, word: &[u8; 4]) {
        stream.write_all(word).await.expect("a way");
    }

    async fn hear(stream: &mut TcpStream) -> io::Result<[u8; 4]> {
        let mut word = [0; 4];
        let heard = tokio::time::timeout(SOON, stream.read_exact(&mut word)).await;
        heard.expect("an echo").map(|_| word)
    }

    async fn hears_nothing(stream: &mut TcpStream) {
        let heard = tokio::time::timeout(A_MOMENT, hear(stream)).await;
        assert!(heard.is_err(), "heard {heard:?}");
    }

    #[tokio::test]
    async fn what_it_carries_comes_through_and_is_counted() {
        let proxy = echo().await;
        let mut stream = TcpStream::connect(proxy.address()).await.expect("a proxy");
        say(&mut stream, b"here").await;
        assert_eq!(hear(&mut stream).await.expect("an echo"), *b"here");
        assert_eq!(proxy.carried(), 8);
        stream.shutdown().await.expect("a goodbye");
        assert_eq!(stream.read(&mut [0]).await.expect("a goodbye"), 0);
    }

    #[tokio::test]
    async fn silence_tells_nobody_and_loses_nothing() {
        let proxy = echo().await;
        let mut old = TcpStream::connect(proxy.address()).await.expect("a proxy");
        say(&mut old, b"here").await;
        hear(&mut old).await.expect("an echo");
        proxy.silence();
        say(&mut old, b"lost").await;
        let mut new = TcpStream::connect(proxy.address()).await.expect("a proxy");
        say(&mut new, b"new?").await;
        hears_nothing(&mut old).await;
        hears_nothing(&mut new).await;
        assert_eq!(proxy.carried(), 8);
        proxy.heal();
        assert_eq!(hear(&mut old).await.expect("an echo"), *b"lost");
        assert_eq!(hear(&mut new).await.expect("an echo"), *b"new?");
    }

    #[tokio::test]
    async fn a_reset_tears_what_is_there_and_nothing_else() {
        let proxy = echo().await;
        let mut old = TcpStream::connect(proxy.address()).await.expect("a proxy");
        say(&mut old, b"here").await;
        hear(&mut old).await.expect("an echo");
        proxy.reset();
        let torn = hear(&mut old).await.expect_err("no echo");
        assert_eq!(torn.kind(), io::ErrorKind::ConnectionReset);
        let mut new = TcpStream::connect(proxy.address()).await.expect("a proxy");
        say(&mut new, b"new!").await;
        assert_eq!(hear(&mut new).await.expect("an echo"), *b"new!");
    }
}
