//! The gateways and workers of one mesh, to be broken and replaced one by one.

use futures::future::join_all;

use crate::{clients::Doors, mesh::Gateway, processes::Process};

/// How a fleet is made.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many gateways.
    pub gateways: usize,
    /// How many workers.
    pub workers: usize,
    /// The flags of each gateway, beside where it listens and its broker.
    pub gateway_flags: Vec<String>,
    /// The flags of each worker, beside its broker.
    pub worker_flags: Vec<String>,
    /// What to add to each URL of a broker: `heartbeat=2`, say.
    pub amqp_options: String,
    /// Where gateways reach the broker, if not where workers do.
    pub gateway_broker: Option<String>,
}

impl Default for Plan {
    /// Two gateways and two workers with a slot a lane.
    fn default() -> Self {
        Self {
            gateways: 2,
            workers: 2,
            gateway_flags: Vec::new(),
            worker_flags: ["--slots", "express=1,standard=1"].map(str::to_owned).to_vec(),
            amqp_options: String::new(),
            gateway_broker: None,
        }
    }
}

impl Plan {
    /// The URLs of a broker, separated by commas, each with the options.
    fn with_options(&self, broker: &str) -> String {
        if self.amqp_options.is_empty() {
            return broker.to_owned();
        }
        let urls = broker.split(',').map(|url| format!("{url}?{}", self.amqp_options));
        urls.collect::<Vec<_>>().join(",")
    }

    fn gateway_broker(&self, broker: &str) -> String {
        self.with_options(self.gateway_broker.as_deref().unwrap_or(broker))
    }
}

/// The gateways and workers of one mesh.
#[derive(Debug)]
pub struct Fleet {
    /// The gateways. One that was killed is brought back at its place.
    pub gateways: Vec<Gateway>,
    /// The workers.
    pub workers: Vec<Process>,
    plan: Plan,
    broker: String,
    gateway_broker: String,
}

impl Fleet {
    /// Starts all of them on a broker, and waits until the gateways are ready.
    pub async fn start(broker: &str, plan: Plan) -> Self {
        let flags = borrowed(&plan.gateway_flags);
        let gateway_broker = plan.gateway_broker(broker);
        let gateways = (0..plan.gateways).map(|_| Gateway::on(&gateway_broker, &flags));
        let gateways = join_all(gateways).await;
        let broker = plan.with_options(broker);
        let mut fleet = Self { gateways, workers: Vec::new(), plan, broker, gateway_broker };
        for _ in 0..fleet.plan.workers {
            fleet.add_worker();
        }
        fleet
    }

    /// The ways in for clients, one a gateway.
    pub fn doors(&self) -> Doors {
        Doors::to(self.gateways.iter().map(|gateway| gateway.address))
    }

    /// Starts one more worker.
    pub fn add_worker(&mut self) {
        let worker = self.new_worker();
        self.workers.push(worker);
    }

    /// Kills a worker, and starts another in its place.
    pub async fn replace_worker(&mut self, index: usize) {
        self.workers[index].kill().await;
        self.workers[index] = self.new_worker();
    }

    /// Kills a gateway (SIGKILL): nobody listens at its address until it is brought back.
    pub async fn kill_gateway(&mut self, index: usize) {
        self.gateways[index].process.kill().await;
    }

    /// Stops a gateway in order (SIGTERM): nobody listens at its address until it is brought
    /// back.
    pub async fn stop_gateway(&mut self, index: usize) {
        let ended = self.gateways[index].process.terminate().await;
        assert!(ended.success(), "a gateway that stopped in order: {ended}");
    }

    /// A gateway as planned, which is not one of the fleet.
    pub async fn new_gateway(&self) -> Gateway {
        Gateway::on(&self.gateway_broker, &borrowed(&self.plan.gateway_flags)).await
    }

    /// Starts a gateway where one was that is gone, and waits until it is ready.
    pub async fn bring_back_gateway(&mut self, index: usize) {
        let address = self.gateways[index].address;
        let flags = borrowed(&self.plan.gateway_flags);
        self.gateways[index] = Gateway::again(address, &self.gateway_broker, &flags).await;
    }

    /// A worker as planned, which is not one of the fleet.
    pub fn new_worker(&self) -> Process {
        self.worker_with(&borrowed(&self.plan.worker_flags))
    }

    /// A worker with flags of its own beside its broker, which is not one of the fleet.
    pub fn worker_with(&self, flags: &[&str]) -> Process {
        let flags = [&["--amqp", &self.broker][..], flags].concat();
        Process::start("solvemesh-worker", &flags).0
    }

    /// The place of the worker that an attempt's start names, if it is one of the fleet.
    pub fn place(&self, worker: &str) -> Option<usize> {
        // The name ends in the process's id.
        let id: u32 = worker.rsplit('-').next()?.parse().ok()?;
        self.workers.iter().position(|worker| worker.id() == id)
    }
}

fn borrowed(flags: &[String]) -> Vec<&str> {
    flags.iter().map(String::as_str).collect()
}
