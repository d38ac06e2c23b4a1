//! Sorts scenarios so that each has numbers close to those of the one before: what the solver
//! found for the one then helps with the next.

use std::cmp::Ordering;

use super::{Scenarios, scenarios::entries_of};

impl Scenarios {
    /// Sorts scenarios so that neighbours differ little.
    ///
    /// A grid is traversed to and fro: the last axis forwards, then, after one step along the
    /// axis before it, backwards (the reflected Gray code of mixed radix), so that each
    /// scenario differs from the next by one step of one axis. Scenarios of a table are sorted
    /// by their values, the first parameter first.
    pub fn order(&self, scenarios: &mut [usize]) {
        if let Some(points) = self.axes() {
            if points.len() > 1 {
                scenarios.sort_by_cached_key(|&scenario| gray_code_rank(scenario, &points));
            } else {
                // On a single axis the numbers are the ranks.
                scenarios.sort_unstable();
            }
        } else if let Some(table) = self.table() {
            let parameters = self.targets().len();
            scenarios.sort_by(|&a, &b| {
                let mut ours = entries_of(table, a, parameters);
                let mut theirs = entries_of(table, b, parameters);
                loop {
                    let order = match (ours.next(), theirs.next()) {
                        (None, None) => return a.cmp(&b),
                        // A scenario that is a prefix of the other changes less: it is first.
                        (None, Some(_)) => Ordering::Less,
                        (Some(_), None) => Ordering::Greater,
                        (Some((of, one)), Some((other_of, other))) => {
                            of.cmp(&other_of).then(one.total_cmp(&other))
                        }
                    };
                    if order.is_ne() {
                        return order;
                    }
                }
            });
        }
    }
}

/// The rank of a scenario in the reflected Gray code of a grid.
fn gray_code_rank(scenario: usize, points: &[usize]) -> usize {
    // The scenario's place on each axis, the last axis first.
    let mut places = Vec::with_capacity(points.len());
    let mut rest = scenario;
    for &points in points.iter().rev() {
        places.push(rest % points.max(1));
        rest /= points.max(1);
    }
    let mut rank = 0;
    for (&place, &points) in places.iter().rev().zip(points) {
        // Every other pass along an axis is backwards.
        let place = if rank % 2 == 1 { points - 1 - place } else { place };
        rank = rank * points + place;
    }
    rank
}
