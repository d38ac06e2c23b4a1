//! The place of a queued job in its lane, as text and as JSON.

use prost_types::Duration;
use serde::Serialize;
use solvemesh_client::v1::QueuePosition;

use crate::output::{json::seconds, text::rough_time};

/// The value of the JSON key `queuePosition`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Object {
    jobs_ahead: i32,
    estimated_wait_seconds: Option<f64>,
}

/// Builds the value of the JSON key `queuePosition`.
pub(crate) fn object(position: &QueuePosition) -> Object {
    Object {
        jobs_ahead: position.jobs_ahead_count,
        estimated_wait_seconds: position.estimated_wait.as_ref().map(seconds),
    }
}

/// Formats a position: "3 jobs ahead, about 40 s (estimate)".
pub(crate) fn text(position: &QueuePosition) -> String {
    let ahead = match position.jobs_ahead_count {
        0 => "no jobs ahead".to_owned(),
        1 => "1 job ahead".to_owned(),
        count => format!("{count} jobs ahead"),
    };
    let wait = position.estimated_wait.as_ref().map(seconds);
    match wait {
        None => ahead,
        Some(wait) if wait < 1.0 => format!("{ahead}, under 1 s (estimate)"),
        Some(wait) => format!("{ahead}, about {} (estimate)", rough_time(wait)),
    }
}

/// Formats a position for a table: "3 ahead, ≈ 40 s".
pub(crate) fn cell(position: &QueuePosition) -> String {
    let ahead = format!("{} ahead", position.jobs_ahead_count);
    match &position.estimated_wait {
        Some(wait) => format!("{ahead}, {}", estimate(wait)),
        None => ahead,
    }
}

/// Formats an estimated wait, marked as such.
pub(crate) fn estimate(wait: &Duration) -> String {
    format!("≈ {}", rough_time(seconds(wait)))
}

/// Selects the positions that are worth a line: the first one, and those with another number of
/// jobs ahead. The estimate alone changes all the time.
#[derive(Debug, Default)]
pub(crate) struct JobsAhead {
    last: Option<i32>,
}

impl JobsAhead {
    /// Whether the number of jobs ahead is not the one of the last call.
    pub(crate) fn has_changed(&mut self, position: &QueuePosition) -> bool {
        let ahead = position.jobs_ahead_count;
        self.last.replace(ahead) != Some(ahead)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn position(jobs_ahead_count: i32, wait: Option<(i64, i32)>) -> QueuePosition {
        let estimated_wait = wait.map(|(seconds, nanos)| Duration { seconds, nanos });
        QueuePosition { jobs_ahead_count, estimated_wait }
    }

    #[test]
    fn a_position_has_jobs_ahead_and_an_estimate_if_there_is_one() {
        assert_eq!(text(&position(3, Some((40, 0)))), "3 jobs ahead, about 40 s (estimate)");
        assert_eq!(text(&position(1, Some((7200, 0)))), "1 job ahead, about 2 h (estimate)");
        assert_eq!(text(&position(0, Some((0, 0)))), "no jobs ahead, under 1 s (estimate)");
        assert_eq!(text(&position(12, None)), "12 jobs ahead");
        assert_eq!(cell(&position(3, Some((40, 0)))), "3 ahead, ≈ 40 s");
        assert_eq!(cell(&position(3, None)), "3 ahead");
    }

    #[test]
    fn an_unknown_estimate_is_null_in_json() {
        let known = object(&position(3, Some((1, 500_000_000))));
        assert_eq!(json!(known), json!({"jobsAhead": 3, "estimatedWaitSeconds": 1.5}));
        let unknown = object(&position(0, None));
        assert_eq!(json!(unknown), json!({"jobsAhead": 0, "estimatedWaitSeconds": null}));
    }

    #[test]
    fn a_position_is_reported_when_first_known_and_when_the_jobs_ahead_change() {
        let mut reported = JobsAhead::default();
        let positions = [(2, Some((9, 0))), (2, Some((8, 0))), (1, Some((4, 0))), (1, None)];
        let changes = positions.map(|(ahead, wait)| reported.has_changed(&position(ahead, wait)));
        assert_eq!(changes, [true, false, true, false]);
    }
}
