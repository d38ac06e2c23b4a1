//! A fault and its trial: a mesh of its own, its clients, the raw log, and the verdict.

use std::{any::Any, pin::Pin, time::Duration};

use solvemesh_broker::AmqpConfig;

use crate::{
    checker::{Rules, Verdict, check},
    clients::Clients,
    fleet::{Fleet, Plan},
    rawlog::RawLog,
};

/// Something that is broken on purpose.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// What happens, in a few words.
    pub name: &'static str,
    /// How long it may take, the checks included.
    pub limit: Duration,
    /// Breaks it under load, and gives the trial back for the checks.
    pub body: fn(Scale) -> Breaking,
}

/// How long a fault may take, the checks included, where it has no reason for more: it
/// takes a tenth of it, and the rest is for a busy machine and for what is lost.
pub const LIMIT: Duration = Duration::from_secs(300);

/// What breaks something.
pub type Breaking = Pin<Box<dyn Future<Output = Trial>>>;

/// How long and how much: 1 is short enough for every run of the tests.
#[derive(Clone, Copy, Debug)]
pub struct Scale(pub f64);

impl Scale {
    /// So many, by this scale; at least one.
    pub fn times(self, count: usize) -> usize {
        ((count as f64 * self.0).round() as usize).max(1)
    }
}

/// A mesh with its clients, while something is broken in it.
pub struct Trial {
    /// Its gateways and workers.
    pub fleet: Fleet,
    /// Its clients.
    pub clients: Clients,
    /// Its log.
    pub log: RawLog,
    /// What the fault allows.
    pub rules: Rules,
    kept: Vec<Box<dyn Any>>,
}

impl Trial {
    /// Starts a mesh on a virtual host that nobody else uses.
    pub async fn start(broker: &str, plan: Plan) -> Self {
        Self::configured(AmqpConfig::new(broker), broker, plan).await
    }

    /// The same where the queues have other arguments than the usual, which the plan's flags
    /// tell too.
    pub async fn configured(config: AmqpConfig, broker: &str, plan: Plan) -> Self {
        let fleet = Fleet::start(broker, plan).await;
        let clients = Clients::new(fleet.doors());
        let log = RawLog::configured(config).await;
        Self { fleet, clients, log, rules: Rules::strict(), kept: Vec::new() }
    }

    /// Keeps what the mesh stands on, a node or a proxy, until all is checked.
    pub fn kept(mut self, what: impl Any) -> Self {
        self.kept.push(Box::new(what));
        self
    }

    /// Looks at all jobs again at every gateway, reads the log to its end, and checks.
    pub async fn verdict(&self) -> Verdict {
        self.clients.look_again().await;
        self.log.catch_up().await;
        check(&self.clients.recorder.history(), &self.log.messages(), &self.rules)
    }
}
