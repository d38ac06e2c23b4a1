//! The heuristics that split a share into pieces and into further shares. Pure.

use std::time::Duration;

/// Sizes of the first pieces, in scenarios: 1, whose cost is not representative because the solver
/// starts cold, then 15, to measure the warm cost. They are to be few, because nothing is handed
/// off before that is known, but several, because the costs of single scenarios differ.
const FIRST_PIECES: [usize; 2] = [1, 15];

/// Target duration of a piece. Between two pieces the worker checks for a stop and the deadline,
/// and decides about handing off, so none of these waits longer than this. Much shorter pieces
/// would spend much of their time on their messages to and from the solver process.
const PIECE_DURATION: Duration = Duration::from_millis(100);

/// Maximum number of scenarios of a piece. Bounds the set of scenarios that a piece keeps, where
/// they are so cheap that its duration does not.
const MAX_PIECE: usize = 1 << 16;

/// Minimum work of a share that is handed off: this duration, and 1/50 of the whole sweep. Smaller
/// remainders are finished by the worker that has them.
///
/// The duration, because a share has a price: the message with the payload, which another worker
/// decodes and sends to its solver process, and a solve there from a basis that is not that of a
/// neighbour. The part of the sweep, because the shares are split again in the same way: of a long
/// sweep, shares of the minimum duration would be thousands, each at that price.
const MIN_SHARE_DURATION: Duration = Duration::from_millis(100);
const MIN_SHARE_DIVISOR: u32 = 50;

/// Maximum number of shares that are queued at once, because each message has the payload. More
/// workers than that get their shares once the first of these are split again.
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
    /// Records a piece of `scenarios` scenarios that took this time.
    pub(crate) fn record(&mut self, scenarios: usize, elapsed: Duration) {
        self.pieces += 1;
        self.cost = elapsed / u32::try_from(scenarios.max(1)).unwrap_or(u32::MAX);
    }

    /// Number of scenarios for the next piece.
    pub(crate) fn piece_size(&self) -> usize {
        let by_cost = PIECE_DURATION.as_nanos() / self.cost.as_nanos().max(1);
        let by_cost = usize::try_from(by_cost).unwrap_or(usize::MAX).clamp(1, MAX_PIECE);
        match FIRST_PIECES.get(self.pieces) {
            Some(&first) if self.pieces == 0 => first,
            // Fewer than 15 if the cold solve already was slow.
            Some(&second) => second.min(by_cost),
            None => by_cost,
        }
    }

    /// Number of shares to split the `left` scenarios into, in a sweep of `total`. 1 means that
    /// handing off is not worth it, or that this is not known yet.
    pub(crate) fn share_count(&self, left: usize, total: usize) -> usize {
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
    use super::*;

    #[test]
    fn only_long_work_is_split_into_shares() {
        let mut estimate = CostEstimate::default();
        assert_eq!((estimate.piece_size(), estimate.share_count(1_000_000, 1_000_000)), (1, 1));
        estimate.record(1, Duration::from_millis(3));
        assert_eq!((estimate.piece_size(), estimate.share_count(1_000_000, 1_000_000)), (15, 1));
        estimate.record(15, Duration::from_micros(150));
        assert_eq!(estimate.piece_size(), 10_000);
        assert_eq!(estimate.share_count(100_000, 100_000), 10);
        assert_eq!(estimate.share_count(19_000, 100_000), 1);
        let mut slow = CostEstimate::default();
        slow.record(1, Duration::from_secs(60));
        assert_eq!((slow.piece_size(), slow.share_count(5, 6)), (1, 5));
        assert_eq!(slow.share_count(1000, 1001), MAX_SHARES);
    }
}
