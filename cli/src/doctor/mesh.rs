//! What a gateway says of the mesh: whether it accepts submissions, the results log, lanes and
//! workers.

use std::time::Duration;

use prost_types::Timestamp;
use solvemesh_client::v1::{
    GatewayStatus, GetCapabilitiesResponse, LaneStatus, MeshState, WorkerStatus,
};

use crate::{
    doctor::finding::{Finding, counted},
    output::{
        json::seconds,
        text::{percent, rough_time},
    },
};

/// The wait of a queued job, in seconds, from which it is a finding.
const LONG_WAIT: f64 = 600.0;
/// The part of the permitted growth of the results log from which it is a finding.
const LOG_NEARLY_FULL: f64 = 0.75;

/// Judges the state of a mesh. `capabilities` are those of the same gateway, if it has sent them.
pub(crate) fn judge(
    state: &MeshState,
    capabilities: Option<&GetCapabilitiesResponse>,
) -> Vec<Finding> {
    let gateways = state.gateways.iter().map(acceptance);
    let logs = state.gateways.iter().filter_map(log_growth);
    let lanes = state.lanes.iter().flat_map(|it| lane(it, state, capabilities));
    let draining = state.workers.iter().filter(|worker| worker.draining).map(draining);
    let omitted = (state.omitted_worker_count > 0).then(|| omitted(state.omitted_worker_count));
    gateways.chain(logs).chain(lanes).chain(draining).chain(omitted).collect()
}

/// Whether the gateway that sent a state has run for so long that it has heard of all workers, or
/// has workers for all lanes already. Times are by the same clock.
pub(crate) fn is_settled(state: &MeshState, heartbeats: Duration) -> bool {
    let sender = state.gateways.iter().find(|gateway| gateway.is_sender);
    let (Some(now), Some(start)) = (&state.time, sender.and_then(|it| it.start_time.as_ref()))
    else {
        return true;
    };
    let instant = |time: &Timestamp| time.seconds as f64 + f64::from(time.nanos) / 1e9;
    instant(now) - instant(start) >= heartbeats.as_secs_f64()
        || state.lanes.iter().all(|lane| lane.slot_count > 0)
}

/// What a mesh without a broker means: `with_broker` if a broker is to be checked, too.
pub(crate) fn ephemeral(
    capabilities: &GetCapabilitiesResponse,
    with_broker: bool,
) -> Option<Finding> {
    if !capabilities.ephemeral {
        return None;
    }
    let (check, subject) = ("gateway-broker", "gateway");
    let message =
        "it solves jobs in its own process, without a broker, and loses them when it ends";
    Some(if with_broker {
        let advice = "start the gateway with --amqp, too";
        Finding::warning(check, subject, message, advice)
    } else {
        Finding::ok(check, subject, message)
    })
}

fn subject(gateway: &GatewayStatus) -> String {
    format!("gateway {}", gateway.name)
}

/// Whether a gateway accepts submissions.
fn acceptance(gateway: &GatewayStatus) -> Finding {
    let check = "gateway-ready";
    match gateway.accepts_submissions {
        Some(true) => Finding::ok(check, subject(gateway), "it accepts submissions"),
        Some(false) => {
            let cause = &gateway.refusal_cause;
            let message = format!("it refuses submissions: {cause}");
            Finding::error(check, subject(gateway), message, remedy(cause))
        }
        None => {
            let message = "its version does not say whether it accepts submissions";
            Finding::ok(check, subject(gateway), message)
        }
    }
}

/// What to do about the cause of a refusal.
fn remedy(cause: &str) -> &'static str {
    if cause.contains("reading the results log") {
        "wait until it has read the log; --state-dir makes later starts short"
    } else if cause.contains("log_max_bytes") {
        "find the oldest jobs with solvemesh list --state queued,running, and cancel them or wait \
         until they finish"
    } else if cause.contains("max_live") {
        "wait until jobs have finished, add workers, or raise --max-live-jobs or --max-live-bytes of \
         the gateway"
    } else if cause.contains("accepts no messages") {
        "give the broker memory or disk: rabbitmq-diagnostics check_local_alarms"
    } else if cause.contains("shut") {
        "use another gateway; this one is stopping"
    } else {
        "check the broker with --amqp URL, and the log of the gateway"
    }
}

/// A results log that is near the size at which submissions are refused.
fn log_growth(gateway: &GatewayStatus) -> Option<Finding> {
    let (growth, limit) = (gateway.log_growth_bytes?, gateway.max_log_growth_bytes?);
    let part = growth as f64 / limit as f64;
    // At the limit, the gateway says that it refuses submissions.
    if limit <= 0 || part < LOG_NEARLY_FULL || growth >= limit {
        return None;
    }
    let message = format!(
        "the results log has grown by {growth} bytes since the oldest unfinished job was submitted, \
         {} of the {limit} bytes at which submissions are refused",
        percent(part)
    );
    let advice = "find the oldest jobs with solvemesh list --state queued,running, and cancel them \
         or wait until they finish";
    Some(Finding::warning("results-log", subject(gateway), message, advice))
}

fn lane(
    lane: &LaneStatus,
    state: &MeshState,
    capabilities: Option<&GetCapabilitiesResponse>,
) -> Vec<Finding> {
    let (check, name) = ("lane-workers", &lane.name);
    let subject = format!("lane {name}");
    let is_stopping = |worker: &&WorkerStatus| worker.draining && worker.lanes.contains(name);
    let queued = counted(lane.queued_count, "job");
    let verb = if lane.queued_count == 1 { "is" } else { "are" };
    if lane.slot_count > 0 {
        let long = lane.oldest_wait.as_ref().map(seconds).filter(|&wait| wait >= LONG_WAIT);
        return vec![match long {
            Some(wait) => {
                let message = format!(
                    "{queued} {verb} queued, the oldest for {}; {} run in {}",
                    rough_time(wait),
                    lane.running_count,
                    counted(lane.slot_count, "slot"),
                );
                let advice = format!(
                    "add workers, or slots of this lane to workers (--slots {name}=N); solvemesh \
                     mesh shows what runs"
                );
                Finding::warning("lane-wait", subject, message, advice)
            }
            None => {
                let message = format!(
                    "{queued} {verb} queued, {} run in {}",
                    lane.running_count,
                    counted(lane.slot_count, "slot"),
                );
                Finding::ok(check, subject, message)
            }
        }];
    }
    let workers = match state.workers.iter().filter(is_stopping).count() {
        0 => "no worker takes its jobs".to_owned(),
        _ => "all workers that take its jobs are stopping".to_owned(),
    };
    let advice = format!("start a worker with --slots {name}=1 or more");
    if lane.queued_count > 0 {
        let wait = lane.oldest_wait.as_ref().map(|wait| rough_time(seconds(wait)));
        let wait = wait.map(|wait| format!(", the oldest for {wait}")).unwrap_or_default();
        let message = format!("{queued} {verb} queued{wait}, and {workers}");
        return vec![Finding::error(check, subject, message, advice)];
    }
    // Only lanes for submissions need workers; others are listed because a job is running there.
    let is_accepted = |it: &GetCapabilitiesResponse| it.lanes.iter().any(|it| it.name == *name);
    if capabilities.is_none_or(is_accepted) {
        vec![Finding::warning(check, subject, workers, advice)]
    } else {
        Vec::new()
    }
}

fn draining(worker: &WorkerStatus) -> Finding {
    let busy = i64::try_from(worker.busy_slots.len()).unwrap_or(i64::MAX);
    let message =
        format!("it is stopping, takes no more jobs and finishes {}", counted(busy, "job"));
    let advice = "no need to act if it is to stop; otherwise see why its service manager stops it";
    Finding::warning("worker-draining", format!("worker {}", worker.name), message, advice)
}

fn omitted(count: i32) -> Finding {
    let message =
        format!("{} not listed by the gateway, and not checked", counted(count, "worker"));
    Finding::ok("workers-omitted", "workers", message)
}

#[cfg(test)]
mod tests {
    use solvemesh_client::v1::{Lane, SlotStatus};

    use super::*;
    use crate::doctor::finding::Severity;

    fn only(findings: Vec<Finding>) -> Finding {
        assert_eq!(findings.len(), 1, "{findings:?}");
        findings.into_iter().next().unwrap_or_else(|| Finding::ok("", "", ""))
    }

    fn status(queued: i32, slots: i32, wait: i64) -> LaneStatus {
        LaneStatus {
            name: "standard".into(),
            queued_count: queued,
            slot_count: slots,
            oldest_wait: (wait > 0).then_some(prost_types::Duration { seconds: wait, nanos: 0 }),
            ..LaneStatus::default()
        }
    }

    fn of_lane(lane: LaneStatus) -> Finding {
        only(judge(&MeshState { lanes: vec![lane], ..MeshState::default() }, None))
    }

    fn of_gateway(gateway: GatewayStatus) -> Vec<Finding> {
        let gateway = GatewayStatus { name: "g".into(), ..gateway };
        judge(&MeshState { gateways: vec![gateway], ..MeshState::default() }, None)
    }

    #[test]
    fn queued_jobs_without_a_worker_are_an_error() {
        let finding = of_lane(status(2, 0, 30));
        assert_eq!(finding.severity, Severity::Error);
        let message = "2 jobs are queued, the oldest for 30 s, and no worker takes its jobs";
        assert_eq!(
            (finding.subject.as_str(), finding.message.as_str()),
            ("lane standard", message)
        );
        assert!(finding.advice.is_some_and(|advice| advice.contains("--slots standard=1")));
        assert_eq!(of_lane(status(1, 1, 30)).severity, Severity::Ok);
        assert_eq!(of_lane(status(1, 1, 30)).message, "1 job is queued, 0 run in 1 slot");
    }

    #[test]
    fn a_lane_without_workers_is_a_warning_if_jobs_can_be_submitted_to_it() {
        let finding = of_lane(status(0, 0, 0));
        assert_eq!(
            (finding.severity, finding.message.as_str()),
            (Severity::Warning, "no worker takes its jobs")
        );
        let capabilities = |name: &str| GetCapabilitiesResponse {
            lanes: vec![Lane { name: name.into() }],
            ..GetCapabilitiesResponse::default()
        };
        let state = MeshState { lanes: vec![status(0, 0, 0)], ..MeshState::default() };
        assert_eq!(judge(&state, Some(&capabilities("standard"))).len(), 1);
        assert_eq!(judge(&state, Some(&capabilities("express"))), []);
    }

    #[test]
    fn stopping_workers_are_named_and_have_no_slots() {
        let worker = WorkerStatus {
            name: "w".into(),
            lanes: vec!["standard".into()],
            draining: true,
            busy_slots: vec![SlotStatus::default()],
            ..WorkerStatus::default()
        };
        let state = MeshState {
            lanes: vec![status(1, 0, 0)],
            workers: vec![worker],
            ..MeshState::default()
        };
        let findings = judge(&state, None);
        assert!(findings[0].message.ends_with("all workers that take its jobs are stopping"));
        assert_eq!(findings[1].severity, Severity::Warning);
        assert!(findings[1].message.ends_with("finishes 1 job"), "{findings:?}");
    }

    #[test]
    fn a_wait_of_ten_minutes_is_long() {
        assert_eq!(of_lane(status(1, 1, 599)).severity, Severity::Ok);
        let finding = of_lane(status(1, 1, 600));
        assert_eq!((finding.severity, finding.check), (Severity::Warning, "lane-wait"));
        assert!(finding.message.contains("10 min"), "{finding:?}");
    }

    #[test]
    fn a_gateway_that_refuses_submissions_says_why() {
        for (cause, advice) in [
            ("this gateway is still reading the results log", "--state-dir"),
            ("the log has grown by half of log_max_bytes, 5 bytes, since …", "solvemesh list"),
            ("the limit max_live_jobs of this gateway is reached: 5", "--max-live-jobs"),
            ("the broker accepts no messages: low on memory", "check_local_alarms"),
            ("the gateway is shutting down", "another gateway"),
            ("connection refused", "--amqp"),
        ] {
            let gateway = GatewayStatus {
                accepts_submissions: Some(false),
                refusal_cause: cause.into(),
                ..GatewayStatus::default()
            };
            let finding = only(of_gateway(gateway));
            assert_eq!(finding.severity, Severity::Error);
            assert!(finding.message.ends_with(cause), "{finding:?}");
            assert!(finding.advice.is_some_and(|text| text.contains(advice)), "{cause}");
        }
        let ready = GatewayStatus { accepts_submissions: Some(true), ..GatewayStatus::default() };
        assert_eq!(only(of_gateway(ready)).severity, Severity::Ok);
        assert_eq!(only(of_gateway(GatewayStatus::default())).severity, Severity::Ok);
    }

    #[test]
    fn a_log_near_its_limit_is_a_warning() {
        let warnings = |growth, limit| {
            let gateway = GatewayStatus {
                log_growth_bytes: Some(growth),
                max_log_growth_bytes: Some(limit),
                ..GatewayStatus::default()
            };
            let findings = of_gateway(gateway).into_iter();
            findings.filter(|finding| finding.check == "results-log").collect::<Vec<_>>()
        };
        assert_eq!(warnings(749, 1000), []);
        let finding = only(warnings(750, 1000));
        assert_eq!(finding.severity, Severity::Warning);
        assert!(finding.message.contains("75% of the 1000 bytes"), "{finding:?}");
        assert_eq!(warnings(999, 1000).len(), 1);
        assert_eq!(warnings(1000, 1000), [], "the refusal is reported");
        assert_eq!(warnings(0, 0), []);
    }

    #[test]
    fn a_mesh_without_a_broker_is_reported() {
        let capabilities =
            GetCapabilitiesResponse { ephemeral: true, ..GetCapabilitiesResponse::default() };
        let severity = |with_broker| ephemeral(&capabilities, with_broker).map(|it| it.severity);
        assert_eq!(severity(false), Some(Severity::Ok));
        assert_eq!(severity(true), Some(Severity::Warning));
        assert_eq!(ephemeral(&GetCapabilitiesResponse::default(), true), None);
    }

    #[test]
    fn a_new_gateway_has_to_hear_of_workers_first() {
        let state = |uptime: i64, slots: i32| {
            let moment = |seconds| Some(Timestamp { seconds, nanos: 0 });
            let gateway = GatewayStatus {
                start_time: moment(1000),
                is_sender: true,
                ..GatewayStatus::default()
            };
            MeshState {
                time: moment(1000 + uptime),
                gateways: vec![gateway],
                lanes: vec![status(0, slots, 0)],
                ..MeshState::default()
            }
        };
        let heartbeats = Duration::from_secs(10);
        assert!(!is_settled(&state(9, 0), heartbeats));
        assert!(is_settled(&state(9, 1), heartbeats));
        assert!(is_settled(&state(10, 0), heartbeats));
        assert!(is_settled(&MeshState::default(), heartbeats));
    }

    #[test]
    fn workers_that_are_not_listed_are_counted() {
        let state = MeshState { omitted_worker_count: 3, ..MeshState::default() };
        assert!(only(judge(&state, None)).message.starts_with("3 workers not listed"));
    }
}
