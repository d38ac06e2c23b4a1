//! What is told leaves the gateway as fast as whoever reads it takes it. Where nothing is
//! taken, what is held for it is given up, at once if others need the room, and in the end
//! altogether.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use futures::{Stream, stream};
use tokio::time::Instant;

use crate::refusal::Refusal;

/// How long a client may be busy with one thing before what is held for it may be given up.
const BUSY: Duration = Duration::from_secs(1);

/// What is told one by one.
pub(crate) trait Source: Send + 'static {
    /// One thing that is told.
    type Item: Send;

    /// The next one; `None` after the last, or after an error.
    fn next(&mut self) -> impl Future<Output = Option<Result<Self::Item, Refusal>>> + Send;

    /// Gives up what others wait for, if it holds such and can have it again.
    fn lighten(&mut self);
}

/// All that is being told to someone.
#[derive(Debug)]
pub(crate) struct Deliveries<S> {
    open: Mutex<Vec<Weak<Delivery<S>>>>,
    most: usize,
    patience: Duration,
}

/// One of them.
#[derive(Debug)]
struct Delivery<S>(Mutex<State<S>>);

#[derive(Debug)]
enum State<S> {
    /// The client has not asked for the next thing since then.
    Untaken { source: S, since: Instant },
    /// It waits for the next thing.
    Awaited,
    /// It let too much time pass.
    Cut,
}

impl<S: Source> Deliveries<S> {
    /// At most so many, those included that were cut and are not gone, each with a client
    /// that may take nothing for less than `patience`.
    pub(crate) fn new(most: usize, patience: Duration) -> Self {
        Self { open: Mutex::default(), most, patience }
    }

    /// What a source tells, for a client to take; nothing if there are too many.
    pub(crate) fn open(
        &self,
        source: S,
    ) -> Option<impl Stream<Item = Result<S::Item, Refusal>> + Send + use<S>> {
        let since = Instant::now();
        let delivery = Arc::new(Delivery(Mutex::new(State::Untaken { source, since })));
        let mut open = lock(&self.open);
        if open.len() >= self.most {
            open.retain(|delivery| delivery.strong_count() > 0);
            if open.len() >= self.most {
                return None;
            }
        }
        open.push(Arc::downgrade(&delivery));
        let patience = self.patience;
        Some(stream::unfold(Some(delivery), move |delivery| async move {
            let delivery = delivery?;
            let Some(mut source) = delivery.take() else {
                return Some((Err(Refusal::WatcherTooSlow { patience }), None));
            };
            let item = source.next().await?;
            delivery.put(source);
            Some((item, Some(delivery)))
        }))
    }

    /// Looks at what its clients have left untaken; tells how many were cut.
    pub(crate) fn look(&self) -> usize {
        let now = Instant::now();
        let mut cut = Vec::new();
        lock(&self.open).retain(|delivery| {
            let Some(delivery) = delivery.upgrade() else { return false };
            cut.extend(delivery.look(now, self.patience));
            true
        });
        // Whatever they held goes here, without the lock.
        cut.len()
    }
}

impl<S: Source> Delivery<S> {
    fn take(&self) -> Option<S> {
        let mut state = lock(&self.0);
        match std::mem::replace(&mut *state, State::Awaited) {
            State::Untaken { source, .. } => Some(source),
            State::Awaited | State::Cut => None,
        }
    }

    fn put(&self, source: S) {
        *lock(&self.0) = State::Untaken { source, since: Instant::now() };
    }

    /// The source, if it is cut.
    fn look(&self, now: Instant, patience: Duration) -> Option<S> {
        let mut state = lock(&self.0);
        match &mut *state {
            State::Untaken { since, .. } if now.duration_since(*since) >= patience => {
                match std::mem::replace(&mut *state, State::Cut) {
                    State::Untaken { source, .. } => Some(source),
                    State::Awaited | State::Cut => None,
                }
            }
            State::Untaken { source, since } => {
                if now.duration_since(*since) >= BUSY {
                    source.lighten();
                }
                None
            }
            State::Awaited | State::Cut => None,
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

    /// Counts up, one each second; what it holds is counted by others.
    struct Count {
        next: u32,
        _held: Arc<()>,
        lightened: Arc<AtomicUsize>,
    }

    impl Source for Count {
        type Item = u32;

        async fn next(&mut self) -> Option<Result<u32, Refusal>> {
            sleep(Duration::from_secs(1)).await;
            self.next += 1;
            Some(Ok(self.next))
        }

        fn lighten(&mut self) {
            self.lightened.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A source, what tells whether it is there, and how often it was lightened.
    fn count() -> (Count, Weak<()>, Arc<AtomicUsize>) {
        let (held, lightened) = (Arc::new(()), Arc::<AtomicUsize>::default());
        let there = Arc::downgrade(&held);
        (Count { next: 0, _held: held, lightened: lightened.clone() }, there, lightened)
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_for_too_long_is_cut_and_told_when_he_reads_again() {
        let deliveries = Deliveries::new(2, PATIENCE);
        let (source, there, lightened) = count();
        let mut told = pin!(deliveries.open(source).expect("room"));
        assert_eq!(told.next().await, Some(Ok(1)));
        advance(PATIENCE - Duration::from_millis(1)).await;
        assert_eq!(deliveries.look(), 0);
        assert_eq!(told.next().await, Some(Ok(2)), "taking begins the time anew");
        advance(PATIENCE - Duration::from_millis(1)).await;
        assert_eq!(deliveries.look(), 0);
        assert_eq!(lightened.load(Ordering::Relaxed), 2);
        assert_eq!(there.strong_count(), 1);

        advance(Duration::from_millis(1)).await;
        assert_eq!(deliveries.look(), 1);
        assert_eq!(there.strong_count(), 0, "all that was held is given up at once");
        assert_eq!(deliveries.look(), 0);
        let cause = Refusal::WatcherTooSlow { patience: PATIENCE };
        assert_eq!(told.next().await, Some(Err(cause)));
        assert_eq!(told.next().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_something_to_happen_is_not_slow() {
        let deliveries = Deliveries::new(2, Duration::from_millis(500));
        let (source, ..) = count();
        let mut told = pin!(deliveries.open(source).expect("room"));
        for number in 1..5 {
            let (next, cut) = tokio::join!(told.next(), async {
                sleep(Duration::from_millis(900)).await;
                deliveries.look()
            });
            assert_eq!((next, cut), (Some(Ok(number)), 0));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_were_cut_count_until_their_clients_let_go() {
        let deliveries = Deliveries::new(2, PATIENCE);
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
