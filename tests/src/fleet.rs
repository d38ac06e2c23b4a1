//! The gateway and worker processes of one mesh, which a test can kill and replace one by
//! one.

use futures::future::join_all;

use crate::{clients::Doors, mesh::Gateway, processes::Process, rabbit::Role};

/// Configuration of a fleet.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Number of gateways.
    pub gateways: usize,
    /// Number of workers.
    pub workers: usize,
    /// Flags of each gateway, in addition to `--listen` and `--amqp`.
    pub gateway_flags: Vec<String>,
    /// Flags of each worker, in addition to `--amqp`.
    pub worker_flags: Vec<String>,
    /// Query string appended to each broker URL, for example `heartbeat=2`.
    pub amqp_options: String,
    /// Broker URL of the gateways, where it differs from that of the workers.
    pub gateway_broker: Option<String>,
}

impl Default for Plan {
    /// Two gateways, and two workers with one slot in each of the two common lanes.
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
    /// Appends the options to each of the comma-separated broker URLs.
    fn with_options(&self, broker: &str) -> String {
        if self.amqp_options.is_empty() {
            return broker.to_owned();
        }
        let urls = broker.split(',').map(|url| format!("{url}?{}", self.amqp_options));
        urls.collect::<Vec<_>>().join(",")
    }

    fn gateway_broker(&self, broker: &str) -> String {
        Role::Gateway.own_url(&self.with_options(self.gateway_broker.as_deref().unwrap_or(broker)))
    }
}

/// The gateways and workers of one mesh.
#[derive(Debug)]
pub struct Fleet {
    /// The gateways. One that is started again after a kill keeps its index and address.
    pub gateways: Vec<Gateway>,
    /// The workers.
    pub workers: Vec<Process>,
    plan: Plan,
    broker: String,
    gateway_broker: String,
}

impl Fleet {
    /// Starts all processes on a broker, and waits until the gateways are ready.
    pub async fn start(broker: &str, plan: Plan) -> Self {
        let flags = borrowed(&plan.gateway_flags);
        let gateway_broker = plan.gateway_broker(broker);
        let gateways = (0..plan.gateways).map(|_| Gateway::on(&gateway_broker, &flags));
        let gateways = join_all(gateways).await;
        let broker = Role::Worker.own_url(&plan.with_options(broker));
        let mut fleet = Self { gateways, workers: Vec::new(), plan, broker, gateway_broker };
        for _ in 0..fleet.plan.workers {
            fleet.add_worker();
        }
        fleet
    }

    /// Client channels, one to each gateway.
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

    /// Kills a gateway (SIGKILL). Nothing listens at its address until
    /// [`Fleet::bring_back_gateway`].
    pub async fn kill_gateway(&mut self, index: usize) {
        self.gateways[index].process.kill().await;
    }

    /// Stops a gateway gracefully (SIGTERM). Nothing listens at its address until
    /// [`Fleet::bring_back_gateway`].
    pub async fn stop_gateway(&mut self, index: usize) {
        let status = self.gateways[index].process.terminate().await;
        assert!(status.success(), "the gateway did not stop gracefully: {status}");
    }

    /// Starts another gateway with the plan's flags. It does not become part of the fleet.
    pub async fn new_gateway(&self) -> Gateway {
        Gateway::on(&self.gateway_broker, &borrowed(&self.plan.gateway_flags)).await
    }

    /// Starts a killed or stopped gateway again, at the same address, and waits until it is
    /// ready.
    pub async fn bring_back_gateway(&mut self, index: usize) {
        let address = self.gateways[index].address;
        let flags = borrowed(&self.plan.gateway_flags);
        self.gateways[index] = Gateway::again(address, &self.gateway_broker, &flags).await;
    }

    /// Starts another worker with the plan's flags. It does not become part of the fleet.
    pub fn new_worker(&self) -> Process {
        self.worker_with(&borrowed(&self.plan.worker_flags))
    }

    /// Starts a worker with these flags and the fleet's broker. It does not become part of the
    /// fleet.
    pub fn worker_with(&self, flags: &[&str]) -> Process {
        let flags = [&["--amqp", &self.broker][..], flags].concat();
        Process::start("solvemesh-worker", &flags).0
    }

    /// The index of the worker with this name, as `AttemptStarted` carries it, if it is part of
    /// the fleet.
    pub fn place(&self, worker: &str) -> Option<usize> {
        // A worker's default name ends in its process id.
        let id: u32 = worker.rsplit('-').next()?.parse().ok()?;
        self.workers.iter().position(|worker| worker.id() == id)
    }
}

fn borrowed(flags: &[String]) -> Vec<&str> {
    flags.iter().map(String::as_str).collect()
}
