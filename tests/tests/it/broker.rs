//! A broker that starts after the other processes, has other limits than one of them, or loses
//! the log. Faults of the broker under load are tested by the fault suite.

use std::time::{Duration, Instant};

use solvemesh::v1::{JobState, SubmitJobRequest};
use solvemesh_tests::{
    jobs::{self, Watch},
    mesh::{self, Api, Gateway, worker},
    models,
    processes::{self, Process},
    rabbit::RabbitNode,
    within,
};
use tonic::{Code, transport::Endpoint};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_types::StatusExt;

/// How long a submission is retried while the broker is down.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Submits a job with a request id, with retries until it is acknowledged. Returns the job's
/// id.
async fn submit(api: &Api, request_id: String, rate: f64) -> String {
    let request =
        SubmitJobRequest { request_id: request_id.clone(), ..jobs::request(models::wyndor(rate)) };
    let started = Instant::now();
    loop {
        match api.clone().submit_job(request.clone()).await {
            Ok(response) => return response.into_inner().job.expect("a job").job_id,
            Err(status) => {
                assert_eq!(status.code(), Code::Unavailable, "{status:?}");
                let retry =
                    status.get_error_details().retry_info().and_then(|info| info.retry_delay);
                assert!(started.elapsed() < TIMEOUT, "never acknowledged: {status:?}");
                tokio::time::sleep(retry.expect("a time to retry after")).await;
            }
        }
    }
}

#[tokio::test]
async fn a_deleted_log_is_created_again() {
    let node = RabbitNode::start().await;
    let vhost = node.vhost().await;
    let gateway = Gateway::on(vhost.url(), &[]).await;
    let _worker = worker(vhost.url());
    let api = gateway.api();
    for number in 0..20 {
        let job = submit(&api, format!("before {number}"), 500.0).await;
        Watch::begin(&api, &job).await.finish().await;
    }
    node.rabbitmqctl(&["--vhost", vhost.name(), "delete_queue", "solvemesh.log.v1"]).await;
    let job =
        within(TIMEOUT, "a job on the new log", submit(&api, "after".to_owned(), 500.0)).await;
    let story = within(TIMEOUT, "its end", async { Watch::begin(&api, &job).await.finish().await });
    assert_eq!(story.await.finished.state(), JobState::Succeeded);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateways_and_workers_that_start_before_the_broker_wait_for_it() {
    let node = RabbitNode::start().await;
    node.stop();
    let url = node.amqp_url("/");
    let start = || {
        let listen = ["--listen", "127.0.0.1:0", "--amqp", &url];
        (Process::start("solvemesh-gateway", &listen), worker(&url))
    };
    let ((mut gateway, _output), mut first_worker) = start();
    for process in [&mut gateway, &mut first_worker] {
        let failed = async {
            while !process.log().contains("no connection to the broker") {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        within(Duration::from_secs(60), "a failed connection", failed).await;
        let signalled = Instant::now();
        assert!(process.terminate().await.success());
        assert!(signalled.elapsed() < Duration::from_secs(3), "{:?}", signalled.elapsed());
    }

    let ((_gateway, mut output), _worker) = start();
    let line = processes::line(&mut output).await;
    let address = line.strip_prefix("listening on ").expect("a gateway that listens");
    let channel = Endpoint::from_shared(format!("http://{address}")).expect("a URL");
    let channel = channel.connect().await.expect("a gateway that listens");
    let mut health = HealthClient::new(channel.clone());
    let status = health.check(HealthCheckRequest::default()).await.expect("a status");
    assert_eq!(status.into_inner().status(), ServingStatus::NotServing);
    let api = mesh::api(channel);
    let away = api.clone().submit_job(jobs::request(models::wyndor(500.0))).await;
    let away = away.expect_err("there is no broker");
    assert_eq!(away.code(), Code::Unavailable);
    assert!(away.get_error_details().retry_info().is_some(), "{away:?}");

    let (id, ()) = tokio::join!(submit(&api, "early".to_owned(), 500.0), node.restart());
    let story = Watch::begin(&api, &id).await.finish().await;
    assert_eq!(story.finished.state(), JobState::Succeeded, "{story:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_with_other_limits_than_the_others_exits_with_an_error() {
    let node = RabbitNode::start().await;
    let vhost = node.vhost().await;
    let _gateway = Gateway::on(vhost.url(), &[]).await;
    for (program, flags) in [
        ("solvemesh-gateway", ["--listen", "127.0.0.1:0", "--log-max-age", "864000"]),
        ("solvemesh-worker", ["--slots", "standard=1", "--queue-length", "7"]),
    ] {
        let mut command = processes::command(program);
        command.args(["--amqp", vhost.url()]).args(flags);
        let ended = within(Duration::from_secs(30), "its end", command.output()).await;
        let ended = ended.expect("a program that starts");
        let errors = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(!ended.status.success());
        assert!(
            errors.contains("the broker refused") && errors.contains("inequivalent"),
            "{errors}"
        );
    }
}
