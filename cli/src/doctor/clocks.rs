//! The clocks of this machine, the gateways and the workers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost_types::Timestamp;
use solvemesh_client::v1::MeshState;

use crate::{
    doctor::finding::{Finding, counted},
    output::text::rough_time,
};

const CHECK: &str = "clocks";
/// The difference of two clocks, in seconds, above which it is a finding.
const MAX_SKEW: f64 = 5.0;
/// How late a heartbeat may be on its way through the broker, in seconds: an interval of them. So a
/// clock that is behind shows only beyond this.
const MAX_DELAY: f64 = 5.0;
const ADVICE: &str = "synchronise the clocks of all machines (chrony, systemd-timesyncd): the time \
     limits of jobs and the validity of tokens are points in time";

/// When a state of the mesh was requested and received, by the clock of this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RoundTrip {
    pub(crate) sent: SystemTime,
    pub(crate) received: SystemTime,
}

/// Compares the clocks of a mesh with that of the gateway that sent its state, and that one with
/// the clock of this machine.
pub(crate) fn judge(state: &MeshState, trip: &RoundTrip) -> Vec<Finding> {
    let Some(now) = state.time.as_ref().map(seconds) else { return Vec::new() };
    let sender = state.gateways.iter().find(|gateway| gateway.is_sender);
    let sender = sender.map_or("the gateway", |gateway| gateway.name.as_str());
    let mut findings = Vec::new();
    let skew = beyond(now, since_epoch(trip.sent), since_epoch(trip.received));
    if skew.abs() > MAX_SKEW {
        let message = format!("its clock is {} that of this machine", distance(skew));
        findings.push(Finding::warning(CHECK, format!("gateway {sender}"), message, ADVICE));
    }
    let others = state.gateways.iter().filter(|gateway| !gateway.is_sender);
    let others = others.map(|it| ("gateway", &it.name, &it.heartbeat_time, &it.heartbeat_age));
    let workers = state.workers.iter();
    let workers = workers.map(|it| ("worker", &it.name, &it.heartbeat_time, &it.heartbeat_age));
    let (mut compared, mut silent) = (0, 0);
    for (kind, name, sent, age) in others.chain(workers) {
        let (Some(sent), Some(age)) = (sent, age) else {
            silent += 1;
            continue;
        };
        compared += 1;
        let arrived = now - age.seconds as f64 - f64::from(age.nanos) / 1e9;
        let skew = beyond(seconds(sent), arrived - MAX_DELAY, arrived);
        if skew.abs() > MAX_SKEW {
            let message = format!("its clock is {} that of gateway {sender}", distance(skew));
            findings.push(Finding::warning(CHECK, format!("{kind} {name}"), message, ADVICE));
        }
    }
    if findings.is_empty() {
        let who = match compared {
            0 => format!("this machine and gateway {sender}"),
            1 => format!("this machine, gateway {sender} and 1 other process"),
            _ => format!("this machine, gateway {sender} and {compared} other processes"),
        };
        let mut message = format!("{who} agree within {MAX_SKEW} s");
        if silent > 0 {
            message += &format!("; not compared: {} without a time", counted(silent, "heartbeat"));
        }
        findings.push(Finding::ok(CHECK, "clocks", message));
    }
    findings
}

/// How far a time is outside of an interval, in seconds: positive after its end, negative before its
/// start, 0 within.
fn beyond(time: f64, start: f64, end: f64) -> f64 {
    if time > end { time - end } else { (time - start).min(0.0) }
}

fn distance(skew: f64) -> String {
    let side = if skew > 0.0 { "ahead of" } else { "behind" };
    format!("at least {} {side}", rough_time(skew.abs()))
}

fn seconds(time: &Timestamp) -> f64 {
    time.seconds as f64 + f64::from(time.nanos) / 1e9
}

fn since_epoch(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use solvemesh_client::v1::{GatewayStatus, WorkerStatus};

    use super::*;
    use crate::doctor::finding::Severity;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn moment(seconds: i64) -> Option<Timestamp> {
        Some(Timestamp { seconds, nanos: 0 })
    }

    /// A mesh whose gateway says 1000, with a worker whose heartbeat of that time has an age.
    fn state(heartbeat: Option<Timestamp>, age: i64) -> MeshState {
        let gateway =
            GatewayStatus { name: "g".into(), is_sender: true, ..GatewayStatus::default() };
        let worker = WorkerStatus {
            name: "w".into(),
            heartbeat_time: heartbeat,
            heartbeat_age: Some(prost_types::Duration { seconds: age, nanos: 0 }),
            ..WorkerStatus::default()
        };
        MeshState {
            time: moment(1000),
            gateways: vec![gateway],
            workers: vec![worker],
            ..MeshState::default()
        }
    }

    fn client(sent: u64, received: u64) -> Vec<Finding> {
        judge(&state(None, 0), &RoundTrip { sent: at(sent), received: at(received) })
    }

    fn worker(heartbeat: i64, age: i64) -> Vec<Finding> {
        let trip = RoundTrip { sent: at(1000), received: at(1000) };
        judge(&state(moment(heartbeat), age), &trip)
    }

    fn messages(findings: &[Finding]) -> Vec<&str> {
        let warnings = findings.iter().filter(|finding| finding.severity == Severity::Warning);
        warnings.map(|finding| finding.message.as_str()).collect()
    }

    #[test]
    fn this_machine_may_differ_by_the_round_trip_and_five_seconds() {
        for (sent, received) in [(900, 1100), (990, 995), (1005, 1006)] {
            assert_eq!(messages(&client(sent, received)), [""; 0], "{sent} {received}");
        }
        let ahead = client(980, 994);
        assert_eq!(messages(&ahead), ["its clock is at least 6 s ahead of that of this machine"]);
        let behind = client(1006, 1020);
        assert_eq!(messages(&behind), ["its clock is at least 6 s behind that of this machine"]);
    }

    #[test]
    fn a_heartbeat_may_be_late_by_an_interval() {
        // It arrived at 997 by the gateway's clock.
        for heartbeat in [1002, 997, 987] {
            assert_eq!(messages(&worker(heartbeat, 3)), [""; 0], "{heartbeat}");
        }
        let ahead = worker(1003, 3);
        assert_eq!(messages(&ahead), ["its clock is at least 6 s ahead of that of gateway g"]);
        assert_eq!(ahead[0].subject, "worker w");
        let behind = worker(986, 3);
        assert_eq!(messages(&behind), ["its clock is at least 6 s behind that of gateway g"]);
    }

    #[test]
    fn old_processes_do_not_tell_their_time() {
        let findings = client(1000, 1000);
        assert!(findings[0].message.contains("1 heartbeat without a time"), "{findings:?}");
        assert_eq!(judge(&MeshState::default(), &RoundTrip { sent: at(0), received: at(0) }), []);
    }
}
