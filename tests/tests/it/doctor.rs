//! `solvemesh doctor` on real gateways, workers and brokers.

use std::time::Duration;

use serde_json::Value;
use solvemesh_tests::{
    jobs,
    mesh::{Gateway, worker},
    models, processes,
    rabbit::{self, RabbitNode, Role},
    tls::GatewayFiles,
    within,
};

const TIMEOUT: Duration = Duration::from_secs(180);

/// What a run of `doctor --json` has found.
struct Found {
    code: Option<i32>,
    findings: Vec<Value>,
}

impl Found {
    /// The findings of a check with a severity.
    fn of(&self, check: &str, severity: &str) -> Vec<&Value> {
        let is_it = |it: &&Value| it["check"] == check && it["severity"] == severity;
        self.findings.iter().filter(is_it).collect()
    }

    /// The only finding of a check with a severity.
    fn only(&self, check: &str, severity: &str) -> &Value {
        match self.of(check, severity)[..] {
            [finding] => finding,
            _ => panic!("not one {severity} of {check}: {:#?}", self.findings),
        }
    }

    fn errors(&self) -> Vec<&Value> {
        self.findings.iter().filter(|finding| finding["severity"] == "error").collect()
    }
}

fn text<'a>(finding: &'a Value, key: &str) -> &'a str {
    finding[key].as_str().unwrap_or_else(|| panic!("no {key} in {finding}"))
}

async fn run(gateway: &str, flags: &[&str]) -> std::process::Output {
    let mut command = processes::command("solvemesh");
    command.args(["--gateway", gateway, "doctor"]).args(flags);
    within(TIMEOUT, "the command line", command.output()).await.expect("an output")
}

/// Runs `doctor --json`. Every line is an object with all keys, and no line has a password.
async fn doctor(gateway: &str, flags: &[&str]) -> Found {
    let output = run(gateway, &[flags, &["--json"]].concat()).await;
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(err, "", "{out}");
    let findings: Vec<Value> =
        out.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    for finding in &findings {
        for key in ["severity", "check", "subject", "message"] {
            assert!(finding[key].is_string(), "{key} in {finding}");
        }
        assert!(finding["severity"] == "ok" || finding["advice"].is_string(), "{finding}");
    }
    assert!(!out.contains(":guest@") && !out.contains(":secret@"), "{out}");
    let found = Found { code: output.status.code(), findings };
    let expected = if found.errors().is_empty() { 0 } else { 1 };
    assert_eq!(found.code, Some(expected), "{out}");
    found
}

/// Runs `doctor` until its findings fulfil a condition: a broker counts its messages every few
/// seconds, and workers connect when they can.
async fn until(
    gateway: &str,
    flags: &[&str],
    what: &str,
    condition: impl Fn(&Found) -> bool,
) -> Found {
    let mut last = Vec::new();
    let search = async {
        loop {
            let found = doctor(gateway, flags).await;
            if condition(&found) {
                return found;
            }
            last = found.findings;
        }
    };
    match tokio::time::timeout(TIMEOUT, search).await {
        Ok(found) => found,
        Err(_) => panic!("no {what}: {last:#?}"),
    }
}

#[tokio::test]
async fn a_healthy_mesh_has_no_errors_and_a_stopped_worker_with_a_queued_job_is_one() {
    let vhost = rabbit::vhost().await;
    let amqp = ["--amqp", vhost.url()];
    let gateway = Gateway::on(vhost.url(), &["--name", "front"]).await;
    let mut worker = worker(vhost.url());
    let served = |found: &Found| {
        let lanes = found.of("lane-workers", "ok").len() + found.of("broker-lane", "ok").len();
        // On a busy machine a heartbeat may be so late that a clock seems to be behind.
        let clocks = found.of("clocks", "ok").len();
        (lanes, clocks, found.of("dead-letters", "ok").len()) == (4, 1, 1)
    };
    let found = until(&gateway.url(), &amqp, "healthy mesh", served).await;
    assert_eq!(found.errors(), [""; 0], "{:#?}", found.findings);
    assert_eq!(text(found.only("gateway-connection", "ok"), "message"), "front answers");
    assert_eq!(text(found.only("gateway-ready", "ok"), "subject"), "gateway front");
    assert_eq!(found.of("versions", "ok").len(), 2, "{:#?}", found.findings);
    found.only("broker-arguments", "ok");
    assert_eq!(text(found.only("broker-rights", "ok"), "subject"), "user guest");
    let is_version = |finding: &&Value| finding["check"] == "broker-version";
    let version = found.findings.iter().find(is_version).expect("a version");
    assert!(text(version, "message").starts_with("RabbitMQ "), "{version}");

    assert!(worker.terminate().await.success());
    let job = jobs::submit(&gateway.api(), jobs::request(models::market_split(5, 40))).await;
    assert!(!job.is_empty());
    let abandoned = |found: &Found| {
        let queued = |it: &&Value| text(it, "message").starts_with("1 ");
        let of = |check| found.of(check, "error").into_iter().filter(queued).count();
        of("lane-workers") == 1 && of("broker-lane") == 1
    };
    let found = until(&gateway.url(), &amqp, "abandoned job", abandoned).await;
    let lane = found.only("lane-workers", "error");
    assert_eq!(text(lane, "subject"), "lane standard");
    assert!(text(lane, "advice").contains("--slots standard=1"), "{lane}");
    assert_eq!(text(found.only("broker-lane", "error"), "subject"), "broker lane standard");

    let printed = run(&gateway.url(), &amqp).await;
    assert_eq!(printed.status.code(), Some(1));
    let printed = String::from_utf8_lossy(&printed.stdout).into_owned();
    let first = printed.lines().next().unwrap_or_default();
    assert!(first.starts_with("error  ") && first.contains("lane standard"), "{printed}");
    assert!(printed.contains("\n2 errors, "), "{printed}");
}

#[tokio::test]
async fn a_gateway_that_is_not_there_is_a_finding_and_the_broker_is_checked_all_the_same() {
    let vhost = rabbit::vhost().await;
    let found = doctor("http://127.0.0.1:1", &["--amqp", vhost.url()]).await;
    let gateway = found.only("gateway-connection", "error");
    assert_eq!(text(gateway, "subject"), "gateway http://127.0.0.1:1");
    assert!(text(gateway, "message").starts_with("nothing listens there"), "{gateway}");
    let queues = found.only("broker-queues", "error");
    assert_eq!(text(queues, "message"), "it has no queues of a mesh");

    let nowhere = "amqp://guest:guest@127.0.0.1:1/v";
    let found = doctor("http://127.0.0.1:1", &["--amqp", nowhere]).await;
    assert_eq!(found.errors().len(), 2, "{:#?}", found.findings);
    assert_eq!(text(found.only("broker-connection", "error"), "subject"), "broker 127.0.0.1:1");
    let urls = format!("{nowhere},{}", vhost.url());
    found_one_node_down(&doctor("http://127.0.0.1:1", &["--amqp", &urls]).await);
}

fn found_one_node_down(found: &Found) {
    let node = found.only("broker-connection", "warning");
    assert_eq!(text(node, "subject"), "broker 127.0.0.1:1");
    found.only("broker-queues", "error");
}

#[tokio::test]
async fn a_queue_with_other_arguments_names_the_flag() {
    let vhost = rabbit::vhost().await;
    let gateway = Gateway::on(vhost.url(), &["--queue-length", "7"]).await;
    let found = doctor(&gateway.url(), &["--amqp", vhost.url()]).await;
    let different = found.only("broker-arguments", "error");
    assert_eq!(text(different, "subject"), "6 queues", "three ranks of two lanes: {different}");
    assert!(text(different, "message").contains("x-max-length"), "{different}");
    assert!(text(different, "advice").contains("--queue-length"), "{different}");
    let found = doctor(&gateway.url(), &["--amqp", vhost.url(), "--queue-length", "7"]).await;
    found.only("broker-arguments", "ok");
}

#[tokio::test]
async fn the_rights_of_the_scripts_suffice_and_a_missing_one_is_named() {
    let node = RabbitNode::shared().await;
    let vhost = node.vhost().await;
    node.add_users(vhost.name()).await;
    let gateway = Gateway::on(vhost.url(), &[]).await;
    for (role, message) in [(Role::Gateway, "gateways need"), (Role::Worker, "workers need")] {
        let found = doctor(&gateway.url(), &["--amqp", &role.url(vhost.url())]).await;
        let rights = found.only("broker-rights", "ok");
        assert!(text(rights, "message").contains(message), "{rights}");
    }
    let user = format!("{}-worker", vhost.name());
    let lanes = r"^solvemesh\.(jobs|served)\..+$";
    let set = ["set_permissions", "-p", vhost.name(), &user, "^$", ".*", lanes];
    node.rabbitmqctl(&set).await;
    let found = doctor(&gateway.url(), &["--amqp", &Role::Worker.url(vhost.url())]).await;
    let rights = found.only("broker-rights", "error");
    assert_eq!(text(rights, "subject"), format!("user {user}"));
    for text_of_it in ["a worker needs", "read on solvemesh.bulk.v1", "read on solvemesh.cancel.v1"]
    {
        assert!(text(rights, "message").contains(text_of_it), "{rights}");
    }
    assert!(text(rights, "advice").contains("scripts/broker-users"), "{rights}");
}

#[tokio::test]
async fn problems_of_tls_and_credentials_are_explained() {
    let files = GatewayFiles::new();
    let keys = files.path().join("keys.txt");
    std::fs::write(&keys, "").expect("a file");
    let keys = keys.display().to_string();
    let slots = ["--slots", "express=1,standard=1"];
    let flags = files.flags(&slots);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let gateway = Gateway::with_tls(&flags, files.client()).await;
    let connection = async |url: &str, flags: &[&str]| {
        let found = doctor(url, flags).await;
        let finding = found.only("gateway-connection", "error").clone();
        format!("{}\n{}", text(&finding, "message"), text(&finding, "advice"))
    };
    let untrusted = connection(&gateway.url(), &[]).await;
    assert!(untrusted.contains("trusted CA") && untrusted.contains("--ca"), "{untrusted}");
    let plain = connection(&gateway.url().replace("https", "http"), &[]).await;
    assert!(plain.contains("https://"), "{plain}");
    let found = doctor(&gateway.url(), &["--ca", &files.file("ca.pem")]).await;
    assert_eq!(found.errors(), [""; 0]);

    let flags = files.flags(&[&slots[..], &["--tls-client-ca", &files.file("ca.pem")]].concat());
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let client = files.client_with(&files.authority.client("someone"));
    let mutual = Gateway::with_tls(&flags, client).await;
    let anonymous = connection(&mutual.url(), &["--ca", &files.file("ca.pem")]).await;
    assert!(anonymous.contains("client certificate"), "{anonymous}");

    let closed = Gateway::embedded(&["--keys", &keys]).await;
    let stranger = connection(&closed.url(), &[]).await;
    assert!(stranger.contains("--token-file"), "{stranger}");
    let mistaken = connection(&closed.url().replace("http", "https"), &[]).await;
    assert!(mistaken.contains("does not speak TLS"), "{mistaken}");
}

#[tokio::test]
async fn an_invalid_flag_is_a_usage_error_without_the_password() {
    let misplaced = ["--lanes", "express", "amqp://u:secret@h"];
    let needs = ["--amqp", "amqp://u:secret@h", "--amqp-ca", "missing.pem"];
    let cases: [&[&str]; 3] = [&["--amqp", "amqp://u:secret@[bad"], &misplaced, &needs];
    for flags in cases {
        let output = run("http://127.0.0.1:1", flags).await;
        let printed = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{printed}");
        assert!(!printed.contains("secret") && printed.contains("--"), "{printed}");
        assert_eq!(output.stdout, b"");
    }
}
