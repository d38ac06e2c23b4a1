//! A bounded in-memory log, for the results log, the cancels and the heartbeats.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// A log of items with offsets from 0. The oldest items are truncated when the total weight
/// exceeds the limit.
#[derive(Debug)]
pub(super) struct RingLog<T> {
    limit: usize,
    items: Mutex<Items<T>>,
    /// The offset that the next item gets.
    end: watch::Sender<u64>,
}

#[derive(Debug)]
struct Items<T> {
    /// The items, each with its weight.
    items: VecDeque<(T, usize)>,
    /// The offset of the oldest item.
    first: u64,
    weight: usize,
}

impl<T: Clone + Send> RingLog<T> {
    pub(super) fn new(limit: usize) -> Self {
        let items = Items { items: VecDeque::new(), first: 0, weight: 0 };
        Self { limit, items: Mutex::new(items), end: watch::Sender::new(0) }
    }

    /// Appends an item. The newest item is kept, even if it alone exceeds the limit.
    pub(super) fn append(&self, item: T, weight: usize) {
        let mut log = self.items.lock();
        log.items.push_back((item, weight));
        log.weight += weight;
        while log.weight > self.limit && log.items.len() > 1 {
            if let Some((_, weight)) = log.items.pop_front() {
                log.weight -= weight;
                log.first += 1;
            }
        }
        self.end.send_modify(|end| *end += 1);
    }

    /// The offset of the oldest item; `None` if there is none.
    pub(super) fn start(&self) -> Option<u64> {
        let log = self.items.lock();
        (!log.items.is_empty()).then_some(log.first)
    }

    /// The offset that the next item gets.
    pub(super) fn end(&self) -> u64 {
        *self.end.borrow()
    }

    /// The item at `offset`, or the oldest one if that was truncated; with its offset.
    pub(super) fn get(&self, offset: u64) -> Option<(u64, T)> {
        let log = self.items.lock();
        let offset = offset.max(log.first);
        let index = usize::try_from(offset - log.first).ok()?;
        log.items.get(index).map(|(item, _)| (offset, item.clone()))
    }

    /// Sends the items from `offset` on to `reader`, each converted by `convert`, which skips an
    /// item by returning `None`. Waits for new items at the end, and for the reader while it is
    /// slow. Ends when the reader is dropped or `closed` is cancelled.
    pub(super) async fn follow<U: Send>(
        self: Arc<Self>,
        mut offset: u64,
        convert: impl Fn(u64, T) -> Option<U> + Send,
        reader: mpsc::Sender<U>,
        closed: CancellationToken,
    ) {
        let mut end = self.end.subscribe();
        loop {
            let Some((at, item)) = self.get(offset) else {
                tokio::select! {
                    grown = end.wait_for(|end| *end > offset) => {
                        if grown.is_ok() { continue } else { return }
                    }
                    () = reader.closed() => return,
                    () = closed.cancelled() => return,
                }
            };
            offset = at + 1;
            let Some(item) = convert(at, item) else { continue };
            tokio::select! {
                sent = reader.send(item) => if sent.is_err() { return },
                () = closed.cancelled() => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_truncated_and_their_readers_skip_forward() {
        let log = RingLog::new(3);
        (0..5).for_each(|n| log.append(n, 1));
        assert_eq!(log.get(0), Some((2, 2)));
        assert_eq!(log.get(4), Some((4, 4)));
        assert_eq!(log.get(5), None);
        assert_eq!(log.start(), Some(2));
    }

    #[test]
    fn an_item_over_the_limit_is_kept_alone() {
        let log = RingLog::new(3);
        log.append('a', 1);
        log.append('b', 9);
        assert_eq!(log.get(0), Some((1, 'b')));
    }
}
