//! Splits the answers to scenarios into entries of the log.

use prost::Message;
use solvemesh::v1::ScenarioResult;

/// Maximum size, in bytes, of the answers in one entry of the log.
pub(super) const ENTRY_BYTES: usize = 768 << 10;

/// Splits answers into batches of at most `limit` bytes. An answer that is larger by itself loses
/// its values and duals.
pub(super) fn batches(results: Vec<ScenarioResult>, limit: usize) -> Vec<Vec<ScenarioResult>> {
    let mut batches: Vec<Vec<ScenarioResult>> = Vec::new();
    let mut left = 0;
    for mut result in results {
        if result.encoded_len() > limit {
            (result.values, result.duals) = Default::default();
            result.detail = "its values are too large for a report; request fewer".to_owned();
        }
        // With room for the tag and the length of the answer in the entry.
        let bytes = result.encoded_len() + 8;
        match batches.last_mut() {
            Some(batch) if bytes <= left => batch.push(result),
            _ => {
                left = limit;
                batches.push(vec![result]);
            }
        }
        left = left.saturating_sub(bytes);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_keep_the_size_limit_and_the_order() {
        let result = |index, values: usize| ScenarioResult {
            index,
            values: vec![1.0; values],
            ..ScenarioResult::default()
        };
        let results = vec![result(0, 4), result(1, 4), result(2, 4), result(3, 100)];
        let batches = batches(results, 120);
        let indices: Vec<Vec<i32>> =
            batches.iter().map(|batch| batch.iter().map(|result| result.index).collect()).collect();
        assert_eq!(indices, [vec![0, 1], vec![2, 3]]);
        let last = &batches[1][1];
        assert!(last.values.is_empty() && last.detail.contains("too large"));
    }
}
