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
pub(super) struct Observed<T> {
    /// The message's number.
    pub(super) number: u64,
    /// Returned together with the verdict.
    pub(super) what: T,
    /// Whether the broker sent an ack, not a nack.
    pub(super) acked: bool,
    /// The number of the returned message that lapin attached to it, and the broker's reason.
    pub(super) returned: Option<(u64, String)>,
}

/// The outcome of a publish.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A queue has stored it.
    Safe,
    /// The queue rejected it.
    Nacked,
    /// No queue accepted it; the broker's reason.
    Returned(String),
}

/// The returns and confirms that are not matched yet.
#[derive(Debug)]
pub(super) struct Returns<T> {
    /// Returned messages whose own confirm has not been observed, and the broker's reasons.
    returned: HashMap<u64, String>,
    /// Confirms that carried the return of another message, so that their own return may still
    /// follow; each with whether it was an ack.
    suspects: HashMap<u64, (T, bool)>,
}

impl<T> Default for Returns<T> {
    fn default() -> Self {
        Self { returned: HashMap::new(), suspects: HashMap::new() }
    }
}

impl<T> Returns<T> {
    /// Observes a batch of confirms, and returns the verdicts that are certain now. The batch must
    /// not leave out a confirm that resolved before any in it.
    pub(super) fn observe(
        &mut self,
        batch: Vec<Observed<T>>,
        none_in_flight: bool,
    ) -> Vec<(T, Verdict)> {
        let mut verdicts = Vec::with_capacity(batch.len());
        let emptied = batch.iter().any(|confirm| confirm.returned.is_none());
        if emptied {
            // lapin's queue was empty at some time since the last batch, so the returns of all
            // suspects have arrived: in this batch, or they were not returned.
            for (_, (what, acked)) in self.clear(&batch) {
                verdicts.push((what, outcome(acked)));
            }
        }
        for confirm in &batch {
            if let Some((number, reason)) = &confirm.returned {
                self.returned.insert(*number, reason.clone());
            }
        }
        for Observed { number, what, acked, returned } in batch {
            if let Some(reason) = self.returned.remove(&number) {
                verdicts.push((what, Verdict::Returned(reason)));
            } else if returned.is_none() {
                verdicts.push((what, outcome(acked)));
            } else {
                self.suspects.insert(number, (what, acked));
            }
        }
        for number in self.suspects.keys().copied().collect::<Vec<_>>() {
            if let Some(reason) = self.returned.remove(&number)
                && let Some((what, _)) = self.suspects.remove(&number)
            {
                verdicts.push((what, Verdict::Returned(reason)));
            }
        }
        if none_in_flight {
            // All returns have arrived, so the suspects were not returned.
            verdicts.extend(self.suspects.drain().map(|(_, (what, acked))| (what, outcome(acked))));
            self.returned.clear();
        }
        verdicts
    }

    /// Removes the suspects, except for those whose return is in this batch.
    fn clear(&mut self, batch: &[Observed<T>]) -> Vec<(u64, (T, bool))> {
        let named: Vec<u64> =
            batch.iter().filter_map(|c| c.returned.as_ref().map(|(number, _)| *number)).collect();
        self.suspects.extract_if(|number, _| !named.contains(number)).collect()
    }
}

fn outcome(acked: bool) -> Verdict {
    if acked { Verdict::Safe } else { Verdict::Nacked }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, VecDeque};

    use proptest::prelude::*;

    use super::*;

    /// The outcome of a simulated message.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Fate {
        Safe,
        Nacked,
        Returned,
    }

    /// Simulates lapin and the broker: confirms resolve in any order, a return may arrive long
    /// before its confirm, and resolved confirms are observed in batches of any size.
    fn simulate(fates: &[Fate], steps: &[(u8, u8)]) -> Vec<(u64, Verdict)> {
        let mut returns = Returns::default();
        let mut waiting = VecDeque::new();
        let mut unresolved: Vec<(u64, Fate)> = (0..).zip(fates.iter().copied()).collect();
        let mut announced = BTreeSet::new();
        let mut batch = Vec::new();
        let mut verdicts = Vec::new();
        for &(choice, action) in steps.iter().cycle() {
            if unresolved.is_empty() {
                break;
            }
            let at = usize::from(choice) % unresolved.len();
            let (number, fate) = unresolved[at];
            if fate == Fate::Returned && announced.insert(number) {
                waiting.push_back(number);
            }
            if action % 4 == 0 {
                continue;
            }
            unresolved.remove(at);
            let returned = waiting.pop_front().map(|number: u64| (number, String::new()));
            let acked = fate != Fate::Nacked;
            batch.push(Observed { number, what: number, acked, returned });
            if action % 3 == 0 || unresolved.is_empty() {
                let batch = std::mem::take(&mut batch);
                verdicts.extend(returns.observe(batch, unresolved.is_empty()));
            }
        }
        verdicts
    }

    fn fate() -> impl Strategy<Value = Fate> {
        prop_oneof![Just(Fate::Safe), Just(Fate::Nacked), Just(Fate::Returned)]
    }

    proptest! {
        #[test]
        fn each_message_gets_its_own_verdict(
            fates in prop::collection::vec(fate(), 1..40),
            mut steps in prop::collection::vec(any::<(u8, u8)>(), 1..60),
        ) {
            steps.push((0, 1));
            let mut verdicts = simulate(&fates, &steps);
            verdicts.sort_by_key(|(number, _)| *number);
            let expected = fates.iter().map(|fate| match fate {
                Fate::Safe => Verdict::Safe,
                Fate::Nacked => Verdict::Nacked,
                Fate::Returned => Verdict::Returned(String::new()),
            });
            prop_assert_eq!(verdicts, (0..).zip(expected).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_nack_without_a_return_is_a_nack() {
        let mut returns = Returns::default();
        let nack = Observed { number: 1, what: (), acked: false, returned: None };
        assert_eq!(returns.observe(vec![nack], true), [((), Verdict::Nacked)]);
    }
}
