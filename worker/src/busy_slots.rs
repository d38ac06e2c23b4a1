//! What the slots of this worker work on, for its heartbeats and its metrics.

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use parking_lot::Mutex;
use solvemesh::broker::v1::BusySlot;
use solvemesh_broker::Lane;
use tokio::sync::Notify;

use crate::metrics::Metrics;

/// The registry of busy slots.
#[derive(Clone, Debug, Default)]
pub(crate) struct BusySlots(Arc<Registry>);

#[derive(Debug, Default)]
struct Registry {
    /// By lane and index of the slot.
    slots: Mutex<BTreeMap<(Lane, usize), BusySlot>>,
    changed: Notify,
    metrics: Metrics,
}

impl BusySlots {
    /// A registry that counts busy slots in `metrics`, too.
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self(Arc::new(Registry { metrics, ..Registry::default() }))
    }

    /// Registers that a slot works on a job, as long as the guard lives.
    pub(crate) fn begin(&self, lane: &Lane, index: usize, job_id: &str) -> BusyGuard {
        let slot = BusySlot {
            job_id: job_id.to_owned(),
            lane: lane.to_string(),
            start_time: Some(SystemTime::now().into()),
        };
        let key = (lane.clone(), index);
        self.0.slots.lock().insert(key.clone(), slot);
        self.0.metrics.slot_became_busy(lane);
        self.0.changed.notify_one();
        BusyGuard { registry: Arc::clone(&self.0), key }
    }

    /// What the busy slots work on now.
    pub(crate) fn current(&self) -> Vec<BusySlot> {
        self.0.slots.lock().values().cloned().collect()
    }

    /// Waits until a slot has begun or ended to work on a job since the last call.
    pub(crate) async fn changed(&self) {
        self.0.changed.notified().await;
    }
}

/// Guard of [`BusySlots::begin`].
#[derive(Debug)]
pub(crate) struct BusyGuard {
    registry: Arc<Registry>,
    key: (Lane, usize),
}

impl Drop for BusyGuard {
    fn drop(&mut self) {
        self.registry.slots.lock().remove(&self.key);
        self.registry.metrics.slot_became_idle(&self.key.0);
        self.registry.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn a_slot_is_busy_while_its_guard_lives() {
        let busy = BusySlots::default();
        let lane: Lane = "standard".parse().expect("a lane");
        assert_eq!(busy.changed().now_or_never(), None);
        let (one, two) = (busy.begin(&lane, 0, "a"), busy.begin(&lane, 1, "b"));
        let jobs = || busy.current().into_iter().map(|slot| slot.job_id).collect::<Vec<_>>();
        assert_eq!(jobs(), ["a", "b"]);
        assert_eq!(busy.changed().now_or_never(), Some(()));
        drop(one);
        assert_eq!(jobs(), ["b"]);
        assert_eq!(busy.changed().now_or_never(), Some(()));
        drop(two);
        assert!(jobs().is_empty());
    }
}
