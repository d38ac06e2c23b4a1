//! The command line, as a process, against a scripted gateway.

use std::{
    io::Write,
    process::{Child, Command, Output, Stdio},
    sync::Mutex,
};

use crate::program::{command, file, interrupt, run, running, text};
use solvemesh_client::v1::{
    Failure, Incumbent, Job, JobEventKind, JobFinished, JobState, LogLines, SolveResult,
    TerminationReason, WatchResultsRequest, job_event::Kind, model::Form,
};
use solvemesh_testkit::fake_gateway::{
    FakeGateway, Place, Script, Step, TEST_TIMEOUT, event, event_of, finished, job_that, queued,
    script, started, succeeded, wyndor,
};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

fn solve(fake: &FakeGateway, flags: &[&str]) -> Output {
    let file = file("max\n obj: x\nend\n");
    run(fake, &[&["solve", file.path().to_str().unwrap()], flags].concat())
}

fn refusing(details: ErrorDetails) -> FakeGateway {
    let status = Status::with_error_details(Code::InvalidArgument, "the request", details);
    FakeGateway::start(Script { submits: Mutex::new([status].into()), ..Script::default() })
}

#[test]
fn solve_prints_one_flat_object() {
    let fake = FakeGateway::start(job_that(finished(JobState::Succeeded, Some(wyndor()))));
    let output = solve(&fake, &["--json", "--time-limit", "5", "--gap", "0"]);
    let expected = concat!(
        r#"{"jobId":"job-1","state":"SUCCEEDED","reason":"OPTIMAL","limit":null,"#,
        r#""objective":3600.0,"bound":3600.0,"gap":0.0,"#,
        r#""values":{"Doors":2.0,"Windows":6.0},"#,
        r#""duals":{"Plant 1":0.0,"Plant 2":150.0,"Plant 3":100.0},"#,
        r#""reducedCosts":{"Doors":0.0,"Windows":0.0},"#,
        r#""maxViolation":0.0,"attempt":1,"solver":"HIGHS","solveSeconds":0.25}"#,
        "\n"
    );
    assert_eq!(text(&output.stdout), expected);
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));

    let seen = fake.script.seen_submits.lock().unwrap();
    let options = seen[0].options.as_ref().unwrap();
    assert_eq!(options.time_limit.as_ref().unwrap().seconds, 5);
    assert_eq!(options.relative_gap, Some(0.0));
    let Some(Form::File(file)) = &seen[0].model.as_ref().unwrap().form else { panic!("no file") };
    assert_eq!(file.content.as_ref(), b"max\n obj: x\nend\n");
    assert!(file.name.ends_with(".lp") && !file.name.contains('/'));
}

#[test]
fn solve_prints_a_table_and_with_v_the_events() {
    let fake = FakeGateway::start(job_that(finished(JobState::Succeeded, Some(wyndor()))));
    let output = solve(&fake, &["-v"]);
    let stdout = text(&output.stdout);
    assert!(stdout.contains("\nobjective  3600\n"), "{stdout}");
    assert!(stdout.contains("\nWindows       6             0\n"), "{stdout}");
    let expected = "job job-1\njob-1 #1 queued\njob-1 #2 started by worker-1\n\
                    job-1 #3 finished: SUCCEEDED OPTIMAL  objective 3600\n";
    assert_eq!(text(&output.stderr), expected);
}

#[test]
fn flags_are_also_environment_variables() {
    let fake = FakeGateway::start(job_that(finished(JobState::Succeeded, Some(wyndor()))));
    let file = file("text");
    let mut command = command("http://overridden", &["solve", file.path().to_str().unwrap()]);
    command.args(["--gateway", &fake.url()]);
    command.envs([
        ("SOLVEMESH_JSON", "1"),
        ("SOLVEMESH_THREADS", "3"),
        ("SOLVEMESH_OPTION", "a=1,2\nb=3"),
    ]);
    let output = command.output().unwrap();
    assert!(text(&output.stdout).starts_with(r#"{"jobId""#), "{output:?}");
    let seen = fake.script.seen_submits.lock().unwrap();
    let options = seen[0].options.as_ref().unwrap();
    assert_eq!(options.threads, Some(3));
    assert_eq!(options.solver_options["a"], "1,2");
    assert_eq!(options.solver_options["b"], "3");
}

#[test]
fn an_empty_environment_variable_counts_as_none() {
    let fake = FakeGateway::start(job_that(finished(JobState::Succeeded, Some(wyndor()))));
    let file = file("text");
    let mut command = Command::new(env!("CARGO_BIN_EXE_solvemesh"));
    command.args(["solve", file.path().to_str().unwrap()]).env("SOLVEMESH_GATEWAY", fake.url());
    for name in ["JSON", "THREADS", "OPTION", "LABEL", "REQUEST_ID", "TIME_LIMIT", "SOLVER"] {
        command.env(format!("SOLVEMESH_{name}"), "");
    }
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let seen = fake.script.seen_submits.lock().unwrap();
    assert!(!seen[0].request_id.is_empty() && seen[0].labels.is_empty());
    assert_eq!(seen[0].options.as_ref().unwrap().threads, None);
}

#[test]
fn a_large_file_is_sent_compressed_and_errors_name_the_original() {
    let mut details = ErrorDetails::new();
    details.add_bad_request_violation("model.file", "line 1, column 1: nonsense");
    let fake = refusing(details);
    let file = file(&"x".repeat(2 << 20));
    let path = file.path().to_str().unwrap();
    let output = run(&fake, &["submit", path]);
    assert_eq!(text(&output.stderr), format!("{path}: line 1, column 1: nonsense\n"));
    let seen = fake.script.seen_submits.lock().unwrap();
    let Some(Form::File(file)) = &seen[0].model.as_ref().unwrap().form else { panic!("no file") };
    assert!(file.name.ends_with(".lp.gz"), "{}", file.name);
    assert!(file.content.starts_with(&[0x1f, 0x8b]) && file.content.len() < 1 << 16);
}

#[test]
fn validating_queues_nothing_and_prints_no_id() {
    let fake = FakeGateway::start(Script::default());
    let file = file("text");
    let path = file.path().to_str().unwrap();
    let output = run(&fake, &["submit", path, "--validate-only"]);
    let size = "2 variables (1 integer), 3 constraints, 4 nonzeros";
    assert_eq!(text(&output.stderr), format!("warning: odd\n{path}: valid: {size}\n"));
    assert_eq!(text(&output.stdout), "");
    assert_eq!(output.status.code(), Some(0));
    assert!(fake.script.seen_submits.lock().unwrap()[0].validate_only);
}

#[test]
fn submit_prints_the_id_alone_and_reads_standard_input() {
    let fake = FakeGateway::start(Script::default());
    let words = ["submit", "-", "--format", "mps", "--request-id", "mine"];
    let mut child = command(&fake.url(), &words).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"ROWS").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(text(&output.stdout), "job-1\n");
    assert_eq!(output.status.code(), Some(0));
    let seen = fake.script.seen_submits.lock().unwrap();
    assert_eq!(seen[0].request_id, "mine");
    let Some(Form::File(file)) = &seen[0].model.as_ref().unwrap().form else { panic!("no file") };
    assert_eq!((file.content.as_ref(), file.name.as_str()), (b"ROWS".as_slice(), ""));
}

#[test]
fn the_model_is_written_in_mps_format_before_it_is_submitted() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.mps");
    let out = out.to_str().unwrap();
    let fake = FakeGateway::start(Script::default());
    let model = file("max\n obj: 2 x + 3\nst\n limit: x + y <= 4\nend\n");
    let words = ["submit", model.path().to_str().unwrap(), "--model-out", out];
    let output = run(&fake, &words);
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("job-1\n", ""));
    let expected = "NAME \nOBJSENSE\n    MAX\nROWS\n N obj\n L limit\nCOLUMNS\n    x obj 2.0\n    \
                    x limit 1.0\n    y limit 1.0\nRHS\n    RHS obj -3.0\n    RHS limit 4.0\n\
                    BOUNDS\nENDATA\n";
    assert_eq!(std::fs::read_to_string(out).unwrap(), expected);

    // A field of fixed format may contain a blank.
    let fixed = "ROWS\n N  obj\n L  c\nCOLUMNS\n    a b       obj       1.0\n    \
                 a b       c         1.0\nRHS\nENDATA\n";
    std::fs::write(model.path(), fixed).unwrap();
    let output = run(&fake, &[&words[..], &["--format", "mps"]].concat());
    assert!(text(&output.stderr).contains("the variables are named x0, x1"), "{output:?}");
    assert!(std::fs::read_to_string(out).unwrap().contains("\n    x0 c 1.0\n"));
    assert_eq!(fake.script.seen_submits.lock().unwrap().len(), 2);
}

#[test]
fn a_model_that_can_not_be_written_is_not_submitted() {
    let folder = tempfile::tempdir().unwrap();
    let [good, lp] = ["out.mps", "out.lp"].map(|name| folder.path().join(name));
    let fake = FakeGateway::start(Script::default());
    for (content, out, why) in [
        ("max\n obj: x\nend\n", &lp, "should end in .mps"),
        ("garbage", &good, ".lp: line 1, column 1: "),
        (
            "max\n obj: x\nst\nbounds\n 2 <= x <= 1\nend\n",
            &good,
            "bounds of the variable x: [2, 1]",
        ),
    ] {
        let model = file(content);
        let words =
            ["submit", model.path().to_str().unwrap(), "--model-out", out.to_str().unwrap()];
        let output = run(&fake, &words);
        assert!(text(&output.stderr).contains(why), "{output:?}");
        assert_eq!((output.status.code(), out.exists()), (Some(2), false));
    }
    assert_eq!(fake.script.seen_submits.lock().unwrap().len(), 0);
}

#[test]
fn a_rejected_file_prints_only_its_errors_with_positions() {
    let mut details = ErrorDetails::new();
    details
        .add_bad_request_violation("model.file", "line 3, column 7: unknown section")
        .add_bad_request_violation("model.file", "there is no objective");
    let fake = refusing(details);
    let file = file("nonsense");
    let path = file.path().to_str().unwrap();
    let output = run(&fake, &["solve", path, "--json"]);
    let expected =
        format!("{path}: line 3, column 7: unknown section\n{path}: there is no objective\n");
    assert_eq!(text(&output.stderr), expected);
    assert_eq!(text(&output.stdout), "");
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn a_rejected_option_is_named_by_its_field() {
    let mut details = ErrorDetails::new();
    details.add_bad_request_violation("options.threads", "at most 64");
    let output = solve(&refusing(details), &[]);
    assert!(text(&output.stderr).contains("options.threads: at most 64"), "{output:?}");
    assert_eq!(output.status.code(), Some(9));
}

#[test]
fn exit_codes_match_the_outcomes_of_jobs() {
    use TerminationReason as Reason;
    let failure = Failure { reason: "SOLVER_CRASHED".into(), message: "signal 11".into() };
    let failed = |state: JobState| {
        let failure = Some(failure.clone());
        Kind::Finished(
            JobFinished { state: state.into(), failure, ..JobFinished::default() }.into(),
        )
    };
    for (end, code) in [
        (succeeded(Reason::Optimal), 0),
        (succeeded(Reason::Infeasible), 4),
        (succeeded(Reason::Unbounded), 4),
        (succeeded(Reason::Feasible), 5),
        (succeeded(Reason::NoSolutionFound), 5),
        (succeeded(Reason::NumericalError), 6),
        (failed(JobState::Failed), 6),
        (failed(JobState::Expired), 6),
        (finished(JobState::Cancelled, None), 7),
    ] {
        let name = format!("{end:?}");
        let output = solve(&FakeGateway::start(job_that(end)), &["--json"]);
        assert_eq!(output.status.code(), Some(code), "{name}");
        assert_eq!(text(&output.stdout).lines().count(), 1, "{name}");
        assert_eq!(text(&output.stdout).contains("SOLVER_CRASHED"), name.contains("CRASHED"));
    }
}

#[test]
fn an_unreachable_gateway_is_named_and_watch_prints_how_to_resume() {
    let place = Place::new();
    let started = std::time::Instant::now();
    let [get, watch] = [vec!["get", "j"], vec!["watch", "a", "b"]]
        .map(|words| command(&place.url(), &words).spawn().unwrap())
        .map(|child| child.wait_with_output().unwrap());
    assert!(started.elapsed() < TEST_TIMEOUT);
    let nowhere = format!("no gateway at {}: Connection refused", place.url());
    for output in [&get, &watch] {
        let stderr = text(&output.stderr);
        let lines: Vec<_> = stderr.lines().collect();
        assert!(lines[0].starts_with(&format!("the mesh does not respond ({nowhere}")), "{stderr}");
        assert!(lines[0].contains("); retrying for 1"), "{stderr}");
        assert!(lines.last().unwrap().starts_with(&format!("solvemesh: {nowhere}")), "{stderr}");
        assert_eq!(output.status.code(), Some(8));
    }
    assert_eq!(text(&get.stderr).lines().count(), 2);
    let again = format!("\nto watch again: solvemesh --gateway {} watch a b\n", place.url());
    assert!(text(&watch.stderr).contains(&again), "{watch:?}");
}

#[test]
fn a_submission_of_unknown_outcome_prints_how_to_retry_it() {
    let submits = std::iter::repeat_with(|| Status::unavailable("no broker")).take(99).collect();
    let fake = FakeGateway::start(Script { submits: Mutex::new(submits), ..Script::default() });
    let output = solve(&fake, &["--request-id", "mine"]);
    assert_eq!(output.status.code(), Some(8));
    assert!(text(&output.stderr).contains("--request-id mine"), "{output:?}");
}

#[test]
fn an_invalid_command_line_exits_with_two() {
    let fake = FakeGateway::start(Script::default());
    let words: [&[&str]; 10] = [
        &["solve"],
        &["solve", "/no/such/file.lp"],
        &["submit", "-", "--gap", "nan"],
        &["submit", "-", "--option", "a=1", "--option", "a=2"],
        &["list", "--state", "asleep"],
        &["list", "--limit", "0"],
        &["list", "--limit", "-1"],
        &["submit", "-", "--request-id", ""],
        &["demo", "--windows-rate", "inf"],
        &["get", "j", "--gateway", "nonsense"],
    ];
    for words in words {
        let output = run(&fake, words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert_eq!(text(&output.stdout), "", "{words:?}");
    }
}

#[test]
fn a_job_that_does_not_exist_exits_with_nine() {
    let fake = FakeGateway::start(Script::default());
    for words in [["get", "nobody"], ["watch", "nobody"]] {
        let output = run(&fake, &words);
        assert_eq!(output.status.code(), Some(9), "{words:?}");
        assert_eq!(text(&output.stdout), "");
    }
}

#[test]
fn watch_prints_a_line_per_job_and_returns_the_highest_code() {
    let fake = FakeGateway::start(script([
        vec![
            event_of("b", 1, succeeded(TerminationReason::Infeasible)),
            Step::Fail(Status::unavailable("going away")),
        ],
        vec![event_of("a", 2, finished(JobState::Succeeded, Some(wyndor())))],
    ]));
    let output = run(&fake, &["watch", "a", "b", "--json"]);
    let ids: Vec<_> = text(&output.stdout).lines().map(|line| line.get(..12).unwrap()).collect();
    assert_eq!(ids, [r#"{"jobId":"b""#, r#"{"jobId":"a""#]);
    assert_eq!(output.status.code(), Some(4));
    let (lost, back) = text(&output.stderr).split_once('\n').unwrap();
    assert!(lost.starts_with("event stream lost (going away); retrying"), "{lost}");
    assert_eq!(back, "event stream restored\n");
    assert_eq!(fake.script.seen_watches.lock().unwrap()[1].resume_token, "after 1");
}

#[test]
fn demo_prints_the_events_and_the_result() {
    let fake = FakeGateway::start(job_that(finished(JobState::Succeeded, Some(wyndor()))));
    let output = run(&fake, &["demo", "--windows-rate", "500"]);
    let stdout = text(&output.stdout);
    assert!(stdout.starts_with("job-1 #1 queued\njob-1 #2 started by worker-1\n"), "{stdout}");
    assert!(stdout.contains("\nobjective  3600\n"), "{stdout}");
    assert!(stdout.contains("\nDoors         2             0\n"), "{stdout}");
    assert_eq!(output.status.code(), Some(0));
    let seen = fake.script.seen_submits.lock().unwrap();
    let Some(Form::Named(model)) = &seen[0].model.as_ref().unwrap().form else { panic!("named") };
    let rates: Vec<_> = model.variables.iter().map(|v| v.objective.unwrap()).collect();
    assert_eq!(rates, [300.0, 500.0]);
    assert_eq!(model.constraints.len(), 3);
}

#[test]
fn get_and_list_print_jobs() {
    let job = |n: i32| Job {
        job_id: format!("job-{n}"),
        state: JobState::Succeeded.into(),
        result: Some(SolveResult { ..wyndor() }),
        ..Job::default()
    };
    let fake = FakeGateway::start(Script { jobs: (0..5).map(job).collect(), ..Script::default() });

    let output = run(&fake, &["get", "job-3", "--json"]);
    assert!(text(&output.stdout).starts_with(r#"{"jobId":"job-3","state":"SUCCEEDED""#));
    assert!(text(&output.stdout).contains(r#""values":{"Doors":2.0,"Windows":6.0}"#));
    assert!(text(&run(&fake, &["get", "job-3"]).stdout).contains("objective  3600"));

    let output = run(&fake, &["list", "--json", "--limit", "3", "--state", "queued,failed"]);
    assert_eq!(text(&output.stdout).lines().count(), 3);
    assert!(text(&output.stderr).contains("more than 3 jobs match"));
    let states = fake.script.seen_lists.lock().unwrap()[0].filter.clone().unwrap().states;
    assert_eq!(states, [i32::from(JobState::Queued), i32::from(JobState::Failed)]);
    let output = run(&fake, &["list", "--limit", "5"]);
    assert_eq!(text(&output.stdout).lines().count(), 6);
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn get_prints_all_jobs_that_exist() {
    let job = |id: &str| Job { job_id: id.into(), ..Job::default() };
    let fake = FakeGateway::start(Script { jobs: vec![job("a"), job("b")], ..Script::default() });
    let output = run(&fake, &["get", "a", "nobody", "b", "--json"]);
    let ids: Vec<_> = text(&output.stdout).lines().map(|line| line.get(..12).unwrap()).collect();
    assert_eq!(ids, [r#"{"jobId":"a""#, r#"{"jobId":"b""#]);
    assert_eq!(text(&output.stderr), "solvemesh: there is no job nobody\n");
    assert_eq!(output.status.code(), Some(9));
    let output = run(&fake, &["get", "a", "b"]);
    assert_eq!(text(&output.stdout).matches("\n\njob ").count(), 1, "{output:?}");
}

#[test]
fn capabilities_are_one_object_in_json() {
    let output = run(&FakeGateway::start(Script::default()), &["capabilities", "--json"]);
    assert_eq!(text(&output.stdout).lines().count(), 1);
    let object: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["version"], "9.9");
    assert_eq!(object["lanes"][0], "express");
    assert_eq!(object["limits"]["maxVariables"], 1234);
    assert!(object["limits"]["maxDeadlineSeconds"].is_null());
    assert_eq!(object["solvers"][0]["solver"], "HIGHS");
    assert_eq!(object["solvers"][0]["variableKinds"][0], "INTEGER");
    assert_eq!(object["solvers"][0]["options"][0]["type"], "DOUBLE");
    assert_eq!(object["solvers"][0]["lane"], "highs");
    assert_eq!(object["solvers"][0]["available"], false);
}

#[test]
fn cancel_prints_the_state_and_capabilities_the_limits_and_solvers() {
    let fake = FakeGateway::start(Script::default());
    assert_eq!(text(&run(&fake, &["cancel", "job-1"]).stdout), "RUNNING\n");
    let output = run(&fake, &["capabilities"]);
    let stdout = text(&output.stdout);
    assert!(stdout.contains("9.9") && stdout.contains("1234"), "{stdout}");
    assert!(stdout.contains("solver HIGHS (unavailable: no worker has it)"), "{stdout}");
}

#[test]
fn usage_is_a_table_or_one_object() {
    let fake = FakeGateway::start(Script::default());
    let expected = "tenant  key  live jobs  bytes  scenarios\n\
                    acme    ci           2   1500          7\n\
                    \n\
                    day         tenant  key  jobs  solver seconds\n\
                    2030-01-31  acme    ci      3             4.5\n";
    assert_eq!(text(&run(&fake, &["usage"]).stdout), expected);
    let object: serde_json::Value =
        serde_json::from_slice(&run(&fake, &["usage", "--json"]).stdout).unwrap();
    assert_eq!(object["live"][0]["jobCount"], 2);
    assert_eq!(object["days"][0]["solverSeconds"], 4.5);
}

#[test]
fn a_closed_standard_output_is_not_an_error() {
    let job = |n: i32| Job { job_id: format!("job-{n}"), ..Job::default() };
    let fake =
        FakeGateway::start(Script { jobs: (0..400).map(job).collect(), ..Script::default() });
    let mut child = command(&fake.url(), &["list", "--json", "--limit", "400"]).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn on_a_terminal_a_progress_line_is_drawn_and_erased() {
    use std::io::Read;
    let fake = FakeGateway::start(job_that(finished(JobState::Succeeded, Some(wyndor()))));
    let file = file("text");
    let (mut screen, terminal) = crate::program::terminal();
    // The `Command`, which owns handles of the terminal, is dropped at the end of this statement:
    // otherwise the read below would never end.
    let mut child = Command::new(env!("CARGO_BIN_EXE_solvemesh"))
        .args(["--gateway", &fake.url(), "solve", file.path().to_str().unwrap(), "--json"])
        .stdin(Stdio::null())
        .stdout(terminal.try_clone().unwrap())
        .stderr(terminal)
        .spawn()
        .unwrap();
    let mut output = Vec::new();
    // When all writers have closed the terminal, reading fails instead of ending.
    let _ = screen.read_to_end(&mut output);
    assert!(child.wait().unwrap().success());
    let (progress, data) = text(&output).rsplit_once("\r\x1b[2K").unwrap();
    assert!(progress.contains("\x1b[?7l\r\x1b[2KQUEUED  0:00\x1b[?7h"), "{progress:?}");
    assert!(data.starts_with(r#"{"jobId":"job-1""#), "{data:?}");
}

#[test]
fn incumbents_and_the_solvers_log_are_printed_on_request() {
    let better = Incumbent {
        objective: Some(2700.0),
        objective_bound: Some(3600.0),
        ..Incumbent::default()
    };
    let log = LogLines { lines: vec!["Presolving\u{7} model".into()], omitted_count: 3 };
    let watch = || {
        let end = finished(JobState::Succeeded, Some(wyndor()));
        vec![
            event(1, queued()),
            event(2, started()),
            event(3, Kind::Log(log.clone())),
            event(4, Kind::Incumbent(better.clone())),
            event(5, end),
        ]
    };
    let fake = FakeGateway::start(script([watch(), watch(), watch()]));
    let output = solve(&fake, &["--json", "--incumbents", "--log"]);
    let expected = "Presolving\\u{7} model\n(3 more log lines omitted)\n\
                    incumbent: objective 2700  bound 3600\n";
    assert_eq!(text(&output.stderr), expected);
    assert_eq!(output.status.code(), Some(0));
    assert!(fake.script.seen_submits.lock().unwrap()[0].options.as_ref().unwrap().return_log);

    let output = run(&fake, &["watch", "--json", "--incumbents", "job-1"]);
    assert_eq!(text(&output.stderr), "incumbent: objective 2700  bound 3600\n");
    let output = solve(&fake, &["--json"]);
    assert_eq!(text(&output.stderr), "");
    assert!(!fake.script.seen_submits.lock().unwrap()[1].options.as_ref().unwrap().return_log);
    let seen = fake.script.seen_watches.lock().unwrap();
    let omits = |it: &WatchResultsRequest, kind: JobEventKind| !it.kinds.contains(&kind.into());
    let skipped: Vec<_> = seen
        .iter()
        .map(|it| (omits(it, JobEventKind::Incumbent), omits(it, JobEventKind::Log)))
        .collect();
    assert_eq!(skipped, [(false, false), (false, true), (true, true)]);
}

/// Starts `solve -v` and waits until its job is running.
#[cfg(unix)]
fn solving(fake: &FakeGateway) -> Child {
    let file = file("text");
    running(fake, &["solve", "-v", "--json", file.path().to_str().unwrap()])
}

#[cfg(unix)]
#[test]
fn the_first_interrupt_cancels_and_waits_for_the_best_solution() {
    let best = finished(JobState::Cancelled, Some(wyndor()));
    let steps = vec![event(1, queued()), event(2, started()), Step::AwaitCancel, event(3, best)];
    let fake = FakeGateway::start(script([steps]));
    let child = solving(&fake);
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert!(text(&output.stdout).contains(r#""state":"CANCELLED""#), "{output:?}");
    assert!(text(&output.stdout).contains(r#""objective":3600.0"#), "{output:?}");
    assert_eq!(output.status.code(), Some(7));
}

#[cfg(unix)]
#[test]
fn the_second_interrupt_exits_and_prints_how_to_watch_again() {
    let steps = vec![event(1, queued()), event(2, started()), Step::Hang];
    let fake = FakeGateway::start(script([steps]));
    let child = solving(&fake);
    interrupt(&child);
    fake.await_cancel();
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    let again = format!("solvemesh --gateway {} watch job-1", fake.url());
    assert!(text(&output.stderr).contains(&again), "{output:?}");
    assert_eq!(text(&output.stdout), "");
    assert_eq!(output.status.code(), Some(130));
}

#[cfg(unix)]
#[test]
fn an_interrupted_watch_does_not_cancel_and_prints_how_to_watch_again() {
    let end = event_of("job-2", 3, finished(JobState::Succeeded, None));
    let fake = FakeGateway::start(script([vec![end, event(2, started()), Step::Hang]]));
    let child = running(&fake, &["watch", "-v", "--json", "job-1", "job-2"]);
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    let again =
        format!("interrupted; to watch again: solvemesh --gateway {} watch job-1\n", fake.url());
    assert_eq!(text(&output.stderr), again);
    assert!(text(&output.stdout).starts_with(r#"{"jobId":"job-2""#), "{output:?}");
    assert_eq!(output.status.code(), Some(130));
}
