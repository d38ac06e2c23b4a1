//! The command line as a solver of AMPL, against a scripted gateway.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::Mutex,
};

use solvemesh_client::v1::{
    Basis, BasisStatus, FileFormat, Job, JobDescription, JobEventKind, JobState, LogLines,
    ModelSize, Solution, SolveResult, SubmitJobRequest, TerminationReason, job_event::Kind,
    model::Form,
};
use solvemesh_testkit::fake_gateway::{
    FakeGateway, Script, Step, event, finished, job_that, queued, script, started, succeeded,
    wyndor,
};
use tempfile::TempDir;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::program::text;

/// The Wyndor Glass product mix: maximise 3 x + 5 y with x <= 4, 2 y <= 12, 3 x + 2 y <= 18.
const WYNDOR: &str = "g3 1 1 0\t# problem wyndor\n 2 3 1 0 0\n 0 0\n 0 0\n 0 0 0\n 0 0 0 1\n \
                      0 0 0 0 0\n 4 2\n 0 0\n 0 0 0 0 0\nC0\nn0\nC1\nn0\nC2\nn0\nO0 1\nn0\nr\n\
                      1 4\n1 12\n1 18\nb\n2 0\n2 0\nk1\n2\nJ0 1\n0 1\nJ1 1\n1 2\nJ2 2\n0 3\n1 2\n\
                      G0 2\n0 3\n1 5\n";

/// A folder with the model.
fn folder(model: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let stub = folder.path().join("wyndor");
    fs::write(stub.with_extension("nl"), model).unwrap();
    (folder, stub)
}

fn program(gateway: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_solvemesh"));
    for (name, _) in
        std::env::vars().filter(|(name, _)| name.to_lowercase().starts_with("solvemesh_"))
    {
        command.env_remove(name);
    }
    command.env("SOLVEMESH_URL", gateway);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn drive(fake: &FakeGateway, stub: &Path, options: &[&str]) -> Output {
    program(&fake.url()).arg(stub).arg("-AMPL").args(options).output().unwrap()
}

fn sol(stub: &Path) -> String {
    fs::read_to_string(stub.with_extension("sol")).unwrap()
}

fn submitted(fake: &FakeGateway) -> SubmitJobRequest {
    fake.script.seen_submits.lock().unwrap()[0].clone()
}

#[test]
fn the_version_is_printed_as_ampl_and_pyomo_ask_for_it() {
    let output = program("").arg("-v").output().unwrap();
    assert_eq!(text(&output.stdout), concat!("solvemesh ", env!("CARGO_PKG_VERSION"), "\n"));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn the_keywords_are_listed() {
    let output = program("").arg("-=").output().unwrap();
    let listed = text(&output.stdout);
    for keyword in ["timelimit", "mipgap", "threads", "wantsol", "server", "ratiogap"] {
        assert!(listed.contains(keyword), "{listed}");
    }
}

#[test]
fn a_model_is_solved_and_the_answer_written_beside_it() {
    let basic: i32 = BasisStatus::Basic.into();
    let basis = Basis { variables: vec![basic; 2], constraints: vec![basic, 3, 3] };
    let mut result = SolveResult { basis: Some(basis), ..wyndor() };
    result.solution.as_mut().unwrap().reduced_costs = vec![0.0, -2.5];
    let fake = FakeGateway::start(job_that(finished(JobState::Succeeded, Some(result))));
    let (_folder, stub) = folder(WYNDOR);
    // Pyomo passes the name with its extension, AMPL without.
    let output = drive(&fake, &stub.with_extension("nl"), &["timelimit=5", "mipgap=0", "seed=7"]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    let sol = sol(&stub);
    let (message, rest) = sol.split_once("\n\n").unwrap();
    assert!(message.contains(": optimal solution; objective 3600\n"), "{message}");
    assert!(message.contains("job job-1"), "{message}");
    let expected = "Options\n3\n1\n1\n0\n3\n3\n2\n2\n0\n150\n100\n2\n6\nobjno 0 0\n\
                    suffix 4 2 3 0 0\nrc\n0 0\n1 -2.5\n\
                    suffix 0 2 8 0 0\nsstatus\n0 1\n1 1\nsuffix 1 3 8 0 0\nsstatus\n0 1\n1 4\n2 4\n";
    assert_eq!(rest, expected);
    assert!(text(&output.stdout).contains("optimal solution"), "{output:?}");

    let sent = submitted(&fake);
    let options = sent.options.unwrap();
    assert_eq!((options.time_limit.unwrap().seconds, options.relative_gap), (5, Some(0.0)));
    assert_eq!((options.seed, options.omit_names), (Some(7), true));
    let model = sent.model.unwrap();
    assert_eq!(model.name, "wyndor");
    let Some(Form::Linear(arrays)) = model.form else { panic!("no arrays") };
    assert_eq!(arrays.objective, [3.0, 5.0]);
}

#[test]
fn options_come_from_the_environment_and_then_from_the_command_line() {
    let fake = FakeGateway::start(job_that(finished(JobState::Succeeded, Some(wyndor()))));
    let (_folder, stub) = folder(WYNDOR);
    let mut command = program("http://127.0.0.1:1");
    command.env("solvemesh_options", format!("server={} threads=2 outlev 0 seed=1", fake.url()));
    let output = command.arg(&stub).args(["-AMPL", "seed=2", "wantsol=15"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    // The message is suppressed.
    assert_eq!(text(&output.stdout), "value 0 2\nvalue 1 6\ndual 0 0\ndual 1 150\ndual 2 100\n");
    let options = submitted(&fake).options.unwrap();
    assert_eq!((options.threads, options.seed, options.return_log), (Some(2), Some(2), false));
}

#[test]
fn an_unknown_option_is_rejected_by_name_before_anything_is_sent() {
    let fake = FakeGateway::start(Script::default());
    let (_folder, stub) = folder(WYNDOR);
    let output = drive(&fake, &stub, &["feastol=1e-9"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("unknown option feastol"), "{output:?}");
    let mut command = program(&fake.url());
    command.env("solvemesh_options", "threads=0");
    let output = command.arg(&stub).arg("-AMPL").output().unwrap();
    assert!(text(&output.stderr).contains("solvemesh_options: threads=0: must be"), "{output:?}");
    assert!(fake.script.seen_submits.lock().unwrap().is_empty());
}

#[test]
fn the_log_of_the_solver_goes_to_standard_output() {
    let log = LogLines { lines: vec!["Running HiGHS".into()], omitted_count: 2 };
    let end = finished(JobState::Succeeded, Some(wyndor()));
    let fake = FakeGateway::start(script([vec![
        event(1, queued()),
        event(2, started()),
        event(3, Kind::Log(log)),
        event(4, end),
    ]]));
    let (_folder, stub) = folder(WYNDOR);
    let output = drive(&fake, &stub, &[]);
    let stdout = text(&output.stdout);
    assert!(stdout.starts_with("Running HiGHS\n(2 more log lines omitted)\n"), "{stdout}");
    let watches = fake.script.seen_watches.lock().unwrap();
    assert!(watches[0].kinds.contains(&JobEventKind::Log.into()));
}

#[test]
fn a_model_without_a_solution_has_its_number_and_no_values() {
    for (reason, number) in [
        (TerminationReason::Infeasible, 200),
        (TerminationReason::Unbounded, 300),
        (TerminationReason::InfeasibleOrUnbounded, 299),
        (TerminationReason::NoSolutionFound, 470),
        (TerminationReason::NumericalError, 500),
    ] {
        let fake = FakeGateway::start(job_that(succeeded(reason)));
        let (_folder, stub) = folder(WYNDOR);
        assert_eq!(drive(&fake, &stub, &[]).status.code(), Some(0));
        let expected = format!("Options\n3\n1\n1\n0\n3\n0\n2\n0\nobjno 0 {number}\n");
        assert_eq!(sol(&stub).split_once("\n\n").unwrap().1, expected);
    }
}

#[test]
fn a_solution_in_parts_is_joined() {
    let part = |index, solution| {
        event(3 + index, solvemesh_testkit::fake_gateway::part(index, 2, solution))
    };
    let first = Solution { values: vec![2.0], ..Solution::default() };
    let second = Solution {
        variable_offset: 1,
        values: vec![6.0],
        activities: vec![2.0, 12.0, 18.0],
        duals: vec![0.0, 150.0, 100.0],
        ..Solution::default()
    };
    let result = SolveResult { solution: None, solution_part_count: 2, ..wyndor() };
    let end = event(5, finished(JobState::Succeeded, Some(result)));
    let fake = FakeGateway::start(script([vec![
        event(1, queued()),
        event(2, started()),
        part(0, first),
        part(1, second),
        end,
    ]]));
    let (_folder, stub) = folder(WYNDOR);
    assert_eq!(drive(&fake, &stub, &[]).status.code(), Some(0));
    assert!(sol(&stub).contains("\n2\n2\n0\n150\n100\n2\n6\nobjno 0 0\n"), "{}", sol(&stub));
}

#[cfg(unix)]
#[test]
fn a_signal_cancels_the_job_and_writes_the_best_solution() {
    use std::io::{BufRead, BufReader};
    for signal in ["-INT", "-TERM"] {
        let log = LogLines { lines: vec!["running".into()], omitted_count: 0 };
        let fake = FakeGateway::start(script([vec![
            event(1, queued()),
            event(2, started()),
            event(3, Kind::Log(log)),
            Step::AwaitCancel,
            event(4, finished(JobState::Cancelled, Some(wyndor()))),
        ]]));
        let (_folder, stub) = folder(WYNDOR);
        let mut child = program(&fake.url()).arg(&stub).arg("-AMPL").spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert_eq!(line, "running\n");
        let id = child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(0), "{signal}");
        assert!(sol(&stub).contains("\n2\n6\nobjno 0 600\n"), "{}", sol(&stub));
        assert!(sol(&stub).contains("interrupted, the best solution so far; objective 3600"));
    }
}

#[cfg(unix)]
#[test]
fn a_second_signal_ends_without_waiting() {
    use std::io::{BufRead, BufReader};
    let log = LogLines { lines: vec!["running".into()], omitted_count: 0 };
    let fake = FakeGateway::start(script([vec![
        event(1, queued()),
        event(2, started()),
        event(3, Kind::Log(log)),
        Step::Hang,
    ]]));
    let (_folder, stub) = folder(WYNDOR);
    let mut child = program(&fake.url()).arg(&stub).arg("-AMPL").spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let kill = || {
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    };
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    kill();
    // The first signal has been received when this is printed.
    line.clear();
    stdout.read_line(&mut line).unwrap();
    assert!(line.starts_with("cancelling the job"), "{line}");
    kill();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(sol(&stub).contains("watch job-1") && sol(&stub).ends_with("objno 0 600\n"));
}

#[test]
fn what_is_not_linear_is_rejected_by_constraint_and_an_old_answer_removed() {
    let fake = FakeGateway::start(Script::default());
    let (_folder, stub) = folder(&WYNDOR.replacen("C1\nn0", "C1\no5\nv0\nn2", 1));
    fs::write(stub.with_extension("sol"), "an old answer").unwrap();
    let output = drive(&fake, &stub, &[]);
    assert_eq!(output.status.code(), Some(2));
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("wyndor.nl: line 16") && stderr.contains("constraint 1 is not linear"),
        "{stderr}"
    );
    assert!(!stub.with_extension("sol").exists());
}

#[test]
fn a_rejected_model_has_the_exit_code_of_other_commands_and_no_answer() {
    let mut details = ErrorDetails::new();
    details.add_bad_request_violation("model.linear.variable_lower[0]", "is NaN");
    let status = Status::with_error_details(Code::InvalidArgument, "the request", details);
    let submits = Mutex::new([status].into());
    let fake = FakeGateway::start(Script { submits, ..Script::default() });
    let (_folder, stub) = folder(WYNDOR);
    let output = drive(&fake, &stub, &[]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(text(&output.stderr).contains("wyndor.nl: is NaN"), "{output:?}");
    assert!(!stub.with_extension("sol").exists());
}

#[test]
fn an_nl_file_is_sent_as_it_is_by_other_commands() {
    let fake = FakeGateway::start(job_that(finished(JobState::Succeeded, Some(wyndor()))));
    let (_folder, stub) = folder(WYNDOR);
    let file = stub.with_extension("nl");
    let output = program(&fake.url())
        .env("SOLVEMESH_GATEWAY", fake.url())
        .args(["solve", "--format", "nl", file.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let Some(Form::File(sent)) = submitted(&fake).model.unwrap().form else { panic!("no file") };
    assert_eq!((sent.format(), sent.content.as_ref()), (FileFormat::Nl, WYNDOR.as_bytes()));
}

/// A gateway with a finished job, whose result a watch has.
fn finished_job() -> FakeGateway {
    let size = ModelSize { variable_count: 2, constraint_count: 3, ..ModelSize::default() };
    let job = Job {
        job_id: "job-1".into(),
        state: JobState::Succeeded.into(),
        description: Some(JobDescription { size: Some(size), ..JobDescription::default() }),
        finish_time: Some(prost_types::Timestamp::default()),
        solution_omitted: true,
        ..Job::default()
    };
    let end = finished(JobState::Succeeded, Some(wyndor()));
    FakeGateway::start(Script { jobs: vec![job], ..job_that(end) })
}

fn get(fake: &FakeGateway, words: &[&str]) -> Output {
    program("").env("SOLVEMESH_GATEWAY", fake.url()).arg("get").args(words).output().unwrap()
}

#[test]
fn get_writes_the_solution_of_a_job_as_a_sol_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wyndor.sol");
    let output =
        get(&finished_job(), &["job-1", "--sol", file.to_str().unwrap(), "--sol-format", "ampl"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let written = fs::read_to_string(&file).unwrap();
    let expected = "\nOptions\n3\n1\n1\n0\n3\n3\n2\n2\n0\n150\n100\n2\n6\nobjno 0 0\n";
    assert!(written.contains(expected), "{written}");

    let names = ["job-1", "--sol", file.to_str().unwrap()];
    assert_eq!(get(&finished_job(), &names).status.code(), Some(0));
    let written = fs::read_to_string(&file).unwrap();
    assert_eq!(written, "# Objective value = 3600\nDoors 2\nWindows 6\n");
}

#[test]
fn get_writes_no_sol_file_of_a_running_job_or_of_several() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.sol");
    let job = Job { job_id: "job-1".into(), ..Job::default() };
    let fake = FakeGateway::start(Script { jobs: vec![job], ..Script::default() });
    for (jobs, why) in
        [(&["job-1"][..], "job-1 has not finished"), (&["job-1", "job-2"], "of one job")]
    {
        let output = get(&fake, &[jobs, &["--sol", file.to_str().unwrap()]].concat());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(text(&output.stderr).contains(why), "{output:?}");
        assert!(!file.exists());
    }
}
