use std::{
    collections::{HashSet, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
};

/// The most jobs remembered as forgotten: 16 bytes each in two places.
const KEPT: usize = 1_000_000;

/// The jobs that were forgotten last, so that a late entry does not bring one back.
/// Remembers a hash of 128 bits of each id, not the id.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tombstones {
    set: HashSet<u128>,
    order: VecDeque<u128>,
}

impl Tombstones {
    pub(super) fn insert(&mut self, id: &str) {
        let mark = mark(id);
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

fn mark(id: &str) -> u128 {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, id).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}
