//! Sets of scenarios.

use std::ops::Range;

use solvemesh::broker::v1::ScenarioRange;

/// A set of scenarios, as ascending ranges that neither overlap nor touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ScenarioSet(Vec<Range<i32>>);

impl ScenarioSet {
    /// The scenarios of an envelope, in a sweep of `count` scenarios. No ranges mean all of them.
    pub(crate) fn of_envelope(ranges: &[ScenarioRange], count: i32) -> Self {
        if ranges.is_empty() {
            return Self::normalised(std::iter::once(0..count).collect());
        }
        Self::from_ranges(ranges, count)
    }

    /// The scenarios in these ranges, clamped to a sweep of `count` scenarios.
    pub(crate) fn from_ranges(ranges: &[ScenarioRange], count: i32) -> Self {
        Self::normalised(ranges.iter().map(|range| clamped(range, count)).collect())
    }

    /// The set of these scenarios.
    pub(crate) fn from_indices(indices: impl IntoIterator<Item = i32>) -> Self {
        Self::normalised(indices.into_iter().map(|index| index..index + 1).collect())
    }

    /// Sorts ranges and merges those that overlap or touch.
    fn normalised(mut ranges: Vec<Range<i32>>) -> Self {
        ranges.retain(|range| !range.is_empty());
        ranges.sort_unstable_by_key(|range| range.start);
        let mut merged: Vec<Range<i32>> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match merged.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => merged.push(range),
            }
        }
        Self(merged)
    }

    /// The union with `other`.
    pub(crate) fn union(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        Self::normalised(self.0)
    }

    /// The difference: the scenarios that are not in `other`.
    pub(crate) fn difference(self, other: &Self) -> Self {
        let mut left = Vec::new();
        let mut removed = other.0.iter().peekable();
        for Range { mut start, end } in self.0 {
            while let Some(hole) = removed.peek() {
                if hole.start >= end {
                    break;
                }
                if hole.start > start {
                    left.push(start..hole.start);
                }
                start = start.max(hole.end);
                // `hole` may also overlap the next range of `self`: keep it.
                if hole.end > end {
                    break;
                }
                removed.next();
            }
            // May be empty; `normalised` removes that.
            left.push(start..end);
        }
        Self::normalised(left)
    }

    /// Number of scenarios.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(ExactSizeIterator::len).sum()
    }

    /// Whether the set is empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The scenarios in ascending order.
    pub(crate) fn indices(&self) -> impl Iterator<Item = i32> {
        self.0.iter().cloned().flatten()
    }

    /// Removes the first `count` scenarios and returns them; all if there are fewer.
    pub(crate) fn take_first(&mut self, mut count: usize) -> Self {
        let mut taken = Vec::new();
        while count > 0 && !self.0.is_empty() {
            let first = &mut self.0[0];
            if first.len() <= count {
                count -= first.len();
                taken.push(self.0.remove(0));
            } else {
                let end = first.start + i32::try_from(count).unwrap_or(0);
                taken.push(first.start..end);
                first.start = end;
                count = 0;
            }
        }
        Self(taken)
    }

    /// Splits the set into at most `parts` sets of equal size; only the last may be smaller.
    pub(crate) fn split(mut self, parts: usize) -> Vec<Self> {
        let size = self.len().div_ceil(parts.max(1)).max(1);
        let mut split = Vec::with_capacity(parts);
        while !self.is_empty() {
            split.push(self.take_first(size));
        }
        split
    }

    /// The ranges, for an envelope or a task.
    pub(crate) fn to_ranges(&self) -> Vec<ScenarioRange> {
        let to_message = |range: &Range<i32>| ScenarioRange {
            first: range.start,
            count: range.end - range.start,
        };
        self.0.iter().map(to_message).collect()
    }
}

/// The part of a range that is within 0 to `count`.
fn clamped(range: &ScenarioRange, count: i32) -> Range<i32> {
    let first = range.first.clamp(0, count);
    first..first.saturating_add(range.count.max(0)).min(count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ranges(pairs: &[(i32, i32)]) -> Vec<ScenarioRange> {
        pairs.iter().map(|&(first, count)| ScenarioRange { first, count }).collect()
    }

    #[test]
    fn an_envelope_without_ranges_means_all_scenarios() {
        assert_eq!(ScenarioSet::of_envelope(&[], 5).to_ranges(), ranges(&[(0, 5)]));
        assert!(ScenarioSet::from_ranges(&[], 5).is_empty());
    }

    #[test]
    fn ranges_are_clamped_to_the_sweep() {
        let set = ScenarioSet::of_envelope(&ranges(&[(3, 100), (-4, 2)]), 5);
        assert_eq!(set.to_ranges(), ranges(&[(0, 2), (3, 2)]));
        assert!(ScenarioSet::of_envelope(&ranges(&[(7, 1)]), 5).is_empty());
    }

    #[test]
    fn a_set_is_split_into_equal_parts() {
        let set = ScenarioSet::from_ranges(&ranges(&[(0, 3), (10, 4)]), 20);
        let parts: Vec<_> = set.split(3).iter().map(ScenarioSet::to_ranges).collect();
        assert_eq!(parts, [ranges(&[(0, 3)]), ranges(&[(10, 3)]), ranges(&[(13, 1)])]);
    }

    proptest! {
        #[test]
        fn set_operations_agree_with_those_of_a_btree_set(
            one in prop::collection::vec((0..60, 0..9), 0..8),
            other in prop::collection::vec((0..60, 0..9), 0..8),
            count in 0..12_usize,
        ) {
            let btree_set = |pairs: &[(i32, i32)]| {
                let all = pairs.iter().flat_map(|&(first, count)| first..first + count);
                all.collect::<std::collections::BTreeSet<_>>()
            };
            let expected = (btree_set(&one), btree_set(&other));
            let set = ScenarioSet::from_indices(expected.0.iter().copied());
            let others = ScenarioSet::from_ranges(&ranges(&other), 100);
            let difference = set.clone().difference(&others);
            prop_assert!(difference.indices().eq(expected.0.difference(&expected.1).copied()));
            let union = set.clone().union(others);
            prop_assert!(union.indices().eq(expected.0.union(&expected.1).copied()));
            let mut rest = set.clone();
            let taken = rest.take_first(count);
            prop_assert_eq!(taken.len(), count.min(expected.0.len()));
            prop_assert_eq!(taken.union(rest), set);
        }
    }
}
