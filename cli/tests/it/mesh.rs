//! The state of the mesh, and the place of a queued job, as a process prints them.

use std::{io::Read, os::fd::AsRawFd, process::Child};

use prost_types::{Duration, Timestamp};
use serde_json::Value;
use solvemesh_client::v1::{
    GatewayStatus, Job, JobState, LaneStatus, MeshState, QueuePosition, WatchMeshResponse,
};
use solvemesh_testkit::fake_gateway::{
    FakeGateway, Script, Step, event, finished, mesh, mesh_script, queued, script,
};
use tonic::Status;

use crate::program::{command, file, interrupt, run, text};

/// A state that is recognised by the number of queued jobs of its lane.
fn state(queued_count: i32) -> MeshState {
    let lane = LaneStatus { name: "default".into(), queued_count, ..LaneStatus::default() };
    let gateway = GatewayStatus { name: "g-1".into(), is_sender: true, ..GatewayStatus::default() };
    MeshState {
        time: Some(Timestamp { seconds: 1_700_000_000, nanos: 0 }),
        lanes: vec![lane],
        gateways: vec![gateway],
        ..MeshState::default()
    }
}

fn cut(cause: &str) -> Step<WatchMeshResponse> {
    Step::Fail(Status::unavailable(cause))
}

const FIRST: &str = "\
mesh at 2023-11-14T22:13:20Z

lane     queued  running  slots  finished  oldest wait  estimated wait
default       1        0      0         0

no workers: jobs wait until one connects

gateway         log lag  watchers  live jobs  version  since
g-1 (this one)                  0          0
";

#[test]
fn mesh_prints_one_state_as_tables_or_json() {
    let stream = || vec![mesh(state(1)), Step::Hang];
    let fake = FakeGateway::start(mesh_script([stream(), stream()]));
    let output = run(&fake, &["mesh"]);
    assert_eq!((text(&output.stdout), text(&output.stderr)), (FIRST, ""));
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(fake.script.seen_meshes.lock().unwrap()[0].interval, None);

    let output = run(&fake, &["mesh", "--json"]);
    assert_eq!(text(&output.stdout).lines().count(), 1);
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["lanes"][0]["queued"], 1);
    assert_eq!(object["gateways"][0]["isSender"], true);
}

#[test]
fn a_gateway_without_the_method_is_called_too_old() {
    let output = run(&FakeGateway::start(mesh_script([])), &["mesh"]);
    assert!(text(&output.stderr).starts_with("the gateway is too old"), "{output:?}");
    assert_eq!(text(&output.stdout), "");
    assert_eq!(output.status.code(), Some(9));
}

#[test]
fn an_interval_out_of_range_is_refused() {
    let fake = FakeGateway::start(mesh_script([]));
    for interval in ["0.4", "3601", "-1", "nan"] {
        let output = run(&fake, &["mesh", "--watch", "--interval", interval]);
        assert!(text(&output.stderr).contains("from 0.5 to 3600"), "{output:?}");
        assert_eq!(output.status.code(), Some(2), "{interval}");
    }
}

/// Reads until the output ends with this text.
fn read_until(output: &mut (impl Read + AsRawFd), end: &str) -> String {
    let mut seen = Vec::new();
    while !seen.ends_with(end.as_bytes()) {
        let mut poll = libc::pollfd { fd: output.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: the pointer is to one descriptor, which is open.
        let ready = unsafe { libc::poll(&raw mut poll, 1, 60_000) };
        assert_eq!(ready, 1, "no output for a minute after {:?}", String::from_utf8_lossy(&seen));
        let mut byte = [0];
        output.read_exact(&mut byte).unwrap();
        seen.push(byte[0]);
    }
    String::from_utf8(seen).unwrap()
}

#[cfg(unix)]
fn end(child: Child) -> std::process::Output {
    interrupt(&child);
    child.wait_with_output().unwrap()
}

#[cfg(unix)]
#[test]
fn a_watched_mesh_appends_states_until_the_interrupt_and_reports_a_lost_stream() {
    let fake = FakeGateway::start(mesh_script([
        vec![mesh(state(1)), cut("going away")],
        vec![mesh(state(2)), Step::Hang],
    ]));
    let words = ["mesh", "--watch", "--interval", "0.5"];
    let mut child = command(&fake.url(), &words).spawn().unwrap();
    let second = FIRST.replace("default       1", "default       2");
    let stdout = read_until(child.stdout.as_mut().unwrap(), &second);
    assert_eq!(stdout, format!("{FIRST}\n{second}"));
    let output = end(child);
    let (lost, restored) = text(&output.stderr).split_once('\n').unwrap();
    assert!(lost.starts_with("event stream lost (going away); retrying for"), "{lost}");
    assert_eq!(restored, "event stream restored\n");
    assert_eq!(text(&output.stdout), "");
    assert_eq!(output.status.code(), Some(130));
    let interval = fake.script.seen_meshes.lock().unwrap()[1].interval.unwrap();
    assert_eq!(interval.nanos, 500_000_000);
}

#[cfg(unix)]
#[test]
fn a_watched_mesh_in_json_has_a_line_per_state() {
    let fake = FakeGateway::start(mesh_script([vec![mesh(state(1)), mesh(state(2)), Step::Hang]]));
    let mut child = command(&fake.url(), &["mesh", "-w", "--json"]).spawn().unwrap();
    for queued in [1, 2] {
        let line = read_until(child.stdout.as_mut().unwrap(), "\n");
        let object: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(object["lanes"][0]["queued"], queued);
    }
    assert_eq!(end(child).status.code(), Some(130));
}

/// The command with its output on a terminal of 40 columns and 24 rows.
#[cfg(target_os = "linux")]
fn on_a_terminal(fake: &FakeGateway, words: &[&str]) -> (Child, std::fs::File) {
    use std::process::Stdio;
    let (screen, terminal) = crate::program::terminal();
    let size = libc::winsize { ws_row: 24, ws_col: 40, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the descriptor is open, and the request reads a `winsize`.
    assert_eq!(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSWINSZ, &size) }, 0);
    let mut command = command(&fake.url(), words);
    command.stdout(terminal.try_clone().unwrap()).stderr(Stdio::from(terminal));
    (command.spawn().unwrap(), screen)
}

#[cfg(target_os = "linux")]
#[test]
fn on_a_terminal_a_state_replaces_the_last_one_and_lines_are_cut_off() {
    let fake = FakeGateway::start(mesh_script([vec![mesh(state(1)), mesh(state(2)), Step::Hang]]));
    let (child, mut screen) = on_a_terminal(&fake, &["mesh", "-w"]);
    let first = read_until(&mut screen, "\x1b[?7h");
    assert!(first.contains("lane     queued  running  slots  finish…\x1b[K"), "{first:?}");
    let second = read_until(&mut screen, "\x1b[?7h");
    assert!(second.starts_with("\x1b[?7l\x1b[9A\rmesh at"), "{second:?}");
    interrupt(&child);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
}

/// A gateway with a job that is queued until it is cancelled.
fn queue() -> FakeGateway {
    let estimated_wait = Some(Duration { seconds: 40, nanos: 0 });
    let job = Job {
        job_id: "job-1".into(),
        state: JobState::Queued.into(),
        queue_position: Some(QueuePosition { jobs_ahead_count: 3, estimated_wait }),
        ..Job::default()
    };
    let end = finished(JobState::Cancelled, None);
    let watch = script([vec![event(1, queued()), Step::AwaitCancel, event(2, end)]]);
    FakeGateway::start(Script { jobs: vec![job], ..watch })
}

#[cfg(target_os = "linux")]
#[test]
fn on_a_terminal_the_progress_line_has_the_place_in_the_queue() {
    let (fake, model) = (queue(), file("text"));
    let path = model.path().to_str().unwrap();
    let (child, mut screen) = on_a_terminal(&fake, &["solve", path]);
    read_until(&mut screen, "QUEUED  3 jobs ahead, about 40 s (estimate)  0:0");
    interrupt(&child);
    // When all writers have closed the terminal, reading fails instead of ending.
    let _ = screen.read_to_end(&mut Vec::new());
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(7));
}

#[cfg(unix)]
#[test]
fn verbose_prints_the_place_in_the_queue() {
    let (fake, model) = (queue(), file("text"));
    let path = model.path().to_str().unwrap();
    let mut child = command(&fake.url(), &["solve", "-v", path]).spawn().unwrap();
    let place = "job-1 queued, 3 jobs ahead, about 40 s (estimate)\n";
    let stderr = read_until(child.stderr.as_mut().unwrap(), place);
    assert_eq!(stderr, format!("job job-1\njob-1 #1 queued\n{place}"));
    assert_eq!(end(child).status.code(), Some(7));
}

#[test]
fn get_and_list_print_the_place_in_the_queue() {
    let fake = queue();
    let output = run(&fake, &["get", "job-1"]);
    assert!(
        text(&output.stdout).contains("\nqueue  3 jobs ahead, about 40 s (estimate)\n"),
        "{output:?}"
    );
    let output = run(&fake, &["list"]);
    assert!(text(&output.stdout).contains("\njob-1  QUEUED  3 ahead, ≈ 40 s"), "{output:?}");
    for words in [["get", "job-1", "--json"].as_slice(), &["list", "--json"]] {
        let output = run(&fake, words);
        let object: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(object["queuePosition"]["jobsAhead"], 3);
        assert_eq!(object["queuePosition"]["estimatedWaitSeconds"], 40.0);
    }
}
