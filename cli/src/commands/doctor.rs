use std::{
    io::{self, BufWriter, Write},
    time::{Duration, SystemTime},
};

use clap::Args;
use solvemesh_broker::{
    AmqpConfig, BrokerUrls, HEARTBEAT_INTERVAL, Lane, TlsArgs, TopologyArgs,
    amqp::inspection::inspect,
};
use solvemesh_client::{
    Client, Error, Retry,
    v1::{GetCapabilitiesResponse, MeshState},
};
use tokio::time::timeout;

use crate::{
    args::output::JsonArgs,
    doctor::{
        broker,
        clocks::{self, RoundTrip},
        finding::{Finding, Severity},
        mesh, reach, versions,
    },
    exit::{Exit, Failure},
    output::findings,
};

/// One try: a gateway that answers only sometimes has a problem, too. The backoff is longer than
/// the budget, so there is no second try. The budget is longer than the timeouts of connecting.
const ONE_TRY: Retry = Retry {
    budget: Duration::from_secs(12),
    initial_backoff: Duration::from_secs(3600),
    max_backoff: Duration::from_secs(3600),
};
/// The interval of states while a gateway that has just started hears of the workers.
const STATE_INTERVAL: Duration = Duration::from_secs(1);
/// How long a gateway takes to hear of all workers.
const HEARD_ALL: Duration = Duration::from_secs(2 * HEARTBEAT_INTERVAL.as_secs());

/// Arguments of `doctor`.
#[derive(Args, Debug)]
pub(crate) struct DoctorArgs {
    /// Check this broker, too: amqp://USER:PASSWORD@HOST:PORT/VHOST, or amqps://… with TLS; for a
    /// cluster, several nodes separated by commas
    #[arg(long, env = "SOLVEMESH_AMQP", hide_env_values = true, value_name = "URL,…")]
    amqp: Option<BrokerUrls>,

    /// Certificates and keys for amqps://
    #[command(flatten)]
    amqp_tls: TlsArgs,

    /// Check the queues of these lanes [default: those of the gateway, or express,standard]
    #[arg(long, env = "SOLVEMESH_LANES", value_name = "LANE,…", value_delimiter = ',')]
    lanes: Vec<Lane>,

    /// Arguments of queues and streams to compare with, as of gateways and workers
    #[command(flatten)]
    topology: TopologyArgs,

    #[command(flatten)]
    json: JsonArgs,
}

/// Checks a gateway and a broker, and prints what it has found.
pub(crate) async fn doctor(client: &Client, args: &DoctorArgs) -> Result<Exit, Failure> {
    let broker = args.broker()?;
    let answer = ask(&client.clone().with_retry(ONE_TRY)).await;
    let mut findings = match &answer {
        Ok(answer) => judge(client.url(), answer, broker.is_some()),
        Err(error) => vec![reach::unreachable(client.url(), error)],
    };
    if let Some(config) = broker {
        let lanes = args.lanes(answer.as_ref().ok());
        let inspection = inspect(&AmqpConfig { lanes, ..config }).await;
        let inspection = inspection.map_err(|error| Failure::Usage(error.to_string()))?;
        findings.extend(broker::judge(&inspection));
    }
    // Stable, so that findings about one subject stay together.
    findings.sort_by_key(|finding| finding.severity);
    print(&findings, args.json.json)?;
    let failed = findings.iter().any(|finding| finding.severity == Severity::Error);
    Ok(if failed { Exit::Unexpected } else { Exit::Done })
}

impl DoctorArgs {
    /// How to connect to the broker, if there is one to check.
    fn broker(&self) -> Result<Option<AmqpConfig>, Failure> {
        let Some(urls) = &self.amqp else { return Ok(None) };
        let topology = self.topology.topology();
        let topology = topology.map_err(|error| Failure::Usage(error.to_string()))?;
        Ok(Some(AmqpConfig {
            tls: self.amqp_tls.files(),
            name: "solvemesh doctor".to_owned(),
            topology,
            ..AmqpConfig::at(urls.to_vec())
        }))
    }

    /// The lanes whose queues are checked.
    fn lanes(&self, answer: Option<&Answer>) -> Vec<Lane> {
        if !self.lanes.is_empty() {
            return self.lanes.clone();
        }
        let lanes = answer.into_iter().flat_map(|answer| &answer.state.lanes);
        let lanes: Vec<Lane> = lanes.filter_map(|lane| lane.name.parse().ok()).collect();
        let usual = || [Lane::EXPRESS, Lane::STANDARD].into_iter().filter_map(|it| it.parse().ok());
        if lanes.is_empty() { usual().collect() } else { lanes }
    }
}

/// The answers of a gateway.
struct Answer {
    state: MeshState,
    trip: RoundTrip,
    /// `None` if it refuses to answer.
    capabilities: Option<GetCapabilitiesResponse>,
}

/// Asks a gateway. If it has just started, and a lane has no workers, waits until it has heard of
/// all that are connected.
async fn ask(client: &Client) -> Result<Answer, Error> {
    let mut sent = SystemTime::now();
    let mut watch = client.watch_mesh().interval(STATE_INTERVAL);
    let ended = || Error::Malformed("the stream ended before a state of the mesh".to_owned());
    let mut state = watch.next().await.ok_or_else(ended)??;
    let mut received = SystemTime::now();
    let settling = async {
        while !mesh::is_settled(&state, HEARD_ALL) {
            // Later states are sent after the last one was.
            let Some(Ok(next)) = watch.next().await else { return };
            (state, sent, received) = (next, received, SystemTime::now());
        }
    };
    // The latest state is as good as there is one.
    let _ = timeout(HEARD_ALL + STATE_INTERVAL, settling).await;
    let capabilities = client.capabilities().await.ok();
    Ok(Answer { state, trip: RoundTrip { sent, received }, capabilities })
}

/// What the answer of a gateway shows.
fn judge(url: &str, answer: &Answer, with_broker: bool) -> Vec<Finding> {
    let Answer { state, trip, capabilities } = answer;
    let name = state.gateways.iter().find(|gateway| gateway.is_sender);
    let name = name.map_or("a gateway", |gateway| gateway.name.as_str());
    let reached =
        Finding::ok("gateway-connection", format!("gateway {url}"), format!("{name} answers"));
    let ephemeral = capabilities.as_ref().and_then(|it| mesh::ephemeral(it, with_broker));
    [reached]
        .into_iter()
        .chain(ephemeral)
        .chain(versions::judge(env!("CARGO_PKG_VERSION"), state))
        .chain(clocks::judge(state, trip))
        .chain(mesh::judge(state, capabilities.as_ref()))
        .collect()
}

fn print(findings: &[Finding], json: bool) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    if json {
        findings::write_json(&mut out, findings)?;
    } else {
        findings::write_text(&mut out, findings)?;
    }
    out.flush()
}
