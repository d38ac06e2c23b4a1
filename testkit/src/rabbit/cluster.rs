//! A RabbitMQ cluster of three nodes on this machine.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use super::{
    home::Home,
    node::{RabbitNode, Vhost},
};

/// The number of nodes: the smallest in which a majority survives the loss of any one.
const NODES: usize = 3;

/// A cookie that no node accepts.
const STRANGER: &str = "stranger";

/// Erlang that waits until the node no longer serves: checks ten times a second, for at most a
/// minute. Up to 4.2 a node in the minority pauses. From 4.3 on, which keeps its metadata by Raft, no
/// node does: what needs a majority fails or waits, and the node has to be alone for that.
const AWAIT_CUT: &str = "(fun Check(0) -> error(node_still_serves);
    Check(N) -> Serves = case rabbit_misc:version_compare(rabbit_misc:version(), \"4.3\", gte) of
        true -> rabbit_nodes:list_running() =/= [node()];
        false -> rabbit:is_running()
    end,
    Serves andalso begin timer:sleep(100), Check(N - 1) end
    end)(600).";

/// Erlang that waits until every quorum queue of the node would survive the loss of the node: what
/// `rabbitmq-upgrade await_online_quorum_plus_one` does, which operators run before they stop one.
const AWAIT_SPARE_REPLICAS: &str = "rabbit_upgrade_preparation:await_online_quorum_plus_one(120000)
    orelse error(a_quorum_queue_has_no_spare_replica).";

/// A cluster of three nodes. Quorum queues and streams have a replica on each. A node that is in
/// the minority of a partition does not serve.
#[derive(Debug)]
pub struct Cluster {
    nodes: [RabbitNode; NODES],
    vhosts: AtomicU32,
}

impl Cluster {
    /// Starts the nodes, and waits until they have formed a cluster.
    ///
    /// # Panics
    ///
    /// When RabbitMQ is not installed, or the cluster does not start.
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

    /// The nodes, indexed as by [`Cluster::leader`].
    pub fn nodes(&self) -> &[RabbitNode; NODES] {
        &self.nodes
    }

    /// Waits until all nodes are running and connected with each other, and every quorum queue has
    /// all its replicas again: before that, the loss of one more node would be a loss of two.
    pub async fn await_all(&self) {
        for node in &self.nodes {
            // A node that had paused starts again by itself.
            node.rabbitmqctl(&["await_startup", "--timeout", "120"]).await;
        }
        for node in &self.nodes {
            let nodes = NODES.to_string();
            node.rabbitmqctl(&["await_online_nodes", &nodes, "--timeout", "120"]).await;
        }
        for node in &self.nodes {
            node.eval(AWAIT_SPARE_REPLICAS).await;
        }
    }

    /// Creates a virtual host on all nodes. Its URL is a comma-separated list of one URL per node.
    pub async fn vhost(&self) -> Vhost {
        let name = format!("test-{}", self.vhosts.fetch_add(1, Ordering::Relaxed));
        self.nodes[0].add_vhost(&name).await;
        let urls = self.nodes.each_ref().map(|node| node.amqp_url(&name));
        Vhost::new(urls.join(","), name)
    }

    /// The index of the node with the leader of a replicated queue or stream. All nodes must be
    /// running.
    ///
    /// # Panics
    ///
    /// When the queue does not exist, or has no leader at the moment.
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

    /// The number of client connections of a node.
    pub async fn connections(&self, index: usize) -> usize {
        let listed = self.nodes[0].rabbitmqctl(&["list_connections", "pid"]).await;
        // The pid of a connection contains the name of its node.
        listed.lines().filter(|pid| pid.contains(self.nodes[index].name())).count()
    }

    /// Partitions a node from the others: it gets a wrong cookie for each of them, and disconnects.
    /// Returns once it no longer serves, which has to be polled for.
    pub async fn cut_off(&self, index: usize) {
        let others = self.others(index);
        let cut = format!(
            "[begin erlang:set_cookie(N, {STRANGER}), erlang:disconnect_node(N) end || N <- {others}]."
        );
        self.nodes[index].eval(&cut).await;
        self.nodes[index].eval(AWAIT_CUT).await;
    }

    /// Ends the partition of a node, which has to be awaited with [`await_all`](Self::await_all).
    pub async fn rejoin(&self, index: usize) {
        let others = self.others(index);
        let mend = format!("[erlang:set_cookie(N, erlang:get_cookie()) || N <- {others}].");
        self.nodes[index].eval(&mend).await;
    }

    /// The names of all nodes but one, as an Erlang list.
    fn others(&self, index: usize) -> String {
        let others = self.nodes.iter().enumerate().filter(|(other, _)| *other != index);
        let names: Vec<String> = others.map(|(_, node)| format!("'{}'", node.name())).collect();
        format!("[{}]", names.join(","))
    }
}
