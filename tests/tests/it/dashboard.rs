//! The dashboard and the alerts of `deploy/`, evaluated by a real Prometheus that scrapes a mesh under
//! load. Skipped where Prometheus is not installed.

use std::{fs, net::SocketAddr, process::Stdio, time::Duration};

use solvemesh_tests::{
    jobs,
    mesh::Gateway,
    metrics::{FLAGS, Metrics},
    models,
    processes::Process,
    rabbit, tools, web, within,
};
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::sleep,
};

/// What a mesh without faults, limits and sweeps has no values of.
const EMPTY_WITHOUT_FAULTS: [&str; 2] = ["solvemesh_scenarios_total", "code!~"];

const DASHBOARD: &str = include_str!("../../../deploy/grafana/solvemesh.json");

/// A Prometheus that scrapes every half second. Killed when it is dropped.
struct Prometheus {
    address: SocketAddr,
    _child: Child,
    _folder: TempDir,
}

impl Prometheus {
    async fn start(program: &str, targets: &[(&str, SocketAddr)]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let rules = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/prometheus/rules.yml");
        let jobs = targets.iter().map(|(name, address)| {
            serde_json::json!({
                "job_name": name,
                "static_configs": [{"targets": [address.to_string()]}],
            })
        });
        // JSON is YAML.
        let config = serde_json::json!({
            "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "1s"},
            "rule_files": [rules],
            "scrape_configs": jobs.collect::<Vec<_>>(),
        });
        let path = folder.path().join("prometheus.yml");
        fs::write(&path, config.to_string()).expect("a file");
        // A port that was free a moment ago: it can't listen on port 0 and tell which one it got.
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("its address");
        drop(free);
        let child = Command::new(program)
            .arg(format!("--config.file={}", path.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.path().join("log")).expect("a file"))
            .kill_on_drop(true)
            .spawn()
            .expect("prometheus");
        let prometheus = Self { address, _child: child, _folder: folder };
        let ready = async {
            while tokio::net::TcpStream::connect(address).await.is_err() {
                sleep(Duration::from_millis(100)).await;
            }
        };
        within(Duration::from_secs(60), "prometheus", ready).await;
        prometheus
    }

    /// The number of time series that an expression has now.
    async fn count(&self, expression: &str) -> usize {
        let encoded: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let head = format!("GET /api/v1/query?query={encoded}");
        let answer = web::exchange(self.address, &head, &[], &[]).await;
        let answer: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        answer["data"]["result"].as_array().map_or(0, Vec::len)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_panel_of_the_dashboard_has_values_under_load_and_no_alert_is_raised() {
    let Some(program) = tools::find("prometheus") else {
        println!("skipped: prometheus is not installed");
        return;
    };
    let vhost = rabbit::vhost().await;
    let gateway = Gateway::on(vhost.url(), &FLAGS).await;
    let flags = ["--amqp", vhost.url(), "--slots", "express=1,standard=1"];
    let (worker, _output) = Process::start("solvemesh-worker", &[&flags[..], &FLAGS].concat());
    let targets = [
        ("gateway", Metrics::of(&gateway.process).await.address()),
        ("worker", Metrics::of(&worker).await.address()),
    ];
    let prometheus = Prometheus::start(&program, &targets).await;
    let api = gateway.api();
    let load = async {
        loop {
            jobs::solve(&api, jobs::request(models::wyndor(500.0))).await;
        }
    };
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let expressions: Vec<String> = targets
        .map(|target| target["expr"].as_str().expect("an expression"))
        .map(|expr| expr.replace("$__rate_interval", "1m").replace("$job", ".+"))
        .collect();
    assert!(expressions.len() > 20, "{}", expressions.len());
    let all_have_values = async {
        for expression in &expressions {
            let may_be_empty = EMPTY_WITHOUT_FAULTS.iter().any(|it| expression.contains(it));
            while prometheus.count(expression).await == 0 && !may_be_empty {
                sleep(Duration::from_millis(200)).await;
            }
        }
        // All rules have been evaluated by then: they are, each second.
        let alerts = r#"ALERTS{alertname!="SolvemeshNoGatewayReady"}"#;
        assert_eq!(prometheus.count(alerts).await, 0, "an alert of a healthy mesh");
    };
    tokio::select! {
        () = within(Duration::from_secs(120), "values of all panels", all_have_values) => {}
        () = load => {}
    }
}
