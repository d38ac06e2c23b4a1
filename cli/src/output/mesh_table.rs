//! The state of the mesh as three tables: lanes, workers and gateways. The columns that matter most
//! come first, since a narrow terminal cuts off the others.

use std::io::{self, Write};

use prost_types::{Duration, Timestamp};
use solvemesh_client::v1::{GatewayStatus, LaneStatus, MeshState, SlotStatus, WorkerStatus};

use crate::output::{
    json::seconds,
    queue::estimate,
    table::{Column, write_grid},
    text::{brief, rough_time, time, to_the_second},
};

/// Writes the state of the mesh.
pub(crate) fn write_mesh(out: &mut impl Write, state: &MeshState) -> io::Result<()> {
    let moment = state.time.as_ref().map_or_else(|| "unknown time".into(), to_the_second);
    writeln!(out, "mesh at {moment}")?;
    write_lanes(out, &state.lanes)?;
    write_workers(out, &state.workers, state.time.as_ref())?;
    match state.omitted_worker_count {
        0 => {}
        1 => writeln!(out, "(1 more worker is not listed)")?,
        omitted => writeln!(out, "({omitted} more workers are not listed)")?,
    }
    write_gateways(out, &state.gateways)
}

fn write_lanes(out: &mut impl Write, lanes: &[LaneStatus]) -> io::Result<()> {
    let text = |of: fn(&LaneStatus) -> String| {
        move |row: usize| lanes.get(row).map(of).unwrap_or_default()
    };
    let columns = [
        Column::texts("lane", text(|lane| lane.name.clone())),
        Column::figures("queued", text(|lane| lane.queued_count.to_string())),
        Column::figures("running", text(|lane| lane.running_count.to_string())),
        Column::figures("slots", text(|lane| lane.slot_count.to_string())),
        Column::figures("finished", text(|lane| rate(lane.finish_rate))),
        Column::figures("oldest wait", text(|lane| known(&lane.oldest_wait, wait))),
        Column::figures("estimated wait", text(|lane| known(&lane.estimated_wait, estimate))),
    ];
    write_grid(out, &columns, &(0..lanes.len()).collect::<Vec<_>>())
}

/// A row of the table of workers: a worker with its first busy slot, or a further slot.
struct WorkerRow<'a> {
    /// `None` in the rows of further slots.
    worker: Option<&'a WorkerStatus>,
    slot: Option<&'a SlotStatus>,
}

fn worker_rows(workers: &[WorkerStatus]) -> Vec<WorkerRow<'_>> {
    let mut rows = Vec::new();
    for worker in workers {
        let mut slots = worker.busy_slots.iter();
        rows.push(WorkerRow { worker: Some(worker), slot: slots.next() });
        rows.extend(slots.map(|slot| WorkerRow { worker: None, slot: Some(slot) }));
    }
    rows
}

fn write_workers(
    out: &mut impl Write,
    workers: &[WorkerStatus],
    now: Option<&Timestamp>,
) -> io::Result<()> {
    if workers.is_empty() {
        return writeln!(out, "\nno workers: jobs wait until one connects");
    }
    let rows = &worker_rows(workers);
    let worker = |of: fn(&WorkerStatus) -> String| {
        move |row: usize| rows.get(row).and_then(|row| row.worker).map(of).unwrap_or_default()
    };
    let slot = |of: fn(&SlotStatus) -> String| {
        move |row: usize| rows.get(row).and_then(|row| row.slot).map(of).unwrap_or_default()
    };
    let busy_time = |row: usize| {
        let slot = rows.get(row).and_then(|row| row.slot);
        slot.and_then(|slot| elapsed(slot.start_time.as_ref()?, now?)).unwrap_or_default()
    };
    let columns = [
        Column::texts("worker", worker(|worker| worker.name.clone())),
        Column::texts("slots", worker(slots)),
        Column::texts("job", slot(|slot| slot.job_id.clone())),
        Column::texts("lane", slot(|slot| slot.lane.clone())),
        Column::figures("time", busy_time),
        Column::texts("version", worker(|worker| worker.version.clone())),
        Column::texts("since", worker(|worker| known(&worker.start_time, to_the_second))),
    ];
    write_grid(out, &columns, &(0..rows.len()).collect::<Vec<_>>())
}

fn write_gateways(out: &mut impl Write, gateways: &[GatewayStatus]) -> io::Result<()> {
    let text = |of: fn(&GatewayStatus) -> String| {
        move |row: usize| gateways.get(row).map(of).unwrap_or_default()
    };
    let columns = [
        Column::texts("gateway", text(gateway_name)),
        Column::figures("log lag", text(|gateway| known(&gateway.log_lag, lag))),
        Column::figures("watchers", text(|gateway| gateway.watcher_count.to_string())),
        Column::figures("live jobs", text(|gateway| gateway.live_job_count.to_string())),
        Column::texts("version", text(|gateway| gateway.version.clone())),
        Column::texts("since", text(|gateway| known(&gateway.start_time, to_the_second))),
    ];
    write_grid(out, &columns, &(0..gateways.len()).collect::<Vec<_>>())
}

/// The name of a gateway; the one that sent the state is marked.
fn gateway_name(gateway: &GatewayStatus) -> String {
    let mark = if gateway.is_sender { " (this one)" } else { "" };
    format!("{}{mark}", gateway.name)
}

/// The busy slots of a worker and all of them; draining if it takes no further jobs.
fn slots(worker: &WorkerStatus) -> String {
    let draining = if worker.draining { " draining" } else { "" };
    format!("{}/{}{draining}", worker.busy_slots.len(), worker.slot_count)
}

/// Formats a value, or nothing if it is unknown.
fn known<T>(value: &Option<T>, format: impl Fn(&T) -> String) -> String {
    value.as_ref().map(format).unwrap_or_default()
}

/// Formats a rate per second, or per minute if it is less than one per second.
fn rate(per_second: f64) -> String {
    if per_second >= 1.0 {
        format!("{}/s", brief(per_second))
    } else if per_second > 0.0 {
        format!("{}/min", brief(60.0 * per_second))
    } else {
        "0".into()
    }
}

fn wait(wait: &Duration) -> String {
    rough_time(seconds(wait))
}

/// Formats the lag of a gateway.
fn lag(lag: &Duration) -> String {
    time(seconds(lag))
}

/// Formats the time from `start` to `now`. The clocks of two machines differ, so that the start
/// may be in the future.
fn elapsed(start: &Timestamp, now: &Timestamp) -> Option<String> {
    let nanos = f64::from(now.nanos) - f64::from(start.nanos);
    let elapsed = now.seconds.checked_sub(start.seconds)? as f64 + nanos / 1e9;
    Some(rough_time(elapsed.max(0.0)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn moment(seconds: i64) -> Option<Timestamp> {
        Some(Timestamp { seconds, nanos: 0 })
    }

    fn duration(seconds: i64) -> Option<Duration> {
        Some(Duration { seconds, nanos: 0 })
    }

    fn text(state: &MeshState) -> String {
        let mut out = Vec::new();
        write_mesh(&mut out, state).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn lane(name: &str, queued_count: i32, finish_rate: f64) -> LaneStatus {
        LaneStatus { name: name.into(), queued_count, finish_rate, ..LaneStatus::default() }
    }

    fn worker(name: &str, busy_slots: Vec<SlotStatus>) -> WorkerStatus {
        WorkerStatus {
            name: name.into(),
            version: "0.1.0".into(),
            start_time: moment(1_700_000_000),
            slot_count: 2,
            busy_slots,
            ..WorkerStatus::default()
        }
    }

    fn slot(job: &str, since: i64) -> SlotStatus {
        SlotStatus { job_id: job.into(), lane: "standard".into(), start_time: moment(since) }
    }

    fn state() -> MeshState {
        let standard = LaneStatus {
            running_count: 2,
            slot_count: 4,
            oldest_wait: duration(65),
            estimated_wait: duration(40),
            ..lane("standard", 12, 0.1)
        };
        let busy = worker("w-1", vec![slot("long", 1_700_000_030), slot("late", 1_700_000_130)]);
        let gateway = GatewayStatus {
            name: "g-1".into(),
            version: "0.1.0".into(),
            start_time: moment(1_700_000_000),
            log_lag: Some(Duration { seconds: 0, nanos: 12_345_678 }),
            watcher_count: 3,
            live_job_count: 14,
            is_sender: true,
            ..GatewayStatus::default()
        };
        let other = GatewayStatus { name: "g-2".into(), is_sender: false, ..gateway.clone() };
        MeshState {
            time: moment(1_700_000_120),
            lanes: vec![lane("express", 0, 2.5), standard],
            workers: vec![busy, WorkerStatus { draining: true, ..worker("w-2", Vec::new()) }],
            gateways: vec![gateway, other],
            omitted_worker_count: 0,
        }
    }

    #[test]
    fn lanes_workers_and_gateways_have_a_table_each() {
        let expected = "\
mesh at 2023-11-14T22:15:20Z

lane      queued  running  slots  finished  oldest wait  estimated wait
express        0        0      0     2.5/s
standard      12        2      4     6/min         65 s          ≈ 40 s

worker  slots         job   lane      time  version  since
w-1     2/2           long  standard  90 s  0.1.0    2023-11-14T22:13:20Z
                      late  standard   0 s
w-2     0/2 draining                        0.1.0    2023-11-14T22:13:20Z

gateway          log lag  watchers  live jobs  version  since
g-1 (this one)  0.0123 s         3         14  0.1.0    2023-11-14T22:13:20Z
g-2             0.0123 s         3         14  0.1.0    2023-11-14T22:13:20Z
";
        assert_eq!(text(&state()), expected);
    }

    #[test]
    fn without_workers_a_line_tells_what_happens_to_jobs() {
        let text = text(&MeshState { workers: Vec::new(), ..state() });
        assert!(text.contains("\n\nno workers: jobs wait until one connects\n\n"), "{text}");
    }

    #[test]
    fn workers_that_the_message_omits_are_counted() {
        let text = text(&MeshState { omitted_worker_count: 7, ..state() });
        assert!(text.contains("Z\n(7 more workers are not listed)\n\ngateway"), "{text}");
    }

    #[test]
    fn names_cannot_move_the_cursor() {
        let evil = WorkerStatus { name: "w\u{1b}[2J\n".into(), ..WorkerStatus::default() };
        let text = text(&MeshState { workers: vec![evil], ..MeshState::default() });
        assert!(text.contains("w\\u{1b}[2J\\n"), "{text}");
    }

    #[test]
    fn rates_below_one_per_second_are_per_minute() {
        assert_eq!(rate(0.0), "0");
        assert_eq!(rate(f64::NAN), "0");
        assert_eq!(rate(1.0 / 60.0), "1/min");
        assert_eq!(rate(0.999), "59.9/min");
        assert_eq!(rate(1234.5), "1234/s");
    }
}
