//! RabbitMQ of our own: private nodes on free ports of the loopback, in a temporary
//! folder, alone or as a cluster, that may be killed, stopped, starved and cut off at
//! will.

mod cluster;
mod home;
mod node;
mod tls;
mod trouble;

pub use self::{
    cluster::Cluster,
    node::{RabbitNode, Vhost, amqp_url},
    tls::Tls,
    trouble::Resource,
};

/// A fresh virtual host on the node that all tests of this process share.
pub async fn vhost() -> Vhost {
    RabbitNode::shared().await.vhost().await
}
