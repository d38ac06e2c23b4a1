//! `grpcurl`, through server reflection alone, and the commands of our documents, run
//! verbatim.

use std::{env, fs, path::Path, process::Stdio, time::Duration};

use serde_json::{Value, json};
use solvemesh_tests::{grpcurl, mesh::Gateway, models, processes, within};
use tokio::process::Command;

const METHODS: [&str; 8] = [
    "SubmitJob",
    "WatchResults",
    "Solve",
    "GetJob",
    "ListJobs",
    "CancelJob",
    "GetCapabilities",
    "WatchMesh",
];

#[tokio::test]
async fn the_state_of_the_mesh_is_streamed() {
    let gateway = Gateway::embedded(&[]).await;
    let output = Command::new(grpcurl::program())
        .args(["-plaintext", "-max-time", "8", "-d", r#"{"interval": "0.5s"}"#])
        .args([&gateway.address.to_string(), "solvemesh.v1.JobService/WatchMesh"])
        .output();
    let output = within(Duration::from_secs(60), "grpcurl", output).await.expect("an output");
    // grpcurl ends the call, as the stream has no end.
    let text = String::from_utf8_lossy(&output.stdout);
    let states = text.matches("\"isSender\": true").count();
    assert!(states >= 2, "{states}: {output:?}");
}

#[tokio::test]
async fn everything_is_listed_and_described() {
    let gateway = Gateway::embedded(&[]).await;
    let services = grpcurl::output(&gateway, &["list"], "").await;
    for service in ["solvemesh.v1.JobService", "grpc.health.v1.Health"] {
        assert!(services.lines().any(|line| line == service), "{services}");
    }
    let described = grpcurl::output(&gateway, &["describe", "solvemesh.v1.JobService"], "").await;
    for method in METHODS {
        assert!(described.contains(&format!("rpc {method} ")), "{described}");
    }
    for symbol in [
        "solvemesh.v1.Model",
        "solvemesh.v1.JobEvent",
        "google.rpc.BadRequest",
        "google.rpc.ErrorInfo",
        "google.rpc.RetryInfo",
    ] {
        grpcurl::output(&gateway, &["describe", symbol], "").await;
    }
}

#[tokio::test]
async fn every_method_can_be_called() {
    let gateway = Gateway::embedded(&[]).await;
    let call = |method: &'static str, request: Value| {
        let gateway = &gateway;
        async move { grpcurl::call(gateway, method, &request.to_string()).await }
    };
    let lp = json!({"model": {"lp": models::WYNDOR_LP}});
    let submitted = call("SubmitJob", lp.clone()).await;
    let job = submitted[0]["job"]["jobId"].as_str().expect("an id").to_owned();

    let watched = call("WatchResults", json!({"jobIds": [job]})).await;
    let last = &watched.last().expect("events")["event"]["finished"];
    assert_eq!(last["state"], "JOB_STATE_SUCCEEDED");
    assert_eq!(last["result"]["termination"]["objective"], 3600);
    assert_eq!(last["result"]["solution"]["values"], json!([2, 6]));

    let solved = call("Solve", lp).await;
    assert_eq!(solved[0]["job"]["result"]["termination"]["objective"], 3600);
    let fetched = call("GetJob", json!({"jobId": job})).await;
    assert_eq!(fetched[0]["job"]["state"], "JOB_STATE_SUCCEEDED");
    let listed = call("ListJobs", json!({})).await;
    assert_eq!(listed[0]["jobs"].as_array().map(Vec::len), Some(2));
    let cancelled = call("CancelJob", json!({"jobId": job})).await;
    assert_eq!(cancelled[0]["job"]["state"], "JOB_STATE_SUCCEEDED", "ended before");
    let capabilities = call("GetCapabilities", json!({})).await;
    assert_eq!(capabilities[0]["ephemeral"], true);
}

#[tokio::test]
async fn wyndor_is_solved_as_named_terms_typed_by_hand() {
    let gateway = Gateway::embedded(&[]).await;
    let typed = r#"{"model": {"named": {
      "sense": "OBJECTIVE_SENSE_MAXIMIZE",
      "variables": [
        {"name": "Doors", "objective": 300},
        {"name": "Windows", "objective": 500, "upper": "Infinity"}
      ],
      "constraints": [
        {"name": "plant1", "terms": [{"variable": "Doors", "coefficient": 1}], "upper": 4},
        {"name": "plant2", "terms": [{"variable": "Windows", "coefficient": 2}], "upper": 12},
        {"terms": [{"variable": "Doors", "coefficient": 3},
                   {"variable": "Windows", "coefficient": 2}], "upper": 18}
      ]
    }}}"#;
    let solved = grpcurl::call(&gateway, "Solve", typed).await;
    let result = &solved[0]["job"]["result"];
    assert_eq!(result["termination"]["reason"], "TERMINATION_REASON_OPTIMAL");
    assert_eq!(result["termination"]["objective"], 3600);
    assert_eq!(result["solution"]["variableNames"], json!(["Doors", "Windows"]));
}

#[tokio::test]
async fn an_error_is_shown_with_its_details() {
    let gateway = Gateway::embedded(&[]).await;
    let method = "solvemesh.v1.JobService/SubmitJob";
    let request = json!({"model": {"lp": "Maximize\n x\nSubject To\n c: x ! 4\nEnd"}});
    let output = grpcurl::run(&gateway, &[method], &request.to_string()).await;
    assert!(!output.status.success());
    let errors = String::from_utf8_lossy(&output.stderr);
    for part in ["InvalidArgument", "google.rpc.BadRequest", "line 4", "solvemesh.dev"] {
        assert!(errors.contains(part), "{part} in {errors}");
    }
}

/// The shell blocks of a document that call grpcurl, joined, because later blocks use the
/// variables of earlier ones.
fn commands(document: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(document);
    let text = fs::read_to_string(&path).expect("the document");
    let blocks = text.split("```sh\n").skip(1).filter_map(|rest| rest.split_once("\n```"));
    let calls = blocks.map(|(block, _)| block).filter(|block| block.contains("grpcurl "));
    calls.collect::<Vec<_>>().join("\n")
}

/// Runs the commands of a document in a shell, with the gateway's address in place of the
/// default one, and returns their output.
async fn paste(document: &str, gateway: &Gateway) -> String {
    let commands = commands(document);
    assert!(commands.contains("localhost:50051"), "calls of the default port in {document}");
    let commands = commands.replace("localhost:50051", &gateway.address.to_string());
    let tool = grpcurl::program();
    let tools = tool.parent().expect("a folder");
    let path = format!("{}:{}", tools.display(), env::var("PATH").expect("PATH"));
    let shell = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &commands])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .env("PATH", path)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = within(Duration::from_secs(60), "the commands", shell).await.expect("bash");
    let printed = String::from_utf8(output.stdout).expect("output in UTF-8");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{document}: {errors}\nafter\n{printed}");
    printed
}

#[tokio::test]
async fn the_commands_of_the_readme_work_when_pasted() {
    let gateway = Gateway::embedded(&[]).await;
    let printed = paste("README.md", &gateway).await;
    assert!(printed.contains("\"objective\": 3600"), "{printed}");
}

#[tokio::test]
async fn the_commands_of_the_guide_work_when_pasted() {
    let gateway = Gateway::embedded(&[]).await;
    let printed = paste("docs/grpcurl.md", &gateway).await;
    assert!(printed.contains("\"objective\": 3600"), "{printed}");
}

#[tokio::test]
async fn every_flag_of_the_programs_is_in_the_table_of_configuration() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let table = fs::read_to_string(path).expect("the document");
    for program in ["solvemesh-gateway", "solvemesh-worker"] {
        let output = processes::command(program).arg("--help").output().await.expect("help");
        let help = String::from_utf8(output.stdout).expect("help in UTF-8");
        let flags = help.split_whitespace().filter(|word| word.starts_with("--"));
        for flag in flags.map(|flag| flag.trim_end_matches(|c: char| !c.is_alphanumeric())) {
            let known = ["--help", "--version", "--"].contains(&flag);
            assert!(known || table.contains(&format!("`{flag}")), "{program} {flag}");
        }
    }
}
