//! A way to a broker that can go silent: a TCP proxy that stops forwarding and tells
//! neither side. What it holds meanwhile goes on once it is whole again.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
};

/// A path. Dropped, it is cut.
pub(crate) struct Path {
    pub(crate) address: SocketAddr,
    silent: watch::Sender<bool>,
    /// How many connections were taken so far.
    taken: watch::Receiver<usize>,
    _carrying: JoinSet<()>,
}

impl Path {
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (silent, hears) = watch::channel(false);
        let (counts, taken) = watch::channel(0);
        let mut carrying = JoinSet::new();
        carrying.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                counts.send_modify(|taken| *taken += 1);
                connections.spawn(carry(client, target, hears.clone()));
            }
        });
        Self { address, silent, taken, _carrying: carrying }
    }

    pub(crate) fn go_silent(&self) {
        self.silent.send_replace(true);
    }

    pub(crate) fn heal(&self) {
        self.silent.send_replace(false);
    }

    /// Waits until so many connections were taken.
    pub(crate) async fn has_taken(&self, count: usize) {
        self.taken.clone().wait_for(|taken| *taken >= count).await.unwrap();
    }
}

async fn carry(client: TcpStream, target: SocketAddr, silent: watch::Receiver<bool>) {
    let Ok(server) = TcpStream::connect(target).await else { return };
    let ((from_client, to_client), (from_server, to_server)) =
        (client.into_split(), server.into_split());
    let there = pump(from_client, to_server, silent.clone());
    let back = pump(from_server, to_client, silent);
    // Whichever ends, the other one's end follows.
    let _ = tokio::join!(there, back);
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut silent: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let count = from.read(&mut buffer).await?;
        let _ = silent.wait_for(|silent| !silent).await;
        match count {
            0 => return to.shutdown().await,
            _ => to.write_all(&buffer[..count]).await?,
        }
    }
}
