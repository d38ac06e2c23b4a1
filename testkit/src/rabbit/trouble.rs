//! Failures of a node that keeps running: resource alarms and closed connections.

use std::collections::BTreeMap;

use super::{RabbitNode, Vhost};

/// A resource that has an alarm. While it is raised, the node blocks all connections that publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// The node uses more memory than its high watermark.
    Memory,
    /// Less disk space is free than the node's limit.
    Disk,
}

impl RabbitNode {
    /// Raises the alarm of a resource, and returns once it is raised.
    pub async fn run_short_of(&self, resource: Resource) {
        match resource {
            Resource::Memory => {
                self.rabbitmqctl(&["set_vm_memory_high_watermark", "absolute", "1MB"]).await
            }
            Resource::Disk => self.rabbitmqctl(&["set_disk_free_limit", "1000000GB"]).await,
        };
    }

    /// Clears the alarm of a resource.
    pub async fn have_enough_of(&self, resource: Resource) {
        match resource {
            Resource::Memory => self.rabbitmqctl(&["set_vm_memory_high_watermark", "0.4"]).await,
            Resource::Disk => self.rabbitmqctl(&["set_disk_free_limit", "50MB"]).await,
        };
    }

    /// Closes all client connections from the broker's side.
    pub async fn close_connections(&self) {
        self.rabbitmqctl(&["close_all_connections", "test"]).await;
    }

    /// The number of messages in each queue of a virtual host, unsettled deliveries included.
    pub async fn queues(&self, vhost: &Vhost) -> BTreeMap<String, u64> {
        let list =
            ["list_queues", "--vhost", vhost.name(), "name", "messages", "--no-table-headers"];
        let listed = self.rabbitmqctl(&list).await;
        let counts = listed.lines().map(|line| {
            let (name, count) = line.split_once('\t').expect("a name and a count");
            (name.to_owned(), count.trim().parse().expect("a count"))
        });
        counts.collect()
    }
}
