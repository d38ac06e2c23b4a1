//! The workers and gateways of the mesh, as known from their heartbeats. Pure.

use std::{collections::HashMap, time::Duration};

use solvemesh::broker::v1::Heartbeat;
use solvemesh_broker::HEARTBEAT_INTERVAL;
use tokio::time::Instant;

/// Maximum number of processes; heartbeats of others are ignored. A bound on memory, far beyond any
/// real mesh.
const MAX_MEMBERS: usize = 20_000;
/// The longest interval of heartbeats that is believed.
const MAX_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// The processes whose heartbeats have arrived, by their random id.
#[derive(Debug, Default)]
pub(crate) struct Members(HashMap<String, Member>);

#[derive(Debug)]
struct Member {
    heartbeat: Heartbeat,
    arrived: Instant,
}

impl Members {
    /// Takes note of a heartbeat; returns whether its process is new. The last one of a process
    /// removes it.
    pub(crate) fn hear(&mut self, heartbeat: Heartbeat, now: Instant) -> bool {
        self.0.retain(|_, member| member.is_live(now));
        if heartbeat.is_last {
            self.0.remove(&heartbeat.process_id);
            return false;
        }
        let is_new = !self.0.contains_key(&heartbeat.process_id);
        if is_new && self.0.len() >= MAX_MEMBERS {
            return false;
        }
        self.0.insert(heartbeat.process_id.clone(), Member { heartbeat, arrived: now });
        is_new
    }

    /// The latest heartbeats of the processes that have not missed two, and their ages.
    pub(crate) fn live(&self, now: Instant) -> impl Iterator<Item = (&Heartbeat, Duration)> {
        let live = self.0.values().filter(move |member| member.is_live(now));
        live.map(move |member| (&member.heartbeat, now.duration_since(member.arrived)))
    }
}

impl Member {
    fn is_live(&self, now: Instant) -> bool {
        let interval = self.heartbeat.interval.and_then(|interval| interval.try_into().ok());
        let interval: Duration = interval.unwrap_or(HEARTBEAT_INTERVAL);
        now.duration_since(self.arrived) <= 2 * interval.min(MAX_INTERVAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heartbeat(id: &str, is_last: bool) -> Heartbeat {
        let interval = Duration::from_secs(5).try_into().ok();
        Heartbeat { process_id: id.to_owned(), interval, is_last, ..Heartbeat::default() }
    }

    fn ids(members: &Members, now: Instant) -> Vec<&str> {
        let mut ids: Vec<&str> =
            members.live(now).map(|(heartbeat, _)| heartbeat.process_id.as_str()).collect();
        ids.sort_unstable();
        ids
    }

    #[test]
    fn a_process_is_gone_after_two_missed_heartbeats_or_its_last() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut members = Members::default();
        assert!(members.hear(heartbeat("a", false), start));
        assert!(!members.hear(heartbeat("a", false), start));
        assert!(members.hear(heartbeat("b", false), at(4)));
        assert_eq!(ids(&members, at(10)), ["a", "b"]);
        assert_eq!(ids(&members, at(11)), ["b"]);
        members.hear(heartbeat("c", false), at(12));
        assert_eq!(members.0.len(), 2, "what is gone takes no memory");
        assert!(!members.hear(heartbeat("b", true), at(13)));
        assert_eq!(ids(&members, at(13)), ["c"]);
    }
}
