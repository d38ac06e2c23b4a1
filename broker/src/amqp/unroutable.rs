//! Matches returned messages with their confirms.
//!
//! The broker returns a message that no queue accepts, and then confirms it. The returned message
//! contains its number. But lapin puts returned messages into a queue and attaches the next one to
//! each confirm that resolves, no matter for which message. So every return arrives, but either
//! with its own confirm or with another one:
//!
//! - with a confirm that resolved *before* its own: then it has been observed by the time its own
//!   confirm is, as confirms are observed in batches that leave out nothing resolved earlier;
//! - with a confirm that resolves *after* its own: then its own confirm carried the return of
//!   another message, and lapin's queue has not been empty since. It is empty once a confirm
//!   resolves without a return, or when nothing is in flight.

use std::collections::HashMap;

/// A resolved confirm.
pub(super) struct ResolvedConfirm<T> {
    /// The number of the message.
    pub(super) number: u64,
    /// The message, which is returned together with its outcome.
    pub(super) message: T,
    /// Whether the broker sent an ack, not a nack.
    pub(super) acked: bool,
    /// The number of the returned message that lapin attached to it, and the broker's reason.
    pub(super) returned: Option<(u64, String)>,
}

/// The outcome of a publish.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A queue has stored it.
    Stored,
    /// The queue rejected it.
    Nacked,
    /// No queue accepted it; the broker's reason.
    Returned(String),
}

/// The returns and confirms that are not matched yet.
#[derive(Debug)]
pub(super) struct ReturnMatcher<T> {
    /// Returned messages whose own confirm has not been observed, and the broker's reasons.
    returned: HashMap<u64, String>,
    /// Confirms that carried the return of another message, so that their own return may still
    /// follow; each with whether it was an ack.
    undecided: HashMap<u64, (T, bool)>,
}

impl<T> Default for ReturnMatcher<T> {
    fn default() -> Self {
        Self { returned: HashMap::new(), undecided: HashMap::new() }
    }
}

impl<T> ReturnMatcher<T> {
    /// Observes a batch of confirms, and returns the outcomes that are certain now. The batch must
    /// not leave out a confirm that resolved before any in it.
    pub(super) fn observe(
        &mut self,
        batch: Vec<ResolvedConfirm<T>>,
        none_in_flight: bool,
    ) -> Vec<(T, Outcome)> {
        let mut outcomes = Vec::with_capacity(batch.len());
        let emptied = batch.iter().any(|confirm| confirm.returned.is_none());
        if emptied {
            // lapin's queue was empty at some time since the last batch, so the return of every
            // undecided message has arrived: in this batch, or it was not returned.
            for (_, (message, acked)) in self.take_decided(&batch) {
                outcomes.push((message, from_ack(acked)));
            }
        }
        for confirm in &batch {
            if let Some((number, reason)) = &confirm.returned {
                self.returned.insert(*number, reason.clone());
            }
        }
        for ResolvedConfirm { number, message, acked, returned } in batch {
            if let Some(reason) = self.returned.remove(&number) {
                outcomes.push((message, Outcome::Returned(reason)));
            } else if returned.is_none() {
                outcomes.push((message, from_ack(acked)));
            } else {
                self.undecided.insert(number, (message, acked));
            }
        }
        for number in self.undecided.keys().copied().collect::<Vec<_>>() {
            if let Some(reason) = self.returned.remove(&number)
                && let Some((message, _)) = self.undecided.remove(&number)
            {
                outcomes.push((message, Outcome::Returned(reason)));
            }
        }
        if none_in_flight {
            // All returns have arrived, so the undecided messages were not returned.
            outcomes.extend(
                self.undecided.drain().map(|(_, (message, acked))| (message, from_ack(acked))),
            );
            self.returned.clear();
        }
        outcomes
    }

    /// Removes the undecided confirms, except for those whose return is in this batch.
    fn take_decided(&mut self, batch: &[ResolvedConfirm<T>]) -> Vec<(u64, (T, bool))> {
        let named: Vec<u64> =
            batch.iter().filter_map(|c| c.returned.as_ref().map(|(number, _)| *number)).collect();
        self.undecided.extract_if(|number, _| !named.contains(number)).collect()
    }
}

fn from_ack(acked: bool) -> Outcome {
    if acked { Outcome::Stored } else { Outcome::Nacked }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, VecDeque};

    use proptest::prelude::*;

    use super::*;

    /// The outcome of a simulated message.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum SimulatedOutcome {
        Stored,
        Nacked,
        Returned,
    }

    /// Simulates lapin and the broker: confirms resolve in any order, a return may arrive long
    /// before its confirm, and resolved confirms are observed in batches of any size.
    fn simulate(simulated: &[SimulatedOutcome], steps: &[(u8, u8)]) -> Vec<(u64, Outcome)> {
        let mut matcher = ReturnMatcher::default();
        let mut waiting = VecDeque::new();
        let mut unresolved: Vec<(u64, SimulatedOutcome)> =
            (0..).zip(simulated.iter().copied()).collect();
        let mut announced = BTreeSet::new();
        let mut batch = Vec::new();
        let mut outcomes = Vec::new();
        for &(choice, action) in steps.iter().cycle() {
            if unresolved.is_empty() {
                break;
            }
            let at = usize::from(choice) % unresolved.len();
            let (number, simulated_outcome) = unresolved[at];
            if simulated_outcome == SimulatedOutcome::Returned && announced.insert(number) {
                waiting.push_back(number);
            }
            if action % 4 == 0 {
                continue;
            }
            unresolved.remove(at);
            let returned = waiting.pop_front().map(|number: u64| (number, String::new()));
            let acked = simulated_outcome != SimulatedOutcome::Nacked;
            batch.push(ResolvedConfirm { number, message: number, acked, returned });
            if action % 3 == 0 || unresolved.is_empty() {
                let batch = std::mem::take(&mut batch);
                outcomes.extend(matcher.observe(batch, unresolved.is_empty()));
            }
        }
        outcomes
    }

    fn simulated_outcome() -> impl Strategy<Value = SimulatedOutcome> {
        prop_oneof![
            Just(SimulatedOutcome::Stored),
            Just(SimulatedOutcome::Nacked),
            Just(SimulatedOutcome::Returned)
        ]
    }

    proptest! {
        #[test]
        fn each_message_gets_its_own_verdict(
            simulated in prop::collection::vec(simulated_outcome(), 1..40),
            mut steps in prop::collection::vec(any::<(u8, u8)>(), 1..60),
        ) {
            steps.push((0, 1));
            let mut outcomes = simulate(&simulated, &steps);
            outcomes.sort_by_key(|(number, _)| *number);
            let expected = simulated.iter().map(|simulated_outcome| match simulated_outcome {
                SimulatedOutcome::Stored => Outcome::Stored,
                SimulatedOutcome::Nacked => Outcome::Nacked,
                SimulatedOutcome::Returned => Outcome::Returned(String::new()),
            });
            prop_assert_eq!(outcomes, (0..).zip(expected).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_nack_without_a_return_is_a_nack() {
        let mut matcher = ReturnMatcher::default();
        let nack = ResolvedConfirm { number: 1, message: (), acked: false, returned: None };
        assert_eq!(matcher.observe(vec![nack], true), [((), Outcome::Nacked)]);
    }
}
