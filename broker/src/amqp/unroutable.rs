//! Which of the messages under way were returned.
//!
//! The broker returns a message that no queue took before it confirms it, and names
//! it. lapin puts returned messages into a queue and hands one to each confirm that
//! resolves, whosever it is. So every returned message does arrive, with its own
//! confirm or another:
//!
//! - with one that resolved *before* its own: it has been observed by the time its
//!   own is, as confirms are observed in batches that leave out nothing resolved
//!   earlier;
//! - with one that resolves *after* its own: then its own carried another's return,
//!   and the queue has not been empty since. It is empty once a confirm resolves
//!   without a return, or when nothing is under way any more.

use std::collections::HashMap;

/// A confirm that resolved.
pub(super) struct Observed<T> {
    /// The message's number.
    pub(super) number: u64,
    /// What the verdict is to be told with.
    pub(super) what: T,
    /// Whether the broker took the responsibility.
    pub(super) acked: bool,
    /// The number of the returned message that came with it, and why it was returned.
    pub(super) returned: Option<(u64, String)>,
}

/// What became of a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A queue has it.
    Safe,
    /// The queue refused it.
    Nacked,
    /// No queue took it.
    Returned(String),
}

/// The confirms whose messages' fate is still open.
#[derive(Debug)]
pub(super) struct Returns<T> {
    /// Returned messages whose own confirm is still to come.
    returned: HashMap<u64, String>,
    /// Confirms that carried another's return.
    suspects: HashMap<u64, (T, bool)>,
}

impl<T> Default for Returns<T> {
    fn default() -> Self {
        Self { returned: HashMap::new(), suspects: HashMap::new() }
    }
}

impl<T> Returns<T> {
    /// Takes a batch of confirms, which leaves out none that resolved before any of
    /// them, and tells what is certain now.
    pub(super) fn observe(
        &mut self,
        batch: Vec<Observed<T>>,
        nothing_under_way: bool,
    ) -> Vec<(T, Verdict)> {
        let mut verdicts = Vec::with_capacity(batch.len());
        let emptied = batch.iter().any(|confirm| confirm.returned.is_none());
        if emptied {
            // At a moment after the batch before this one.
            for (_, (what, acked)) in self.clear(&batch) {
                verdicts.push((what, outcome(acked)));
            }
        }
        for confirm in &batch {
            if let Some((number, why)) = &confirm.returned {
                self.returned.insert(*number, why.clone());
            }
        }
        for Observed { number, what, acked, returned } in batch {
            if let Some(why) = self.returned.remove(&number) {
                verdicts.push((what, Verdict::Returned(why)));
            } else if returned.is_none() {
                verdicts.push((what, outcome(acked)));
            } else {
                self.suspects.insert(number, (what, acked));
            }
        }
        for number in self.suspects.keys().copied().collect::<Vec<_>>() {
            if let Some(why) = self.returned.remove(&number)
                && let Some((what, _)) = self.suspects.remove(&number)
            {
                verdicts.push((what, Verdict::Returned(why)));
            }
        }
        if nothing_under_way {
            verdicts.extend(self.suspects.drain().map(|(_, (what, acked))| (what, outcome(acked))));
            self.returned.clear();
        }
        verdicts
    }

    /// Takes out the suspects of earlier batches, but for those whose return is in
    /// this one.
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

    /// What becomes of a message.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Fate {
        Safe,
        Nacked,
        Returned,
    }

    /// lapin and the broker: what is confirmed together is confirmed in any order, a
    /// return may come long before its confirm, and the observer looks now and then.
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
