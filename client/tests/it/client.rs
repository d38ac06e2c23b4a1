//! The client library against a scripted gateway.

use std::{sync::Mutex, time::Duration};

use futures::{FutureExt, TryStreamExt};
use solvemesh_client::{
    Client, Code, ConnectOptions, Error, Retry, Update, Watch,
    v1::{
        Heartbeat, Job, JobEventKind, JobState, ListJobsRequest, Solution, SolveResult,
        SubmitJobRequest, WatchResultsResponse, watch_results_response,
    },
};
use solvemesh_testkit::fake_gateway::{
    FakeGateway, Place, Script, Step, TEST_TIMEOUT, event, event_of, finished, job_that, part,
    queued, script, started, wyndor,
};
use tokio::time::timeout;
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt};

fn client(fake: &FakeGateway) -> Client {
    Client::connect(&fake.url()).unwrap()
}

async fn sequences(watch: &mut Watch) -> Result<Vec<i32>, Error> {
    let mut sequences = Vec::new();
    while let Some(event) = timeout(TEST_TIMEOUT, watch.next()).await.unwrap() {
        sequences.push(event?.sequence);
    }
    Ok(sequences)
}

fn tokens(fake: &FakeGateway) -> Vec<String> {
    let watches = fake.script.seen_watches.lock().unwrap();
    watches.iter().map(|watch| watch.resume_token.clone()).collect()
}

#[tokio::test]
async fn a_submission_is_retried_with_the_same_request_id() {
    let mut again = ErrorDetails::new();
    again.set_retry_info(Some(Duration::from_millis(1)));
    let full = Status::with_error_details(Code::ResourceExhausted, "the queue is full", again);
    let submits = Mutex::new([Status::unavailable("no broker"), full].into());
    let fake = FakeGateway::start(Script { submits, ..Script::default() });

    let job = client(&fake).submit(SubmitJobRequest::default()).await.unwrap();

    assert_eq!(job.job_id, "job-1");
    let seen = fake.script.seen_submits.lock().unwrap();
    assert_eq!(seen.len(), 3);
    assert!(!seen[0].request_id.is_empty());
    assert!(seen.iter().all(|request| request.request_id == seen[0].request_id));
}

#[tokio::test]
async fn a_rejection_is_not_retried_and_has_its_details() {
    let mut details = ErrorDetails::new();
    details
        .set_error_info("SYNTAX", "solvemesh.dev", [])
        .add_bad_request_violation("model.lp", "line 1, column 1: nonsense");
    let refusal = Status::with_error_details(Code::InvalidArgument, "the model", details);
    let fake =
        FakeGateway::start(Script { submits: Mutex::new([refusal].into()), ..Script::default() });

    let error = client(&fake).submit(SubmitJobRequest::default()).await.unwrap_err();

    let rejection = error.rejection().unwrap();
    assert!(matches!(error, Error::Rejected(_)));
    assert_eq!(rejection.reason.as_deref(), Some("SYNTAX"));
    assert_eq!(rejection.violations[0].description, "line 1, column 1: nonsense");
    assert_eq!(fake.script.seen_submits.lock().unwrap().len(), 1);
}

/// A policy with a small budget and short backoffs.
fn short_retry() -> Retry {
    let millis = Duration::from_millis;
    Retry { budget: millis(2000), initial_backoff: millis(1), max_backoff: millis(100) }
}

#[tokio::test]
async fn retries_are_bounded_and_the_error_names_the_gateway_and_the_last_cause() {
    let place = Place::new();
    let client = Client::connect(&place.url()).unwrap().with_retry(short_retry());
    let error = timeout(TEST_TIMEOUT, client.get("job-1")).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)));
    let expected = format!("no gateway at {}: Connection refused", place.url());
    assert!(error.to_string().starts_with(&expected), "{error}");
}

#[tokio::test]
async fn an_error_of_the_gateway_itself_does_not_name_its_address() {
    let submits = std::iter::repeat_with(|| Status::unavailable("no broker")).take(999).collect();
    let fake = FakeGateway::start(Script { submits: Mutex::new(submits), ..Script::default() });
    let submission = client(&fake).with_retry(short_retry());
    let error = submission.submit(SubmitJobRequest::default()).await.unwrap_err();
    assert_eq!(error.to_string(), "the mesh is not available: no broker");
}

#[tokio::test]
async fn the_first_failure_of_a_call_is_reported_once() {
    let away = || Status::unavailable("no broker");
    let gets = Mutex::new([away(), away()].into());
    let jobs = vec![Job { job_id: "job-1".into(), ..Job::default() }];
    let fake = FakeGateway::start(Script { gets, jobs, ..Script::default() });
    let (sender, mut reported) = tokio::sync::mpsc::channel(8);
    let client = client(&fake).on_retry(move |cause, remaining_budget| {
        sender.try_send((cause.message.clone(), remaining_budget)).unwrap();
    });
    client.get("job-1").await.unwrap();
    drop(client);
    let (cause, remaining_budget) = reported.recv().await.unwrap();
    assert_eq!(cause, "no broker");
    assert!(remaining_budget <= Retry::CALL.budget && remaining_budget > Duration::ZERO);
    assert!(reported.recv().await.is_none());
}

#[tokio::test]
async fn the_token_is_sent_with_each_call() {
    let jobs = vec![Job { job_id: "job-1".into(), ..Job::default() }];
    let watches = Mutex::new([vec![event(1, queued())]].into());
    let fake = FakeGateway::start(Script { jobs, watches, ..Script::default() });
    let options = ConnectOptions::default().token("sesame");
    let client = Client::connect_with(&fake.url(), &options).unwrap();
    client.get("job-1").await.unwrap();
    client.watch(["job-1"], "").next().await.unwrap().unwrap();
    self::client(&fake).get("job-1").await.unwrap();
    let seen = fake.script.seen_authorizations.lock().unwrap().clone();
    let token = Some("Bearer sesame".to_owned());
    assert_eq!(seen, [token.clone(), token, None]);
}

#[tokio::test]
async fn an_address_without_http_is_rejected() {
    for url in ["127.0.0.1:50051", "ftp://mesh", "", "http://"] {
        assert!(matches!(Client::connect(url), Err(Error::Address { .. })), "{url}");
    }
}

#[tokio::test]
async fn a_watch_resumes_from_its_token_after_an_error_and_after_an_early_end() {
    let fake = FakeGateway::start(script([
        vec![event(1, queued()), Step::Fail(Status::unavailable("going away"))],
        vec![event(2, started())],
        vec![event(3, finished(JobState::Succeeded, None))],
    ]));
    let mut watch = client(&fake).watch(["job-1"], "");
    assert_eq!(sequences(&mut watch).await.unwrap(), [1, 2, 3]);
    assert_eq!(watch.resume_token(), "after 3");
    assert_eq!(tokens(&fake), ["", "after 1", "after 2"]);
}

#[tokio::test]
async fn a_watch_survives_the_death_of_its_gateway() {
    let place = Place::new();
    let fake = FakeGateway::start_at(&place, script([vec![event(1, queued()), Step::Hang]]));
    let mut watch = client(&fake).watch(["job-1"], "");
    assert_eq!(watch.next().await.unwrap().unwrap().sequence, 1);
    let rest = tokio::spawn(async move { sequences(&mut watch).await });
    drop(fake);

    let end = vec![event(2, finished(JobState::Failed, None))];
    let restarted = FakeGateway::start_at(&place, script([end]));

    assert_eq!(rest.await.unwrap().unwrap(), [2]);
    assert_eq!(tokens(&restarted), ["after 1"]);
}

#[tokio::test]
async fn a_watch_reports_once_that_its_stream_is_lost_and_restored() {
    let cut = |cause: &str| Step::Fail(Status::unavailable(cause));
    let fake = FakeGateway::start(script([
        vec![cut("not yet")],
        vec![event(1, queued()), cut("going away")],
        vec![cut("still away")],
        vec![event(2, finished(JobState::Succeeded, None))],
    ]));
    let mut watch = client(&fake).watch(["job-1"], "");
    let mut updates = Vec::new();
    while let Some(update) = timeout(TEST_TIMEOUT, watch.update()).await.unwrap() {
        updates.push(match update.unwrap() {
            Update::Event(event) => event.sequence.to_string(),
            Update::Lost { cause, remaining_budget } if remaining_budget > Retry::CALL.budget => {
                format!("{cause}, long budget")
            }
            Update::Lost { cause, .. } => cause.to_string(),
            Update::Restored => "restored".into(),
        });
    }
    let expected = ["not yet", "restored", "1", "going away, long budget", "restored", "2"];
    assert_eq!(updates, expected);
}

#[tokio::test]
async fn heartbeats_advance_the_token_and_are_not_events() {
    let heartbeat = Step::Send(Box::new(WatchResultsResponse {
        kind: Some(watch_results_response::Kind::Heartbeat(Heartbeat {})),
        resume_token: "further".into(),
    }));
    let fake = FakeGateway::start(script([
        vec![event(1, queued()), heartbeat, Step::Fail(Status::unavailable(""))],
        vec![event(2, finished(JobState::Cancelled, None))],
    ]));
    assert_eq!(sequences(&mut client(&fake).watch(["job-1"], "")).await.unwrap(), [1, 2]);
    assert_eq!(tokens(&fake), ["", "further"]);
}

#[tokio::test]
async fn a_watch_ends_with_its_last_job_even_if_the_stream_stays_open() {
    let end = || finished(JobState::Succeeded, None);
    let steps = vec![event_of("a", 1, end()), event_of("b", 2, end()), Step::Hang];
    let fake = FakeGateway::start(script([steps]));
    assert_eq!(sequences(&mut client(&fake).watch(["a", "b"], "")).await.unwrap(), [1, 2]);
}

#[tokio::test]
async fn a_watch_resumed_after_the_end_of_its_job_ends() {
    let fake = FakeGateway::start(script([vec![]]));
    let mut watch = client(&fake).watch(["job-1"], "after 3");
    assert_eq!(sequences(&mut watch).await.unwrap(), [0; 0]);
    assert_eq!(tokens(&fake), ["after 3"]);
}

#[tokio::test]
async fn a_watch_makes_progress_if_its_future_is_dropped_repeatedly() {
    let fake = FakeGateway::start(job_that(finished(JobState::Succeeded, None)));
    let mut watch = client(&fake).watch(["job-1"], "");
    let all = async {
        let mut sequences = Vec::new();
        loop {
            match watch.next().now_or_never() {
                Some(Some(event)) => sequences.push(event.unwrap().sequence),
                Some(None) => return sequences,
                None => tokio::task::yield_now().await,
            }
        }
    };
    assert_eq!(timeout(TEST_TIMEOUT, all).await.unwrap(), [1, 2, 3]);
    assert_eq!(tokens(&fake), [""]);
}

#[tokio::test]
async fn a_watch_of_a_missing_job_returns_not_found_and_ends() {
    let fake = FakeGateway::start(script([]));
    let mut watch = client(&fake).watch(["nobody"], "");
    let error = sequences(&mut watch).await.unwrap_err();
    assert_eq!(error.rejection().unwrap().code, Code::NotFound);
    assert!(watch.next().await.is_none());
}

#[tokio::test]
async fn a_watch_without_progress_ends_with_unavailable() {
    let cut = || vec![Step::Fail(Status::unavailable("never"))];
    let fake = FakeGateway::start(script(std::iter::repeat_with(cut).take(999)));
    let error = sequences(&mut client(&fake).with_retry(short_retry()).watch(["job-1"], "")).await;
    assert_eq!(error.unwrap_err().to_string(), "the mesh is not available: never");
    assert!(tokens(&fake).len() > 1);
}

#[tokio::test]
async fn a_watch_whose_streams_open_but_send_nothing_ends_with_unavailable() {
    let slow = 2 * short_retry().max_backoff;
    let cut = || vec![Step::Linger(slow), Step::Fail(Status::unavailable("no broker"))];
    let fake = FakeGateway::start(script(std::iter::repeat_with(cut).take(999)));
    let error = sequences(&mut client(&fake).with_retry(short_retry()).watch(["job-1"], "")).await;
    assert_eq!(error.unwrap_err().to_string(), "the mesh is not available: no broker");
}

#[tokio::test]
async fn a_result_in_parts_is_joined_across_a_reconnect() {
    let run = |offset: i32, names: &[&str], values: &[f64]| Solution {
        variable_offset: offset,
        variable_names: names.iter().map(ToString::to_string).collect(),
        values: values.to_vec(),
        ..Solution::default()
    };
    let result = SolveResult { solution: None, solution_part_count: 2, ..wyndor() };
    let fake = FakeGateway::start(script([
        vec![
            event(1, queued()),
            event(2, part(0, 2, run(0, &["a", "b"], &[1.0, 2.0]))),
            Step::Fail(Status::unavailable("")),
        ],
        vec![
            event(3, part(1, 2, run(2, &["c"], &[3.0]))),
            event(4, finished(JobState::Succeeded, Some(result))),
        ],
    ]));
    let outcome = client(&fake).result("job-1").await.unwrap();
    let solution = outcome.solution().unwrap();
    assert_eq!(solution.variable_names, ["a", "b", "c"]);
    assert_eq!(solution.values, [1.0, 2.0, 3.0]);
    assert!(
        fake.script
            .seen_watches
            .lock()
            .unwrap()
            .iter()
            .all(|watch| watch.kinds == [JobEventKind::SolutionPart as i32])
    );
}

#[tokio::test]
async fn a_list_reads_all_pages() {
    let job = |n: i32| Job { job_id: format!("job-{n}"), ..Job::default() };
    let fake = FakeGateway::start(Script { jobs: (0..5).map(job).collect(), ..Script::default() });
    let request = ListJobsRequest { page_size: 2, ..ListJobsRequest::default() };
    let jobs: Vec<_> = client(&fake).list(request).try_collect().await.unwrap();
    let ids: Vec<_> = jobs.iter().map(|job| job.job_id.as_str()).collect();
    assert_eq!(ids, ["job-0", "job-1", "job-2", "job-3", "job-4"]);
    assert_eq!(fake.script.seen_lists.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn calls_can_be_spawned() {
    let fake = FakeGateway::start(job_that(finished(JobState::Succeeded, Some(wyndor()))));
    let client = client(&fake);
    let objective = tokio::spawn(async move {
        let job = client.submit(SubmitJobRequest::default()).await?;
        Ok::<_, Error>(client.result(&job.job_id).await?.objective())
    });
    assert_eq!(objective.await.unwrap().unwrap(), Some(3600.0));
}
