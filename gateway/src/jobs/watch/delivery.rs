//! Back-pressure for watch streams. Items are produced only when the client polls. Once a client
//! has not polled for a second, the large solution that its stream buffers may be released for
//! other streams; after the idle timeout the stream is closed with `WatcherTooSlow`.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use futures::{Stream, stream};
use tokio::time::Instant;

use crate::refusal::Refusal;

/// How long a client may process one item before its stream's buffers may be released.
const RELEASE_AFTER: Duration = Duration::from_secs(1);

/// Produces the items of a watch stream.
pub(crate) trait Source: Send + 'static {
    /// An item of the stream.
    type Item: Send;

    /// Waits for the next item; `None` after the last, or after an error.
    fn next(&mut self) -> impl Future<Output = Option<Result<Self::Item, Refusal>>> + Send;

    /// Releases buffers that other sources are waiting for, if this one holds any. It must be
    /// able to load them again later.
    fn release_buffers(&mut self);
}

/// The registry of open streams, through which slow readers are found and closed.
#[derive(Debug)]
pub(crate) struct WatchStreams<S> {
    open: Mutex<Vec<Weak<Delivery<S>>>>,
    max: usize,
    patience: Duration,
}

/// One open stream.
#[derive(Debug)]
struct Delivery<S>(Mutex<State<S>>);

#[derive(Debug)]
enum State<S> {
    /// The client has not polled for the next item since then.
    Idle { source: S, since: Instant },
    /// The client is waiting for the next item, and the stream's future owns the source.
    Polled,
    /// The client was idle for too long, and the source has been dropped.
    Closed,
}

impl<S: Source> WatchStreams<S> {
    /// A registry of at most `max` streams, including those that were closed and whose clients
    /// have not polled since. Streams are closed once their clients are idle for `patience`.
    pub(crate) fn new(max: usize, patience: Duration) -> Self {
        Self { open: Mutex::default(), max, patience }
    }

    /// Opens a stream over a source; `None` if there are too many.
    pub(crate) fn open(
        &self,
        source: S,
    ) -> Option<impl Stream<Item = Result<S::Item, Refusal>> + Send + use<S>> {
        let since = Instant::now();
        let delivery = Arc::new(Delivery(Mutex::new(State::Idle { source, since })));
        let mut open = lock(&self.open);
        if open.len() >= self.max {
            // Entries of dropped streams are removed only when room is needed, or by `look`.
            open.retain(|delivery| delivery.strong_count() > 0);
            if open.len() >= self.max {
                return None;
            }
        }
        open.push(Arc::downgrade(&delivery));
        let patience = self.patience;
        Some(stream::unfold(Some(delivery), move |delivery| async move {
            let delivery = delivery?;
            let Some(mut source) = delivery.take() else {
                return Some((Err(Refusal::WatcherTooSlow { idle_timeout: patience }), None));
            };
            let item = source.next().await?;
            delivery.put(source);
            Some((item, Some(delivery)))
        }))
    }

    /// Checks all streams: releases the buffers of idle ones, closes those that were idle for too
    /// long, and returns the number of the latter.
    pub(crate) fn look(&self) -> usize {
        let now = Instant::now();
        let mut closed = Vec::new();
        lock(&self.open).retain(|delivery| {
            let Some(delivery) = delivery.upgrade() else { return false };
            closed.extend(delivery.check(now, self.patience));
            true
        });
        // Their sources are dropped here, after the lock has been released.
        closed.len()
    }
}

impl<S: Source> Delivery<S> {
    /// Moves the source out for a poll; `None` if the stream was closed.
    fn take(&self) -> Option<S> {
        let mut state = lock(&self.0);
        match std::mem::replace(&mut *state, State::Polled) {
            State::Idle { source, .. } => Some(source),
            State::Polled | State::Closed => None,
        }
    }

    /// Puts the source back after a poll, which restarts the idle time.
    fn put(&self, source: S) {
        *lock(&self.0) = State::Idle { source, since: Instant::now() };
    }

    /// Closes the stream if it was idle for too long, and returns its source; otherwise releases
    /// its buffers if it was idle for a while.
    fn check(&self, now: Instant, patience: Duration) -> Option<S> {
        let mut state = lock(&self.0);
        match &mut *state {
            State::Idle { since, .. } if now.duration_since(*since) >= patience => {
                match std::mem::replace(&mut *state, State::Closed) {
                    State::Idle { source, .. } => Some(source),
                    State::Polled | State::Closed => None,
                }
            }
            State::Idle { source, since } => {
                if now.duration_since(*since) >= RELEASE_AFTER {
                    source.release_buffers();
                }
                None
            }
            // A client that is waiting for an event is not slow, however long that takes.
            State::Polled | State::Closed => None,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use futures::StreamExt;
    use tokio::time::{advance, sleep};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// Produces 1, 2, 3, … with a second in between. Tests see from `_alive` whether it was
    /// dropped, and from `released` how often it had to release buffers.
    struct Count {
        next: u32,
        _alive: Arc<()>,
        released: Arc<AtomicUsize>,
    }

    impl Source for Count {
        type Item = u32;

        async fn next(&mut self) -> Option<Result<u32, Refusal>> {
            sleep(Duration::from_secs(1)).await;
            self.next += 1;
            Some(Ok(self.next))
        }

        fn release_buffers(&mut self) {
            self.released.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A source, a weak reference that expires with it, and the number of its releases.
    fn count() -> (Count, Weak<()>, Arc<AtomicUsize>) {
        let (alive, released) = (Arc::new(()), Arc::<AtomicUsize>::default());
        let weak = Arc::downgrade(&alive);
        (Count { next: 0, _alive: alive, released: released.clone() }, weak, released)
    }

    #[tokio::test(start_paused = true)]
    async fn idle_stream_is_closed_and_its_client_gets_watcher_too_slow() {
        let deliveries = WatchStreams::new(2, PATIENCE);
        let (source, alive, released) = count();
        let mut stream = pin!(deliveries.open(source).expect("room"));
        assert_eq!(stream.next().await, Some(Ok(1)));
        advance(PATIENCE - Duration::from_millis(1)).await;
        assert_eq!(deliveries.look(), 0);
        assert_eq!(stream.next().await, Some(Ok(2)), "a poll restarts the idle time");
        advance(PATIENCE - Duration::from_millis(1)).await;
        assert_eq!(deliveries.look(), 0);
        assert_eq!(released.load(Ordering::Relaxed), 2);
        assert_eq!(alive.strong_count(), 1);

        advance(Duration::from_millis(1)).await;
        assert_eq!(deliveries.look(), 1);
        assert_eq!(alive.strong_count(), 0, "the source is dropped at once");
        assert_eq!(deliveries.look(), 0);
        let cause = Refusal::WatcherTooSlow { idle_timeout: PATIENCE };
        assert_eq!(stream.next().await, Some(Err(cause)));
        assert_eq!(stream.next().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn client_that_waits_for_an_event_is_not_slow() {
        let deliveries = WatchStreams::new(2, Duration::from_millis(500));
        let (source, ..) = count();
        let mut stream = pin!(deliveries.open(source).expect("room"));
        for number in 1..5 {
            let (next, closed) = tokio::join!(stream.next(), async {
                sleep(Duration::from_millis(900)).await;
                deliveries.look()
            });
            assert_eq!((next, closed), (Some(Ok(number)), 0));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn closed_streams_count_until_their_clients_drop_them() {
        let deliveries = WatchStreams::new(2, PATIENCE);
        let open = || deliveries.open(count().0);
        let (first, second) = (open().expect("room"), open().expect("room"));
        advance(PATIENCE).await;
        assert_eq!(deliveries.look(), 2);
        assert!(open().is_none());
        drop(first);
        assert!(open().is_some());
        drop(second);
    }
}
