//! A fault, and the trial that injects it: a mesh of its own, clients, the raw log, and the
//! verdict.

use std::{any::Any, pin::Pin, time::Duration};

use solvemesh_broker::AmqpConfig;

use crate::{
    checker::{Rules, Verdict, check},
    clients::Clients,
    fleet::{Fleet, Plan},
    rawlog::RawLog,
};

/// A fault of the fault suite.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// What fails, in a few words.
    pub name: &'static str,
    /// Timeout of the trial, including the checks.
    pub limit: Duration,
    /// Injects the fault under load, and returns the trial for the checks.
    pub body: fn(Scale) -> Breaking,
}

/// Default timeout of a trial, including the checks. A trial takes about a tenth of it; the
/// rest is for a busy machine, and for watches that time out because a job was lost.
pub const LIMIT: Duration = Duration::from_secs(300);

/// The future of a trial.
pub type Breaking = Pin<Box<dyn Future<Output = Trial>>>;

/// Factor of the number of jobs and rounds. 1 is short enough for every run of the tests.
#[derive(Clone, Copy, Debug)]
pub struct Scale(pub f64);

impl Scale {
    /// `count` times this scale, at least 1.
    pub fn times(self, count: usize) -> usize {
        ((count as f64 * self.0).round() as usize).max(1)
    }
}

/// A mesh with its clients, into which a fault is injected.
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
    /// Starts a mesh on a virtual host, which no other mesh may use.
    pub async fn start(broker: &str, plan: Plan) -> Self {
        Self::configured(AmqpConfig::new(broker), broker, plan).await
    }

    /// Like [`Trial::start`], with other arguments of queues and streams than the defaults.
    /// The flags of the plan must set the same ones.
    pub async fn configured(config: AmqpConfig, broker: &str, plan: Plan) -> Self {
        let fleet = Fleet::start(broker, plan).await;
        let clients = Clients::new(fleet.doors());
        let log = RawLog::configured(config).await;
        Self { fleet, clients, log, rules: Rules::strict(), kept: Vec::new() }
    }

    /// Keeps something that the mesh needs, such as a node or a proxy, until the end of the
    /// checks.
    pub fn kept(mut self, what: impl Any) -> Self {
        self.kept.push(Box::new(what));
        self
    }

    /// Watches all jobs once more at every gateway, reads the log to its end, and checks the
    /// history.
    pub async fn verdict(&self) -> Verdict {
        self.clients.look_again().await;
        self.log.catch_up().await;
        check(&self.clients.recorder.history(), &self.log.messages(), &self.rules)
    }
}
