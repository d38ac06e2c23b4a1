use std::{net::SocketAddr, sync::Arc, time::Duration};

use tonic::transport::{Channel, Endpoint};

use crate::mesh::Api;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(3);
/// How often a silent connection is asked whether it is alive.
const KEEPALIVE: Duration = Duration::from_secs(3);
/// How long it has to answer: a busy machine is no dead peer.
const KEEPALIVE_ANSWER: Duration = Duration::from_secs(5);

/// The ways into a mesh: channels that connect when they are needed, notice a silent peer,
/// and connect again.
#[derive(Clone, Debug)]
pub struct Doors(Arc<[Channel]>);

impl Doors {
    /// A door at each address, in this order.
    pub fn to(addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        let channel = |address| {
            Endpoint::from_shared(format!("http://{address}"))
                .expect("a URL")
                .connect_timeout(CONNECT)
                .http2_keep_alive_interval(KEEPALIVE)
                .keep_alive_timeout(KEEPALIVE_ANSWER)
                .keep_alive_while_idle(true)
                .tcp_nodelay(true)
                .connect_lazy()
        };
        Self(addresses.into_iter().map(channel).collect())
    }

    /// A client at a door; past the last one the first comes again.
    pub fn api(&self, door: usize) -> Api {
        Api::new(self.0[door % self.0.len()].clone())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}
