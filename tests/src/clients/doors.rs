use std::{net::SocketAddr, sync::Arc, time::Duration};

use tonic::{
    service::interceptor::InterceptedService,
    transport::{Channel, ClientTlsConfig, Endpoint},
};

use crate::{keys::Bearer, mesh::Api};

/// Timeout for a connection to be established.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Interval of HTTP/2 keepalive pings.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(3);
/// Timeout for the answer to a ping: a peer on a busy machine may be slow without being dead.
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Channels to the gateways of a mesh. They connect on first use, detect a silent peer by
/// keepalive, and reconnect.
#[derive(Clone, Debug)]
pub struct Doors {
    channels: Arc<[Channel]>,
    bearer: Bearer,
}

impl Doors {
    /// One channel to each address, in this order.
    pub fn to(addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        let channel = |address| endpoint(&format!("http://{address}")).connect_lazy();
        let channels = addresses.into_iter().map(channel).collect();
        Self { channels, bearer: Bearer::default() }
    }

    /// Encrypted channels to one address, over which this key is sent.
    pub fn locked(address: SocketAddr, count: usize, tls: &ClientTlsConfig, key: &str) -> Self {
        let channel = |_| {
            let endpoint = endpoint(&format!("https://{address}")).tls_config(tls.clone());
            endpoint.expect("TLS").connect_lazy()
        };
        Self { channels: (0..count).map(channel).collect(), bearer: Bearer::new(key) }
    }

    /// A client on the channel with this index, modulo the number of channels.
    pub fn api(&self, door: usize) -> Api {
        let channel = self.channels[door % self.channels.len()].clone();
        Api::new(InterceptedService::new(channel, self.bearer.clone()))
    }

    /// Number of channels.
    pub fn count(&self) -> usize {
        self.channels.len()
    }
}

fn endpoint(url: &str) -> Endpoint {
    Endpoint::from_shared(url.to_owned())
        .expect("a URL")
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .tcp_nodelay(true)
}
