//! Gateways and workers with a broker behind `amqps://`, and their logs and errors.

use std::{path::Path, time::Duration};

use solvemesh::v1::JobState;
use solvemesh_tests::{
    certificates::Authority,
    jobs::{self, Watch},
    mesh::Gateway,
    models,
    processes::{self, Process},
    rabbit::{RabbitNode, Tls},
    within,
};
use tempfile::TempDir;

const TIMEOUT: Duration = Duration::from_secs(60);
const PASSWORD: &str = "sesame-open";
/// All log lines but those of HTTP/2.
const LOG_ALL: [&str; 2] = ["--log", "trace,h2=info,hyper=info"];

/// A folder with the certificate of a CA.
fn folder(authority: &Authority) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("ca.pem"), authority.pem()).expect("a file");
    folder
}

fn file(folder: &Path, name: &str) -> String {
    folder.join(name).display().to_string()
}

async fn broker(authority: &Authority, mutual: bool) -> (RabbitNode, TempDir) {
    let folder = folder(authority);
    authority.server(&["localhost"]).write(folder.path());
    let tls = Tls { folder: folder.path().to_owned(), mutual };
    (RabbitNode::start_with_tls(&tls).await, folder)
}

async fn solves_a_job(gateway: &Gateway) {
    let api = gateway.api();
    let job = jobs::submit(&api, jobs::request(models::wyndor(500.0))).await;
    let story = within(TIMEOUT, "a result", Watch::begin(&api, &job).await.finish()).await;
    assert_eq!(story.finished.state(), JobState::Succeeded, "{story:?}");
}

/// Waits until a process has logged a text, and returns its log.
async fn await_log(process: &Process, text: &str) -> String {
    let logged = async {
        while !process.log().contains(text) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within(TIMEOUT, text, logged).await;
    process.log()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mesh_over_tls_solves_and_logs_no_password() {
    let authority = Authority::new("ours");
    let (node, files) = broker(&authority, false).await;
    node.add_user("alice", PASSWORD, "/").await;
    let url = node.amqps_url(&format!("alice:{PASSWORD}@"), "/");
    let ca = file(files.path(), "ca.pem");
    let tls = [&["--amqp-ca", ca.as_str()], &LOG_ALL[..]].concat();
    let gateway = Gateway::on(&url, &tls).await;
    let flags = [&["--amqp", &url, "--slots", "express=1,standard=1"], &tls[..]].concat();
    let (mut worker, _) = Process::start("solvemesh-worker", &flags);
    solves_a_job(&gateway).await;
    let logins = node.logins().await;
    assert_eq!(logins, ["alice PLAIN true"; 4], "two connections of each");

    node.stop();
    await_log(&gateway.process, "no connection to the broker").await;
    node.restart().await;
    within(TIMEOUT, "both connections", async {
        while gateway.process.log().matches("connected to the broker").count() < 4 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    solves_a_job(&gateway).await;
    assert!(worker.terminate().await.success());
    for log in [gateway.process.log(), worker.log()] {
        assert!(log.contains("connected to the broker"), "{log}");
        assert!(log.contains("DEBUG lapin"), "lapin does not log");
        assert!(!log.contains(PASSWORD), "the password is in the log");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_with_an_untrusted_broker_logs_the_reason_and_retries() {
    let (node, _files) = broker(&Authority::new("ours"), false).await;
    let stranger = folder(&Authority::new("not ours"));
    let url = node.amqps_url(&format!("guest:{PASSWORD}@"), "/");
    let ca = file(stranger.path(), "ca.pem");
    let flags = ["--listen", "127.0.0.1:0", "--amqp", &url, "--amqp-ca", &ca, "--log", "trace"];
    let (mut gateway, mut output) = Process::start("solvemesh-gateway", &flags);
    assert!(processes::line(&mut output).await.starts_with("listening on "));
    let reason = "UnknownIssuer";
    let retries = async {
        while gateway.log().matches(reason).count() < 4 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    within(TIMEOUT, "several retries", retries).await;
    let log = gateway.log();
    let line = log.lines().find(|line| line.contains(reason)).expect("a line");
    assert!(line.contains("ERROR") && line.contains("no secure connection"), "{line}");
    assert!(line.contains("broker=\"localhost:"), "{line}");
    assert!(!log.contains(PASSWORD), "the password is in the log");
    assert!(gateway.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mesh_with_client_certificates_needs_no_password() {
    let authority = Authority::new("ours");
    let (node, _files) = broker(&authority, true).await;
    node.add_user("solver", "of no use", "/").await;
    let client = folder(&authority);
    authority.client("solver").write(client.path());
    let url = node.amqps_url("", "/");
    let [ca, cert, key] = ["ca.pem", "cert.pem", "key.pem"].map(|name| file(client.path(), name));
    let tls = ["--amqp-ca", &ca, "--amqp-cert", &cert, "--amqp-key", &key];
    let gateway = Gateway::on(&url, &tls).await;
    // Partly by the environment, which the solver processes inherit.
    let mut worker = processes::command("solvemesh-worker")
        .env("SOLVEMESH_AMQP", &url)
        .env("SOLVEMESH_AMQP_CA", &ca)
        .env("SOLVEMESH_AMQP_CERT", &cert)
        .args(["--amqp-key", &key, "--slots", "express=1,standard=1"])
        .spawn()
        .expect("a worker");
    solves_a_job(&gateway).await;
    assert_eq!(node.logins().await, ["solver EXTERNAL true"; 4]);
    worker.kill().await.expect("a process to kill");
}

#[tokio::test]
async fn an_invalid_setting_ends_the_program_and_names_the_flag() {
    let authority = Authority::new("ours");
    let files = folder(&authority);
    authority.client("solver").write(files.path());
    let [ca, cert, key, missing] =
        ["ca.pem", "cert.pem", "key.pem", "missing.pem"].map(|name| file(files.path(), name));
    let tls = format!("amqps://alice:{PASSWORD}@localhost:1/%2f");
    let plain = tls.replace("amqps", "amqp");
    let bad = format!("amqp://alice:{PASSWORD}@[bad");
    let half = format!("alice:{PASSWORD}@localhost");
    let cases: [(&[&str], &[&str]); 12] = [
        (&["--amqp", &tls, "--amqp-ca", &missing], &["--amqp-ca", &missing, "No such file"]),
        (&["--amqp", &tls, "--amqp-ca", &key], &["--amqp-ca", &key, "no certificate in PEM"]),
        (&["--amqp", &tls, "--amqp-cert", &cert, "--amqp-key", &missing], &["--amqp-key"]),
        (&["--amqp", &tls, "--amqp-cert", &cert], &["--amqp-key"]),
        (&["--amqp", &tls, "--amqp-key", &key], &["--amqp-cert"]),
        (&["--amqp", &plain, "--amqp-ca", &ca], &["--amqp-ca", "not encrypted", "alice:***@"]),
        (&["--amqp", &bad], &["--amqp"]),
        (&["--amqp", &half], &["--amqp", "amqps://"]),
        (&["--amqp", &tls, &plain], &["alice:***@localhost:1"]),
        (&["--amqp", &tls, &half], &["(invalid broker URL)"]),
        (&["--amqp", &tls, "--slots", &tls, "--max-live-jobs", &plain], &["error:"]),
        (&["--amqp", &format!("{tls}?verify=verify_none")], &["parameter"]),
    ];
    for program in ["solvemesh-gateway", "solvemesh-worker"] {
        for (flags, words) in &cases {
            let mut command = processes::command(program);
            if program == "solvemesh-gateway" {
                command.args(["--listen", "127.0.0.1:0"]);
            }
            let ended = within(TIMEOUT, "its end", command.args(*flags).output()).await;
            let ended = ended.expect("a program that starts");
            let printed = String::from_utf8_lossy(&ended.stderr).into_owned();
            assert!(matches!(ended.status.code(), Some(1 | 2)), "{program} {flags:?}: {printed}");
            for word in *words {
                assert!(printed.contains(word), "{program} {flags:?}: {word} is not in {printed}");
            }
            assert!(!printed.contains(PASSWORD), "{program}: {printed}");
        }
    }
}

#[tokio::test]
async fn an_invalid_url_in_the_environment_is_not_quoted() {
    for program in ["solvemesh-gateway", "solvemesh-worker"] {
        let mut command = processes::command(program);
        command.env("SOLVEMESH_AMQP", format!("amqp://alice:{PASSWORD}@[bad"));
        let ended = within(TIMEOUT, "its end", command.output()).await.expect("a program");
        let printed = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(2), "{printed}");
        assert!(printed.contains("--amqp") && !printed.contains(PASSWORD), "{printed}");
        let help = processes::command(program)
            .arg("--help")
            .env("SOLVEMESH_AMQP", format!("amqp://alice:{PASSWORD}@localhost"))
            .output()
            .await
            .expect("help");
        assert!(!String::from_utf8_lossy(&help.stdout).contains(PASSWORD));
    }
}
