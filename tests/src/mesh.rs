//! Gateways and workers of a mesh, with a broker between them or embedded in one process.

use std::{net::SocketAddr, time::Duration};

use solvemesh_rpc::job_service_client::JobServiceClient;
use tokio::{io::BufReader, process::ChildStdout};
use tonic::{
    service::interceptor::InterceptedService,
    transport::{Channel, ClientTlsConfig, Endpoint},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{
    keys::Bearer,
    processes::{self, Process},
    within,
};

/// A client as tonic generates it, with its default limits. It may send a key.
pub type Api = JobServiceClient<InterceptedService<Channel, Bearer>>;

/// A client over a channel, without a key.
pub fn api(channel: Channel) -> Api {
    JobServiceClient::with_interceptor(channel, Bearer::default())
}

/// A gateway that is ready.
#[derive(Debug)]
pub struct Gateway {
    /// Its process.
    pub process: Process,
    /// Where it listens.
    pub address: SocketAddr,
    scheme: &'static str,
    channel: Channel,
}

impl Gateway {
    /// Starts a gateway with embedded workers and no broker.
    pub async fn embedded(flags: &[&str]) -> Self {
        Self::start("127.0.0.1:0", flags).await
    }

    /// Starts a gateway on a broker.
    pub async fn on(broker: &str, flags: &[&str]) -> Self {
        Self::start("127.0.0.1:0", &[&["--amqp", broker], flags].concat()).await
    }

    /// Starts a gateway on a broker, with variables in its environment.
    pub async fn on_with(broker: &str, flags: &[&str], variables: &[(&str, String)]) -> Self {
        let flags = [&["--amqp", broker], flags].concat();
        Self::start_with("127.0.0.1:0", &flags, None, variables).await
    }

    /// Starts a gateway on a broker, at the address of an earlier one.
    pub async fn again(address: SocketAddr, broker: &str, flags: &[&str]) -> Self {
        Self::start(&address.to_string(), &[&["--amqp", broker], flags].concat()).await
    }

    /// Starts a gateway with embedded workers and TLS, to which `tls` connects.
    pub async fn with_tls(flags: &[&str], tls: ClientTlsConfig) -> Self {
        Self::start_with("127.0.0.1:0", flags, Some(tls), &[]).await
    }

    /// Starts another program that is a gateway, of an older version.
    pub async fn of_program(program: &str, flags: &[&str]) -> Self {
        let flags = [&["--listen", "127.0.0.1:0"], flags].concat();
        Self::started(Process::start(program, &flags), None).await
    }

    async fn start(listen: &str, flags: &[&str]) -> Self {
        Self::start_with(listen, flags, None, &[]).await
    }

    async fn start_with(
        listen: &str,
        flags: &[&str],
        tls: Option<ClientTlsConfig>,
        variables: &[(&str, String)],
    ) -> Self {
        let arguments = [&["--listen", listen], flags].concat();
        Self::started(Process::start_with("solvemesh-gateway", &arguments, variables), tls).await
    }

    /// Waits until a gateway that has been started is ready.
    async fn started(
        (process, mut output): (Process, BufReader<ChildStdout>),
        tls: Option<ClientTlsConfig>,
    ) -> Self {
        let line = processes::line(&mut output).await;
        let address: SocketAddr = line
            .strip_prefix("listening on ")
            .and_then(|address| address.parse().ok())
            .unwrap_or_else(|| panic!("no address in {line:?}"));
        let scheme = if tls.is_some() { "https" } else { "http" };
        let mut endpoint = Endpoint::from_shared(format!("{scheme}://{address}")).expect("a URL");
        if let Some(tls) = tls {
            endpoint = endpoint.tls_config(tls).expect("TLS");
        }
        let channel = endpoint.connect().await.expect("a gateway that listens");
        let ready = serving(HealthClient::new(channel.clone()));
        within(Duration::from_secs(60), "the gateway to be ready", ready).await;
        Self { process, address, scheme, channel }
    }

    /// A client of it.
    pub fn api(&self) -> Api {
        api(self.channel.clone())
    }

    /// A client of it that sends a key.
    pub fn api_with(&self, key: &str) -> Api {
        JobServiceClient::with_interceptor(self.channel.clone(), Bearer::new(key))
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }
}

/// Waits until the health service reports SERVING: the gateway has then read the log.
async fn serving(mut health: HealthClient<Channel>) {
    let request = HealthCheckRequest { service: "solvemesh.v1.JobService".to_owned() };
    let mut changes = health.watch(request).await.expect("a health service").into_inner();
    while let Some(change) = changes.message().await.expect("a stream of changes") {
        if change.status() == ServingStatus::Serving {
            return;
        }
    }
    panic!("the health service ended its stream");
}

/// Starts a worker on a broker, with one slot in each of the two common lanes.
pub fn worker(broker: &str) -> Process {
    let flags = ["--amqp", broker, "--slots", "express=1,standard=1"];
    Process::start("solvemesh-worker", &flags).0
}
