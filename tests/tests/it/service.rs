//! What the service promises beyond solving: idempotence, cancels, helpful errors, streams
//! that can be resumed, and models and solutions larger than one message.

use std::{collections::BTreeMap, time::Duration};

use prost::Message;
use solvemesh::v1::{
    CancelJobRequest, GetCapabilitiesRequest, GetJobRequest, Job, JobFilter, JobState, LinearModel,
    ListJobsRequest, Model, SolveOptions, SolveRequest, Solver, SolverCapabilities, SolverOption,
    SolverOptionType, SubmitJobRequest, TerminationLimit, TerminationReason, WatchResultsRequest,
    job_event::Kind, model::Form,
};
use solvemesh_tests::{
    jobs::{self, MESSAGE_LIMIT, Watch, agree},
    mesh::{Api, Gateway, worker},
    models, rabbit, within,
};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

#[tokio::test]
async fn every_form_of_a_model_has_the_same_answer() {
    let gateway = Gateway::embedded(&[]).await;
    let forms = [
        models::wyndor(500.0),
        models::wyndor_named(500.0),
        models::lp(models::WYNDOR_LP),
        models::file("wyndor.lp", models::WYNDOR_LP),
    ];
    for form in forms {
        let story = jobs::solve(&gateway.api(), jobs::request(form)).await;
        assert!(agree(story.objective(), 3600.0), "{story:?}");
        let values = story.values();
        assert!(agree(values["Doors"], 2.0) && agree(values["Windows"], 6.0), "{values:?}");
        let solution = story.solutions().next().expect("a solution");
        assert_eq!(solution.constraint_names, ["plant1", "plant2", "plant3"]);
        let duals = [0.0, 150.0, 100.0];
        assert!(
            solution.duals.iter().zip(duals).all(|(y, known)| agree(*y, known)),
            "{solution:?}"
        );
    }
}

/// Wyndor at a profit rate, under a request id that does not change.
fn named(rate: f64) -> SubmitJobRequest {
    SubmitJobRequest { request_id: "r-1".into(), ..jobs::request(models::wyndor(rate)) }
}

#[tokio::test]
async fn one_request_id_is_one_job_on_every_gateway() {
    let vhost = rabbit::vhost().await;
    let here = Gateway::on(vhost.url(), &[]).await;
    let there = Gateway::on(vhost.url(), &[]).await;
    let job = jobs::submit(&here.api(), named(500.0)).await;
    assert_eq!(jobs::submit(&there.api(), named(500.0)).await, job);
    assert_eq!(jobs::submit(&here.api(), named(500.0)).await, job);
    let status = there.api().submit_job(named(100.0)).await.expect_err("another payload");
    assert_eq!(status.code(), Code::AlreadyExists, "{status:?}");

    let _worker = worker(vhost.url());
    let story = Watch::begin(&there.api(), &job).await.finish().await;
    assert!(agree(story.objective(), 3600.0), "{story:?}");
    assert_eq!(story.attempts(), [1]);
    assert_eq!(list(&here.api(), ListJobsRequest::default()).await, [job]);
}

#[tokio::test]
async fn gateways_that_race_for_one_request_id_agree() {
    let vhost = rabbit::vhost().await;
    let here = Gateway::on(vhost.url(), &[]).await;
    let there = Gateway::on(vhost.url(), &[]).await;
    let _worker = worker(vhost.url());
    let (here, there) = (here.api(), there.api());
    let (first, second, again) = tokio::join!(
        jobs::submit(&here, named(500.0)),
        jobs::submit(&there, named(500.0)),
        jobs::submit(&here, named(500.0)),
    );
    assert_eq!((&second, &again), (&first, &first));
    let story = Watch::begin(&there, &first).await.finish().await;
    assert!(agree(story.objective(), 3600.0), "{story:?}");
    assert_eq!(list(&here, ListJobsRequest::default()).await, [first]);
}

#[tokio::test]
async fn a_queued_job_is_cancelled_at_once() {
    let vhost = rabbit::vhost().await;
    let gateway = Gateway::on(vhost.url(), &[]).await;
    let job = jobs::submit(&gateway.api(), jobs::request(models::wyndor(500.0))).await;
    assert_eq!(cancel(&gateway.api(), &job).await.state(), JobState::Cancelled);
    let _worker = worker(vhost.url());
    // The worker that starts now solves the next job, and skips this one.
    let next = jobs::solve(&gateway.api(), jobs::request(models::wyndor(100.0))).await;
    assert!(agree(next.objective(), 1500.0), "{next:?}");
    let story = Watch::begin(&gateway.api(), &job).await.finish().await;
    assert_eq!(story.finished.state(), JobState::Cancelled);
    assert!(story.attempts().is_empty(), "{story:?}");
}

#[tokio::test]
async fn a_cancelled_running_job_returns_its_best_solution() {
    let vhost = rabbit::vhost().await;
    let gateway = Gateway::on(vhost.url(), &[]).await;
    let _worker = worker(vhost.url());
    cancels_a_running_job(&gateway.api()).await;
}

#[tokio::test]
async fn a_running_job_can_be_cancelled_in_one_process_too() {
    let gateway = Gateway::embedded(&[]).await;
    cancels_a_running_job(&gateway.api()).await;
}

async fn cancels_a_running_job(api: &Api) {
    let job = jobs::submit(api, jobs::exact(models::market_split(5, 40), 300)).await;
    let mut watch = Watch::begin(api, &job).await;
    watch.until(|kind| matches!(kind, Kind::Progress(it) if it.objective.is_some())).await;
    assert!(cancel(api, &job).await.cancel_requested);
    let story = within(Duration::from_secs(30), "the cancelled job's end", watch.finish()).await;
    assert_eq!(story.finished.state(), JobState::Cancelled);
    assert_eq!(story.termination().limit(), TerminationLimit::Interrupted);
    assert!(story.solutions().next().is_some(), "the best solution so far: {story:?}");
    assert!(story.max_violation() < 1e-5);
}

#[tokio::test]
async fn a_submission_that_is_only_validated_queues_nothing() {
    let gateway = Gateway::embedded(&[]).await;
    let only = |model| SubmitJobRequest { validate_only: true, ..jobs::request(model) };
    let response = gateway.api().submit_job(only(models::wyndor(500.0))).await.expect("valid");
    let job = response.into_inner().job.expect("a job");
    assert_eq!(job.job_id, "");
    let size = job.description.and_then(|it| it.size).expect("a size");
    assert_eq!((size.variable_count, size.constraint_count, size.nonzero_count), (2, 3, 4));
    jobs::refusal(&gateway.api(), only(models::lp("Maximize 3 x +"))).await;
    assert!(list(&gateway.api(), ListJobsRequest::default()).await.is_empty());
}

#[tokio::test]
async fn an_invalid_model_is_refused_with_the_place_of_the_error() {
    let gateway = Gateway::embedded(&[]).await;
    let linear = |change: fn(&mut LinearModel)| {
        let mut model = models::wyndor(500.0);
        let Some(Form::Linear(linear)) = &mut model.form else { panic!("arrays") };
        change(linear);
        model
    };
    let cases: [(Model, &str, &str); 9] = [
        (linear(|m| m.variable_lower = vec![0.0]), "model.linear.objective", "variable_lower"),
        (linear(|m| m.column_indices[3] = 2), "model.linear.column_indices[3]", ""),
        (linear(|m| m.column_indices[3] = 0), "model.linear.column_indices[3]", ""),
        (linear(|m| m.objective[1] = f64::NAN), "model.linear.objective[1]", ""),
        (linear(|m| m.coefficients[0] = f64::INFINITY), "model.linear.coefficients[0]", ""),
        (linear(|m| m.row_starts[1] = 3), "model.linear.row_starts", ""),
        (linear(|m| m.variable_names[1] = "Doors".into()), "model.linear.variable_names[1]", ""),
        (models::lp("Maximize\n obj: 3 x\nSubject To\n c: x ! 4\nEnd\n"), "model.lp", "line 4, "),
        (models::mps("NAME A\nROWS\n N cost\n X row\nENDATA\n"), "model.mps", "line 4, "),
    ];
    for (model, field, place) in cases {
        let status = jobs::refusal(&gateway.api(), jobs::request(model)).await;
        let violations =
            status.get_details_bad_request().expect("field violations").field_violations;
        let found = violations.iter().any(|violation| {
            violation.field.starts_with(field) && violation.description.contains(place)
        });
        assert!(found, "{field} {place:?}: {violations:?}");
        assert_eq!(domain(&status), "solvemesh.dev");
    }
}

#[tokio::test]
async fn an_invalid_option_is_refused_by_name() {
    let gateway = Gateway::embedded(&[]).await;
    let raw = |name: &str, value: &str| SolveOptions {
        solver_options: BTreeMap::from([(name.to_owned(), value.to_owned())]),
        ..SolveOptions::default()
    };
    let seconds = |seconds| SolveOptions {
        time_limit: Some(prost_types::Duration { seconds, nanos: 0 }),
        ..SolveOptions::default()
    };
    let cases = [
        (raw("no_such_option", "1"), "no_such_option"),
        (raw("log_file", "/tmp/log"), "log_file"),
        (raw("simplex_strategy", "four"), "simplex_strategy"),
        (seconds(-1), "time_limit"),
        (seconds(1_000_000_000), "time_limit"),
        (SolveOptions { relative_gap: Some(-0.5), ..SolveOptions::default() }, "relative_gap"),
        (SolveOptions { threads: Some(0), ..SolveOptions::default() }, "threads"),
    ];
    for (options, name) in cases {
        let request =
            SubmitJobRequest { options: Some(options), ..jobs::request(models::wyndor(500.0)) };
        let status = jobs::refusal(&gateway.api(), request).await;
        assert!(status.message().contains(name), "{name}: {}", status.message());
    }
}

#[tokio::test]
async fn an_unknown_job_is_not_found() {
    let gateway = Gateway::embedded(&[]).await;
    let request = GetJobRequest { job_id: "no-such-job".into(), ..GetJobRequest::default() };
    let status = gateway.api().get_job(request).await.expect_err("no such job");
    assert_eq!(status.code(), Code::NotFound, "{status:?}");
    assert_eq!(domain(&status), "solvemesh.dev");
    let request = WatchResultsRequest { job_ids: vec!["no-such-job".into()], ..Default::default() };
    let status = match gateway.api().watch_results(request).await {
        Err(status) => status,
        Ok(response) => response.into_inner().message().await.expect_err("no such job"),
    };
    assert_eq!(status.code(), Code::NotFound, "{status:?}");
}

#[tokio::test]
async fn a_watch_resumes_after_any_of_its_tokens_on_any_gateway() {
    let vhost = rabbit::vhost().await;
    let here = Gateway::on(vhost.url(), &[]).await;
    let there = Gateway::on(vhost.url(), &[]).await;
    let _worker = worker(vhost.url());
    let job = jobs::submit(&here.api(), jobs::exact(models::market_split(5, 40), 2)).await;
    let mut whole = Watch::begin(&here.api(), &job).await;
    while whole.next().await.is_some() {}
    for (position, (_, token)) in whole.seen.iter().enumerate() {
        let mut rest = Watch::resume(&there.api(), &job, token).await;
        while rest.next().await.is_some() {}
        let events = |seen: &[(solvemesh::v1::JobEvent, String)]| {
            seen.iter().map(|(event, _)| event.clone()).collect::<Vec<_>>()
        };
        assert_eq!(events(&rest.seen), events(&whole.seen[position + 1..]));
    }
    let request = WatchResultsRequest {
        job_ids: vec![job],
        resume_token: "no token".into(),
        ..Default::default()
    };
    let status = here.api().watch_results(request).await.expect_err("no token of ours");
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
}

#[tokio::test]
async fn one_stream_watches_several_jobs() {
    let gateway = Gateway::embedded(&[]).await;
    let api = gateway.api();
    let first = jobs::submit(&api, jobs::request(models::wyndor(100.0))).await;
    let second = jobs::submit(&api, jobs::request(models::wyndor(500.0))).await;
    let request = WatchResultsRequest {
        job_ids: vec![first.clone(), second.clone()],
        ..WatchResultsRequest::default()
    };
    let mut stream = gateway.api().watch_results(request).await.expect("a watch").into_inner();
    let mut ended = Vec::new();
    while let Some(response) = within(Duration::from_secs(60), "an event", stream.message())
        .await
        .expect("a stream without an error")
    {
        if let Some(solvemesh::v1::watch_results_response::Kind::Event(event)) = response.kind
            && matches!(event.kind, Some(Kind::Finished(_)))
        {
            ended.push(event.job_id);
        }
    }
    ended.sort_unstable();
    let mut both = vec![first, second];
    both.sort_unstable();
    assert_eq!(ended, both);
}

#[tokio::test]
async fn solve_returns_the_result() {
    let gateway = Gateway::embedded(&[]).await;
    let request = SolveRequest { model: Some(models::wyndor(500.0)), ..SolveRequest::default() };
    let job = gateway.api().solve(request).await.expect("an answer").into_inner().job;
    let job = job.expect("a job");
    assert_eq!(job.state(), JobState::Succeeded);
    let termination = job.result.and_then(|it| it.termination).expect("a termination");
    assert!(agree(termination.objective.expect("an objective"), 3600.0));
}

#[tokio::test]
async fn solve_returns_the_best_solution_before_the_callers_deadline() {
    let gateway = Gateway::embedded(&[]).await;
    let request =
        SolveRequest { model: Some(models::market_split(5, 40)), ..SolveRequest::default() };
    let mut request = Request::new(request);
    request.set_timeout(Duration::from_secs(6));
    let response = gateway.api().solve(request).await.expect("an answer before the deadline");
    let job = response.into_inner().job.expect("a job");
    assert_eq!(job.state(), JobState::Succeeded, "{job:?}");
    let termination = job.result.and_then(|it| it.termination).expect("a termination");
    assert_eq!(termination.reason(), TerminationReason::Feasible);
    assert_eq!(termination.limit(), TerminationLimit::Time);
}

#[tokio::test]
async fn jobs_are_listed_latest_first_by_page_state_and_label() {
    let gateway = Gateway::embedded(&[]).await;
    let api = gateway.api();
    let mut submitted = Vec::new();
    for number in 0..5 {
        let parity = if number % 2 == 0 { "even" } else { "odd" };
        let labels = BTreeMap::from([("parity".to_owned(), parity.to_owned())]);
        let request = SubmitJobRequest { labels, ..jobs::request(models::wyndor(500.0)) };
        let job = jobs::submit(&api, request).await;
        Watch::begin(&api, &job).await.finish().await;
        submitted.push(job);
    }
    submitted.reverse();
    let pages = ListJobsRequest { page_size: 2, ..ListJobsRequest::default() };
    assert_eq!(list(&api, pages).await, submitted);
    let labels = BTreeMap::from([("parity".to_owned(), "odd".to_owned())]);
    let filter = JobFilter { labels, ..JobFilter::default() };
    let odd = ListJobsRequest { filter: Some(filter), ..ListJobsRequest::default() };
    assert_eq!(list(&api, odd).await, [submitted[1].clone(), submitted[3].clone()]);
    let filter = JobFilter { states: vec![JobState::Running.into()], ..JobFilter::default() };
    let running = ListJobsRequest { filter: Some(filter), ..ListJobsRequest::default() };
    assert!(list(&api, running).await.is_empty());
}

#[tokio::test]
async fn a_large_model_and_its_solution_are_split_into_parts_through_a_broker() {
    let vhost = rabbit::vhost().await;
    let gateway = Gateway::on(vhost.url(), &[]).await;
    let _worker = worker(vhost.url());
    solves_a_large_model(&gateway.api()).await;
}

#[tokio::test]
async fn a_large_model_and_its_solution_are_split_into_parts_in_one_process() {
    let gateway = Gateway::embedded(&[]).await;
    solves_a_large_model(&gateway.api()).await;
}

async fn solves_a_large_model(api: &Api) {
    const GROUPS: usize = 20_000;
    let request = jobs::request(models::wide(GROUPS));
    assert!(request.encoded_len() > 2 * MESSAGE_LIMIT, "a model that fills several messages");
    let job = jobs::submit(api, request).await;
    let story = Watch::begin(api, &job).await.finish().await;
    assert!(agree(story.objective(), GROUPS as f64), "{:?}", story.termination());
    assert!(story.result().solution_part_count > 1, "{:?}", story.result().solution_part_count);
    assert_eq!(story.values().len(), 10 * GROUPS);
    assert!(agree(story.values().values().sum(), GROUPS as f64));

    let request = GetJobRequest { job_id: job, ..GetJobRequest::default() };
    let found = api.clone().get_job(request).await.expect("the job").into_inner().job;
    let found = found.expect("a job");
    assert!(found.solution_omitted && found.result.is_some_and(|it| it.solution.is_none()));
}

#[tokio::test]
async fn every_listed_option_is_accepted_by_its_solver() {
    let gateway = Gateway::embedded(&[]).await;
    let api = gateway.api();
    let response = api.clone().get_capabilities(GetCapabilitiesRequest {}).await;
    let capabilities = response.expect("capabilities").into_inner();
    assert!(capabilities.ephemeral, "embedded");
    let highs = |it: &&SolverCapabilities| it.solver() == Solver::Highs;
    assert!(capabilities.solvers.iter().find(highs).is_some_and(|it| !it.options.is_empty()));
    for solver in &capabilities.solvers {
        for option in &solver.options {
            let options = SolveOptions {
                solver: solver.solver,
                solver_options: BTreeMap::from([(option.name.clone(), harmless(option))]),
                ..SolveOptions::default()
            };
            let request = SubmitJobRequest {
                options: Some(options),
                ..jobs::request(models::file("knapsack.lp", KNAPSACK))
            };
            let story = jobs::solve(&api, request).await;
            assert_eq!(story.finished.state(), JobState::Succeeded, "{option:?}: {story:?}");
            assert_eq!(story.result().solver(), solver.solver());
            let reason = story.termination().reason();
            assert_eq!(reason, TerminationReason::Optimal, "{option:?}: {story:?}");
        }
    }
}

const KNAPSACK: &str = "Maximize
 worth: 60 a + 50 b + 24 c + 55 d
Subject To
 weight: 3.2 a + 1.8 b + 1.1 c + 4.5 d <= 8
Binaries
 a b c d
End
";

/// A value of an option that does not change the result of an easy model.
fn harmless(option: &SolverOption) -> String {
    let value = match (option.r#type(), option.name.as_str()) {
        (SolverOptionType::Bool, _) => "true",
        (SolverOptionType::Int, "simplex_strategy" | "simplex_scale_strategy") => "2",
        (SolverOptionType::Int, name) if name.ends_with("strategy") => "1",
        (SolverOptionType::Int, name) if name.ends_with("scale_factor") => "4",
        (SolverOptionType::Int, name) if name.starts_with("user_") => "4",
        (SolverOptionType::Int, _) => "1000",
        (SolverOptionType::Double, name) if name.contains("tolerance") => "1e-7",
        (SolverOptionType::Double, "mip_heuristic_effort") => "0.1",
        (SolverOptionType::Double, "small_matrix_value") => "1e-9",
        // Bounds and targets of an objective that is maximised: out of reach.
        (SolverOptionType::Double, _) => "1e9",
        (SolverOptionType::String, _) => "choose",
        (SolverOptionType::Unspecified, name) => panic!("{name} has no type"),
    };
    value.to_owned()
}

async fn cancel(api: &Api, job_id: &str) -> Job {
    let request = CancelJobRequest { job_id: job_id.to_owned() };
    let response = api.clone().cancel_job(request).await.expect("a cancel");
    response.into_inner().job.expect("a job")
}

/// The ids of all listed jobs, from all pages.
async fn list(api: &Api, mut request: ListJobsRequest) -> Vec<String> {
    let mut jobs = Vec::new();
    loop {
        let page = api.clone().list_jobs(request.clone()).await.expect("a page").into_inner();
        assert!(request.page_size == 0 || page.jobs.len() <= request.page_size as usize);
        jobs.extend(page.jobs.into_iter().map(|job| job.job_id));
        if page.next_page_token.is_empty() {
            return jobs;
        }
        request.page_token = page.next_page_token;
    }
}

fn domain(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.domain).unwrap_or_default()
}
