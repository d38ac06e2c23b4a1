//! A gateway with TLS: protocols, certificates and their replacement, mutual TLS, and clients.

use std::{
    fs,
    net::SocketAddr,
    process::Output,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use solvemesh::v1::{GetCapabilitiesRequest, GetCapabilitiesResponse};
use solvemesh_rpc::job_service_client::JobServiceClient;
use solvemesh_tests::{
    certificates::{Authority, Pair},
    files,
    mesh::Gateway,
    processes::{self, Process},
    tls::{GatewayFiles, certificate, presented},
    web, within,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};

const TIMEOUT: Duration = Duration::from_secs(60);
const SLOTS: [&str; 2] = ["--slots", "express=1,standard=1"];

fn words(flags: &[String]) -> Vec<&str> {
    flags.iter().map(String::as_str).collect()
}

async fn gateway(files: &GatewayFiles, others: &[&str], tls: ClientTlsConfig) -> Gateway {
    let flags = files.flags(&[&SLOTS[..], others].concat());
    Gateway::with_tls(&words(&flags), tls).await
}

/// Connects to a gateway, and makes a call.
async fn call(address: SocketAddr, tls: ClientTlsConfig) -> Result<(), String> {
    let endpoint = Endpoint::from_shared(format!("https://{address}")).expect("a URL");
    let endpoint = endpoint.tls_config(tls).expect("TLS");
    let channel = endpoint.connect().await.map_err(|error| format!("{error:?}"))?;
    capabilities(channel).await
}

async fn capabilities(channel: Channel) -> Result<(), String> {
    let response = JobServiceClient::new(channel).get_capabilities(GetCapabilitiesRequest {}).await;
    response.map(|_| ()).map_err(|status| format!("{status:?}"))
}

/// Runs a program that should fail at its start, and returns its standard error.
async fn fails(flags: &[&str]) -> String {
    let mut command = processes::command("solvemesh-gateway");
    let output = command.args(SLOTS).args(flags).output();
    let output = within(TIMEOUT, "a gateway to fail", output).await.expect("an output");
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr).expect("errors in UTF-8")
}

async fn command_line(flags: &[&str]) -> Output {
    let mut command = processes::command("solvemesh");
    within(TIMEOUT, "the command line", command.args(flags).output()).await.expect("an output")
}

/// Waits until a process has logged a text.
async fn await_log(process: &Process, text: &str) {
    let logged = async {
        while !process.log().contains(text) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    within(TIMEOUT, text, logged).await;
}

#[tokio::test]
async fn grpc_and_grpc_web_share_a_port_with_tls() {
    let files = GatewayFiles::new();
    let gateway = gateway(&files, &[], files.client()).await;
    gateway.api().get_capabilities(GetCapabilitiesRequest {}).await.expect("capabilities");

    for (offered, chosen) in
        [(&["h2", "http/1.1"][..], Some("h2")), (&["http/1.1"], Some("http/1.1")), (&[], None)]
    {
        let stream = files.open(gateway.address, offered, None).await.expect("a connection");
        let protocol = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        assert_eq!(protocol.as_deref(), chosen.map(str::as_bytes));
        if chosen == Some("h2") {
            continue;
        }
        let head = "POST /solvemesh.v1.JobService/GetCapabilities";
        let headers = [("content-type", "application/grpc-web+proto"), ("x-grpc-web", "1")];
        let body = web::frame(&GetCapabilitiesRequest {});
        let answer = web::exchange_over(stream, gateway.address, head, &headers, &body).await;
        let call = answer.call::<GetCapabilitiesResponse>();
        assert_eq!((call.trailers["grpc-status"].as_str(), call.messages.len()), ("0", 1));
    }
}

#[tokio::test]
async fn files_that_do_not_fit_are_an_error_at_the_start() {
    let files = GatewayFiles::new();
    fs::write(files.path().join("key.pem"), files.pair().key).expect("a file");
    let error = fails(&words(&files.flags(&[]))).await;
    for text in ["--tls-cert", "--tls-key", "do not belong together", &files.file("key.pem")] {
        assert!(error.contains(text), "{text} in {error}");
    }
    fs::write(files.path().join("key.pem"), "").expect("a file");
    let error = fails(&words(&files.flags(&[]))).await;
    assert!(error.contains("--tls-key") && error.contains("no private key"), "{error}");
    let missing = files.file("missing.pem");
    let error = fails(&["--tls-cert", &missing, "--tls-key", &missing]).await;
    assert!(error.contains("--tls-cert") && error.contains("missing.pem"), "{error}");
}

#[tokio::test]
async fn an_address_that_others_can_reach_needs_tls_or_a_flag() {
    let error = fails(&["--listen", "0.0.0.0:0"]).await;
    for text in ["--listen", "--tls-cert", "--insecure"] {
        assert!(error.contains(text), "{text} in {error}");
    }
    let files = GatewayFiles::new();
    let tls = files.flags(&["--listen", "0.0.0.0:0"]);
    for flags in [&["--listen", "0.0.0.0:0", "--insecure"][..], &words(&tls)] {
        let flags = [&SLOTS[..], flags].concat();
        let (_process, mut output) = Process::start("solvemesh-gateway", &flags);
        let line = processes::line(&mut output).await;
        assert!(line.starts_with("listening on 0.0.0.0:"), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replaced_certificate_is_used_without_a_failed_call_and_a_wrong_one_is_not() {
    let files = GatewayFiles::new();
    let gateway = gateway(&files, &[], files.client()).await;
    let address = gateway.address;
    let shown =
        async || presented(&files.open(address, &["h2"], None).await.expect("a connection"));
    let first = shown().await;

    let stop = AtomicBool::new(false);
    let calls = AtomicU64::new(0);
    // Calls over one connection, and each over a new one.
    let load = async {
        let old = async {
            while !stop.load(Ordering::Relaxed) {
                let api = gateway.api();
                let answer = { api }.get_capabilities(GetCapabilitiesRequest {}).await;
                answer.expect("a call over an old connection");
                calls.fetch_add(1, Ordering::Relaxed);
            }
        };
        let new = async {
            while !stop.load(Ordering::Relaxed) {
                call(address, files.client()).await.expect("a call over a new connection");
                calls.fetch_add(1, Ordering::Relaxed);
            }
        };
        tokio::join!(old, new);
    };
    let replace = async {
        let next = files.pair();
        files::replace(&files.path().join("cert.pem"), &next.cert);
        await_log(&gateway.process, "TLS certificate not replaced, the old one stays").await;
        assert!(gateway.process.log().contains("do not belong together"));
        assert_eq!(shown().await, first);

        files::replace(&files.path().join("key.pem"), &next.key);
        await_log(&gateway.process, "TLS certificate replaced").await;
        assert_eq!(shown().await, certificate(&next.cert));
        stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(load, replace);
    println!("{} calls, none failed", calls.load(Ordering::Relaxed));
}

#[tokio::test]
async fn a_certificate_that_expires_is_in_the_log() {
    let files = GatewayFiles::new();
    let day = Duration::from_secs(24 * 60 * 60);
    let now = SystemTime::now();
    files.pair_until(now + 5 * day + day / 2).write(files.path());
    let gateway = gateway(&files, &[], files.client()).await;
    await_log(&gateway.process, "TLS certificate expires soon").await;
    assert!(gateway.process.log().contains("5 d"), "{}", gateway.process.log());
    files.pair_until(now - day).write(files.path());
    await_log(&gateway.process, "TLS certificate has expired").await;
    let errors = gateway.process.log();
    let errors: Vec<&str> = errors.lines().filter(|line| line.contains("ERROR")).collect();
    // The two files may have been read between the two writes.
    let expected = |line: &&str| line.contains("has expired") || line.contains("do not belong");
    assert!(errors.iter().all(expected), "{errors:?}");
}

#[tokio::test]
async fn clients_need_a_certificate_if_the_gateway_requires_one() {
    let files = GatewayFiles::new();
    let (ours, theirs) =
        (files.authority.client("ours"), Authority::new("theirs").client("theirs"));
    let (ca, client) = (files.file("ca.pem"), files.client_with(&ours));
    let required = gateway(&files, &["--tls-client-ca", &ca], client.clone()).await;
    call(required.address, client.clone()).await.expect("a client with our certificate");
    call(required.address, files.client()).await.expect_err("a client without a certificate");
    call(required.address, files.client_with(&theirs)).await.expect_err("another CA");

    let flags = ["--tls-client-ca", &ca, "--tls-client-optional"];
    let optional = gateway(&files, &flags, files.client()).await;
    call(optional.address, files.client()).await.expect("a client without a certificate");
    call(optional.address, client).await.expect("a client with our certificate");
    call(optional.address, files.client_with(&theirs)).await.expect_err("another CA");
}

/// A ClientHello of TLS 1.1 with one cipher suite (RFC 4346, 7.4.1.2).
fn old_hello() -> Vec<u8> {
    let mut body = vec![3, 2];
    body.extend([7; 32]);
    // No session, one suite (TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA), no compression.
    body.extend([0, 0, 2, 0xc0, 0x13, 1, 0]);
    let length = u8::try_from(body.len()).expect("a short message");
    let mut hello = vec![0x16, 3, 1, 0, length + 4, 1, 0, 0, length];
    hello.extend(body);
    hello
}

#[tokio::test]
async fn old_versions_of_tls_are_refused() {
    let files = GatewayFiles::new();
    let gateway = gateway(&files, &[], files.client()).await;
    let mut stream = TcpStream::connect(gateway.address).await.expect("a gateway that listens");
    stream.write_all(&old_hello()).await.expect("a hello that is sent");
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    within(Duration::from_secs(5), "the end of the connection", read).await.expect("an answer");
    // A fatal alert: handshake_failure or protocol_version.
    assert_eq!(answer[0], 0x15, "{answer:?}");
    assert!(matches!(answer[5..], [2, 40 | 70]), "{answer:?}");
}

#[tokio::test]
async fn a_client_without_tls_is_told_to_use_it() {
    let files = GatewayFiles::new();
    let gateway = gateway(&files, &[], files.client()).await;
    let answer = web::exchange(gateway.address, "GET /", &[], &[]).await;
    assert_eq!(answer.status, 400);
    let text = String::from_utf8(answer.body).expect("text");
    assert_eq!(text, "this port requires TLS: use https://\n");
    let url = format!("http://{}", gateway.address);
    let output = command_line(&["--gateway", &url, "capabilities"]).await;
    assert_eq!(output.status.code(), Some(8), "{output:?}");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("this port requires TLS: use https://"), "{error}");
}

fn write(files: &GatewayFiles, pair: &Pair) -> [String; 2] {
    fs::write(files.path().join("client.pem"), &pair.cert).expect("a file");
    fs::write(files.path().join("client-key.pem"), &pair.key).expect("a file");
    ["client.pem", "client-key.pem"].map(|name| files.file(name))
}

#[tokio::test]
async fn the_command_line_speaks_tls() {
    let files = GatewayFiles::new();
    let ours = files.authority.client("ours");
    let (ca, [cert, key]) = (files.file("ca.pem"), write(&files, &ours));
    let flags = ["--tls-client-ca", &ca];
    let gateway = gateway(&files, &flags, files.client_with(&ours)).await;
    let url = gateway.url();
    let at = |others: &[&'static str]| [&["--gateway", "URL", "capabilities"], others].concat();
    let run = async |line: Vec<&str>| {
        let line: Vec<&str> =
            line.into_iter().map(|it| if it == "URL" { &url } else { it }).collect();
        command_line(&line).await
    };
    let identity = ["--ca", &ca, "--cert", &cert, "--key", &key];
    let output = run([&at(&[]), &identity[..]].concat()).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");

    // The system's CAs did not sign the gateway's certificate.
    let output = run(at(&[])).await;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(8), "{error}");
    assert!(error.contains("UnknownIssuer"), "{error}");

    let output = run([&at(&[]), &identity[..4]].concat()).await;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("--key"), "{error}");
}
