//! Limits on what strangers can send: connections, silence, headers.

use std::{io, net::SocketAddr, time::Duration};

use solvemesh::v1::GetCapabilitiesRequest;
use solvemesh_tests::{mesh::Gateway, tls::GatewayFiles, web, within};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep},
};
use tonic::Request;

const SLOTS: [&str; 2] = ["--slots", "express=1,standard=1"];
const SILENT: usize = 1000;

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.expect("a gateway that listens")
}

/// Waits until a server closes a connection.
async fn closed(stream: &mut TcpStream) {
    let mut received = Vec::new();
    match stream.read_to_end(&mut received).await {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}"),
    }
}

/// Opens many connections that send `first` and then nothing, calls meanwhile, and waits until all
/// are closed.
async fn silence(gateway: &Gateway, first: &[u8]) {
    let started = Instant::now();
    let mut silent = Vec::new();
    for _ in 0..SILENT {
        let mut stream = connect(gateway.address).await;
        stream.write_all(first).await.expect("bytes that are sent");
        silent.push(stream);
    }
    let call = async { gateway.api().get_capabilities(GetCapabilitiesRequest {}).await };
    within(Duration::from_secs(5), "a call", call).await.expect("capabilities");
    let opened = started.elapsed();
    let all = async {
        for stream in &mut silent {
            closed(stream).await;
        }
    };
    within(Duration::from_secs(20), "the silent connections to be closed", all).await;
    println!("{SILENT} connections opened in {opened:?}, closed after {:?}", started.elapsed());
    assert!(started.elapsed() > Duration::from_secs(5), "closed by their timeout, not by a limit");
    gateway.api().get_capabilities(GetCapabilitiesRequest {}).await.expect("capabilities");
}

#[tokio::test]
async fn connections_that_never_speak_block_no_one_and_are_closed() {
    let files = GatewayFiles::new();
    let flags = files.flags(&SLOTS);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let tls = Gateway::with_tls(&flags, files.client()).await;
    let plain = Gateway::embedded(&SLOTS).await;
    tokio::join!(silence(&tls, b""), silence(&plain, b""));
    // Half of a TLS record, half of the preface of HTTP/2.
    tokio::join!(silence(&tls, b"\x16\x03\x01\x02"), silence(&plain, b"PRI * HTTP"));
}

#[tokio::test]
async fn an_address_has_a_limited_number_of_connections() {
    // One is the test's own.
    let limit = [&SLOTS[..], &["--max-connections-per-address", "3"]].concat();
    let gateway = Gateway::embedded(&limit).await;
    let held = [connect(gateway.address).await, connect(gateway.address).await];
    let mut refused = connect(gateway.address).await;
    within(Duration::from_secs(5), "a refusal", closed(&mut refused)).await;
    assert!(gateway.process.log().contains("max-connections-per-address"));
    drop(held);
    // The gateway notices a moment later.
    let head = "GET /";
    let again = async {
        loop {
            let mut stream = connect(gateway.address).await;
            let request = format!("{head} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n");
            let sent = stream.write_all(request.as_bytes()).await;
            let mut answer = Vec::new();
            if sent.is_ok() && stream.read_to_end(&mut answer).await.is_ok() && !answer.is_empty() {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    within(Duration::from_secs(5), "a place that is free again", again).await;
}

#[tokio::test]
async fn headers_are_limited_in_size() {
    let gateway = Gateway::embedded(&SLOTS).await;
    let large = "x".repeat(100 << 10);
    let answer = web::exchange(gateway.address, "GET /", &[("x-large", &large)], &[]).await;
    assert_eq!(answer.status, 431);
    let mut request = Request::new(GetCapabilitiesRequest {});
    let large = "x".repeat(20 << 10).parse().expect("a header");
    request.metadata_mut().insert("x-large", large);
    gateway.api().get_capabilities(request).await.expect_err("a header that is too large");
    let mut request = Request::new(GetCapabilitiesRequest {});
    let token = "x".repeat(8 << 10).parse().expect("a header");
    request.metadata_mut().insert("x-token", token);
    gateway.api().get_capabilities(request).await.expect("a header of the size of a token");
}

#[tokio::test]
async fn a_request_whose_headers_never_end_is_closed() {
    let gateway = Gateway::embedded(&SLOTS).await;
    let mut stream = connect(gateway.address).await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: here\r\n").await.expect("bytes that are sent");
    let drip = async {
        let (mut reader, mut writer) = stream.split();
        let send = async {
            // A header a second. The connection ends while it sends or while it waits.
            while writer.write_all(b"x-more: 1\r\n").await.is_ok() {
                sleep(Duration::from_secs(1)).await;
            }
        };
        let mut received = Vec::new();
        tokio::select! {
            () = send => {}
            _ = reader.read_to_end(&mut received) => {}
        }
    };
    within(Duration::from_secs(45), "the connection to be closed", drip).await;
}

#[tokio::test]
async fn reflection_can_be_turned_off() {
    let path = "POST /grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    let headers = [("content-type", "application/grpc-web+proto"), ("x-grpc-web", "1")];
    for (flags, status) in [(&[][..], None), (&["--no-reflection"], Some("12"))] {
        let gateway = Gateway::embedded(&[&SLOTS[..], flags].concat()).await;
        let answer = web::exchange(gateway.address, path, &headers, &[]).await;
        let found = answer.headers.get("grpc-status").map(String::as_str);
        assert_eq!(found, status, "{answer:?}");
    }
}
