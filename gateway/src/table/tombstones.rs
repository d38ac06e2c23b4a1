use std::collections::{HashSet, VecDeque};

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Maximum number of tombstones: 16 bytes each in two collections.
const KEPT: usize = 1_000_000;

/// The jobs that were forgotten last, so that a late entry does not bring one back and requests
/// get the right error. Stores 128 bits of each id instead of the id.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tombstones {
    set: HashSet<u128>,
    order: VecDeque<u128>,
}

impl Tombstones {
    pub(super) fn insert(&mut self, id: &str) {
        self.insert_mark(mark(id));
    }

    /// The 128-bit marks of the jobs, the oldest first.
    pub(super) fn marks(&self) -> impl Iterator<Item = u128> {
        self.order.iter().copied()
    }

    pub(super) fn insert_mark(&mut self, mark: u128) {
        if self.set.insert(mark) {
            self.order.push_back(mark);
        }
        if self.order.len() > KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.set.remove(&oldest);
        }
    }

    pub(super) fn contains(&self, id: &str) -> bool {
        !self.set.is_empty() && self.set.contains(&mark(id))
    }
}

/// The 128 bits that stand for an id. Must not depend on version or machine: marks are stored in
/// snapshots.
fn mark(id: &str) -> u128 {
    if let Ok(uuid) = Uuid::try_parse(id) {
        return uuid.as_u128();
    }
    let mut half = [0; 16];
    half.copy_from_slice(&Sha256::digest(id)[..16]);
    u128::from_be_bytes(half)
}
