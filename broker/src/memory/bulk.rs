//! What was stored, bounded by its bytes.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use solvemesh::broker::v1::BulkReference;

use crate::{MeshError, bulk};

/// Things in parts, the oldest of which go once all together are too large.
#[derive(Debug)]
pub(super) struct Bulk {
    limit: usize,
    things: HashMap<String, Vec<Bytes>>,
    /// From the oldest on, with their sizes.
    order: VecDeque<(String, usize)>,
    bytes: usize,
    messages: u64,
}

impl Bulk {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, things: HashMap::new(), order: VecDeque::new(), bytes: 0, messages: 0 }
    }

    pub(super) fn store(&mut self, parts: Vec<Bytes>) -> Result<BulkReference, MeshError> {
        let reference = bulk::describe(&parts)?;
        let bytes: usize = parts.iter().map(Bytes::len).sum();
        if bytes > self.limit {
            return Err(MeshError::TooLarge { bytes, limit: self.limit });
        }
        while self.bytes + bytes > self.limit
            && let Some((id, bytes)) = self.order.pop_front()
        {
            self.things.remove(&id);
            self.bytes -= bytes;
        }
        let first_offset = self.messages;
        self.messages += parts.len() as u64;
        self.bytes += bytes;
        self.order.push_back((reference.id.clone(), bytes));
        self.things.insert(reference.id.clone(), parts);
        Ok(BulkReference { first_offset, ..reference })
    }

    pub(super) fn load(&self, reference: &BulkReference) -> Result<Vec<Bytes>, MeshError> {
        let parts = self
            .things
            .get(&reference.id)
            .ok_or_else(|| MeshError::Gone(format!("{} is not stored", reference.id)))?;
        bulk::check(reference, parts)?;
        Ok(parts.clone())
    }
}
