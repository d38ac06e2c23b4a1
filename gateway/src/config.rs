//! The command line. Every flag can also be set by an environment variable.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Parser, builder::BoolishValueParser};
use solvemesh::{seconds, seconds_or_zero};
use solvemesh_broker::{BrokerUrls, Lane, MemoryConfig, TlsArgs, TopologyArgs};
use solvemesh_daemon::{LogArgs, MetricsArgs};
use solvemesh_tls::{ClientCertificates, PairFiles, PemFile, ServerFiles};

use crate::{
    access::{Access, AccessArgs, NewKey},
    api::{
        browser::{BrowserPolicy, Origins},
        server::{ServeConfig, WebConfig},
    },
    listener::ConnectionLimits,
    policy::Policy,
    table::Retention,
};

/// The number of finished jobs that are kept decoded: more than finish while their watchers and
/// submitters read their ends.
const DECODED_JOBS: usize = 2_000;

/// Serve the gRPC and gRPC-Web API of solvemesh over RabbitMQ and its workers
#[derive(Clone, Debug, Parser)]
#[command(name = "solvemesh-gateway", version, args_conflicts_with_subcommands = true)]
pub struct Args {
    /// Listen for gRPC and gRPC-Web on this address
    #[arg(long, env = "SOLVEMESH_LISTEN", default_value = "127.0.0.1:50051", value_name = "ADDR")]
    pub listen: SocketAddr,

    /// Encrypt connections with TLS, with the certificate in this PEM file and intermediate
    /// certificates after it
    #[arg(long, env = "SOLVEMESH_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// Use the private key in this PEM file for --tls-cert; it must have no passphrase
    #[arg(long, env = "SOLVEMESH_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Require client certificates that the CAs in this PEM file signed (mutual TLS)
    #[arg(long, env = "SOLVEMESH_TLS_CLIENT_CA", value_name = "FILE", requires = "tls_cert")]
    pub tls_client_ca: Option<PathBuf>,

    /// Accept clients without a certificate, too, with --tls-client-ca
    #[arg(long, env = "SOLVEMESH_TLS_CLIENT_OPTIONAL", value_parser = BoolishValueParser::new())]
    pub tls_client_optional: bool,

    /// Listen beyond loopback without TLS, as something in front of the gateway encrypts
    #[arg(long, env = "SOLVEMESH_INSECURE", value_parser = BoolishValueParser::new())]
    pub insecure: bool,

    /// Use this broker: amqp://USER:PASSWORD@HOST:PORT/VHOST, or amqps://… with TLS; for a
    /// cluster, several nodes separated by commas. Without it, solve jobs in this process, and
    /// lose them when it ends
    #[arg(long, env = "SOLVEMESH_AMQP", hide_env_values = true, value_name = "URL,…")]
    pub amqp: Option<BrokerUrls>,

    /// Certificates and keys for amqps://
    #[command(flatten)]
    pub amqp_tls: TlsArgs,

    /// Arguments of queues and streams, with --amqp
    #[command(flatten)]
    pub topology: TopologyArgs,

    /// Without --amqp: solve this number of jobs of each lane at once [default:
    /// express=1,standard=CORES]
    #[arg(long, env = "SOLVEMESH_SLOTS", value_name = "LANE=N,…")]
    pub slots: Option<String>,

    /// Accept jobs for these lanes
    #[arg(
        long,
        env = "SOLVEMESH_LANES",
        default_values_t = default_lanes(),
        value_delimiter = ',',
        value_name = "LANE,…"
    )]
    pub lanes: Vec<Lane>,

    /// Refuse requests that are larger than this, in bytes
    #[arg(long, env = "SOLVEMESH_MAX_MESSAGE_BYTES", default_value_t = 64 << 20)]
    pub max_message_bytes: usize,

    /// Refuse models that are larger than this after decompression, in bytes
    #[arg(long, env = "SOLVEMESH_MAX_MODEL_BYTES", default_value_t = 512 << 20)]
    pub max_model_bytes: usize,

    /// Refuse models with more variables
    #[arg(long, env = "SOLVEMESH_MAX_VARIABLES", default_value_t = 5_000_000)]
    pub max_variables: usize,

    /// Refuse models with more constraints
    #[arg(long, env = "SOLVEMESH_MAX_CONSTRAINTS", default_value_t = 5_000_000)]
    pub max_constraints: usize,

    /// Refuse models with more non-zero coefficients
    #[arg(long, env = "SOLVEMESH_MAX_NONZEROS", default_value_t = 50_000_000)]
    pub max_nonzeros: usize,

    /// Set this time limit for jobs without one, in seconds
    #[arg(long, env = "SOLVEMESH_DEFAULT_TIME_LIMIT", default_value = "600", value_parser = seconds)]
    pub default_time_limit: Duration,

    /// Refuse jobs with a longer time limit, in seconds
    #[arg(long, env = "SOLVEMESH_MAX_TIME_LIMIT", default_value = "43200", value_parser = seconds)]
    pub max_time_limit: Duration,

    /// Refuse jobs with a longer total time limit, in seconds; also that of jobs without one
    #[arg(long, env = "SOLVEMESH_MAX_TOTAL_TIME_LIMIT", default_value = "86400", value_parser = seconds)]
    pub max_total_time_limit: Duration,

    /// Refuse jobs while this number of jobs is queued or running
    #[arg(long, env = "SOLVEMESH_MAX_LIVE_JOBS", default_value_t = 100_000)]
    pub max_live_jobs: usize,

    /// Refuse further watch streams while this number is open
    #[arg(long, env = "SOLVEMESH_MAX_WATCHERS", default_value_t = 10_000)]
    pub max_watchers: usize,

    /// Refuse watch streams for more jobs
    #[arg(long, env = "SOLVEMESH_MAX_JOBS_PER_WATCH", default_value_t = 1_000)]
    pub max_jobs_per_watch: usize,

    /// Refuse sweeps with more scenarios
    #[arg(long, env = "SOLVEMESH_MAX_SCENARIOS", default_value_t = 200_000)]
    pub max_scenarios: usize,

    /// Refuse further requests while this number is in progress, watch streams not counted
    #[arg(long, env = "SOLVEMESH_MAX_REQUESTS", default_value_t = 4_096)]
    pub max_requests: usize,

    /// Refuse further connections while this number is open
    #[arg(long, env = "SOLVEMESH_MAX_CONNECTIONS", default_value_t = 10_000)]
    pub max_connections: usize,

    /// Refuse further connections from an address, or from a /64 network of IPv6, while this number
    /// is open; raise it behind a proxy
    #[arg(long, env = "SOLVEMESH_MAX_CONNECTIONS_PER_ADDRESS", default_value_t = 2_000)]
    pub max_connections_per_address: usize,

    /// Let an HTTP/2 connection have this number of requests and streams in progress; its client
    /// holds further ones back
    #[arg(long, env = "SOLVEMESH_MAX_STREAMS_PER_CONNECTION", default_value_t = 1_000)]
    pub max_streams_per_connection: u32,

    /// Refuse jobs while queued and running jobs take about this memory, in bytes
    #[arg(long, env = "SOLVEMESH_MAX_LIVE_BYTES", default_value_t = 1 << 30)]
    pub max_live_bytes: usize,

    /// Keep at most this number of finished jobs
    #[arg(long, env = "SOLVEMESH_KEEP_JOBS", default_value_t = 250_000)]
    pub keep_jobs: usize,

    /// Keep at most about this memory of finished jobs, in bytes
    #[arg(long, env = "SOLVEMESH_KEEP_BYTES", default_value_t = 1 << 30)]
    pub keep_bytes: usize,

    /// Forget jobs this number of seconds after they finished
    #[arg(long, env = "SOLVEMESH_KEEP_AGE", default_value = "604800", value_parser = seconds)]
    pub keep_age: Duration,

    /// Keep the results of at most this number of finished jobs in memory; others are read back
    /// from the log on request
    #[arg(long, env = "SOLVEMESH_KEEP_RESULTS", default_value_t = 25_000)]
    pub keep_results: usize,

    /// Keep at most about this memory of finished jobs with results, in bytes
    #[arg(long, env = "SOLVEMESH_KEEP_RESULT_BYTES", default_value_t = 256 << 20)]
    pub keep_result_bytes: usize,

    /// Evict results from memory this number of seconds after their jobs finished
    #[arg(long, env = "SOLVEMESH_KEEP_RESULT_AGE", default_value = "3600", value_parser = seconds)]
    pub keep_result_age: Duration,

    /// Keep snapshots of the job table in this folder, so that a restart reads only the log after
    /// the last one; without it, a restart reads the whole log
    #[arg(long, env = "SOLVEMESH_STATE_DIR", value_name = "FOLDER")]
    pub state_dir: Option<PathBuf>,

    /// Send a heartbeat on watch streams without events for this number of seconds
    #[arg(long, env = "SOLVEMESH_HEARTBEAT", default_value = "15", value_parser = seconds)]
    pub heartbeat: Duration,

    /// Close a watch stream whose client has read nothing for this number of seconds
    #[arg(
        long,
        env = "SOLVEMESH_WATCH_IDLE_TIMEOUT",
        default_value = "120",
        value_parser = seconds,
        value_name = "SECONDS"
    )]
    pub watch_idle_timeout: Duration,

    /// Fail a request once it has waited this number of seconds for the broker
    #[arg(long, env = "SOLVEMESH_BROKER_TIMEOUT", default_value = "10", value_parser = seconds)]
    pub broker_timeout: Duration,

    /// On SIGTERM, abort the requests that are still in progress after this number of seconds
    #[arg(long, env = "SOLVEMESH_DRAIN_GRACE", value_name = "SECONDS", default_value = "20",
          value_parser = seconds_or_zero)]
    pub drain_grace: Duration,

    /// Identify this gateway by this name in the state of the mesh [default: HOST-PID]
    #[arg(long, env = "SOLVEMESH_NAME", value_name = "NAME")]
    pub name: Option<String>,

    /// Metrics and probes
    #[command(flatten)]
    pub metrics: MetricsArgs,

    /// Who may call
    #[command(flatten)]
    pub access: AccessArgs,

    /// Do not serve the page for browsers
    #[arg(long, env = "SOLVEMESH_NO_WEB", value_parser = BoolishValueParser::new())]
    pub no_web: bool,

    /// Do not serve the descriptors of the API (gRPC reflection)
    #[arg(long, env = "SOLVEMESH_NO_REFLECTION", value_parser = BoolishValueParser::new())]
    pub no_reflection: bool,

    /// Let submissions continue the traces of their callers, by the header `traceparent`, instead of
    /// beginning their own
    #[arg(long, env = "SOLVEMESH_TRACE_CALLERS", value_parser = BoolishValueParser::new())]
    pub trace_callers: bool,

    /// Let web pages of these origins (scheme, host and port) call, or * for any; by default only
    /// the gateway's own page may
    #[arg(
        long,
        env = "SOLVEMESH_ALLOW_ORIGIN",
        value_delimiter = ',',
        value_name = "ORIGIN,…",
        value_parser = origin
    )]
    pub allow_origin: Vec<http::HeaderValue>,

    /// Accept requests of browsers for these host names, beside localhost and IP addresses
    #[arg(
        long,
        env = "SOLVEMESH_PUBLIC_HOST",
        value_delimiter = ',',
        value_name = "HOST,…",
        value_parser = host_name
    )]
    pub public_host: Vec<String>,

    /// Logging
    #[command(flatten)]
    pub logs: LogArgs,

    /// The command to run instead of the server
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The other functions of this binary.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Command {
    /// Run a solver process of the embedded mesh
    #[command(hide = true)]
    Solver,
    /// Manage the keys of --keys
    Key {
        /// What to do
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Write man pages and shell completions into a folder
    Generate {
        /// The folder; created if it does not exist
        folder: PathBuf,
    },
}

/// What can be done with keys.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum KeyCommand {
    /// Make a key: print it, which is done only once, and the line to add to the file of keys
    New(NewKey),
}

impl Args {
    /// The limits and timeouts of the gateway.
    pub fn policy(&self) -> Policy {
        Policy {
            max_message_bytes: self.max_message_bytes,
            model: solvemesh_model::Limits {
                max_model_bytes: self.max_model_bytes,
                max_variables: self.max_variables,
                max_constraints: self.max_constraints,
                max_nonzeros: self.max_nonzeros,
            },
            // A lower maximum also lowers the default.
            default_time_limit: self.default_time_limit.min(self.max_time_limit),
            max_time_limit: self.max_time_limit,
            max_total_time_limit: self.max_total_time_limit,
            max_live_jobs: self.max_live_jobs,
            max_watchers: self.max_watchers,
            max_jobs_per_watch: self.max_jobs_per_watch,
            max_scenarios: self.max_scenarios,
            max_requests: self.max_requests,
            max_live_bytes: self.max_live_bytes,
            log_bytes: self.log_bytes(),
            retention: Retention {
                jobs: self.keep_jobs,
                bytes: self.keep_bytes,
                age: self.keep_age,
                results: self.keep_results,
                result_bytes: self.keep_result_bytes,
                result_age: self.keep_result_age,
                decoded: DECODED_JOBS,
            },
            lanes: self.lanes.clone(),
            heartbeat: self.heartbeat,
            watch_idle_timeout: self.watch_idle_timeout,
            broker_timeout: self.broker_timeout,
            ephemeral: self.amqp.is_none(),
        }
    }

    /// The size at which the log is truncated, in bytes.
    fn log_bytes(&self) -> u64 {
        match self.amqp {
            Some(_) => self.topology.log_max_bytes,
            None => MemoryConfig::default().log_bytes as u64,
        }
    }

    /// The name of this gateway.
    pub fn name(&self) -> String {
        self.name.clone().unwrap_or_else(solvemesh_daemon::process_name)
    }

    /// What the server offers to callers that are recognised in this way.
    pub fn serve_config(&self, access: Access) -> ServeConfig {
        ServeConfig {
            access,
            web: self.web(),
            reflection: !self.no_reflection,
            trace_callers: self.trace_callers,
            max_streams_per_connection: self.max_streams_per_connection,
        }
    }

    /// How many connections may be open.
    pub fn connection_limits(&self) -> ConnectionLimits {
        ConnectionLimits {
            total: self.max_connections,
            per_address: self.max_connections_per_address,
        }
    }

    /// The files of TLS; `None` without TLS.
    ///
    /// # Errors
    ///
    /// If a flag has no effect.
    pub fn tls_files(&self) -> anyhow::Result<Option<ServerFiles>> {
        anyhow::ensure!(
            self.tls_client_ca.is_some() || !self.tls_client_optional,
            "--tls-client-optional needs --tls-client-ca"
        );
        let ca = self.tls_client_ca.as_ref().map(|path| PemFile::new("--tls-client-ca", path));
        let clients = match ca {
            None => ClientCertificates::None,
            Some(ca) if self.tls_client_optional => ClientCertificates::Optional(ca),
            Some(ca) => ClientCertificates::Required(ca),
        };
        let pair = self.tls_cert.as_ref().zip(self.tls_key.as_ref());
        Ok(pair.map(|(cert, key)| {
            let pair = PairFiles::new(("--tls-cert", cert), ("--tls-key", key));
            ServerFiles { pair, clients }
        }))
    }

    /// What the server offers to browsers.
    fn web(&self) -> WebConfig {
        let origins = match self.allow_origin.as_slice() {
            [] => Origins::SameOrigin,
            origins if origins.iter().any(|origin| origin == "*") => Origins::Any,
            origins => Origins::List(origins.to_vec()),
        };
        let browsers = BrowserPolicy { origins, public_hosts: self.public_host.clone() };
        WebConfig { page: !self.no_web, browsers }
    }
}

/// Parses `*` or an origin, to the form in which browsers send it (RFC 6454, 6.2): scheme, host,
/// and a port that is not the scheme's. Any other text would silently match no page.
fn origin(text: &str) -> Result<http::HeaderValue, String> {
    let lower = text.to_ascii_lowercase();
    let shortest = match lower.split_once("://") {
        Some(("http", _)) => lower.strip_suffix(":80").unwrap_or(&lower),
        Some(("https", _)) => lower.strip_suffix(":443").unwrap_or(&lower),
        _ => &lower,
    };
    let valid = shortest == "*"
        || shortest.split_once("://").is_some_and(|(scheme, authority)| {
            http::uri::Scheme::try_from(scheme).is_ok()
                && !authority.contains('@')
                && http::uri::Authority::try_from(authority).is_ok()
        });
    let value = valid.then(|| shortest.try_into().ok()).flatten();
    value.ok_or_else(|| "must be a scheme, a host and maybe a port, without a path, or *".into())
}

/// Parses a host name, without a scheme, a port or a path: those would silently match no request.
fn host_name(text: &str) -> Result<String, String> {
    let host = text.trim_end_matches('.');
    let authority = http::uri::Authority::try_from(host).ok();
    let valid = authority.is_some_and(|authority| authority.host() == host);
    valid.then(|| host.to_owned()).ok_or_else(|| "must be a host name alone".into())
}

fn default_lanes() -> Vec<Lane> {
    [Lane::EXPRESS, Lane::STANDARD].into_iter().filter_map(|name| name.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_valid() {
        Args::command().debug_assert();
    }

    #[test]
    fn password_is_not_printed() {
        let url = "amqps://user:sesame@host/%2f";
        let args = Args::try_parse_from(["g", "--amqp", url]).unwrap();
        assert!(!format!("{args:?}").contains("sesame"));
        let bad = Args::try_parse_from(["g", "--amqp", "amqp://user:sesame@[bad"]).unwrap_err();
        assert!(!format!("{bad} {bad:?}").contains("sesame"));
    }

    #[test]
    fn origins_and_host_names_that_match_nothing_are_refused() {
        for (text, sent) in [
            ("*", "*"),
            ("https://App.example", "https://app.example"),
            ("https://app.example:443", "https://app.example"),
            ("http://app.example:80", "http://app.example"),
            ("http://app.example:443", "http://app.example:443"),
            ("http://[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(origin(text).unwrap(), sent, "{text}");
        }
        for text in ["", "app.example", "https://", "https://a.example/", "https://u@a.example"] {
            assert!(origin(text).is_err(), "{text}");
        }
        assert_eq!(host_name("mesh.example.").unwrap(), "mesh.example");
        for text in ["", "https://mesh.example", "mesh.example:8443", "mesh.example/", "u@a"] {
            assert!(host_name(text).is_err(), "{text}");
        }
    }

    #[test]
    fn flags_of_tls_need_each_other() {
        let parse = |line: &[&str]| Args::try_parse_from([&["g"], line].concat());
        assert_eq!(parse(&[]).unwrap().tls_files().unwrap(), None);
        for line in [&["--tls-cert", "c"], &["--tls-key", "k"], &["--tls-client-ca", "a"]] {
            assert!(parse(line).is_err(), "{line:?}");
        }
        let error = parse(&["--tls-client-optional"]).unwrap().tls_files().unwrap_err();
        assert!(error.to_string().contains("--tls-client-ca"), "{error}");
        let pair = ["--tls-cert", "c", "--tls-key", "k", "--tls-client-ca", "a"];
        let clients = |line: &[&str]| parse(line).unwrap().tls_files().unwrap().unwrap().clients;
        assert!(matches!(clients(&pair[..4]), ClientCertificates::None));
        assert!(matches!(clients(&pair), ClientCertificates::Required(_)));
        let optional = [&pair[..], &["--tls-client-optional"]].concat();
        assert!(matches!(clients(&optional), ClientCertificates::Optional(_)));
    }

    #[test]
    fn the_page_is_turned_off_by_a_flag_or_a_word() {
        assert!(!Args::try_parse_from(["g", "--no-web"]).unwrap().web().page);
        assert!(Args::try_parse_from(["g"]).unwrap().web().page);
    }

    #[test]
    fn every_flag_has_an_environment_variable() {
        for arg in Args::command().get_arguments() {
            let Some(flag) = arg.get_long().filter(|flag| !matches!(*flag, "help" | "version"))
            else {
                continue;
            };
            let expected = format!("SOLVEMESH_{}", flag.to_uppercase().replace('-', "_"));
            assert_eq!(arg.get_env().and_then(|env| env.to_str()), Some(expected.as_str()));
        }
    }
}
