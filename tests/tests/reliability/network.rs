//! Faults of the network between client and gateway, gateway and broker, or worker and
//! broker: connections are torn, which both sides notice, or silent, which neither does.

use std::time::Duration;

use futures::future::join_all;
use solvemesh_tests::{
    clients::{Clients, Doors, Load},
    fleet::Plan,
    mesh,
    proxy::Proxy,
    rabbit::{self, RabbitNode, Vhost, amqp_url},
    trial::{Breaking, Fault, Scale, Trial},
};

pub(crate) const FAULTS: &[Fault] = &[
    fault("network: client and gateway torn", |scale| {
        Box::pin(between_clients_and_gateways(scale, Cut::Torn))
    }),
    fault("network: client and gateway silent", |scale| {
        Box::pin(between_clients_and_gateways(scale, Cut::Silent))
    }),
    fault("network: gateway and broker torn", |scale| {
        Box::pin(between_gateways_and_broker(scale, Cut::Torn))
    }),
    fault("network: gateway and broker silent", |scale| {
        Box::pin(between_gateways_and_broker(scale, Cut::Silent))
    }),
    fault("network: worker and broker torn", |scale| {
        Box::pin(between_worker_and_broker(scale, Cut::Torn))
    }),
    fault("network: worker and broker silent", |scale| {
        Box::pin(between_worker_and_broker(scale, Cut::Silent))
    }),
];

const fn fault(name: &'static str, body: fn(Scale) -> Breaking) -> Fault {
    Fault { name, limit: Duration::from_secs(180), body }
}

/// A short AMQP heartbeat, so that silence is detected within the trial.
const HEARTBEAT: &str = "heartbeat=2";
/// Number of times that connections are torn.
const TEARS: usize = 4;
/// Pause between these times.
const BETWEEN_TEARS: Duration = Duration::from_millis(700);
/// Duration of a silence: several heartbeats, and longer than the keepalive of clients.
const SILENCE: Duration = Duration::from_secs(12);

/// How connections are cut.
#[derive(Clone, Copy)]
enum Cut {
    /// Reset, several times.
    Torn,
    /// Nothing is forwarded for a time.
    Silent,
}

/// Clients reach each gateway through a proxy.
async fn between_clients_and_gateways(scale: Scale, cut: Cut) -> Trial {
    let vhost = rabbit::vhost().await;
    let mut trial = Trial::start(vhost.url(), plan()).await;
    let gateways = trial.fleet.gateways.iter().map(|gateway| Proxy::to(gateway.address));
    let proxies = join_all(gateways).await;
    trial.clients = Clients::new(Doors::to(proxies.iter().map(Proxy::address)));
    loaded(scale, trial, proxies, cut).await
}

/// All gateways reach the broker through one proxy.
async fn between_gateways_and_broker(scale: Scale, cut: Cut) -> Trial {
    let vhost = rabbit::vhost().await;
    let (proxy, url) = before_broker(&vhost).await;
    let trial = Trial::start(vhost.url(), Plan { gateway_broker: Some(url), ..plan() }).await;
    loaded(scale, trial, vec![proxy], cut).await
}

/// One of two workers reaches the broker through a proxy. Its jobs may be redelivered to the
/// other.
async fn between_worker_and_broker(scale: Scale, cut: Cut) -> Trial {
    let vhost = rabbit::vhost().await;
    let (proxy, url) = before_broker(&vhost).await;
    let mut trial = Trial::start(vhost.url(), Plan { workers: 1, ..plan() }).await;
    trial.fleet.workers.push(mesh::worker(&format!("{url}?{HEARTBEAT}")));
    loaded(scale, trial, vec![proxy], cut).await
}

fn plan() -> Plan {
    Plan { amqp_options: HEARTBEAT.to_owned(), ..Plan::default() }
}

/// Starts a proxy in front of the broker. Returns it with the URL of the virtual host through
/// it.
async fn before_broker(vhost: &Vhost) -> (Proxy, String) {
    let proxy = Proxy::to(RabbitNode::shared().await.address()).await;
    let url = amqp_url(proxy.address(), vhost.name());
    (proxy, url)
}

/// Cuts the connections through the proxies while the mesh is under load.
async fn loaded(scale: Scale, trial: Trial, proxies: Vec<Proxy>, cut: Cut) -> Trial {
    let load = Load { jobs: scale.times(1_000), long: Duration::from_secs(2), ..Load::default() };
    let recorder = &trial.clients.recorder;
    let cutting = async {
        match cut {
            Cut::Torn => {
                for _ in 0..scale.times(TEARS) {
                    recorder.fault();
                    proxies.iter().for_each(Proxy::reset);
                    tokio::time::sleep(BETWEEN_TEARS).await;
                }
            }
            Cut::Silent => {
                recorder.fault();
                proxies.iter().for_each(Proxy::silence);
                tokio::time::sleep(SILENCE).await;
                proxies.iter().for_each(Proxy::heal);
            }
        }
    };
    trial.clients.under_load(&load, cutting).await;
    assert!(proxies.iter().all(|proxy| proxy.carried() > 0), "an unused proxy");
    trial.kept(proxies)
}
