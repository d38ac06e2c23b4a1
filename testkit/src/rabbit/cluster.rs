//! Three nodes that replicate: a cluster on this machine.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use super::{
    home::Home,
    node::{RabbitNode, Vhost},
};

/// How many nodes a cluster has: a majority outlives any one of them.
const NODES: usize = 3;

/// A cookie that opens no node.
const STRANGER: &str = "stranger";

/// Looks ten times a second, for a minute at most.
const AWAIT_PAUSE: &str = "(fun Look(0) -> error(it_does_not_pause);
    Look(N) -> rabbit:is_running() andalso begin timer:sleep(100), Look(N - 1) end
    end)(600).";

/// Three nodes with one set of queues. Quorum queues and streams have a replica on each.
/// A node that sees no majority pauses.
#[derive(Debug)]
pub struct Cluster {
    nodes: [RabbitNode; NODES],
    vhosts: AtomicU32,
}

impl Cluster {
    /// Starts the nodes, and waits until they are one cluster.
    ///
    /// # Panics
    ///
    /// When RabbitMQ is not installed, or the cluster does not come up.
    pub async fn start() -> Self {
        let home = Arc::new(Home::new());
        let nodes: [RabbitNode; NODES] =
            std::array::from_fn(|_| RabbitNode::settle(Arc::clone(&home)));
        let mut configuration = "cluster_partition_handling = pause_minority\n\
             cluster_formation.peer_discovery_backend = classic_config\n"
            .to_owned();
        for (index, node) in nodes.iter().enumerate() {
            let peer = format!("cluster_formation.classic_config.nodes.{}", index + 1);
            configuration += &format!("{peer} = {}\n", node.name());
        }
        for node in &nodes {
            node.configure(&configuration);
            node.launch();
        }
        let cluster = Self { nodes, vhosts: AtomicU32::new(0) };
        for node in &cluster.nodes {
            node.await_ready().await;
        }
        cluster.await_all().await;
        cluster
    }

    /// Its nodes, in the order of [`Cluster::leader`].
    pub fn nodes(&self) -> &[RabbitNode; NODES] {
        &self.nodes
    }

    /// Waits until all nodes are running and see each other.
    pub async fn await_all(&self) {
        for node in &self.nodes {
            // One that paused starts again by itself.
            node.rabbitmqctl(&["await_startup", "--timeout", "120"]).await;
        }
        for node in &self.nodes {
            let nodes = NODES.to_string();
            node.rabbitmqctl(&["await_online_nodes", &nodes, "--timeout", "120"]).await;
        }
    }

    /// Makes a virtual host on all nodes. Its URL is a list of one URL a node, separated
    /// by commas.
    pub async fn vhost(&self) -> Vhost {
        let name = format!("test-{}", self.vhosts.fetch_add(1, Ordering::Relaxed));
        self.nodes[0].add_vhost(&name).await;
        let urls = self.nodes.each_ref().map(|node| node.amqp_url(&name));
        Vhost::new(urls.join(","), name)
    }

    /// The index of the node that leads a replicated queue or stream, while all run.
    ///
    /// # Panics
    ///
    /// When there is no such queue, or it has no leader right now.
    pub async fn leader(&self, vhost: &Vhost, queue: &str) -> usize {
        let list = ["list_queues", "--vhost", vhost.name(), "name", "leader", "--no-table-headers"];
        let listed = self.nodes[0].rabbitmqctl(&list).await;
        let leader = listed.lines().find_map(|line| match line.split_once('\t') {
            Some((name, leader)) if name == queue => Some(leader),
            _ => None,
        });
        let index = self.nodes.iter().position(|node| Some(node.name()) == leader);
        index.unwrap_or_else(|| panic!("no leader of {queue} in {listed:?}"))
    }

    /// How many connections of clients a node has.
    pub async fn connections(&self, index: usize) -> usize {
        let listed = self.nodes[0].rabbitmqctl(&["list_connections", "pid"]).await;
        // The ids of Erlang begin with the node's name.
        listed.lines().filter(|pid| pid.contains(self.nodes[index].name())).count()
    }

    /// Cuts a node off from the others: they know each other's cookie no more. Waits until
    /// it has paused, which it tells nobody.
    pub async fn cut_off(&self, index: usize) {
        let others = self.others(index);
        let cut = format!(
            "[begin erlang:set_cookie(N, {STRANGER}), erlang:disconnect_node(N) end || N <- {others}]."
        );
        self.nodes[index].eval(&cut).await;
        self.nodes[index].eval(AWAIT_PAUSE).await;
    }

    /// Lets a node see the others again.
    pub async fn rejoin(&self, index: usize) {
        let others = self.others(index);
        let mend = format!("[erlang:set_cookie(N, erlang:get_cookie()) || N <- {others}].");
        self.nodes[index].eval(&mend).await;
    }

    /// The names of all nodes but one, as a list in Erlang.
    fn others(&self, index: usize) -> String {
        let others = self.nodes.iter().enumerate().filter(|(other, _)| *other != index);
        let names: Vec<String> = others.map(|(_, node)| format!("'{}'", node.name())).collect();
        format!("[{}]", names.join(","))
    }
}
