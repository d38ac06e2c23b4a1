//! Sweeps on the command line, as a process, against a scripted gateway.

use std::{
    fs,
    io::Write,
    process::{Output, Stdio},
    sync::Mutex,
};

use crate::program::{command, file, interrupt, run, running, text};
use solvemesh_client::{
    Client,
    v1::{
        Job, JobDescription, JobFinished, JobQueued, JobState, ScenarioReport, ScenarioResult,
        ScenarioResults, SweepDescription, SweepSummary, TerminationCount,
        TerminationReason as Reason, job_event::Kind, sweep::Scenarios,
    },
};
use solvemesh_testkit::fake_gateway::{
    FakeGateway, Script, Step, answered, event, event_of, job_that, queued, script, started, swept,
};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

const ANSWERS: [(i32, Option<f64>); 3] = [(2, Some(3600.0)), (0, Some(1500.5)), (1, None)];

/// Three scenarios, with results out of order and in two batches.
fn three() -> Vec<Step> {
    vec![
        event(1, queued()),
        event(2, started()),
        event(3, answered(&ANSWERS[..1])),
        event(4, answered(&ANSWERS[1..])),
        event(5, swept(JobState::Succeeded, 3, &ANSWERS)),
    ]
}

fn sweep(fake: &FakeGateway, flags: &[&str]) -> Output {
    let file = file("max\n obj: x\nend\n");
    run(fake, &[&["sweep", file.path().to_str().unwrap()], flags].concat())
}

#[test]
fn a_sweep_prints_a_row_per_result_and_a_summary() {
    let fake = FakeGateway::start(script([three()]));
    let output = sweep(&fake, &["--vary", "obj:Windows=100..500/3", "--time-limit", "5"]);
    let expected = "\
scenario  obj:Windows   objective  iterations  reason
       2          500        3600           1  OPTIMAL
       0          100      1500.5           1  OPTIMAL
       1          300                       1  INFEASIBLE
";
    assert_eq!(text(&output.stdout), expected);
    let stderr = text(&output.stderr);
    let (facts, time) = stderr.rsplit_once("time        ").unwrap();
    let expected = "\
state       SUCCEEDED
answered    3 of 3 scenarios  2 OPTIMAL  1 INFEASIBLE
best        3600 in scenario 2: obj:Windows=500
worst       1500.5 in scenario 0: obj:Windows=100
iterations  3
";
    assert_eq!(facts, expected);
    assert!(time.ends_with(" scenarios/s\n"), "{time}");
    assert_eq!(output.status.code(), Some(0));

    let seen = fake.script.seen_submits.lock().unwrap();
    assert_eq!(seen[0].options.as_ref().unwrap().time_limit.as_ref().unwrap().seconds, 5);
    let sweep = seen[0].sweep.as_ref().unwrap();
    assert_eq!(
        (sweep.report.clone(), sweep.stop_on_first),
        (Some(ScenarioReport::default()), None)
    );
    let Some(Scenarios::Grid(grid)) = &sweep.scenarios else { panic!("a grid") };
    let axis = &grid.axes[0];
    assert_eq!((axis.first, axis.last, axis.point_count), (Some(100.0), Some(500.0), 3));
    assert_eq!(axis.parameter.as_ref().unwrap().variable, "Windows");
}

#[test]
fn flags_of_sweep_are_put_into_the_request() {
    let fake = FakeGateway::start(script([three()]));
    let vary = ["--vary", "obj:x=1,2", "--vary", "coef:c,x=3..4/2"];
    let asked = ["--values", "x", "--values", "y", "--all-duals", "--stop-at", "-5"];
    let output = sweep(&fake, &[&vary[..], &asked].concat());
    // No scenario reached the target.
    assert_eq!(output.status.code(), Some(4));
    let seen = fake.script.seen_submits.lock().unwrap();
    let sweep = seen[0].sweep.as_ref().unwrap();
    let report = sweep.report.as_ref().unwrap();
    assert_eq!(report.variables, ["x", "y"]);
    assert!(report.all_constraints && !report.all_variables);
    assert_eq!(sweep.stop_on_first.unwrap().objective_target, Some(-5.0));
    let Some(Scenarios::Grid(grid)) = &sweep.scenarios else { panic!("a grid") };
    assert_eq!(grid.axes[0].values, [1.0, 2.0]);
    assert_eq!(grid.axes[1].parameter.as_ref().unwrap().constraint, "c");
}

#[test]
fn csv_and_json_have_a_line_per_result_and_the_extension_selects_the_format() {
    let folder = tempfile::tempdir().unwrap();
    for (name, flags, first, lines) in [
        ("a.csv", &[][..], "scenario,label,obj:x,reason", 4),
        (
            "a.jsonl",
            &[],
            r#"{"jobId":"job-1","scenario":2,"label":null,"parameters":{"obj:x":3.0}"#,
            3,
        ),
        ("b.csv", &["--json"], r#"{"jobId""#, 3),
        ("a.txt", &[], "scenario  obj:x", 4),
        ("a.txt", &["--csv"], "scenario,label", 4),
    ] {
        let file = folder.path().join(name);
        let fake = FakeGateway::start(script([three()]));
        let output = ["--vary", "obj:x=1,2,3", "--output", file.to_str().unwrap()];
        let output = sweep(&fake, &[&output[..], flags].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(text(&output.stdout), "");
        let written = fs::read_to_string(&file).unwrap();
        assert!(written.starts_with(first), "{name}: {written}");
        assert_eq!(written.lines().count(), lines, "{name}");
    }
    let fake = FakeGateway::start(script([three()]));
    let output = sweep(&fake, &["--vary", "obj:x=1,2,3", "--csv"]);
    assert_eq!(text(&output.stdout).lines().nth(2), Some("0,,1,OPTIMAL,,1500.5,,1,,"));
}

#[test]
fn scenarios_are_read_from_a_file_and_printed_with_their_labels() {
    let table = file("label,obj:x,\"coef:c,x\"\nlow,1,\nbase,,\nhigh,3,4\n");
    let path = table.path().to_str().unwrap();
    let label = |(index, label): (i32, &str)| ScenarioResult {
        index,
        label: label.into(),
        reason: Reason::Optimal.into(),
        ..ScenarioResult::default()
    };
    let results = [(2, "high"), (1, "base")].map(label).to_vec();
    let answers = event(2, Kind::ScenarioResults(ScenarioResults { results }));
    let end = event(3, swept(JobState::Succeeded, 3, &[]));
    let fake = FakeGateway::start(script([vec![event(1, queued()), answers, end]]));
    let output = sweep(&fake, &["--scenarios", path]);
    let lines: Vec<_> = text(&output.stdout).lines().collect();
    assert!(lines[0].ends_with("reason      label"), "{lines:?}");
    assert!(lines[1].ends_with("OPTIMAL     high") && lines[2].ends_with("base"), "{lines:?}");
    let seen = fake.script.seen_submits.lock().unwrap();
    let Some(Scenarios::Table(table)) = &seen[0].sweep.as_ref().unwrap().scenarios else {
        panic!("a table")
    };
    assert_eq!(table.labels, ["low", "base", "high"]);
    assert_eq!(table.scenario_starts, [0, 1, 1, 3]);
}

#[test]
fn a_plot_is_drawn_below_the_rows_or_instead_of_them() {
    let answers: Vec<_> = (0..5).map(|n| (n, Some(f64::from(n)))).collect();
    let steps = || {
        let end = swept(JobState::Succeeded, 5, &answers);
        vec![event(1, queued()), event(2, answered(&answers)), event(3, end)]
    };
    let fake = FakeGateway::start(script([steps(), steps()]));
    let output = sweep(&fake, &["--vary", "rhs:c=10..50/5", "--plot"]);
    let stdout = text(&output.stdout);
    let (rows, plot) = stdout.split_once("\n\n").unwrap();
    assert_eq!(rows.lines().count(), 6);
    assert!(plot.starts_with("objective\n4 ┤"), "{plot}");
    assert!(
        plot.contains("\n   10 ") && plot.contains(" rhs:c ") && plot.ends_with(" 50\n"),
        "{plot}"
    );
    assert!(plot.lines().all(|line| line.chars().count() <= 80), "{plot}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.csv");
    let flags = ["--vary", "rhs:c=10..50/5", "--plot", "--output", file.to_str().unwrap()];
    let output = sweep(&fake, &flags);
    assert!(text(&output.stdout).starts_with("objective\n"), "{output:?}");
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 6);
}

#[test]
fn a_hundred_thousand_results_are_printed_once_each_and_plotted() {
    let batch = |first: i32| {
        let answers: Vec<_> = (first..first + 1000).map(|n| (n, Some(f64::from(n)))).collect();
        answered(&answers)
    };
    let batches = (0..100).rev().map(|n| event(n + 2, batch(n * 1000)));
    let end = event(200, swept(JobState::Succeeded, 100_000, &[]));
    let steps = [event(1, queued())].into_iter().chain(batches).chain([end]).collect();
    let fake = FakeGateway::start(script([steps]));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.csv");
    let vary = ["--vary", "obj:x=0..1/100000", "--plot", "--output", file.to_str().unwrap()];
    let output = sweep(&fake, &vary);
    assert!(text(&output.stdout).starts_with("objective\n  99999 ┤"), "{output:?}");
    let written = fs::read_to_string(&file).unwrap();
    let mut scenarios: Vec<u32> = written
        .lines()
        .skip(1)
        .map(|line| line.split(',').next().unwrap().parse().unwrap())
        .collect();
    scenarios.sort_unstable();
    assert!(scenarios.into_iter().eq(0..100_000));
    assert!(written.contains("\n99999,,1,OPTIMAL"));
}

#[test]
fn an_invalid_sweep_exits_with_two_and_a_position() {
    let fake = FakeGateway::start(Script::default());
    let table = file("obj:x\n1\nten\n");
    let path = table.path().to_str().unwrap();
    let words: [(&[&str], &str); 9] = [
        (&[], "--vary or --scenarios is required"),
        (&["--vary", "obj:x"], "column 6: `=` and the values are missing"),
        (&["--vary", "obj:x=1..2/x"], "column 12: `x` is not a number of values"),
        (&["--vary", "obj:x=1", "--scenarios", path], "cannot be used with"),
        (&["--scenarios", path], "line 3, column 1: `ten` is not a number"),
        (&["--scenarios", "/no/such.csv"], "/no/such.csv: "),
        (&["--vary", "obj:x=1", "--csv", "--json"], "cannot be used with"),
        (
            &["--vary", "obj:x=1..9/9", "--vary", "obj:y=1,2", "--plot"],
            "9 curves, the maximum is 6",
        ),
        (&["--vary", "obj:x=1,2", "--plot", "--csv"], "--output"),
    ];
    for (words, expected) in words {
        let output = sweep(&fake, words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(text(&output.stderr).contains(expected), "{words:?}: {output:?}");
        assert_eq!(text(&output.stdout), "");
    }
    let output = run(&fake, &["sweep", "-", "--scenarios", "-"]);
    assert!(text(&output.stderr).contains("cannot be both"), "{output:?}");
    assert!(fake.script.seen_submits.lock().unwrap().is_empty());
}

#[test]
fn violations_are_reported_by_their_options() {
    for (field, flags, expected) in [
        (
            "sweep.grid.axes[1].parameter.variable",
            &["--vary", "obj:x=1", "--vary", "obj:y=1"][..],
            "\n  --vary obj:y: there is none\n",
        ),
        ("sweep.report.variables[0]", &["--vary", "obj:x=1"], "\n  --values: there is none\n"),
        ("sweep.grid.axes", &["--vary", "obj:x=1"], "\n  sweep.grid.axes: there is none\n"),
    ] {
        let mut details = ErrorDetails::new();
        details.add_bad_request_violation(field, "there is none");
        let status = Status::with_error_details(Code::InvalidArgument, "the request", details);
        let fake = FakeGateway::start(Script {
            submits: Mutex::new([status].into()),
            ..Script::default()
        });
        let output = sweep(&fake, flags);
        assert!(text(&output.stderr).contains(expected), "{output:?}");
        assert_eq!(output.status.code(), Some(9));
    }
}

#[test]
fn exit_codes_match_the_outcomes_of_sweeps() {
    let ended = |reasons: &[Reason], stopped_by| {
        let counts =
            reasons.iter().map(|&reason| TerminationCount { reason: reason.into(), count: 1 });
        let summary =
            SweepSummary { counts: counts.collect(), stopped_by, ..SweepSummary::default() };
        let state = JobState::Succeeded.into();
        Kind::Finished(
            JobFinished { state, sweep_summary: Some(summary), ..JobFinished::default() }.into(),
        )
    };
    for (end, flags, code) in [
        (ended(&[Reason::Optimal, Reason::Infeasible], None), &[][..], 0),
        (ended(&[Reason::Infeasible], None), &[], 4),
        (ended(&[Reason::Optimal, Reason::NoSolutionFound], None), &[], 5),
        (ended(&[Reason::Optimal, Reason::OtherError], None), &[], 6),
        (ended(&[Reason::Feasible], Some(0)), &["--stop-on-first"], 0),
        (ended(&[Reason::Infeasible], None), &["--stop-on-first"], 4),
        (swept(JobState::Cancelled, 3, &ANSWERS[..1]), &[], 7),
        (swept(JobState::Expired, 3, &[]), &[], 6),
    ] {
        let name = format!("{end:?}");
        let output = sweep(
            &FakeGateway::start(job_that(end)),
            &[&["--vary", "obj:x=1,2,3"], flags].concat(),
        );
        assert_eq!(output.status.code(), Some(code), "{name}");
    }
}

#[test]
fn watch_get_and_list_print_sweeps() {
    let report = Some(ScenarioReport { variables: vec!["x".into()], ..ScenarioReport::default() });
    let sweep = Some(SweepDescription { scenario_count: 3, report, ..SweepDescription::default() });
    let description = Some(JobDescription { sweep, ..JobDescription::default() });
    let accepted = || Kind::Queued(JobQueued { description: description.clone() }.into());
    let watched = || {
        let mut steps = three();
        steps[0] = event(1, accepted());
        steps
    };
    let Kind::Finished(finished) = swept(JobState::Succeeded, 3, &ANSWERS) else {
        panic!("an end")
    };
    let sweep_summary = finished.sweep_summary;
    let job = Job { job_id: "job-1".into(), sweep_summary, ..Job::default() };
    let fake = FakeGateway::start(Script { jobs: vec![job], ..script([watched(), watched()]) });

    let output = run(&fake, &["watch", "job-1"]);
    let stdout = text(&output.stdout);
    let (rows, facts) = stdout.split_once("\n\n").unwrap();
    assert!(rows.starts_with("scenario   objective     value:x  iterations  reason\n"), "{rows}");
    assert_eq!(rows.lines().count(), 4);
    assert!(facts.contains("\nbest        3600 in scenario 2\n"), "{facts}");
    assert_eq!(output.status.code(), Some(0));

    let output = run(&fake, &["watch", "job-1", "--json"]);
    let lines: Vec<serde_json::Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4);
    assert_eq!((&lines[0]["scenario"], &lines[0]["jobId"]), (&2.into(), &"job-1".into()));
    assert_eq!(lines[3]["sweep"]["counts"]["OPTIMAL"], 2);
    assert_eq!(lines[3]["state"], "SUCCEEDED");

    let stdout = run(&fake, &["get", "job-1"]).stdout;
    assert!(text(&stdout).contains("\nanswered    3 of 3 scenarios  2 OPTIMAL  1 INFEASIBLE\n"));
    let stdout = run(&fake, &["get", "job-1", "--json"]).stdout;
    assert!(text(&stdout).contains(r#""best":{"label":null,"objective":3600.0,"scenario":2}"#));
    assert!(text(&run(&fake, &["list"]).stdout).contains("3/3 scenarios  3600"));
}

#[test]
fn results_of_several_jobs_are_labelled_with_their_jobs() {
    let answers = |job, sequence| event_of(job, sequence, answered(&[(sequence, Some(1.0))]));
    let end = |job| event_of(job, 9, swept(JobState::Succeeded, 2, &[]));
    let steps = vec![answers("a", 0), answers("b", 0), answers("a", 1), end("a"), end("b")];
    let fake = FakeGateway::start(script([steps]));
    let stdout = run(&fake, &["watch", "a", "b"]).stdout;
    let heads: Vec<_> = text(&stdout).lines().filter(|line| line.starts_with("job ")).collect();
    assert_eq!(heads[..3], ["job a", "job b", "job a"], "{heads:?}");
}

#[test]
fn a_sweep_continues_where_its_stream_broke() {
    let mut steps = three();
    let rest = steps.split_off(3);
    steps.push(Step::Fail(Status::unavailable("going away")));
    let fake = FakeGateway::start(script([steps, rest]));
    let output = sweep(&fake, &["--vary", "obj:x=1,2,3", "--csv"]);
    assert_eq!(text(&output.stdout).lines().count(), 4);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(fake.script.seen_watches.lock().unwrap()[1].resume_token, "after 3");
}

#[cfg(unix)]
#[test]
fn the_first_interrupt_cancels_a_sweep_and_the_second_exits() {
    let model = file("text");
    let words = ["sweep", model.path().to_str().unwrap(), "-v", "--csv", "--vary", "obj:x=1,2,3"];
    let begin = || vec![event(1, queued()), event(2, started())];
    let answer = || event(3, answered(&ANSWERS[..1]));
    let end = event(4, swept(JobState::Cancelled, 3, &ANSWERS[..1]));
    let cancelled = begin().into_iter().chain([Step::AwaitCancel, answer(), end]).collect();
    let hanging = begin().into_iter().chain([Step::Hang]).collect();
    let fake = FakeGateway::start(script([cancelled, hanging]));

    let child = running(&fake, &words);
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert!(text(&output.stdout).contains("\n2,,3,OPTIMAL,,3600,"), "{output:?}");
    assert!(text(&output.stderr).contains("answered    1 of 3 scenarios  1 OPTIMAL"), "{output:?}");
    assert_eq!(output.status.code(), Some(7));
    fake.await_cancel();

    let child = running(&fake, &words);
    interrupt(&child);
    fake.await_cancel();
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    let again =
        format!("interrupted; to watch again: solvemesh --gateway {} watch job-1\n", fake.url());
    assert!(text(&output.stderr).ends_with(&again), "{output:?}");
    assert_eq!(output.status.code(), Some(130));
}

#[test]
fn the_scenarios_can_be_read_from_standard_input() {
    let fake = FakeGateway::start(script([three()]));
    let model = file("text");
    let words = ["sweep", model.path().to_str().unwrap(), "--scenarios", "-"];
    let mut child = command(&fake.url(), &words).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"obj:x\n1\n2\n3\n").unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
}

#[tokio::test]
async fn the_library_returns_results_sorted_by_scenario() {
    let fake = FakeGateway::start(script([three()]));
    let client = Client::connect(&fake.url()).unwrap();
    let answers = client.sweep_results("job-1").await.unwrap();
    let indices: Vec<_> = answers.results.iter().map(|result| result.index).collect();
    assert_eq!(indices, [0, 1, 2]);
    assert_eq!(answers.outcome.state, JobState::Succeeded);
    assert_eq!(answers.outcome.sweep.unwrap().answered_count, 3);
}
