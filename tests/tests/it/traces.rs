//! Traces through gateway, broker and worker, received by a collector.

use solvemesh::v1::{GetJobRequest, JobState};
use solvemesh_tests::{
    collector::{Collector, Received},
    jobs,
    mesh::{Api, Gateway},
    models,
    processes::Process,
    rabbit,
};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The id of the trace in a job's description.
async fn trace_of(api: &Api, job_id: &str) -> String {
    let request = GetJobRequest { job_id: job_id.to_owned(), ..GetJobRequest::default() };
    let job = api.clone().get_job(request).await.expect("a job").into_inner().job;
    job.and_then(|job| job.description).expect("a description").trace_id
}

fn named<'a>(spans: &'a [Received], name: &str) -> &'a Received {
    let found: Vec<&Received> = spans.iter().filter(|it| it.span.name == name).collect();
    assert_eq!(found.len(), 1, "{name} in {spans:#?}");
    found[0]
}

#[tokio::test]
async fn a_job_is_one_trace_from_its_submission_to_its_result() {
    let mut collector = Collector::start().await;
    let variables = collector.variables();
    let vhost = rabbit::vhost().await;
    let gateway = Gateway::on_with(vhost.url(), &[], &variables).await;
    let flags = ["--amqp", vhost.url(), "--slots", "express=1,standard=1"];
    let (worker, _output) = Process::start_with("solvemesh-worker", &flags, &variables);
    let api = gateway.api();
    let story = jobs::solve(&api, jobs::request(models::wyndor(500.0))).await;
    assert_eq!(story.finished.state(), JobState::Succeeded);

    let spans = collector
        .until("the spans of a job", |spans| {
            ["submit job", "process job"].iter().all(|it| spans.iter().any(|s| s.span.name == *it))
        })
        .await;
    let submission = named(&spans, "submit job");
    let trace = &submission.span.trace_id;
    assert_eq!(submission.service, "solvemesh-gateway");
    assert!(submission.span.parent_span_id.is_empty());
    for (name, parent, service) in [
        ("read model", "submit job", "solvemesh-gateway"),
        ("send job", "submit job", "solvemesh-gateway"),
        // Over the broker.
        ("process job", "send job", "solvemesh-worker"),
        ("solve", "process job", "solvemesh-worker"),
        ("verify", "process job", "solvemesh-worker"),
        ("append JobFinished", "process job", "solvemesh-worker"),
    ] {
        let Received { service: found, span } = named(&spans, name);
        assert_eq!(found, service, "{name}");
        assert_eq!(&span.trace_id, trace, "{name}");
        assert_eq!(span.parent_span_id, named(&spans, parent).span.span_id, "{name}");
    }

    // The id is where people look.
    let trace = hex(trace);
    let job_id = story.events[0].job_id.clone();
    assert_eq!(trace_of(&api, &job_id).await, trace);
    for (process, event) in [(&gateway.process, "job accepted"), (&worker, "job finished")] {
        let log = process.log();
        let line = log.lines().find(|line| line.contains(event) && line.contains(&job_id));
        assert!(line.is_some_and(|line| line.contains(&trace)), "{event} in {log}");
    }
}

#[tokio::test]
async fn without_a_collector_nothing_is_traced_and_one_that_is_away_delays_nobody() {
    let gateway = Gateway::embedded(&[]).await;
    let api = gateway.api();
    let story = jobs::solve(&api, jobs::request(models::wyndor(500.0))).await;
    assert_eq!(trace_of(&api, &story.events[0].job_id).await, "");
    assert!(!gateway.process.log().contains("trace="), "{}", gateway.process.log());

    // Nothing listens on port 1.
    let away = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1".to_owned())];
    let vhost = rabbit::vhost().await;
    let mut gateway = Gateway::on_with(vhost.url(), &[], &away).await;
    let flags = ["--amqp", vhost.url(), "--slots", "express=1"];
    let (mut worker, _output) = Process::start_with("solvemesh-worker", &flags, &away);
    let story = jobs::solve(&gateway.api(), jobs::request(models::wyndor(500.0))).await;
    assert_eq!(story.finished.state(), JobState::Succeeded);
    assert!(worker.terminate().await.success());
    assert!(gateway.process.terminate().await.success());
}
