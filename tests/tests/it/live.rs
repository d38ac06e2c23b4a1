//! A solve that is watched while it runs: its progress, its better solutions, its log.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use solvemesh::v1::{
    CancelJobRequest, GetJobRequest, Incumbent, IncumbentOptions, JobEvent, JobEventKind, JobState,
    Progress, SolveOptions, SubmitJobRequest, TerminationLimit, TerminationReason,
    WatchResultsRequest, job_event::Kind, watch_results_response,
};
use solvemesh_tests::{
    instances::Instances,
    jobs::{self, Story, Watch},
    mesh::{Api, Gateway},
    models, processes, within,
};
use tokio::time::{sleep, timeout};

/// How long a solve is watched before it is stopped.
const WATCHED: Duration = Duration::from_secs(5);

async fn gateway() -> Gateway {
    Gateway::embedded(&[]).await
}

fn long(model: solvemesh::v1::Model, options: SolveOptions) -> SubmitJobRequest {
    let request = jobs::exact(model, 120);
    let exact = request.options.clone().unwrap_or_default();
    let options =
        SolveOptions { time_limit: exact.time_limit, relative_gap: exact.relative_gap, ..options };
    SubmitJobRequest { options: Some(options), ..request }
}

/// Watches a job for a limited time.
async fn watch_for(api: &Api, job: &str, time: Duration) -> Watch {
    let mut watch = Watch::begin(api, job).await;
    let forever = async { while watch.next().await.is_some() {} };
    let _ = timeout(time, forever).await;
    watch
}

fn incumbents(events: &[JobEvent]) -> Vec<Incumbent> {
    let incumbent = |event: &JobEvent| match &event.kind {
        Some(Kind::Incumbent(incumbent)) => Some(incumbent.clone()),
        _ => None,
    };
    events.iter().filter_map(incumbent).collect()
}

fn progress(events: &[JobEvent]) -> Vec<Progress> {
    let progress = |event: &JobEvent| match &event.kind {
        Some(Kind::Progress(progress)) => Some(*progress),
        _ => None,
    };
    events.iter().filter_map(progress).collect()
}

async fn cancel(api: &Api, job: &str) {
    let request = CancelJobRequest { job_id: job.to_owned() };
    api.clone().cancel_job(request).await.expect("a cancel");
}

/// Checks that the events of a job report the progress of its solve, and every improvement.
fn is_live(name: &str, story: &Story, time: Duration) {
    let reports = progress(&story.events);
    let seconds = usize::try_from(time.as_secs()).expect("seconds");
    assert!(reports.len() >= seconds, "{name}: {} progress events in {time:?}", reports.len());
    let elapsed = reports.iter().map(|progress| {
        let elapsed = progress.elapsed.expect("a time since the solve began");
        Duration::try_from(elapsed).expect("a time")
    });
    let elapsed: Vec<Duration> = elapsed.collect();
    let pauses = || elapsed.windows(2).map(|pair| pair[1] - pair[0]);
    // By the worker's clock, so that delays elsewhere do not count. Promised is a report every
    // second, usual are two; one second more is for a machine that is busy with other tests.
    let longest = elapsed.iter().copied().take(1).chain(pauses()).max().expect("some");
    assert!(longest <= Duration::from_secs(2), "{name}: nothing for {longest:?}: {elapsed:?}");
    eprintln!("{name}: at most {longest:?} from one progress event to the next");
    for progress in &reports {
        let numbers = [progress.objective, progress.objective_bound, progress.relative_gap];
        assert!(numbers.iter().flatten().all(|number| number.is_finite()), "{progress:?}");
        assert!(progress.relative_gap.is_none_or(|gap| gap >= 0.0), "{progress:?}");
    }
    let found = incumbents(&story.events);
    assert!(!found.is_empty(), "{name}: no incumbents");
    assert!(found.is_sorted_by(|a, b| b.objective < a.objective), "{name}: {found:?}");
    let before = story.events.iter().rev().nth(1).and_then(|event| event.kind.as_ref());
    assert!(matches!(before, Some(Kind::Progress(_))), "{name}: before the end came {before:?}");
}

#[tokio::test]
async fn a_long_solve_reports_its_progress_and_a_cancel_returns_the_last_incumbent() {
    let Some(instances) = Instances::find() else { return };
    let gateway = gateway().await;
    for name in ["markshare1", "pk1"] {
        let model = instances.model(&format!("mip/{name}.mps"));
        let job = jobs::submit(&gateway.api(), long(model, SolveOptions::default())).await;
        let watch = watch_for(&gateway.api(), &job, WATCHED).await;
        let started = Instant::now();
        cancel(&gateway.api(), &job).await;
        let story = watch.finish().await;
        assert!(started.elapsed() < Duration::from_secs(2), "{name}: {:?}", started.elapsed());
        is_live(name, &story, WATCHED);
        assert_eq!(story.finished.state(), JobState::Cancelled, "{name}");
        let termination = story.termination();
        assert_eq!(termination.reason(), TerminationReason::Feasible, "{name}");
        assert_eq!(termination.limit(), TerminationLimit::Interrupted, "{name}");
        assert!(story.max_violation() <= 1e-6, "{name}: {}", story.max_violation());
        let found = incumbents(&story.events);
        let last = found.last().expect("an incumbent");
        assert!(jobs::agree(story.objective(), last.objective()), "{name}: {last:?}");
        let values: BTreeMap<_, _> =
            last.variable_names.iter().cloned().zip(last.values.iter().copied()).collect();
        assert_eq!(values.len(), story.values().len(), "{name}");
        eprintln!(
            "{name}: {} progress events, {} incumbents, ended {:?} after the cancel",
            progress(&story.events).len(),
            found.len(),
            started.elapsed()
        );
    }
}

#[tokio::test]
async fn a_suspended_solver_is_killed_and_its_last_incumbent_is_the_result() {
    let Some(instances) = Instances::find() else { return };
    let gateway = gateway().await;
    let model = instances.model("mip/markshare1.mps");
    let job = jobs::submit(&gateway.api(), jobs::exact(model, 4)).await;
    let mut watch = Watch::begin(&gateway.api(), &job).await;
    watch.until(|kind| matches!(kind, Kind::Started(_))).await;
    let started = Instant::now();
    watch.until(|kind| matches!(kind, Kind::Incumbent(_))).await;
    // The solvers of other slots are idle, so stopping them has no effect.
    let solvers = gateway.process.children();
    let stopped = solvers.iter().filter(|solver| processes::send(**solver, libc::SIGSTOP)).count();
    assert!(stopped > 0, "no solver");
    let story = within(Duration::from_secs(30), "the end", watch.finish()).await;
    let took = started.elapsed();
    solvers.iter().for_each(|solver| {
        processes::send(*solver, libc::SIGCONT);
    });
    // The limit of 4 s, a tenth of it, and the default grace of 5 s.
    assert!(took > Duration::from_secs(8) && took < Duration::from_secs(12), "{took:?}");
    let termination = story.termination();
    assert_eq!(termination.reason(), TerminationReason::Feasible);
    assert_eq!(termination.limit(), TerminationLimit::Time);
    let found = incumbents(&story.events);
    assert_eq!(Some(story.objective()), found.last().and_then(|last| last.objective));
    assert!(story.max_violation() <= 1e-6);
}

#[tokio::test]
async fn the_solver_log_is_sent_on_request_and_can_be_resumed() {
    let Some(instances) = Instances::find() else { return };
    let gateway = gateway().await;
    let options = SolveOptions { return_log: true, ..SolveOptions::default() };
    let request = long(instances.model("mip/p0201.mps"), options);
    let job = jobs::submit(&gateway.api(), request).await;
    let mut watch = Watch::begin(&gateway.api(), &job).await;
    while watch.next().await.is_some() {}
    let lines = |seen: &[(JobEvent, String)]| -> Vec<String> {
        let log = |(event, _): &(JobEvent, String)| match &event.kind {
            Some(Kind::Log(log)) => log.lines.clone(),
            _ => Vec::new(),
        };
        seen.iter().flat_map(log).collect()
    };
    let whole = lines(&watch.seen);
    assert!(whole[0].starts_with("MIP has 133 rows"), "{whole:?}");
    assert!(whole.iter().any(|line| line.contains("Solving report")), "{whole:?}");
    assert!(whole.iter().all(|line| !line.contains('\n')));
    let at = watch.seen.iter().position(|(event, _)| matches!(event.kind, Some(Kind::Log(_))));
    let (first, token) = &watch.seen[at.expect("lines")];
    let mut rest = Watch::resume(&gateway.api(), &job, token).await;
    while rest.next().await.is_some() {}
    let before = lines(&[(first.clone(), String::new())]).len();
    assert_eq!(lines(&rest.seen), whole[before..]);

    let without = jobs::solve(
        &gateway.api(),
        long(instances.model("mip/p0201.mps"), SolveOptions::default()),
    )
    .await;
    assert!(!without.events.iter().any(|event| matches!(event.kind, Some(Kind::Log(_)))));
}

#[tokio::test]
async fn incumbents_have_the_requested_variables() {
    let gateway = gateway().await;
    let model = models::market_split(4, 30);
    let probe = jobs::submit(&gateway.api(), long(model.clone(), SolveOptions::default())).await;
    let mut watch = Watch::begin(&gateway.api(), &probe).await;
    let event = watch.until(|kind| matches!(kind, Kind::Incumbent(_))).await;
    let names = incumbents(&[event])[0].variable_names.clone();
    let request = GetJobRequest { job_id: probe.clone(), ..GetJobRequest::default() };
    let found = gateway.api().get_job(request).await.expect("a job").into_inner().job;
    assert!(found.expect("a job").incumbent.is_some());
    cancel(&gateway.api(), &probe).await;
    watch.finish().await;

    let variables = vec![names[3].clone(), names[1].clone()];
    let incumbents_asked = IncumbentOptions { nonzeros_only: false, variables };
    let options = SolveOptions { incumbents: Some(incumbents_asked), ..SolveOptions::default() };
    let job = jobs::submit(&gateway.api(), long(model.clone(), options)).await;
    let mut watch = Watch::begin(&gateway.api(), &job).await;
    let event = watch.until(|kind| matches!(kind, Kind::Incumbent(_))).await;
    let incumbent = &incumbents(&[event])[0];
    assert_eq!(incumbent.variable_indices, [1, 3]);
    assert_eq!(incumbent.variable_names, [names[1].clone(), names[3].clone()]);
    assert_eq!(incumbent.values.len(), 2);
    cancel(&gateway.api(), &job).await;

    let unknown = IncumbentOptions { variables: vec!["no such".into()], nonzeros_only: false };
    let options = SolveOptions { incumbents: Some(unknown), ..SolveOptions::default() };
    let refused = jobs::refusal(&gateway.api(), long(model, options)).await;
    assert!(refused.message().contains("no such"), "{refused:?}");
}

#[tokio::test]
async fn a_watcher_can_filter_events_and_limit_their_rate() {
    let gateway = gateway().await;
    let request = long(models::market_split(4, 30), SolveOptions::default());
    let job = jobs::submit(&gateway.api(), request).await;
    sleep(Duration::from_secs(2)).await;
    let watch = |request: WatchResultsRequest| {
        let (mut api, job_ids) = (gateway.api(), vec![job.clone()]);
        async move {
            let request = WatchResultsRequest { job_ids, ..request };
            let mut stream = api.watch_results(request).await.expect("a watch").into_inner();
            let mut events = Vec::new();
            while let Some(response) = stream.message().await.expect("a stream") {
                if let Some(watch_results_response::Kind::Event(event)) = response.kind {
                    events.push((Instant::now(), event));
                }
            }
            events
        }
    };
    let skipping = WatchResultsRequest {
        kinds: vec![JobEventKind::Finished.into()],
        ..WatchResultsRequest::default()
    };
    let every_two = WatchResultsRequest {
        min_interval: Duration::from_secs(2).try_into().ok(),
        ..WatchResultsRequest::default()
    };
    let end = async {
        sleep(Duration::from_secs(5)).await;
        let started = Instant::now();
        cancel(&gateway.api(), &job).await;
        started
    };
    let (quiet, slow, cancelled) = tokio::join!(watch(skipping), watch(every_two), end);

    let events: Vec<JobEvent> = quiet.into_iter().map(|(_, event)| event).collect();
    assert!(progress(&events).is_empty() && incumbents(&events).is_empty());
    assert!(events.iter().any(|event| event.skipped_count > 0), "{events:?}");
    Story::new(events);

    let times: Vec<Instant> = slow
        .iter()
        .filter(|(at, event)| *at < cancelled && matches!(event.kind, Some(Kind::Progress(_))))
        .map(|(at, _)| *at)
        .collect();
    assert!((2..=4).contains(&times.len()), "{} progress events", times.len());
    // They are sent two seconds apart, and may arrive later. Without the limit there would be half a
    // second between them.
    let least = Duration::from_secs(1);
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= least), "{times:?}");
    let (last, _) = slow.last().expect("an end");
    assert!(*last - cancelled < Duration::from_secs(2), "an end comes at once");
    // It got the latest state each time: `skipped` accounts for every gap in the numbers.
    Story::new(slow.into_iter().map(|(_, event)| event).collect());
}
