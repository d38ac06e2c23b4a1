//! A gateway that receives SIGTERM.

use std::time::{Duration, Instant};

use solvemesh::v1::{SolveRequest, WatchResultsRequest, watch_results_response::Kind};
use solvemesh_tests::{
    jobs::{self, Watch},
    mesh::{Gateway, worker},
    models, rabbit, within,
};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::sleep};
use tonic::{Code, Status};
use tonic_types::StatusExt;

fn terminate(gateway: &Gateway) {
    let id = libc::pid_t::try_from(gateway.process.id()).expect("a process id");
    // SAFETY: the child was not waited for, so the id is still its own.
    assert_eq!(unsafe { libc::kill(id, libc::SIGTERM) }, 0, "the gateway has exited");
}

fn reason(status: &Status) -> String {
    let details = status.get_error_details();
    details.error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

#[tokio::test]
async fn waiting_clients_get_shutting_down_and_resume_at_another_gateway() {
    let vhost = rabbit::vhost().await;
    let mut gateway = Gateway::on(vhost.url(), &[]).await;
    let other = Gateway::on(vhost.url(), &[]).await;
    let model = models::market_split(5, 40);
    let mut solves = Vec::new();
    for index in 0..20 {
        let mut api = gateway.api();
        let request_id = format!("solve-{index}");
        let request =
            SolveRequest { model: Some(model.clone()), request_id, ..SolveRequest::default() };
        solves.push(tokio::spawn(async move { api.solve(request).await }));
    }
    let job = jobs::submit(&gateway.api(), jobs::exact(models::wyndor(500.0), 60)).await;
    let request = WatchResultsRequest { job_ids: vec![job.clone()], ..Default::default() };
    let mut watch = gateway.api().watch_results(request).await.expect("a watch").into_inner();
    let mut token = String::new();
    let first = watch.message().await.expect("a stream").expect("an event");
    assert!(matches!(first.kind, Some(Kind::Event(_))));
    token.clone_from(&first.resume_token);

    let started = Instant::now();
    assert!(gateway.process.terminate().await.success());
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    let status = loop {
        match watch.message().await {
            Ok(Some(response)) => token.clone_from(&response.resume_token),
            Ok(None) => panic!("the stream ended as if the job had"),
            Err(status) => break status,
        }
    };
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "SHUTTING_DOWN"));
    for solve in solves {
        let status = solve.await.expect("an answer").expect_err("no job has ended");
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
        assert_eq!(reason(&status), "SHUTTING_DOWN", "{status:?}");
        // Calls that arrived too late to create a job get the same reason, without a job id.
        if let Some(id) = status.get_error_details().error_info().unwrap().metadata.get("job_id") {
            Watch::begin(&other.api(), id).await.next().await.expect("a job that is known");
        }
    }

    let _worker = worker(vhost.url());
    let mut rest = Watch::resume(&other.api(), &job, &token).await;
    let event = rest.next().await.expect("the next event");
    assert_eq!(event.sequence, 2);
}

#[tokio::test]
async fn a_second_signal_ends_a_gateway_at_once() {
    let mut gateway = Gateway::embedded(&["--drain-grace", "60"]).await;
    // A request that stays in progress, because its body is incomplete.
    let mut stream = TcpStream::connect(gateway.address).await.expect("a gateway that listens");
    let head = "POST /solvemesh.v1.JobService/GetJob HTTP/1.1\r\nhost: here\r\n\
                content-type: application/grpc-web+proto\r\ncontent-length: 1000\r\n\r\nx";
    stream.write_all(head.as_bytes()).await.expect("a head that is sent");
    // A sleep, since no event shows that the gateway has read it.
    sleep(Duration::from_millis(500)).await;
    terminate(&gateway);
    let log = async {
        while !gateway.process.log().contains("stopping") {
            sleep(Duration::from_millis(20)).await;
        }
    };
    within(Duration::from_secs(10), "the gateway to handle the first signal", log).await;
    sleep(Duration::from_millis(300)).await;
    let started = Instant::now();
    assert!(gateway.process.terminate().await.success());
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert!(gateway.process.log().contains("a second signal"), "{}", gateway.process.log());
}
