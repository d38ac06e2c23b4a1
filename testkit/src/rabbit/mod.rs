//! Private RabbitMQ nodes, alone or as a cluster, on free ports of the loopback and in a temporary
//! folder. Tests may kill them, stop them, raise their alarms and partition them.

mod cluster;
mod home;
mod node;
mod tls;
mod trouble;
mod users;

pub use self::{
    cluster::Cluster,
    node::{RabbitNode, Vhost, amqp_url},
    tls::Tls,
    trouble::Resource,
    users::Role,
};

/// Creates a virtual host on the node that all tests of this process share.
pub async fn vhost() -> Vhost {
    RabbitNode::shared().await.vhost().await
}
