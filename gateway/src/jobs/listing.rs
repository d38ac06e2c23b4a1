//! Lists of jobs, page by page, the latest first.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use prost::Message;
use sha2::{Digest, Sha256};
use solvemesh::v1::{Job, JobState};

use crate::{
    access::Caller,
    mesh_state::QueuedJob,
    refusal::Refusal,
    table::{Fold, Held, Position},
};

const DEFAULT_PAGE_SIZE: usize = 50;
const MAX_PAGE_SIZE: usize = 1000;

/// Maximum size of a page, in bytes. Responses are limited to 1 MiB, so this leaves room for the
/// rest of the message.
const MAX_PAGE_BYTES: usize = 900 << 10;

/// Selects the jobs of a list.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListFilter {
    /// The job is in one of these states; empty for any.
    pub(crate) states: Vec<JobState>,
    /// The job has all these labels.
    pub(crate) labels: BTreeMap<String, String>,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Page {
    /// The jobs, the latest first.
    pub(crate) jobs: Vec<Job>,
    /// For each of them, what determines its place, if it is queued.
    pub(crate) queued: Vec<Option<QueuedJob>>,
    /// The token of the next page; empty on the last page.
    pub(crate) next_page_token: String,
}

impl ListFilter {
    fn matches(&self, caller: &Caller, job: &Held) -> bool {
        caller.may_see_jobs_of(job.tenant())
            && (self.states.is_empty() || self.states.contains(&job.state()))
            && self.labels.iter().all(|(key, value)| job.label(key) == Some(value))
    }

    /// A short hash of the filter and the caller's tenant. Page tokens contain it, so that a token
    /// can't be used with another filter or by another tenant.
    fn hash(&self, tenant: &str) -> String {
        let mut hash = Sha256::new();
        // Empty where callers are not recognised: then tokens stay as they always were.
        if !tenant.is_empty() {
            hash.update([2]);
            hash.update(tenant);
            hash.update([0]);
        }
        for state in &self.states {
            hash.update([0]);
            hash.update(i32::from(*state).to_le_bytes());
        }
        for text in self.labels.iter().flat_map(|(key, value)| [key, value]) {
            hash.update([1]);
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        URL_SAFE_NO_PAD.encode(&hash.finalize()[..9])
    }
}

/// A page of the jobs that the caller may see and that pass a filter, after the one whose token is given. `full` includes
/// results. A `size` of 0 means the default; large ones are capped.
///
/// # Errors
///
/// [`Refusal::Invalid`] for a negative size, and for a token that is malformed or of another
/// filter.
pub(crate) fn page(
    fold: &Fold,
    caller: &Caller,
    filter: &ListFilter,
    size: i32,
    token: &str,
    full: bool,
) -> Result<Page, Refusal> {
    let size = match usize::try_from(size) {
        Ok(0) => DEFAULT_PAGE_SIZE,
        Ok(size) => size.min(MAX_PAGE_SIZE),
        Err(_) => {
            let wrong = "must be 0 (for the default) or more";
            return Err(Refusal::invalid("page_size", wrong));
        }
    };
    let filter_hash = filter.hash(&caller.tenant);
    let before = match token {
        "" => Position::MAX,
        token => decode(token, &filter_hash).ok_or_else(|| {
            let wrong = "must be a next_page_token of a list with the same filter";
            Refusal::invalid("page_token", wrong)
        })?,
    };
    let (mut jobs, mut queued): (Vec<Job>, Vec<_>) = Default::default();
    let mut last = None;
    let mut bytes = 0;
    for held in fold.latest_before(before).filter(|job| filter.matches(caller, job)) {
        let next_page_token = || last.map(|last| encode(last, &filter_hash)).unwrap_or_default();
        if jobs.len() == size {
            let next_page_token = next_page_token();
            return Ok(Page { jobs, queued, next_page_token });
        }
        let record = held.record();
        let job = record.to_job(full);
        // The field's tag and length take up to 8 bytes more.
        bytes += job.encoded_len() + 8;
        // At least one job a page, or the list would never advance.
        if bytes > MAX_PAGE_BYTES && !jobs.is_empty() {
            let next_page_token = next_page_token();
            return Ok(Page { jobs, queued, next_page_token });
        }
        jobs.push(job);
        queued.push(QueuedJob::of(&record));
        last = Some(record.first);
    }
    Ok(Page { jobs, queued, next_page_token: String::new() })
}

/// A page token: base64 (URL-safe) of the last job's first position and the filter's hash.
fn encode(Position { offset, entry, event }: Position, filter_hash: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("1:{offset}:{entry}:{event}:{filter_hash}"))
}

fn decode(token: &str, filter_hash: &str) -> Option<Position> {
    let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let fields: Vec<&str> = plain.split(':').collect();
    let &["1", offset, entry, event, token_hash] = fields.as_slice() else { return None };
    (token_hash == filter_hash).then_some(())?;
    Some(Position {
        offset: offset.parse().ok()?,
        entry: entry.parse().ok()?,
        event: event.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::sync::Arc;

    use solvemesh::{
        broker::v1::{LogBatch, LogEntry, Submitted, log_entry},
        v1::JobDescription,
    };

    use super::*;

    fn fold() -> Fold {
        let mut fold = Fold::default();
        for number in 0..25_u64 {
            let labels = BTreeMap::from([("parity".to_owned(), (number % 2).to_string())]);
            let description = Some(JobDescription { labels, ..Default::default() });
            let submitted = Submitted {
                description,
                submit_time: Some(Default::default()),
                ..Default::default()
            };
            let entry = LogEntry {
                job_id: number.to_string(),
                digest: vec![1],
                kind: Some(log_entry::Kind::Submitted(submitted)),
                ..Default::default()
            };
            let batch = LogBatch { version: 1, entries: vec![entry] };
            fold.apply(number, 100, Arc::new(batch));
        }
        fold
    }

    #[test]
    fn pages_contain_each_job_once_latest_first() {
        let (fold, filter) = (fold(), ListFilter::default());
        let mut seen = Vec::new();
        let mut token = String::new();
        loop {
            let page = page(&fold, &Caller::anyone(), &filter, 10, &token, false).unwrap();
            seen.extend(page.jobs.into_iter().map(|job| job.job_id));
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        let expected: Vec<String> = (0..25).rev().map(|number| number.to_string()).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn filter_selects_by_state_and_label() {
        let labels = BTreeMap::from([("parity".to_owned(), "1".to_owned())]);
        let odd = ListFilter { states: vec![JobState::Queued], labels };
        assert_eq!(page(&fold(), &Caller::anyone(), &odd, 100, "", false).unwrap().jobs.len(), 12);
        let failed = ListFilter { states: vec![JobState::Failed], ..ListFilter::default() };
        assert_eq!(page(&fold(), &Caller::anyone(), &failed, 100, "", false).unwrap().jobs, []);
    }

    #[test]
    fn bad_tokens_and_sizes_are_refused() {
        let next = page(&fold(), &Caller::anyone(), &ListFilter::default(), 1, "", false)
            .unwrap()
            .next_page_token;
        let other = ListFilter { states: vec![JobState::Queued], ..ListFilter::default() };
        assert!(page(&fold(), &Caller::anyone(), &other, 1, &next, false).is_err());
        assert!(page(&fold(), &Caller::anyone(), &other, 1, "x", false).is_err());
        assert!(page(&fold(), &Caller::anyone(), &other, -1, "", false).is_err());
    }
}
