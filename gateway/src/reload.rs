//! Files that are read again while the gateway runs: keys, token keys and certificates.
//!
//! They are polled. Reading them is cheap, and the platforms that replace them, Kubernetes above
//! all, swap symbolic links, which change notifications do not show.

use std::{fmt, future, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};
use tracing::{error, info};

/// One or several files, and what is made of their contents.
pub(crate) trait Source: fmt::Debug + Send + Sync + 'static {
    /// The contents. Equal contents make equal values.
    type Contents: PartialEq + Send + Sync;
    /// What is made of them.
    type Value: Send + Sync;
    /// Why the files can't be used. Its text names them, and contains no secret.
    type Error: fmt::Display + Send;

    /// What the files have, for the log.
    const NAME: &'static str;

    /// Reads the files.
    fn read(&self) -> Result<Self::Contents, Self::Error>;

    /// Makes a value of their contents.
    fn parse(&self, contents: &Self::Contents) -> Result<Self::Value, Self::Error>;
}

/// The value of some files as they were when they were last valid: a mistake in an edit must not
/// lock everyone out.
pub(crate) struct Reloaded<S: Source> {
    source: S,
    current: watch::Sender<Arc<S::Value>>,
    /// What was read last, in use or refused: the same error is logged once.
    seen: Mutex<Seen<S::Contents>>,
}

/// The outcome of reading files.
#[derive(PartialEq, Eq)]
enum Seen<C> {
    /// What they contained.
    Contents(C),
    /// One could not be read, for this reason.
    Unreadable(String),
}

/// What a reload did.
#[derive(Debug)]
pub(crate) enum Reload<E> {
    /// The files are as they were.
    Unchanged,
    /// There is a new value.
    Replaced,
    /// The files can't be used, so the old value stays.
    Refused(E),
}

impl<S: Source> fmt::Debug for Reloaded<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The contents are not printed: they may be keys.
        f.debug_struct("Reloaded").field("source", &self.source).finish_non_exhaustive()
    }
}

impl<S: Source> Reloaded<S> {
    /// Reads files.
    ///
    /// # Errors
    ///
    /// If they can't be used.
    pub(crate) fn open(source: S) -> Result<Arc<Self>, S::Error> {
        let contents = source.read()?;
        let current = watch::Sender::new(Arc::new(source.parse(&contents)?));
        Ok(Arc::new(Self { source, current, seen: Mutex::new(Seen::Contents(contents)) }))
    }

    /// The value as of the last reload.
    pub(crate) fn current(&self) -> Arc<S::Value> {
        self.current.borrow().clone()
    }

    /// The value, and notice of its replacements.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<S::Value>> {
        self.current.subscribe()
    }

    /// Reads the files again at every `period`, until its task is aborted. Logs a change, and files
    /// that can't be used.
    pub(crate) async fn follow(self: Arc<Self>, period: Duration) {
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let files = Arc::clone(&self);
            // A file system may block, a network file system for long.
            match tokio::task::spawn_blocking(move || files.reload()).await {
                Ok(Reload::Unchanged) => {}
                Ok(Reload::Replaced) => info!("{} replaced", S::NAME),
                Ok(Reload::Refused(error)) => {
                    error!(cause = %error, "{} not replaced, the old one stays", S::NAME);
                }
                // The runtime is shutting down.
                Err(_) => future::pending().await,
            }
        }
    }

    /// Reads the files again.
    pub(crate) fn reload(&self) -> Reload<S::Error> {
        let mut seen = self.seen.lock();
        let contents = match self.source.read() {
            Ok(contents) => contents,
            Err(error) => {
                let now = Seen::Unreadable(error.to_string());
                if *seen == now {
                    return Reload::Unchanged;
                }
                *seen = now;
                return Reload::Refused(error);
            }
        };
        if matches!(&*seen, Seen::Contents(before) if *before == contents) {
            return Reload::Unchanged;
        }
        let outcome = match self.source.parse(&contents) {
            Ok(value) => {
                self.current.send_replace(Arc::new(value));
                Reload::Replaced
            }
            Err(error) => Reload::Refused(error),
        };
        *seen = Seen::Contents(contents);
        outcome
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    /// A file with a number.
    #[derive(Debug, Default)]
    struct Number(Mutex<Option<&'static str>>);

    impl Source for Arc<Number> {
        type Contents = &'static str;
        type Value = u32;
        type Error = String;
        const NAME: &'static str = "number";

        fn read(&self) -> Result<&'static str, String> {
            self.0.lock().ok_or_else(|| "there is no file".to_owned())
        }

        fn parse(&self, contents: &&'static str) -> Result<u32, String> {
            contents.parse().map_err(|_| format!("{contents} is not a number"))
        }
    }

    #[test]
    fn the_last_valid_value_stays_and_an_error_is_reported_once() {
        let file = Arc::new(Number::default());
        assert!(Reloaded::open(file.clone()).is_err());
        *file.0.lock() = Some("1");
        let number = Reloaded::open(file.clone()).unwrap();
        let mut changes = number.subscribe();
        assert!(matches!(number.reload(), Reload::Unchanged));
        for wrong in [Some("one"), None, Some("two")] {
            *file.0.lock() = wrong;
            assert!(matches!(number.reload(), Reload::Refused(_)), "{wrong:?}");
            assert!(matches!(number.reload(), Reload::Unchanged), "{wrong:?}");
            assert_eq!(*number.current(), 1);
        }
        assert!(!changes.has_changed().unwrap());
        *file.0.lock() = Some("2");
        assert!(matches!(number.reload(), Reload::Replaced));
        assert_eq!(**changes.borrow_and_update(), 2);
        // After an outage it is in the log that the files are usable again.
        *file.0.lock() = None;
        assert!(matches!(number.reload(), Reload::Refused(_)));
        *file.0.lock() = Some("2");
        assert!(matches!(number.reload(), Reload::Replaced));
    }
}
