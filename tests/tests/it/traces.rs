//! Traces through gateway, broker and worker, received by a collector.

use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use solvemesh::v1::{GetJobRequest, JobState, SubmitJobRequest};
use solvemesh_tests::{
    collector::{Collector, Received},
    jobs,
    mesh::{Api, Gateway},
    models,
    processes::Process,
    rabbit,
    tls::GatewayFiles,
};
use tonic::Request;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The id of the trace in a job's description.
async fn trace_of(api: &Api, job_id: &str) -> String {
    let request = GetJobRequest { job_id: job_id.to_owned(), ..GetJobRequest::default() };
    let job = api.clone().get_job(request).await.expect("a job").into_inner().job;
    job.and_then(|job| job.description).expect("a description").trace_id
}

/// Submits a job from within a trace, and returns its id.
async fn submit_within(api: &Api, request: SubmitJobRequest, traceparent: &str) -> String {
    let mut request = Request::new(request);
    request.metadata_mut().insert("traceparent", traceparent.parse().expect("ASCII"));
    let response = api.clone().submit_job(request).await.expect("an accepted job");
    response.into_inner().job.expect("a job").job_id
}

/// The attribute `objective` of an event.
fn objective(attributes: &[KeyValue]) -> f64 {
    let found = attributes.iter().find(|it| it.key == "objective");
    match found.and_then(|it| it.value.clone()?.value) {
        Some(Value::DoubleValue(objective)) => objective,
        other => panic!("no objective: {other:?}"),
    }
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
    // Without --trace-callers, that of the caller is not continued.
    let job = submit_within(&api, jobs::request(models::wyndor(500.0)), &traceparent(1)).await;
    let story = jobs::Watch::begin(&api, &job).await.finish().await;
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

/// A caller's position, in a trace that it records with the flags 1, and does not with 0.
fn traceparent(flags: u8) -> String {
    format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags:02x}")
}

#[tokio::test]
async fn a_trace_of_a_caller_is_continued_over_tls_and_shows_incumbents() {
    let files = GatewayFiles::new();
    files.authority.client("mesh").write(files.path());
    let mut collector = Collector::start_with_tls(&files).await;
    let mut variables = collector.variables().to_vec();
    for (variable, file) in [
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "ca.pem"),
        ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "cert.pem"),
        ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "key.pem"),
    ] {
        variables.push((variable, files.file(file)));
    }
    let vhost = rabbit::vhost().await;
    let gateway = Gateway::on_with(vhost.url(), &["--trace-callers"], &variables).await;
    let flags = ["--amqp", vhost.url(), "--slots", "express=1,standard=1"];
    let (_worker, _output) = Process::start_with("solvemesh-worker", &flags, &variables);
    let api = gateway.api();

    // Recorded by its caller, not recorded by its caller, and malformed.
    let model = || jobs::exact(models::market_split(2, 14), 60);
    let job = submit_within(&api, model(), &traceparent(1)).await;
    assert_eq!(trace_of(&api, &job).await, "0af7651916cd43dd8448eb211c80319c");
    let unrecorded = submit_within(&api, model(), &traceparent(0)).await;
    assert_eq!(trace_of(&api, &unrecorded).await, "");
    let malformed = submit_within(&api, model(), "00-1-2-3").await;
    let own = trace_of(&api, &malformed).await;
    assert!(own.len() == 32 && own.trim_start_matches('0').len() > 1, "{own}");
    let story = jobs::Watch::begin(&api, &job).await.finish().await;
    for job in [&unrecorded, &malformed] {
        jobs::Watch::begin(&api, job).await.finish().await;
    }

    let callers = "0af7651916cd43dd8448eb211c80319c";
    let of = |spans: &[Received], trace: &str| -> Vec<Received> {
        spans.iter().filter(|it| hex(&it.span.trace_id) == trace).cloned().collect()
    };
    let spans = collector
        .until("the spans of two jobs", |spans| {
            [callers, &own].iter().all(|trace| {
                let names = ["submit job", "process job"];
                let spans = of(spans, trace);
                names.iter().all(|name| spans.iter().any(|it| it.span.name == *name))
            })
        })
        .await;
    // Neither the gateway nor the worker has begun a trace of the third one.
    let others = spans.iter().filter(|it| ![callers, &own].contains(&&*hex(&it.span.trace_id)));
    assert_eq!(others.count(), 0, "{spans:#?}");
    assert!(named(&of(&spans, &own), "submit job").span.parent_span_id.is_empty());
    let spans = of(&spans, callers);
    assert_eq!(hex(&named(&spans, "submit job").span.parent_span_id), "b7ad6b7169203331");
    let incumbents = &named(&spans, "solve").span.events;
    assert!(!incumbents.is_empty() && incumbents.len() <= 32, "{incumbents:#?}");
    assert!(incumbents.iter().all(|event| event.name == "incumbent"));
    let objectives: Vec<f64> = incumbents.iter().map(|it| objective(&it.attributes)).collect();
    assert!(objectives.is_sorted_by(|a, b| a > b), "{objectives:?}");
    let best = objectives[objectives.len() - 1];
    assert!(jobs::agree(best, story.objective()), "{best} of {story:#?}");
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
