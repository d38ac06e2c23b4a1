//! The open watch streams, with back-pressure: an item is produced only when the server polls for
//! it. The server polls while flow control lets it send, so a stream that is not polled has a
//! client that does not read. Once a stream was idle for a second, the large solution that it
//! buffers may be released for other streams; after the idle timeout it is closed with
//! `WatcherTooSlow`. Otherwise clients that hang would hold their buffers and their share of
//! `max_watchers` forever.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use futures::{Stream, stream};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::refusal::Refusal;

/// How long a client may process one item before its stream's buffers may be released. Not at
/// once, because a stream that continues loads them again from the broker.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(1);

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
    open: Mutex<Vec<Weak<OpenStream<S>>>>,
    max: usize,
    idle_timeout: Duration,
}

/// One open stream.
#[derive(Debug)]
struct OpenStream<S>(Mutex<State<S>>);

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
    /// have not polled since. Streams are closed once their clients are idle for `idle_timeout`.
    pub(crate) fn new(max: usize, idle_timeout: Duration) -> Self {
        Self { open: Mutex::default(), max, idle_timeout }
    }

    /// Opens a stream over a source; `None` if there are too many.
    pub(crate) fn open(
        &self,
        source: S,
    ) -> Option<impl Stream<Item = Result<S::Item, Refusal>> + Send + use<S>> {
        let since = Instant::now();
        let stream = Arc::new(OpenStream(Mutex::new(State::Idle { source, since })));
        let mut open = self.open.lock();
        if open.len() >= self.max {
            // Entries of dropped streams are removed only when room is needed, or by
            // `check_idle`.
            open.retain(|stream| stream.strong_count() > 0);
            if open.len() >= self.max {
                return None;
            }
        }
        open.push(Arc::downgrade(&stream));
        let idle_timeout = self.idle_timeout;
        Some(stream::unfold(Some(stream), move |stream| async move {
            let stream = stream?;
            let Some(mut source) = stream.take() else {
                return Some((Err(Refusal::WatcherTooSlow { idle_timeout }), None));
            };
            let item = source.next().await?;
            stream.put(source);
            Some((item, Some(stream)))
        }))
    }

    /// Checks all streams: releases the buffers of idle ones, closes those that were idle for too
    /// long, and returns the number of the latter.
    pub(crate) fn check_idle(&self) -> usize {
        let now = Instant::now();
        let mut closed = Vec::new();
        self.open.lock().retain(|stream| {
            let Some(stream) = stream.upgrade() else { return false };
            closed.extend(stream.check(now, self.idle_timeout));
            true
        });
        // Their sources are dropped here, after the lock has been released.
        closed.len()
    }
}

impl<S: Source> OpenStream<S> {
    /// Moves the source out for a poll; `None` if the stream was closed.
    fn take(&self) -> Option<S> {
        let mut state = self.0.lock();
        match std::mem::replace(&mut *state, State::Polled) {
            State::Idle { source, .. } => Some(source),
            State::Polled | State::Closed => None,
        }
    }

    /// Puts the source back after a poll, which restarts the idle time.
    fn put(&self, source: S) {
        *self.0.lock() = State::Idle { source, since: Instant::now() };
    }

    /// Closes the stream if it was idle for too long, and returns its source; otherwise releases
    /// its buffers if it was idle for a while.
    fn check(&self, now: Instant, idle_timeout: Duration) -> Option<S> {
        let mut state = self.0.lock();
        match &mut *state {
            State::Idle { since, .. } if now.duration_since(*since) >= idle_timeout => {
                match std::mem::replace(&mut *state, State::Closed) {
                    State::Idle { source, .. } => Some(source),
                    State::Polled | State::Closed => None,
                }
            }
            State::Idle { source, since } => {
                if now.duration_since(*since) >= RELEASE_TIMEOUT {
                    source.release_buffers();
                }
                None
            }
            // A client that is waiting for an event is not slow, however long that takes.
            State::Polled | State::Closed => None,
        }
    }
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

    const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

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
        let streams = WatchStreams::new(2, IDLE_TIMEOUT);
        let (source, alive, released) = count();
        let mut stream = pin!(streams.open(source).expect("room"));
        assert_eq!(stream.next().await, Some(Ok(1)));
        advance(IDLE_TIMEOUT - Duration::from_millis(1)).await;
        assert_eq!(streams.check_idle(), 0);
        assert_eq!(stream.next().await, Some(Ok(2)), "a poll restarts the idle time");
        advance(IDLE_TIMEOUT - Duration::from_millis(1)).await;
        assert_eq!(streams.check_idle(), 0);
        assert_eq!(released.load(Ordering::Relaxed), 2);
        assert_eq!(alive.strong_count(), 1);

        advance(Duration::from_millis(1)).await;
        assert_eq!(streams.check_idle(), 1);
        assert_eq!(alive.strong_count(), 0, "the source is dropped at once");
        assert_eq!(streams.check_idle(), 0);
        let cause = Refusal::WatcherTooSlow { idle_timeout: IDLE_TIMEOUT };
        assert_eq!(stream.next().await, Some(Err(cause)));
        assert_eq!(stream.next().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn client_that_waits_for_an_event_is_not_slow() {
        let streams = WatchStreams::new(2, Duration::from_millis(500));
        let (source, ..) = count();
        let mut stream = pin!(streams.open(source).expect("room"));
        for number in 1..5 {
            let (next, closed) = tokio::join!(stream.next(), async {
                sleep(Duration::from_millis(900)).await;
                streams.check_idle()
            });
            assert_eq!((next, closed), (Some(Ok(number)), 0));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn closed_streams_count_until_their_clients_drop_them() {
        let streams = WatchStreams::new(2, IDLE_TIMEOUT);
        let open = || streams.open(count().0);
        let (first, second) = (open().expect("room"), open().expect("room"));
        advance(IDLE_TIMEOUT).await;
        assert_eq!(streams.check_idle(), 2);
        assert!(open().is_none());
        drop(first);
        assert!(open().is_some());
        drop(second);
    }
}
