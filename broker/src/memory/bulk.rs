//! What was stored, bounded by its bytes.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use solvemesh::broker::v1::BulkReference;

use crate::{MeshError, bulk};

/// Things in parts: the models of jobs, and solutions.
///
/// What a job refers to stays as long as there is the job, and goes with it. Of the
/// rest, the oldest goes where there is no room.
#[derive(Debug)]
pub(super) struct Bulk {
    limit: usize,
    things: HashMap<String, Thing>,
    /// What no job refers to, from the oldest on.
    unclaimed: BTreeMap<u64, String>,
    bytes: usize,
    claimed_bytes: usize,
    /// How many things were stored, ever.
    stored: u64,
    /// How many parts were stored, ever.
    messages: u64,
}

#[derive(Debug)]
struct Thing {
    parts: Vec<Bytes>,
    bytes: usize,
    /// Its place among all that were stored.
    number: u64,
    claims: usize,
}

impl Bulk {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            things: HashMap::new(),
            unclaimed: BTreeMap::new(),
            bytes: 0,
            claimed_bytes: 0,
            stored: 0,
            messages: 0,
        }
    }

    pub(super) fn store(&mut self, parts: Vec<Bytes>) -> Result<BulkReference, MeshError> {
        let reference = bulk::describe(&parts)?;
        let bytes: usize = parts.iter().map(Bytes::len).sum();
        if bytes > self.limit {
            return Err(MeshError::TooLarge { bytes, limit: self.limit });
        }
        if self.claimed_bytes + bytes > self.limit {
            return Err(self.blocked(bytes));
        }
        while self.bytes + bytes > self.limit
            && let Some((_, id)) = self.unclaimed.pop_first()
        {
            self.forget(&id);
        }
        let (number, first_offset) = (self.stored, self.messages);
        self.stored += 1;
        self.messages += parts.len() as u64;
        self.bytes += bytes;
        self.unclaimed.insert(number, reference.id.clone());
        self.things.insert(reference.id.clone(), Thing { parts, bytes, number, claims: 0 });
        Ok(BulkReference { first_offset, ..reference })
    }

    pub(super) fn load(&self, reference: &BulkReference) -> Result<Vec<Bytes>, MeshError> {
        let parts = self
            .things
            .get(&reference.id)
            .map(|thing| &thing.parts)
            .ok_or_else(|| MeshError::Gone(format!("{} is not stored", reference.id)))?;
        bulk::check(reference, parts)?;
        Ok(parts.clone())
    }

    /// Claims a thing for one more job, if it is there.
    ///
    /// Jobs have half of the room, so that no job waits for the room of its solution,
    /// which is smaller than its model, while it holds that of its model.
    fn claim(&mut self, id: &str) -> Result<(), MeshError> {
        let Some(thing) = self.things.get_mut(id) else { return Ok(()) };
        if thing.claims == 0 {
            let (bytes, limit) = (thing.bytes, self.limit / 2);
            if bytes > limit {
                return Err(MeshError::TooLarge { bytes, limit });
            }
            if self.claimed_bytes + bytes > limit {
                return Err(self.blocked(bytes));
            }
            self.unclaimed.remove(&thing.number);
            self.claimed_bytes += bytes;
        }
        thing.claims += 1;
        Ok(())
    }

    /// Gives one claim back, and with the last one the thing up.
    fn release(&mut self, id: &str) {
        let Some(thing) = self.things.get_mut(id) else { return };
        thing.claims = thing.claims.saturating_sub(1);
        if thing.claims == 0 {
            self.claimed_bytes -= thing.bytes;
            self.forget(id);
        }
    }

    fn forget(&mut self, id: &str) {
        if let Some(thing) = self.things.remove(id) {
            self.bytes -= thing.bytes;
        }
    }

    fn blocked(&self, bytes: usize) -> MeshError {
        MeshError::Blocked(format!(
            "the models of jobs under way take {} bytes of the {} that may be stored \
             (bulk_bytes; half of them for models), and {bytes} more have no room now",
            self.claimed_bytes, self.limit
        ))
    }
}

/// That a job refers to what is stored, until this is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    bulk: Arc<Mutex<Bulk>>,
    id: String,
}

impl Claim {
    /// Claims a thing. One that is not there is for the job's worker to miss.
    pub(super) fn new(bulk: &Arc<Mutex<Bulk>>, id: &str) -> Result<Self, MeshError> {
        bulk.lock().unwrap_or_else(PoisonError::into_inner).claim(id)?;
        Ok(Self { bulk: Arc::clone(bulk), id: id.to_owned() })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.bulk.lock().unwrap_or_else(PoisonError::into_inner).release(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(limit: usize) -> Arc<Mutex<Bulk>> {
        Arc::new(Mutex::new(Bulk::new(limit)))
    }

    fn store(bulk: &Mutex<Bulk>, bytes: usize) -> Result<BulkReference, MeshError> {
        bulk.lock().expect("no test panics with it").store(vec![Bytes::from(vec![0; bytes])])
    }

    fn is_stored(bulk: &Mutex<Bulk>, reference: &BulkReference) -> bool {
        bulk.lock().expect("no test panics with it").load(reference).is_ok()
    }

    #[test]
    fn what_a_job_refers_to_outlasts_what_is_younger() {
        let bulk = bulk(10);
        let model = store(&bulk, 4).expect("room");
        let _job = Claim::new(&bulk, &model.id).expect("room");
        let solutions: Vec<_> = (0..3).map(|_| store(&bulk, 3).expect("room")).collect();
        assert!(is_stored(&bulk, &model));
        let left: Vec<_> = solutions.iter().map(|solution| is_stored(&bulk, solution)).collect();
        assert_eq!(left, [false, true, true], "the oldest went");
    }

    #[test]
    fn a_model_goes_with_the_last_job_that_refers_to_it() {
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
    fn what_has_no_room_beside_the_models_of_jobs_is_refused_and_nothing_goes_for_it() {
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
    fn a_job_may_refer_to_what_is_not_stored() {
        let bulk = bulk(10);
        drop(Claim::new(&bulk, "nowhere").expect("nothing to keep"));
        assert!(store(&bulk, 10).is_ok());
    }
}
