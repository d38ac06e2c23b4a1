//! Which scenario to solve after which: one whose numbers are near, so that what was found
//! out about the one helps with the other.

use std::cmp::Ordering;

use super::{Scenarios, scenarios::entries_of};

impl Scenarios {
    /// Puts scenarios in an order in which neighbours differ little. Of a grid, they are
    /// walked through to and fro: the last axis forwards, then, one step on along the axis
    /// before, backwards (the reflected Gray code of mixed radix), so that a scenario and the
    /// next differ by one step of one axis. Of a table, they are sorted by their values, that
    /// of the first parameter first.
    pub fn order(&self, scenarios: &mut [usize]) {
        if let Some(points) = self.axes() {
            if points.len() > 1 {
                scenarios.sort_by_cached_key(|&scenario| to_and_fro(scenario, &points));
            } else {
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
                        // One that changes less comes first.
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

/// The rank of a scenario of a grid on the walk through it.
fn to_and_fro(scenario: usize, points: &[usize]) -> usize {
    let mut places = Vec::with_capacity(points.len());
    let mut rest = scenario;
    for &points in points.iter().rev() {
        places.push(rest % points.max(1));
        rest /= points.max(1);
    }
    let mut rank = 0;
    for (&place, &points) in places.iter().rev().zip(points) {
        // Backwards where the rank so far is odd.
        let place = if rank % 2 == 1 { points - 1 - place } else { place };
        rank = rank * points + place;
    }
    rank
}
