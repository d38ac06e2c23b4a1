//! The ranks of a lane's jobs, and the order in which they take turns.

use solvemesh::{broker::v1::JobEnvelope, v1};

/// The part of a lane that a job waits in. Each has a queue of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rank {
    /// Taken before others.
    First,
    /// Where jobs are of which nothing else is known.
    Normal,
    /// Taken after others.
    Later,
}

impl Rank {
    /// All ranks, the first one first.
    pub const ALL: [Self; 3] = [Self::First, Self::Normal, Self::Later];

    /// The rank of a job.
    pub fn of(job: &JobEnvelope) -> Self {
        job.description.as_ref().map_or(Self::Normal, |description| description.rank().into())
    }

    /// Its index in [`ALL`](Self::ALL).
    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

impl From<v1::Rank> for Rank {
    fn from(rank: v1::Rank) -> Self {
        match rank {
            v1::Rank::First => Self::First,
            v1::Rank::Normal | v1::Rank::Unspecified => Self::Normal,
            v1::Rank::Later => Self::Later,
        }
    }
}

impl From<Rank> for v1::Rank {
    fn from(rank: Rank) -> Self {
        match rank {
            Rank::First => Self::First,
            Rank::Normal => Self::Normal,
            Rank::Later => Self::Later,
        }
    }
}

/// The maximum number of jobs of the first rank that are taken in a row while others wait.
const FIRST_IN_A_ROW: u8 = 4;
/// The maximum number of jobs of the normal rank that are taken, not counting those of the first
/// rank in between, while others of the last rank wait.
const NORMAL_IN_A_ROW: u8 = 3;

/// The order in which a consumer takes jobs of the ranks: the first one that waits, but with a
/// limit in a row, so that no rank waits for ever.
///
/// A consumer does not know which ranks have jobs until it asks, so this gives the order in which
/// to ask, and learns what was taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns {
    first: u8,
    normal: u8,
}

impl Turns {
    /// The ranks, in the order in which to look for the next job.
    pub(crate) fn order(&self) -> [Rank; 3] {
        let [earlier, later] = match self.normal < NORMAL_IN_A_ROW {
            true => [Rank::Normal, Rank::Later],
            false => [Rank::Later, Rank::Normal],
        };
        match self.first < FIRST_IN_A_ROW {
            true => [Rank::First, earlier, later],
            false => [earlier, later, Rank::First],
        }
    }

    /// Counts a job that was taken.
    pub(crate) fn took(&mut self, rank: Rank) {
        match rank {
            Rank::First => self.first = self.first.saturating_add(1),
            Rank::Normal => {
                self.first = 0;
                self.normal = self.normal.saturating_add(1);
            }
            Rank::Later => *self = Self::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Takes jobs from ranks with these lengths; returns the ranks in the order in which they were
    /// taken.
    fn take(mut waiting: [usize; 3], count: usize) -> Vec<Rank> {
        let mut turns = Turns::default();
        let mut taken = Vec::new();
        while taken.len() < count
            && let Some(rank) = turns.order().into_iter().find(|rank| waiting[rank.index()] > 0)
        {
            waiting[rank.index()] -= 1;
            turns.took(rank);
            taken.push(rank);
        }
        taken
    }

    #[test]
    fn earlier_ranks_are_taken_first_and_later_ones_are_not_forgotten() {
        use Rank::{First, Later, Normal};
        let all = take([100, 100, 100], 20);
        let expected = [
            [First, First, First, First, Normal],
            [First, First, First, First, Normal],
            [First, First, First, First, Normal],
            [First, First, First, First, Later],
        ];
        assert_eq!(all, expected.concat());
        assert_eq!(take([0, 9, 9], 5), [Normal, Normal, Normal, Later, Normal]);
    }

    proptest! {
        #[test]
        fn a_job_of_the_first_rank_waits_for_at_most_one_other(
            before in prop::collection::vec(prop::sample::select(&Rank::ALL[..]), 0..30),
        ) {
            let mut turns = Turns::default();
            for rank in before {
                turns.took(rank);
            }
            // With jobs in all ranks.
            let next: Vec<_> = std::iter::repeat_with(|| {
                let [rank, ..] = turns.order();
                turns.took(rank);
                rank
            })
            .take(2)
            .collect();
            prop_assert!(next.contains(&Rank::First), "{next:?}");
        }

        #[test]
        fn everything_is_taken(waiting in prop::array::uniform3(0_usize..50)) {
            let taken = take(waiting, usize::MAX);
            for rank in Rank::ALL {
                let count = taken.iter().filter(|taken| **taken == rank).count();
                prop_assert_eq!(count, waiting[rank.index()]);
            }
        }
    }
}
