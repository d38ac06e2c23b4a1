//! Gateways and workers that receive SIGTERM.

use std::{net::SocketAddr, time::Duration};

use solvemesh_tests::{
    checker::Ledger,
    clients::Load,
    fleet::Plan,
    history::{Answer, Call},
    payload::Payload,
    rabbit,
    trial::{Fault, LIMIT, Scale, Trial},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    join,
    net::TcpStream,
};

use crate::entries::{is_long, is_start, worker_of};

pub(crate) const FAULTS: &[Fault] = &[
    Fault { name: "gateway: asked to stop", limit: LIMIT, body: |scale| Box::pin(gateway(scale)) },
    Fault { name: "worker: asked to stop", limit: LIMIT, body: |scale| Box::pin(worker(scale)) },
    Fault {
        name: "gateway and worker: asked to stop twice",
        limit: LIMIT,
        body: |scale| Box::pin(twice(scale)),
    },
];

/// Timeout for the exit of a gateway: its default grace, and the timeout for closing the mesh.
const GATEWAY_GRACE: Duration = Duration::from_secs(20 + 5);
/// Timeout for the exit of a worker: its default grace, and the timeout for closing the mesh.
const WORKER_GRACE: Duration = Duration::from_secs(30 + 5);
/// Pause between two signals, long enough that the first one is handled: the kernel merges two
/// pending ones.
const BETWEEN_SIGNALS: Duration = Duration::from_secs(1);
/// The answer to `expect: 100-continue`, sent when the server begins to read the body (RFC 9110,
/// 10.1.1).
const CONTINUE: &[u8; 25] = b"HTTP/1.1 100 Continue\r\n\r\n";
/// Timeout for an immediate exit, on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(3);

/// Stops one gateway after the other. Each call that it has begun to process is answered, and
/// each watcher gets the reason `SHUTTING_DOWN`.
async fn gateway(scale: Scale) -> Trial {
    let vhost = rabbit::vhost().await;
    let mut trial = Trial::start(vhost.url(), Plan::default()).await;
    // Enough load that some calls are in flight at every moment.
    let load = Load {
        jobs: scale.times(3_000),
        in_flight: 256,
        pace: 2_000.0,
        long_every: 100,
        ..Load::default()
    };
    let Trial { fleet, clients, .. } = &mut trial;
    let fault = async {
        let mut stops = Vec::new();
        for round in 0..scale.times(2) {
            let place = round % fleet.gateways.len();
            let process = &mut fleet.gateways[place].process;
            stops.push((place, clients.recorder.fault()));
            process.signal(libc::SIGTERM);
            let status = process.ended(GATEWAY_GRACE).await;
            assert!(status.success(), "it exited with {status}");
            fleet.bring_back_gateway(place).await;
        }
        stops
    };
    let stops = clients.under_load(&load, fault).await;

    let history = trial.clients.recorder.history();
    let mut in_flight = 0;
    for (place, stopped) in stops {
        let calls = history.calls.iter().filter(|call| {
            call.gateway == place
                && call.asked < stopped
                && call.answered.is_none_or(|answered| answered > stopped)
        });
        for call in calls {
            in_flight += 1;
            assert!(was_answered(call), "dropped without an answer: {call:?}");
        }
    }
    println!("reliability: {in_flight} calls were in flight");
    assert!(in_flight > 0, "no call was in flight");
    let mut cuts = history.watches.iter().flat_map(|watch| &watch.cuts);
    assert!(cuts.any(|why| why == "SHUTTING_DOWN"), "no watcher got the reason");
    trial
}

/// Whether a call was answered, or is known not to have been processed: its stream is past
/// the last one of the GOAWAY (RFC 9113, 6.8), or the client had not sent it yet when the
/// GOAWAY arrived.
fn was_answered(call: &Call) -> bool {
    match &call.answer {
        Answer::Acknowledged { .. } | Answer::Taken { .. } | Answer::Refused { .. } => true,
        Answer::Unknown { why } => {
            why == "OUTCOME_UNKNOWN"
                || why.contains("GoAway") && why.contains("NO_ERROR")
                || why.contains("hyper::Error(Canceled, \"connection closed\")")
        }
    }
}

/// Stops one worker after the other while it solves a long job, which it finishes first.
async fn worker(scale: Scale) -> Trial {
    let vhost = rabbit::vhost().await;
    let mut trial = Trial::start(vhost.url(), Plan::default()).await;
    let load = Load { jobs: scale.times(2_000), long_every: 50, ..Load::default() };
    let Trial { fleet, clients, log, .. } = &mut trial;
    let fault = async {
        let mut held_jobs = Vec::new();
        for _ in 0..scale.times(2) {
            let started = log.reader().until(is_long).await;
            let place = worker_of(&started).and_then(|worker| fleet.place(worker));
            let place = place.expect("a worker of the fleet");
            let worker = &mut fleet.workers[place];
            clients.recorder.fault();
            worker.signal(libc::SIGTERM);
            let status = worker.ended(WORKER_GRACE).await;
            assert!(status.success(), "it exited with {status}");
            fleet.workers[place] = fleet.new_worker();
            held_jobs.push(started.job_id);
        }
        held_jobs
    };
    let held_jobs = clients.under_load(&load, fault).await;
    let ledger = Ledger::read(&log.messages());
    for job in held_jobs {
        assert_eq!(ledger.jobs[&job].starts(), 1, "{job} was left to another worker");
    }
    trial
}

/// Sends SIGTERM twice to a worker that is solving, and to a gateway that waits for the rest
/// of a request. Both exit at once, and the worker's job is solved by another one.
async fn twice(scale: Scale) -> Trial {
    let vhost = rabbit::vhost().await;
    let mut trial = Trial::start(vhost.url(), Plan::default()).await;
    let load = Load { jobs: scale.times(1_000), long_every: 0, ..Load::default() };
    let Trial { fleet, clients, log, .. } = &mut trial;
    let fault = async {
        let mut reader = log.reader();
        let payload = Payload::Long { number: 0, limit: Duration::from_secs(8) };
        let job = clients.accepted(0, "in hand", payload).await;
        let watching = clients.watch(0, vec![job.clone()]);
        let stopping = async {
            let started = reader.until(|it| it.job_id == job && is_start(it)).await;
            let place = worker_of(&started).and_then(|worker| fleet.place(worker));
            let place = place.expect("a worker of the fleet");
            let worker = &mut fleet.workers[place];
            clients.recorder.fault();
            worker.signal(libc::SIGTERM);
            assert!(worker.runs_on_for(BETWEEN_SIGNALS).await, "it exited before its job finished");
            worker.signal(libc::SIGTERM);
            worker.ended(AT_ONCE).await;
            fleet.workers[place] = fleet.new_worker();

            let gateway = &mut fleet.gateways[1];
            let _request = incomplete_request(gateway.address).await;
            clients.recorder.fault();
            gateway.process.signal(libc::SIGTERM);
            assert!(
                gateway.process.runs_on_for(BETWEEN_SIGNALS).await,
                "it did not wait for a request"
            );
            gateway.process.signal(libc::SIGTERM);
            gateway.process.ended(AT_ONCE).await;
            fleet.bring_back_gateway(1).await;
        };
        join!(watching, stopping);
    };
    clients.under_load(&load, fault).await;
    trial
}

/// Sends a gateway a request with an incomplete body, which delays the gateway's exit. Returns
/// once the gateway reads the body: one that is only accepted by the kernel delays nothing.
async fn incomplete_request(gateway: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(gateway).await.expect("a gateway that listens");
    let head = format!(
        "POST /solvemesh.v1.JobService/SubmitJob HTTP/1.1\r\nhost: {gateway}\r\n\
         content-type: application/grpc-web+proto\r\nexpect: 100-continue\r\n\
         content-length: 1000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("a request sent");
    let mut answer = [0; CONTINUE.len()];
    stream.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(answer, *CONTINUE, "{}", String::from_utf8_lossy(&answer));
    stream.write_all(b"half").await.expect("a part of the body sent");
    stream
}
