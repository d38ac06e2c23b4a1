//! Which jobs were forgotten.

use sha2::{Digest, Sha256};
use solvemesh_broker::BoundedSet;
use uuid::Uuid;

/// Maximum number of tombstones: 16 bytes each in two collections.
const MAX_TOMBSTONES: usize = 1_000_000;

/// The jobs that were forgotten last, so that a late entry does not bring one back and requests
/// get the right error. Stores a fingerprint of each id instead of the id, to save memory.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tombstones {
    fingerprints: BoundedSet<u128>,
}

impl Default for Tombstones {
    fn default() -> Self {
        Self { fingerprints: BoundedSet::new(MAX_TOMBSTONES) }
    }
}

impl Tombstones {
    pub(super) fn insert(&mut self, id: &str) {
        self.insert_fingerprint(fingerprint(id));
    }

    /// The fingerprints of the jobs, the oldest tombstone first.
    pub(super) fn fingerprints(&self) -> impl Iterator<Item = u128> {
        self.fingerprints.iter().copied()
    }

    pub(super) fn insert_fingerprint(&mut self, fingerprint: u128) {
        self.fingerprints.insert(fingerprint);
    }

    pub(super) fn contains(&self, id: &str) -> bool {
        !self.fingerprints.is_empty() && self.fingerprints.contains(&fingerprint(id))
    }
}

/// 128 bits by which an id is recognised: the UUID itself if the id is one, else a part of its
/// SHA-256. Must not depend on version or machine: fingerprints are stored in snapshots.
fn fingerprint(id: &str) -> u128 {
    if let Ok(uuid) = Uuid::try_parse(id) {
        return uuid.as_u128();
    }
    let mut half = [0; 16];
    half.copy_from_slice(&Sha256::digest(id)[..16]);
    u128::from_be_bytes(half)
}
