//! Bulk storage in memory, bounded in bytes.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use bytes::Bytes;
use parking_lot::Mutex;
use solvemesh::broker::v1::BulkReference;

use crate::{BulkObject, MeshError, bulk};

/// Stores objects in parts: the models of jobs, and solutions.
///
/// An object that jobs refer to is kept as long as one of them exists, and deleted with the
/// last. Of the other objects, the oldest is evicted when a new one needs room.
#[derive(Debug)]
pub(super) struct Bulk {
    limit: usize,
    objects: HashMap<String, Object>,
    /// The ids of objects that no job refers to, by `number`, so the oldest is first.
    unclaimed: BTreeMap<u64, String>,
    bytes: usize,
    claimed_bytes: usize,
    /// The number of objects stored so far, deleted ones included.
    stored: u64,
    /// The number of parts stored so far: the next `first_offset`.
    messages: u64,
}

#[derive(Debug)]
struct Object {
    parts: Vec<Bytes>,
    bytes: usize,
    /// Counts objects in the order in which they were stored.
    number: u64,
    /// The number of jobs that refer to it.
    claims: usize,
}

impl Bulk {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            objects: HashMap::new(),
            unclaimed: BTreeMap::new(),
            bytes: 0,
            claimed_bytes: 0,
            stored: 0,
            messages: 0,
        }
    }

    pub(super) fn store(&mut self, object: BulkObject) -> Result<BulkReference, MeshError> {
        let (reference, parts) = object.describe()?;
        let bytes: usize = parts.iter().map(Bytes::len).sum();
        if bytes > self.limit {
            return Err(MeshError::TooLarge { bytes, limit: self.limit });
        }
        // Checked before anything is evicted: evicting all unclaimed objects would not help.
        if self.claimed_bytes + bytes > self.limit {
            return Err(self.blocked(bytes));
        }
        while self.bytes + bytes > self.limit
            && let Some((_, id)) = self.unclaimed.pop_first()
        {
            self.delete(&id);
        }
        let (number, first_offset) = (self.stored, self.messages);
        self.stored += 1;
        self.messages += parts.len() as u64;
        self.bytes += bytes;
        self.unclaimed.insert(number, reference.id.clone());
        self.objects.insert(reference.id.clone(), Object { parts, bytes, number, claims: 0 });
        Ok(BulkReference { first_offset, ..reference })
    }

    pub(super) fn load(&self, reference: &BulkReference) -> Result<Vec<Bytes>, MeshError> {
        let parts = self
            .objects
            .get(&reference.id)
            .map(|object| &object.parts)
            .ok_or_else(|| MeshError::Gone(format!("there is no object {}", reference.id)))?;
        bulk::check(reference, parts)?;
        Ok(parts.clone())
    }

    /// Adds one reference of a job to an object, if it exists.
    ///
    /// The models of jobs may use half of the storage, so that the other half has room for
    /// their solutions, which are smaller than the models. Otherwise models could fill the
    /// storage, and no job that holds one could store its solution and finish.
    fn claim(&mut self, id: &str) -> Result<(), MeshError> {
        let Some(object) = self.objects.get_mut(id) else { return Ok(()) };
        if object.claims == 0 {
            let (bytes, limit) = (object.bytes, self.limit / 2);
            if bytes > limit {
                return Err(MeshError::TooLarge { bytes, limit });
            }
            if self.claimed_bytes + bytes > limit {
                return Err(self.blocked(bytes));
            }
            self.unclaimed.remove(&object.number);
            self.claimed_bytes += bytes;
        }
        object.claims += 1;
        Ok(())
    }

    /// Drops one reference of a job; the object is deleted with the last.
    fn release(&mut self, id: &str) {
        let Some(object) = self.objects.get_mut(id) else { return };
        object.claims = object.claims.saturating_sub(1);
        if object.claims == 0 {
            self.claimed_bytes -= object.bytes;
            self.delete(id);
        }
    }

    fn delete(&mut self, id: &str) {
        if let Some(object) = self.objects.remove(id) {
            self.bytes -= object.bytes;
        }
    }

    fn blocked(&self, bytes: usize) -> MeshError {
        MeshError::Blocked(format!(
            "models of unfinished jobs use {} of the {} bytes of bulk storage (bulk_bytes; at \
             most half of it is for models), so there is no room for {bytes} bytes more",
            self.claimed_bytes, self.limit
        ))
    }
}

/// A job's reference to a stored object, released when it is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    bulk: Arc<Mutex<Bulk>>,
    id: String,
}

impl Claim {
    /// Adds a reference. An object that does not exist is not an error here: the worker reports it
    /// when it loads the model.
    pub(super) fn new(bulk: &Arc<Mutex<Bulk>>, id: &str) -> Result<Self, MeshError> {
        bulk.lock().claim(id)?;
        Ok(Self { bulk: Arc::clone(bulk), id: id.to_owned() })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.bulk.lock().release(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(limit: usize) -> Arc<Mutex<Bulk>> {
        Arc::new(Mutex::new(Bulk::new(limit)))
    }

    fn store(bulk: &Mutex<Bulk>, bytes: usize) -> Result<BulkReference, MeshError> {
        bulk.lock().store(BulkObject::new(vec![Bytes::from(vec![0; bytes])]))
    }

    fn is_stored(bulk: &Mutex<Bulk>, reference: &BulkReference) -> bool {
        bulk.lock().load(reference).is_ok()
    }

    #[test]
    fn an_object_with_a_reference_outlives_younger_ones_without() {
        let bulk = bulk(10);
        let model = store(&bulk, 4).expect("room");
        let _job = Claim::new(&bulk, &model.id).expect("room");
        let solutions: Vec<_> = (0..3).map(|_| store(&bulk, 3).expect("room")).collect();
        assert!(is_stored(&bulk, &model));
        let left: Vec<_> = solutions.iter().map(|solution| is_stored(&bulk, solution)).collect();
        assert_eq!(left, [false, true, true], "the oldest is evicted");
    }

    #[test]
    fn a_model_is_deleted_with_the_last_job_that_refers_to_it() {
        let bulk = bulk(10);
        let model = store(&bulk, 4).expect("room");
        let job = Claim::new(&bulk, &model.id).expect("room");
        let again = Claim::new(&bulk, &model.id).expect("it is one model");
        drop(job);
        assert!(is_stored(&bulk, &model));
        drop(again);
        assert!(!is_stored(&bulk, &model));
        let whole = store(&bulk, 10).expect("all room is free");
        assert!(is_stored(&bulk, &whole));
    }

    #[test]
    fn an_object_that_can_not_fit_is_refused_and_evicts_nothing() {
        let bulk = bulk(10);
        let model = store(&bulk, 4).expect("room");
        let job = Claim::new(&bulk, &model.id).expect("room");
        let solution = store(&bulk, 3).expect("room");
        let Err(MeshError::Blocked(reason)) = store(&bulk, 7) else { panic!("there is no room") };
        assert!(reason.contains("bulk_bytes"), "{reason}");
        assert!(is_stored(&bulk, &solution));
        drop(job);
        assert!(store(&bulk, 7).is_ok());
    }

    #[test]
    fn jobs_leave_room_for_solutions() {
        let bulk = bulk(10);
        let model = store(&bulk, 3).expect("room");
        let _job = Claim::new(&bulk, &model.id).expect("room");
        let other = store(&bulk, 3).expect("room");
        assert!(matches!(Claim::new(&bulk, &other.id), Err(MeshError::Blocked(_))));
        let large = store(&bulk, 6).expect("room");
        assert!(matches!(Claim::new(&bulk, &large.id), Err(MeshError::TooLarge { .. })));
        assert!(store(&bulk, 3).is_ok(), "a solution");
    }

    #[test]
    fn a_job_may_refer_to_an_object_that_does_not_exist() {
        let bulk = bulk(10);
        drop(Claim::new(&bulk, "nowhere").expect("nothing to keep"));
        assert!(store(&bulk, 10).is_ok());
    }
}
