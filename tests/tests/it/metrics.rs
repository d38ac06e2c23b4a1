//! Metrics and probes of gateways and workers, with and without a broker.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use solvemesh::v1::{JobState, SubmitJobRequest};
use solvemesh_tests::{
    jobs,
    keys::Keys,
    mesh::Gateway,
    metrics::{FLAGS, Metrics, Scrape},
    models,
    processes::Process,
    rabbit::{self, RabbitNode},
    tools,
};
use tonic::Code;

#[tokio::test]
async fn what_happens_to_jobs_is_counted_by_the_gateway_and_the_worker() {
    let vhost = rabbit::vhost().await;
    let gateway = Gateway::on(vhost.url(), &FLAGS).await;
    let slots = ["--amqp", vhost.url(), "--slots", "express=1,standard=2"];
    let (worker, _output) = Process::start("solvemesh-worker", &[&slots[..], &FLAGS].concat());
    let [of_gateway, of_worker] = [Metrics::of(&gateway.process).await, Metrics::of(&worker).await];
    let api = gateway.api();
    for rate in [500.0, 501.0, 502.0] {
        let story = jobs::solve(&api, jobs::request(models::wyndor(rate))).await;
        assert_eq!(story.finished.state(), JobState::Succeeded);
    }
    let no_model = SubmitJobRequest::default();
    assert_eq!(jobs::refusal(&api, no_model).await.code(), Code::InvalidArgument);

    let series = r#"solvemesh_jobs_ended_total{state="succeeded",reason="OPTIMAL",lane="express"}"#;
    let ended = |scrape: &Scrape| scrape.value(series) == Some(3.0);
    let scrape = of_gateway.until("three jobs that have ended", ended).await;
    for (series, value) in [
        ("solvemesh_ready", 1.0),
        (r#"solvemesh_submissions_total{outcome="ACCEPTED"}"#, 3.0),
        (r#"solvemesh_submissions_total{outcome="MISSING_FIELD"}"#, 1.0),
        (r#"solvemesh_rpc_requests_total{method="SubmitJob",code="OK"}"#, 3.0),
        (r#"solvemesh_rpc_requests_total{method="SubmitJob",code="INVALID_ARGUMENT"}"#, 1.0),
        (r#"solvemesh_rpc_seconds_count{method="SubmitJob"}"#, 4.0),
        (r#"solvemesh_jobs{lane="express",state="queued"}"#, 0.0),
        (r#"solvemesh_jobs{lane="standard",state="running"}"#, 0.0),
        (r#"solvemesh_broker_connected{connection="publishing"}"#, 1.0),
        (r#"solvemesh_broker_connected{connection="consuming"}"#, 1.0),
        ("solvemesh_outbox_entries", 0.0),
    ] {
        assert_eq!(scrape.value(series), Some(value), "{series} in {}", scrape.0);
    }
    assert!(scrape.sum("solvemesh_log_entries_total") >= 6.0, "{}", scrape.0);
    assert!(scrape.value("solvemesh_publish_seconds_count").is_some_and(|count| count >= 6.0));
    assert!(scrape.value(r#"solvemesh_table_bytes{what="finished"}"#).is_some_and(|it| it > 0.0));

    let idle = |scrape: &Scrape| {
        scrape.value(r#"solvemesh_slots{lane="express",state="idle"}"#) == Some(1.0)
    };
    let scrape = of_worker.until("an idle slot", idle).await;
    for (series, value) in [
        (r#"solvemesh_slots{lane="express",state="busy"}"#, 0.0),
        (r#"solvemesh_slots{lane="standard",state="idle"}"#, 2.0),
        (r#"solvemesh_attempts_total{lane="express",ending="succeeded"}"#, 3.0),
        (r#"solvemesh_queue_seconds_count{lane="express"}"#, 3.0),
    ] {
        assert_eq!(scrape.value(series), Some(value), "{series} in {}", scrape.0);
    }
    assert_eq!(scrape.sum("solvemesh_solve_seconds_count"), 3.0, "{}", scrape.0);
}

#[tokio::test]
async fn probes_and_metrics_tell_when_the_broker_is_away() {
    let node = RabbitNode::start().await;
    let url = node.amqp_url("/");
    let gateway = Gateway::on(&url, &FLAGS).await;
    let flags = [&["--amqp", &url, "--slots", "express=1"][..], &FLAGS].concat();
    let (mut worker, _output) = Process::start("solvemesh-worker", &flags);
    let both = [Metrics::of(&gateway.process).await, Metrics::of(&worker).await];
    for metrics in both {
        metrics.probe("/readyz", 200).await;
    }
    node.stop();
    for metrics in both {
        let cause = metrics.probe("/readyz", 503).await;
        assert!(cause.trim().len() > 5, "{cause}");
        // A restart would not help.
        assert_eq!(metrics.get("/livez").await.status, 200);
        let away = |scrape: &Scrape| scrape.sum("solvemesh_broker_connected") == 0.0;
        metrics.until("no connection", away).await;
    }
    assert_eq!(both[0].scrape().await.value("solvemesh_ready"), Some(0.0));
    node.restart().await;
    for metrics in both {
        metrics.probe("/readyz", 200).await;
        let scrape = metrics.scrape().await;
        assert!(scrape.sum("solvemesh_broker_reconnects_total") >= 2.0, "{}", scrape.0);
    }
    assert!(worker.terminate().await.success());
}

#[tokio::test]
async fn metrics_name_no_tenant_no_caller_and_no_job() {
    let mut keys = Keys::default();
    let key = keys.add("ada-laptop", "acme-research", "submit");
    let path = keys.path().display().to_string();
    let gateway = Gateway::embedded(&[&["--keys", &path][..], &FLAGS].concat()).await;
    let metrics = Metrics::of(&gateway.process).await;
    let api = gateway.api_with(&key);
    let mut request = jobs::request(models::wyndor_named(500.0));
    request.request_id = "request-of-ada".to_owned();
    request.labels.insert("project".to_owned(), "secret-project".to_owned());
    let story = jobs::solve(&api, request).await;
    assert_eq!(story.finished.state(), JobState::Succeeded);
    // Names from outside that a careless metric would use as a label.
    let lane =
        SubmitJobRequest { lane: "lane-of-ada".to_owned(), ..jobs::request(models::wyndor(500.0)) };
    jobs::refusal(&api, lane).await;

    let ended = |scrape: &Scrape| scrape.sum("solvemesh_jobs_ended_total") == 1.0;
    let scrape = metrics.until("a job that has ended", ended).await;
    assert_eq!(scrape.sum("solvemesh_attempts_total"), 1.0, "the embedded worker: {}", scrape.0);
    let job = &story.events[0].job_id;
    for name in ["acme", "ada", "secret", "project", "doors", job.as_str()] {
        assert!(!scrape.0.contains(name), "{name} in {}", scrape.0);
    }
}

#[tokio::test]
async fn promtool_accepts_the_metrics() {
    let Some(promtool) = tools::find("promtool") else {
        println!("skipped: promtool is not installed");
        return;
    };
    let gateway = Gateway::embedded(&FLAGS).await;
    let api = gateway.api();
    jobs::solve(&api, jobs::request(models::wyndor(500.0))).await;
    jobs::refusal(&api, SubmitJobRequest::default()).await;
    let metrics = Metrics::of(&gateway.process).await;
    let ended = |scrape: &Scrape| scrape.sum("solvemesh_jobs_ended_total") == 1.0;
    let text = metrics.until("a job that has ended", ended).await.0;
    // It reads the text format that came before OpenMetrics, in which a counter's HELP has the
    // suffix of its values and units are not known.
    let counters: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut older = String::new();
    for line in text.lines().filter(|line| *line != "# EOF" && !line.starts_with("# UNIT")) {
        let mut words = line.splitn(4, ' ');
        let header = (words.next(), words.next(), words.next(), words.next());
        match header {
            (Some("#"), Some(kind), Some(name), Some(rest)) if counters.contains(&name) => {
                older.push_str(&format!("# {kind} {name}_total {rest}\n"));
            }
            _ => older.push_str(&format!("{line}\n")),
        }
    }
    let mut check = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool");
    check.stdin.take().expect("a pipe").write_all(older.as_bytes()).expect("metrics sent");
    let output = check.wait_with_output().expect("promtool");
    let problems = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && problems.is_empty(), "{problems}\n{older}");
}
