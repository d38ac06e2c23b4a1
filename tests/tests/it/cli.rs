//! `solvemesh`, as scripts use it: data on standard output, codes they can branch on.

use std::{fs, path::Path, process::Output, time::Duration};

use serde_json::Value;
use solvemesh_tests::{mesh::Gateway, models, processes, within};
use tempfile::TempDir;

/// Runs the command line in a folder.
async fn run(gateway: &Gateway, folder: &Path, arguments: &[&str]) -> Output {
    let mut command = processes::command("solvemesh");
    command.arg("--gateway").arg(gateway.url()).args(arguments).current_dir(folder);
    within(Duration::from_secs(60), "the command line", command.output()).await.expect("an output")
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).expect("output in UTF-8")
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("errors in UTF-8")
}

/// A folder with Wyndor, a model without a solution, and one with an error.
fn folder() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let files = [
        ("wyndor.lp", models::WYNDOR_LP),
        ("none.lp", "Minimize\n x\nSubject To\n a: x >= 2\n b: x <= 1\nEnd\n"),
        ("wrong.lp", "Minimize\n x\nSubject To\n a: x ! 2\nEnd\n"),
    ];
    for (name, text) in files {
        fs::write(folder.path().join(name), text).expect("a file");
    }
    folder
}

#[tokio::test]
async fn solve_prints_one_flat_object_with_every_field() {
    let (gateway, folder) = (Gateway::embedded(&[]).await, folder());
    let output = run(&gateway, folder.path(), &["solve", "wyndor.lp", "--json"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let result: Value = serde_json::from_str(stdout(&output)).expect("one object");
    assert_eq!(result["state"], "SUCCEEDED");
    assert_eq!(result["reason"], "OPTIMAL");
    assert_eq!(result["objective"], 3600.0);
    assert_eq!(result["values"]["Doors"], 2.0);
    assert_eq!(result["values"]["Windows"], 6.0);
    assert_eq!(result["duals"]["plant2"], 150.0);
    assert_eq!(result["attempt"], 1);
    assert_eq!(result["maxViolation"], 0.0);
    for key in ["jobId", "limit", "bound", "gap", "reducedCosts", "solver", "solveSeconds"] {
        assert!(result.get(key).is_some(), "{key} in {result}");
    }
}

#[tokio::test]
async fn options_reach_the_solver() {
    let (gateway, folder) = (Gateway::embedded(&[]).await, folder());
    let flags = [
        "solve",
        "wyndor.lp",
        "--json",
        "--time-limit",
        "20",
        "--gap",
        "0",
        "--threads",
        "1",
        "--seed",
        "7",
        "--option",
        "simplex_strategy=4",
    ];
    let output = run(&gateway, folder.path(), &flags).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let wrong = ["solve", "wyndor.lp", "--option", "no_such_option=1"];
    let output = run(&gateway, folder.path(), &wrong).await;
    assert_eq!(output.status.code(), Some(9), "{}", stderr(&output));
    assert!(stderr(&output).contains("no_such_option"));
}

#[tokio::test]
async fn submit_prints_only_the_id_and_the_other_commands_accept_it() {
    let (gateway, folder) = (Gateway::embedded(&[]).await, folder());
    let output = run(&gateway, folder.path(), &["submit", "wyndor.lp"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let id = stdout(&output).trim_end().to_owned();
    assert!(!id.is_empty() && !id.contains(char::is_whitespace), "{id:?}");

    let watched = run(&gateway, folder.path(), &["watch", &id, "--json"]).await;
    let result: Value = serde_json::from_str(stdout(&watched)).expect("one object");
    assert_eq!((&result["jobId"], &result["objective"]), (&id.as_str().into(), &3600.0.into()));
    let shown = run(&gateway, folder.path(), &["get", &id, "--json"]).await;
    let job: Value = serde_json::from_str(stdout(&shown)).expect("one object");
    assert_eq!(job["jobId"], id.as_str());
    let cancelled = run(&gateway, folder.path(), &["cancel", &id]).await;
    assert_eq!(stdout(&cancelled).trim_end(), "SUCCEEDED", "it had ended");
    let listed = run(&gateway, folder.path(), &["list"]).await;
    assert!(stdout(&listed).contains(&id));
}

#[tokio::test]
async fn mesh_shows_the_slots_and_the_gateway_that_answers() {
    let (gateway, folder) = (Gateway::embedded(&["--name", "front"]).await, folder());
    let shown = run(&gateway, folder.path(), &["mesh", "--json"]).await;
    let mesh: Value = serde_json::from_str(stdout(&shown)).expect("one object");
    assert_eq!(mesh["gateways"][0]["name"], "front", "{mesh}");
    let lanes = mesh["lanes"].as_array().expect("lanes");
    let names: Vec<_> = lanes.iter().filter_map(|lane| lane["name"].as_str()).collect();
    assert_eq!(names, ["express", "standard"], "{mesh}");
    let text = run(&gateway, folder.path(), &["mesh"]).await;
    assert_eq!(text.status.code(), Some(0), "{}", stderr(&text));
    assert!(stdout(&text).contains("front (this one)"), "{}", stdout(&text));
}

#[tokio::test]
async fn a_refused_file_is_reported_with_its_line_and_column() {
    let (gateway, folder) = (Gateway::embedded(&[]).await, folder());
    let output = run(&gateway, folder.path(), &["solve", "wrong.lp", "--json"]).await;
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(stdout(&output), "");
    let errors = stderr(&output);
    assert!(errors.lines().any(|line| line.starts_with("wrong.lp: line 4, column ")), "{errors}");
}

#[tokio::test]
async fn an_infeasible_model_has_its_own_exit_code() {
    let (gateway, folder) = (Gateway::embedded(&[]).await, folder());
    let output = run(&gateway, folder.path(), &["solve", "none.lp", "--json"]).await;
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    let result: Value = serde_json::from_str(stdout(&output)).expect("one object");
    assert_eq!(result["reason"], "INFEASIBLE");
    assert!(result["objective"].is_null() && result["values"].is_null(), "{result}");
}

#[tokio::test]
async fn a_missing_file_is_no_error_of_the_model() {
    let (gateway, folder) = (Gateway::embedded(&[]).await, folder());
    let output = run(&gateway, folder.path(), &["solve", "missing.lp"]).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("missing.lp"));
}

#[tokio::test]
async fn the_demo_solves_wyndor_for_a_given_rate() {
    let (gateway, folder) = (Gateway::embedded(&[]).await, folder());
    for (rate, profit) in [("100", "1500"), ("500", "3600")] {
        let output = run(&gateway, folder.path(), &["demo", "--windows-rate", rate]).await;
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(stdout(&output).contains(profit), "{}", stdout(&output));
    }
}
