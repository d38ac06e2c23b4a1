//! The estimate of the time until a worker takes a job. Pure.

use std::time::Duration;

/// The slots that take jobs of a lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LaneSlots {
    /// All of them.
    pub(crate) total: usize,
    /// Those that work on a job.
    pub(crate) busy: usize,
}

/// The time until a worker takes a job with this number of jobs ahead, if the jobs take as long as
/// those that finished lately: `slots` workers take one each `mean_solve / slots`. None of it is
/// known if nothing has finished lately, or without slots.
pub(crate) fn wait(
    ahead: usize,
    slots: LaneSlots,
    mean_solve: Option<Duration>,
) -> Option<Duration> {
    if slots.total == 0 {
        return None;
    }
    if ahead < slots.total.saturating_sub(slots.busy) {
        return Some(Duration::ZERO);
    }
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let rounds = (ahead + 1) as f64 / slots.total as f64;
    Duration::try_from_secs_f64(mean_solve?.as_secs_f64() * rounds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_slot_takes_a_job_every_mean_solve() {
        let mean = Some(Duration::from_secs(10));
        let busy = LaneSlots { total: 2, busy: 2 };
        assert_eq!(wait(0, busy, mean), Some(Duration::from_secs(5)));
        assert_eq!(wait(3, busy, mean), Some(Duration::from_secs(20)));
        let one_idle = LaneSlots { total: 2, busy: 1 };
        assert_eq!(wait(0, one_idle, None), Some(Duration::ZERO));
        assert_eq!(wait(1, one_idle, mean), Some(Duration::from_secs(10)));
        assert_eq!(wait(0, busy, None), None);
        assert_eq!(wait(0, LaneSlots::default(), mean), None);
    }
}
