use std::{net::SocketAddr, sync::Arc, time::Duration};

use tonic::transport::{Channel, Endpoint};

use crate::mesh::Api;

/// Timeout for a connection to be established.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Interval of HTTP/2 keepalive pings.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(3);
/// Timeout for the answer to a ping: a peer on a busy machine may be slow without being dead.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Channels to the gateways of a mesh. They connect on first use, detect a silent peer by
/// keepalive, and reconnect.
#[derive(Clone, Debug)]
pub struct Doors(Arc<[Channel]>);

impl Doors {
    /// One channel to each address, in this order.
    pub fn to(addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        let channel = |address| {
            Endpoint::from_shared(format!("http://{address}"))
                .expect("a URL")
                .connect_timeout(CONNECT_TIMEOUT)
                .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
                .keep_alive_timeout(KEEPALIVE_TIMEOUT)
                .keep_alive_while_idle(true)
                .tcp_nodelay(true)
                .connect_lazy()
        };
        Self(addresses.into_iter().map(channel).collect())
    }

    /// A client on the channel with this index, modulo the number of channels.
    pub fn api(&self, door: usize) -> Api {
        Api::new(self.0[door % self.0.len()].clone())
    }

    /// Number of channels.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}
