//! Sets of scenarios, and the heuristics that split a share into pieces and into further shares.
//! Pure.

use std::{ops::Range, time::Duration};

use solvemesh::broker::v1::ScenarioRange;

/// A set of scenarios, as ascending ranges that neither overlap nor touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ScenarioSet(Vec<Range<i32>>);

impl ScenarioSet {
    /// The scenarios of an envelope, in a sweep of `count` scenarios. No ranges mean all of them.
    /// Ranges are clamped to the sweep.
    pub(crate) fn of(ranges: &[ScenarioRange], count: i32) -> Self {
        if ranges.is_empty() {
            return Self::joined(std::iter::once(0..count).collect());
        }
        Self::joined(ranges.iter().map(|range| clamped(range, count)).collect())
    }

    /// The set of these scenarios.
    pub(crate) fn of_scenarios(scenarios: impl IntoIterator<Item = i32>) -> Self {
        Self::joined(scenarios.into_iter().map(|scenario| scenario..scenario + 1).collect())
    }

    /// Sorts ranges and merges those that overlap or touch.
    fn joined(mut ranges: Vec<Range<i32>>) -> Self {
        ranges.retain(|range| !range.is_empty());
        ranges.sort_unstable_by_key(|range| range.start);
        let mut joined: Vec<Range<i32>> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match joined.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => joined.push(range),
            }
        }
        Self(joined)
    }

    /// The union with `others`.
    pub(crate) fn union(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        Self::joined(self.0)
    }

    /// The difference: the scenarios that are not in `others`.
    pub(crate) fn without(self, others: &[ScenarioRange]) -> Self {
        let others = Self::joined(others.iter().map(|range| clamped(range, i32::MAX)).collect());
        let mut left = Vec::new();
        let mut taken = others.0.into_iter().peekable();
        for Range { mut start, end } in self.0 {
            while let Some(out) = taken.peek() {
                if out.start >= end {
                    break;
                }
                if out.start > start {
                    left.push(start..out.start);
                }
                start = start.max(out.end);
                // `out` may also overlap the next range of `self`: keep it.
                if out.end > end {
                    break;
                }
                taken.next();
            }
            // May be empty; `joined` removes that.
            left.push(start..end);
        }
        Self::joined(left)
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
    pub(crate) fn scenarios(&self) -> impl Iterator<Item = i32> {
        self.0.iter().cloned().flatten()
    }

    /// Removes the first `count` scenarios and returns them; all if there are fewer.
    pub(crate) fn take(&mut self, mut count: usize) -> Self {
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
            split.push(self.take(size));
        }
        split
    }

    /// The ranges, for an envelope or a task.
    pub(crate) fn to_wire(&self) -> Vec<ScenarioRange> {
        let wire = |range: &Range<i32>| ScenarioRange {
            first: range.start,
            count: range.end - range.start,
        };
        self.0.iter().map(wire).collect()
    }
}

/// The part of a range that is within 0 to `count`.
fn clamped(range: &ScenarioRange, count: i32) -> Range<i32> {
    let first = range.first.clamp(0, count);
    first..first.saturating_add(range.count.max(0)).min(count)
}

/// Sizes of the first pieces, in scenarios: 1, whose cost is not representative because the solver
/// starts cold, then 15 to measure the warm cost.
const FIRST_PIECES: [usize; 2] = [1, 15];

/// Target duration of a piece. Between two pieces the worker checks for a cancel, a stop and the
/// deadline, and decides about handing off.
const PIECE_DURATION: Duration = Duration::from_millis(100);

/// Maximum number of scenarios of a piece.
const MAX_PIECE: usize = 1 << 16;

/// Minimum work of a share that is handed off: this duration, and 1/50 of the whole sweep. Smaller
/// remainders are finished by the worker that has them.
const MIN_SHARE_DURATION: Duration = Duration::from_millis(100);
const MIN_SHARE_DIVISOR: u32 = 50;

/// Maximum number of shares that are queued at once.
const MAX_SHARES: usize = 16;

/// Measures the cost of a scenario, and derives the size of pieces and the number of shares.
#[derive(Debug, Default)]
pub(crate) struct CostEstimate {
    /// Number of pieces so far.
    pieces: usize,
    /// Time per scenario in the last piece.
    cost: Duration,
}

impl CostEstimate {
    /// Records a piece of `scenarios` scenarios.
    pub(crate) fn note(&mut self, scenarios: usize, took: Duration) {
        self.pieces += 1;
        self.cost = took / u32::try_from(scenarios.max(1)).unwrap_or(u32::MAX);
    }

    /// Number of scenarios for the next piece.
    pub(crate) fn piece(&self) -> usize {
        let by_cost = PIECE_DURATION.as_nanos() / self.cost.as_nanos().max(1);
        let by_cost = usize::try_from(by_cost).unwrap_or(usize::MAX).clamp(1, MAX_PIECE);
        match FIRST_PIECES.get(self.pieces) {
            Some(&first) if self.pieces == 0 => first,
            // Fewer than 15 if the cold solve already was slow.
            Some(&second) => second.min(by_cost.max(1)),
            None => by_cost,
        }
    }

    /// Number of shares to split the `left` scenarios into, in a sweep of `total`. 1 means that
    /// handing off is not worth it, or that this is not known yet.
    pub(crate) fn shares(&self, left: usize, total: usize) -> usize {
        let work = |scenarios: usize| {
            self.cost.saturating_mul(u32::try_from(scenarios).unwrap_or(u32::MAX))
        };
        // The first solve is cold: its cost is representative only of scenarios that take long
        // anyway.
        if self.pieces == 0 || self.pieces == 1 && self.cost < MIN_SHARE_DURATION {
            return 1;
        }
        let least = MIN_SHARE_DURATION.max(work(total) / MIN_SHARE_DIVISOR);
        let shares = work(left).as_nanos() / least.as_nanos().max(1);
        usize::try_from(shares).unwrap_or(usize::MAX).min(MAX_SHARES).min(left).max(1)
    }
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
        assert_eq!(ScenarioSet::of(&[], 5).to_wire(), ranges(&[(0, 5)]));
        assert_eq!(
            ScenarioSet::of(&ranges(&[(3, 100), (-4, 2)]), 5).to_wire(),
            ranges(&[(0, 2), (3, 2)])
        );
        assert!(ScenarioSet::of(&ranges(&[(7, 1)]), 5).is_empty());
    }

    #[test]
    fn a_share_is_split_into_equal_parts() {
        let share = ScenarioSet::of(&ranges(&[(0, 3), (10, 4)]), 20);
        let parts: Vec<_> = share.split(3).iter().map(ScenarioSet::to_wire).collect();
        assert_eq!(parts, [ranges(&[(0, 3)]), ranges(&[(10, 3)]), ranges(&[(13, 1)])]);
    }

    #[test]
    fn only_long_work_is_split_into_shares() {
        let mut pace = CostEstimate::default();
        assert_eq!((pace.piece(), pace.shares(1_000_000, 1_000_000)), (1, 1));
        pace.note(1, Duration::from_millis(3));
        assert_eq!((pace.piece(), pace.shares(1_000_000, 1_000_000)), (15, 1));
        pace.note(15, Duration::from_micros(150));
        assert_eq!(pace.piece(), 10_000);
        assert_eq!(pace.shares(100_000, 100_000), 10);
        assert_eq!(pace.shares(19_000, 100_000), 1);
        let mut slow = CostEstimate::default();
        slow.note(1, Duration::from_secs(60));
        assert_eq!((slow.piece(), slow.shares(5, 6)), (1, 5));
        assert_eq!(slow.shares(1000, 1001), MAX_SHARES);
    }

    proptest! {
        #[test]
        fn set_operations_agree_with_those_of_a_btree_set(
            mine in prop::collection::vec((0..60, 0..9), 0..8),
            others in prop::collection::vec((0..60, 0..9), 0..8),
            count in 0..12_usize,
        ) {
            let set = |pairs: &[(i32, i32)]| {
                let all = pairs.iter().flat_map(|&(first, count)| first..first + count);
                all.collect::<std::collections::BTreeSet<_>>()
            };
            let (ours, theirs) = (set(&mine), set(&others));
            let share = ScenarioSet::of_scenarios(ours.iter().copied());
            let left = share.clone().without(&ranges(&others));
            prop_assert!(left.scenarios().eq(ours.difference(&theirs).copied()));
            let both = share.clone().union(ScenarioSet::of_scenarios(theirs.iter().copied()));
            prop_assert!(both.scenarios().eq(ours.union(&theirs).copied()));
            let mut rest = share.clone();
            let taken = rest.take(count);
            prop_assert_eq!(taken.len(), count.min(ours.len()));
            prop_assert_eq!(taken.union(rest), share);
        }
    }
}
